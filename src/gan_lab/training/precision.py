"""In which precision a device multiplies: the fastest one, and how much of fp32 CUDA keeps."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

WORTH = 1.2  # times as fast as fp32: less is lost to casts


def resolved(precision: str, device: torch.device) -> str:
    """`precision` itself; for "auto", bf16-mixed where the device convolves bf16 faster than fp32,
    else 32-true.

    Measured, for a processor's flags do not tell: with AMX bf16 is 4 to 5 times as fast, with
    AVX-512's bf16 twice, and half as fast where it is emulated.
    """
    if precision != "auto":
        return precision
    gain = _seconds(device, torch.float32) / _seconds(device, torch.bfloat16)
    return "bf16-mixed" if gain >= WORTH else "32-true"


def allow_tf32(products: str) -> None:
    """Let CUDA round fp32 factors to TF32's 10 bits of mantissa: "convolutions", "all" products, or
    "none"."""
    torch.backends.cudnn.allow_tf32 = products != "none"
    torch.backends.cuda.matmul.allow_tf32 = products == "all"


@torch.no_grad()
def _seconds(device: torch.device, dtype: torch.dtype) -> float:
    """Seconds of the fastest of some convolutions as a critic has them: 64 images of 16×16, 64
    channels, 3×3 kernel."""
    images = torch.ones(64, 64, 16, 16, dtype=dtype, device=device).to(
        memory_format=torch.channels_last
    )
    kernel = torch.ones(64, 64, 3, 3, dtype=dtype, device=device).to(
        memory_format=torch.channels_last
    )
    taken = []
    for _ in range(8):
        began = time.perf_counter()
        made = F.conv2d(images, kernel, padding=1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
        del made
    return min(taken)
