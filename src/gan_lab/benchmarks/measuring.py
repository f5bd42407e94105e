"""Times of rounds and their summary, memory, and the rates that a device reaches."""

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
    """Wait until the device has done all that was asked of it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], times: int = 1) -> float:
    """Measure the mean seconds of a call, over `times` calls."""
    wait()
    began = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return (time.perf_counter() - began) / times


def summary(seconds: Sequence[float], beside: Sequence[float] | None = None) -> dict[str, Any]:
    """Median, smallest and largest of rounds.

    Args:
        seconds: of each round.
        beside: the same rounds of something else: with them, also of the ratios to it.
    """
    times: dict[str, Any] = {"median_s": statistics.median(seconds)}
    times |= {"min_s": min(seconds), "max_s": max(seconds)}

    # round by round: a machine that is slow for a minute is slow for both
    if beside is not None:
        ratios = sorted(mine / its for mine, its in zip(seconds, beside, strict=True))
        times["ratio"] = {"median": statistics.median(ratios), "min": ratios[0], "max": ratios[-1]}
    return times


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
    """The peak in bytes: of the process on a CPU, of tensors on a CUDA device.

    On a CUDA device it is the peak since `torch.cuda.reset_peak_memory_stats`.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_rates(
    device: torch.device, dtype: torch.dtype, channels: int = 128, side: int = 32
) -> dict[str, float]:
    """Measure the FLOP/s that this device reaches in plain products.

    They are a square matrix product, and a 3×3 convolution forwards: that of a network `channels`
    wide, on a batch of 64, in channels-last order. A multiplication with an addition counts as two.
    """

    # as the networks have them
    def images(n: int, height: int, width: int) -> torch.Tensor:
        values = torch.randn(n, channels, height, width, device=device, dtype=dtype)
        return values.to(memory_format=torch.channels_last)

    # large enough that the device, not the call, takes the time
    size = 8192 if device.type == "cuda" else 2048
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    batch, kernel = images(64, side, side), images(channels, 3, 3)
    convolution_flop = 2 * 64 * channels**2 * 9 * side**2
    works: Mapping[str, tuple[Callable[[], object], float]] = {
        "matrix product": (lambda: matrix @ matrix, 2 * size**3),
        "convolution": (lambda: F.conv2d(batch, kernel, padding=1), convolution_flop),
    }

    # the best of three rounds: a rate that the device does reach
    rates = {}
    with torch.no_grad():
        for name, (work, operations) in works.items():
            seconds_of(work, 2)  # kernels are chosen and memory is taken
            rates[name] = operations / min(seconds_of(work, 3) for _ in range(3))
    return rates
