"""Several gloo processes on this machine: tests start them as `python -m WORKER RANK WORLD
RENDEZVOUS OUT`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

TESTS = Path(__file__).resolve().parents[1]
TWO = ((0, 2), (1, 2))  # (rank, world)
ALONE_AND_TWO = ((0, 1), *TWO)  # the process to compare with, and two

# Of a test ----------------------------------------------------------------------------------------


def results(
    worker: str,
    folder: Path,
    places: Sequence[tuple[int, int]] = ALONE_AND_TWO,
    seconds: float = 250,
) -> tuple[list[Any], list[str]]:
    """What the module `worker` saved in a process for each (rank, world), all at once, and what
    each of them printed.

    Fails with everything that was printed where one saved nothing, or is not done after `seconds`.
    """
    outs = [folder / f"{rank}_of_{world}.pt" for rank, world in places]
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                worker,
                str(rank),
                str(world),
                str(folder / "rendezvous"),
                str(out),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            },
        )
        for (rank, world), out in zip(places, outs, strict=True)
    ]
    try:
        said = [process.communicate(timeout=seconds)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(out.exists() for out in outs), "\n".join(said)
    return [torch.load(out) for out in outs], said


# Of a worker --------------------------------------------------------------------------------------


def arguments() -> tuple[int, int, str, Path]:
    """RANK WORLD RENDEZVOUS OUT."""
    return int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])


@contextmanager
def joined(rank: int, world: int, rendezvous: str, seconds: float = 60) -> Iterator[None]:
    """Inside, this process is one of `world`, on one thread; one alone has no group. None leaves
    before all do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group(
            "gloo",
            init_method=f"file://{rendezvous}",
            rank=rank,
            world_size=world,
            timeout=timedelta(seconds=seconds),
        )
    yield
    if world > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    torch.set_num_threads(threads)
