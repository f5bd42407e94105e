"""In which precision a device multiplies: the fastest one, and how much of fp32 CUDA keeps."""

from __future__ import annotations

import functools
import time

import torch
import torch.nn.functional as F

WORTH = 1.2  # bf16 must be so many times as fast as fp32: a smaller gain is lost to casts


def resolved(precision: str, device: torch.device) -> str:
    """The precision to train in: "auto" becomes bf16-mixed where that is faster, else 32-true.

    Measured, for a processor's flags do not tell: with AMX bf16 is 4 to 5 times as fast, with
    AVX-512's bf16 twice, and half as fast where it is emulated.
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if _gain(device) >= WORTH else "32-true"


def allow_tf32(products: str) -> None:
    """Let CUDA round fp32 factors to TF32's 10 bits of mantissa.

    Args:
        products: in which products: "convolutions", "all", or "none".
    """
    torch.backends.cudnn.allow_tf32 = products != "none"
    torch.backends.cuda.matmul.allow_tf32 = products == "all"


@functools.cache
def _gain(device: torch.device) -> float:
    """How many times as fast bf16 is as fp32. Measured once in a process, so that the same training
    has the same precision however busy the machine has become."""
    # In turns, and the fastest of some: what else runs on the machine only adds time, to either.
    taken: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for _ in range(10):
        for dtype, seconds in taken.items():
            seconds.append(_seconds(device, dtype))
    return min(taken[torch.float32]) / min(taken[torch.bfloat16])


@torch.no_grad()
def _seconds(device: torch.device, dtype: torch.dtype) -> float:
    """Seconds of a critic's convolution: 64 images of 16×16, 64 channels, 3×3 kernel."""
    layout = torch.channels_last
    images = torch.ones(64, 64, 16, 16, dtype=dtype, device=device).to(memory_format=layout)
    kernel = torch.ones(64, 64, 3, 3, dtype=dtype, device=device).to(memory_format=layout)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    made = F.conv2d(images, kernel, padding=1)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - began
    del made
    return seconds
