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
