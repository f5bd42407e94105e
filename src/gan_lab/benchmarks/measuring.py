"""Alternating rounds, the rates that a device reaches, and how a result is told."""

from __future__ import annotations

import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from gan_lab.records import provenance


def wait() -> None:
    """Until the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], times: int = 1) -> float:
    """Seconds that one of `times` calls takes."""
    wait()
    began = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return (time.perf_counter() - began) / times


def summary(seconds: Sequence[float], beside: Sequence[float] | None = None) -> dict[str, Any]:
    """Median, smallest and largest of rounds; and of their ratios to the same rounds of something
    else."""
    told: dict[str, Any] = {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
    }
    if beside is not None:
        ratios = sorted(mine / its for mine, its in zip(seconds, beside, strict=True))
        told["ratio"] = {"median": statistics.median(ratios), "min": ratios[0], "max": ratios[-1]}
    return told


def machine() -> dict[str, Any]:
    """Hardware, versions and code that a figure belongs to."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "hardware": provenance.hardware() | {"gpu": gpu, "threads": torch.get_num_threads()},
        "system": platform.platform(),
        "packages": provenance.package_versions(),
        "git": provenance.git_state(),
    }


def peak_memory() -> int:
    """Bytes: of the process on a CPU, of tensors on a CUDA device since
    `torch.cuda.reset_peak_memory_stats`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_rates(
    device: torch.device, dtype: torch.dtype, channels: int = 128, side: int = 32
) -> dict[str, float]:
    """FLOP/s that this device reaches in plain products: a square matrix product, and a 3×3
    convolution forwards.

    The convolution is that of a network `channels` wide, on a batch of 64, in channels-last order.
    A multiplication with an addition counts as two.
    """
    size = 8192 if device.type == "cuda" else 2048
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    batch = torch.randn(64, channels, side, side, device=device, dtype=dtype).to(
        memory_format=torch.channels_last
    )
    kernel = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype).to(
        memory_format=torch.channels_last
    )
    works: Mapping[str, tuple[Callable[[], object], float]] = {
        "matrix product": (lambda: matrix @ matrix, 2 * size**3),
        "convolution": (
            lambda: F.conv2d(batch, kernel, padding=1),
            2 * 64 * channels**2 * 9 * side**2,
        ),
    }
    rates = {}
    with torch.no_grad():
        for name, (work, operations) in works.items():
            seconds_of(work, 2)  # kernels are chosen and memory is taken
            rates[name] = operations / min(seconds_of(work, 3) for _ in range(3))
    return rates
