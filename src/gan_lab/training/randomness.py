"""Everything random in a run is a pure function of (seed, what it is for, generator step)."""

from __future__ import annotations

import hashlib

import torch


def fold(seed: int, purpose: str, step: int = 0) -> int:
    """A 63-bit seed, different for every (seed, purpose, step)."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator_for(
    seed: int, purpose: str, step: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A fresh torch.Generator on `device`, seeded by `fold`."""
    return torch.Generator(device).manual_seed(fold(seed, purpose, step))


def seed_global(seed: int, device: torch.device) -> None:
    """Seed what a module draws from that has no generator of its own, on the CPU and `device`.

    The numbers are those after torch.manual_seed, which takes a trace of the stack for each kind
    of device that is not in use: a thirtieth of a step of the digits.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
