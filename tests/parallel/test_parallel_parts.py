"""parallel.py alone, and what is refused before there are processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from gan_lab import parallel
from helpers.gan_runs import CHANNELS, command, is_refusal

SHORT = (
    CHANNELS,
    "max_generator_steps=2",
    "batch_size=16",
    "generator_batch_size=16",
    "evaluation=off",
)
DDP = ("trainer=ddp", "trainer.accelerator=cpu")
CORES = os.cpu_count() or 1

# One process --------------------------------------------------------------------------------------


def test_with_one_process_everything_is_the_identity():
    assert (parallel.rank(), parallel.world_size()) == (0, 1)
    x = torch.arange(6.0).view(3, 2).requires_grad_()
    for function in (parallel.share, parallel.total, parallel.mean, parallel.gathered):
        assert function(x) is x
    y = parallel.largest(x)
    assert torch.equal(y, x)
    assert not y.requires_grad
    x.grad = torch.ones(3, 2)
    parallel.average_gradients([nn.Parameter(torch.ones(1)), x])
    assert torch.equal(x.grad, torch.ones(3, 2))


@pytest.mark.parametrize(("rank", "rows"), [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])])
def test_the_share_of_a_rank_is_its_slice(rank, rows, monkeypatch):
    monkeypatch.setattr(parallel, "world_size", lambda: 3)
    monkeypatch.setattr(parallel, "rank", lambda: rank)
    assert parallel.share(torch.arange(6)).tolist() == rows


def test_the_batches_of_all_processes_are_those_of_one(monkeypatch):
    """z and its classes, drawn whole and sliced."""
    from helpers.parallel_worker import made
    from helpers.sharded_cases import SMALL_DCGAN

    gan = made((*SMALL_DCGAN, "loss=am_gan", "labels=predefined", "penalty=none"))[2]
    whole = gan.share_of_latent(24, torch.Generator().manual_seed(0))
    monkeypatch.setattr(parallel, "world_size", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        shares.append(gan.share_of_latent(24, torch.Generator().manual_seed(0)))
    assert [len(share.z) for share in shares] == [12, 12]
    assert torch.equal(torch.cat([share.z for share in shares]), whole.z)
    assert torch.equal(torch.cat([share.drawn for share in shares]), whole.drawn)


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (
            RuntimeError(
                "[/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer"
            ),
            True,
        ),
        (torch.distributed.DistNetworkError("The client socket has timed out"), True),
        (torch.distributed.DistBackendError("NCCL error: remote process exited"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError("No space left on device"), False),
    ],
)
def test_which_errors_say_that_another_process_is_gone(error, is_lost):
    assert parallel.lost_another(error) is is_lost


# Refusals -----------------------------------------------------------------------------------------

MANY = CORES + 1
REFUSED = {
    "no device": ([*DDP, "trainer.devices=0"], ["trainer.devices=0", "at least 1"]),
    "a word": ([*DDP, "trainer.devices=many"], ["trainer.devices=many", "whole number"]),
    "null": ([*DDP, "trainer.devices=null"], ["trainer.devices=None", "whole number"]),
    "a list": ([*DDP, "trainer.devices=[0]"], ["trainer.devices=[0]", "whole number"]),
    "more than cores": (
        [
            *DDP,
            f"trainer.devices={MANY}",
            f"batch_size={4 * MANY}",
            f"generator_batch_size={4 * MANY}",
        ],
        [f"trainer.devices={MANY}", f"{CORES} cores"],
    ),
    "without ddp": (["trainer.devices=2"], ["trainer.devices=2", "trainer=ddp"]),
    "cpu without ddp": (["trainer=cpu", "trainer.devices=2"], ["trainer.devices=2", "trainer=ddp"]),
    "nodes without ddp": (["trainer=cpu", "+trainer.num_nodes=2"], ["trainer=ddp"]),
    "no node": (
        [*DDP, "trainer.devices=2", "trainer.num_nodes=0"],
        ["trainer.num_nodes=0", "at least 1"],
    ),
    "some nodes": (
        [*DDP, "trainer.devices=2", "trainer.num_nodes=auto"],
        ["trainer.num_nodes=auto", "whole number"],
    ),
    "strategy typo": (
        [*DDP, "trainer.devices=2", "trainer.strategy=dpp"],
        ["trainer.strategy=dpp", "trainer=ddp"],
    ),
    "Lightning's own strategy": (
        ["trainer=cpu", "+trainer.strategy=ddp"],
        ["trainer.strategy=ddp", "trainer=ddp"],
    ),
    "field of a strategy": (
        [*DDP, "trainer.devices=2", "+trainer.strategy.find_unused_parameters=true"],
        ["trainer.strategy.find_unused_parameters"],
    ),
    "batch": (
        [*DDP, "trainer.devices=2", "batch_size=15"],
        ["batch_size=15", "2 devices", "multiple"],
    ),
    "generator batch": (
        [*DDP, "trainer.devices=2", "generator_batch_size=15"],
        ["generator_batch_size=15", "2 devices", "multiple"],
    ),
    "batch over nodes": (
        [*DDP, "trainer.devices=2", "trainer.num_nodes=3"],
        ["batch_size=16", "6 devices"],
    ),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_in_one_line_and_leaves_nothing(case, place, capsys):
    arguments, words = REFUSED[case]
    ended = command(capsys, *SHORT, *arguments, "run_dir=here")
    is_refusal(ended, *words)
    assert ended.out == ""
    assert not list(place.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("devices", ["auto", "2"])
def test_a_gpu_that_is_not_there(devices, place, capsys):
    arguments = ("trainer=ddp", "trainer.accelerator=gpu", f"trainer.devices={devices}")
    is_refusal(command(capsys, *SHORT, *arguments, "run_dir=here"), "gpu", "trainer=auto")
    assert not list(place.iterdir())


TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
    "RANK": "0",
    "LOCAL_RANK": "0",
}
TORCHRUN |= {"GROUP_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
SRUN = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_PROCID": "0"}
SRUN |= {"SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "gan"}
STARTED: dict[str, tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]] = {
    "torchrun without run_dir": (TORCHRUN, (*DDP, "trainer.devices=2"), ("run_dir=FOLDER",)),
    "srun without run_dir": (SRUN, (*DDP, "trainer.devices=2"), ("run_dir=FOLDER",)),
    "torchrun of two, one device": (
        TORCHRUN,
        (*DDP, "trainer.devices=1", "run_dir=here"),
        ("devices=1", "world size (2)"),
    ),
    "torchrun without trainer=ddp": (
        TORCHRUN,
        ("trainer=cpu", "run_dir=here"),
        ("2 processes", "trainer=ddp"),
    ),
    "torchrun of four, two devices": (
        TORCHRUN | {"WORLD_SIZE": "4"},
        (*DDP, "trainer.devices=2", "run_dir=here"),
        ("devices=2", "world size (4)"),
    ),
    "srun with another number of tasks": (
        SRUN | {"SLURM_NTASKS_PER_NODE": "1"},
        (*DDP, "trainer.devices=2", "run_dir=here"),
        ("ntasks-per-node=1",),
    ),
}


@pytest.mark.parametrize("case", STARTED)
def test_processes_that_do_not_fit_the_run_are_refused(case, place, capsys, monkeypatch):
    environment, arguments, words = STARTED[case]
    before = set(os.environ)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ended = command(capsys, *SHORT, *arguments)
    for name in set(os.environ) - before - set(environment):
        monkeypatch.delenv(name)
    is_refusal(ended, *words)
    assert not [path for path in place.rglob("*") if path.is_file()]
    assert not (place / "here").exists()
