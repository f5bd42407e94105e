"""A generator iteration is a function of its draws and of the state, which it changes in place.

That is what a CUDA graph can replay, seen without a GPU: the same operators with the same numbers
in every iteration, nothing read back, nothing drawn, every tensor of the state where it was. With
one: captured against eager.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lab import build, config
from gan_lab.callbacks import Capture, Checkpoint, ReadMetrics
from gan_lab.data import load
from gan_lab.data.module import ResidentDataModule
from gan_lab.errors import Diverged
from gan_lab.optim import capturable
from gan_lab.runs.start import quiet_lightning
from gan_lab.training import GAN, capture
from gan_lab.training.gan import Draws, Latent
from helpers.gan_runs import fitting, traits
from helpers.registry import CONF, fields, instantiate, options

READS = {"_local_scalar_dense", "is_nonzero", "item", "equal", "nonzero", "masked_select"}
RANDOM = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "uniform_",
    "normal_",
    "random_",
    "bernoulli_",
    "bernoulli",
}
RANDOM |= {"exponential_", "native_dropout", "multinomial", "normal"}
WARM_UP, LAST = 2, 4  # iterations before the first that is watched, and the last one


class Operators(TorchDispatchMode):
    """Every operator that runs, with its Python numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = torch.utils._pytree.tree_leaves((args, kwargs))
        numbers = tuple(leaf for leaf in leaves if isinstance(leaf, bool | int | float))
        self.calls.append((func.overloadpacket.__name__, numbers))
        return func(*args, **(kwargs or {}))

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.calls}


class Watch(pl.Callback):
    """The operators of the iterations after the warm-up, and where the state lay before and after
    each."""

    def __init__(self) -> None:
        self.seen: list[Operators] = []
        self.addresses: list[list[int]] = []

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.gan = pl_module
        for optimizer in trainer.optimizers:  # as on a CUDA device
            for group in optimizer.param_groups:
                group["lr"] = torch.tensor(group["lr"])
        iterate = pl_module.run_iteration

        def watched(draws: Any) -> None:
            if self.gan.generator_steps < WARM_UP:
                iterate(draws)
                return
            self.addresses.append(self.where())
            with Operators() as operators:
                iterate(draws)
            self.seen.append(operators)
            self.addresses.append(self.where())

        pl_module.run_iteration = watched

    def where(self) -> list[int]:
        return [tensor.data_ptr() for tensor in self.gan.state_tensors()]


def fit(overrides: list[str], folder: Any, *callbacks: pl.Callback) -> GAN:
    quiet_lightning()
    config.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(
            "train",
            [
                *overrides,
                "architecture=mlp",
                "architecture.width=16",
                "max_generator_steps=4",
                "log_every=1",
            ],
        )
    data = load(build.make("dataset", cfg.dataset), None)
    trainer = build.trainer(cfg, list(callbacks), [], str(folder))
    gan = build.gan(cfg, data.spec)
    trainer.fit(gan, ResidentDataModule(data, cfg.batch_size, cfg.n_critic, cfg.seed, stop=LAST))
    return gan


def penalty_of(loss: str) -> str:
    """One that measures the critic, where the loss has a score to measure."""
    return "maxgp" if traits("loss", loss).get("score", True) else "none"


PAIRS = [
    *((loss, penalty_of(loss)) for loss in options("loss")),
    *(("exp", penalty) for penalty in options("penalty") if penalty != penalty_of("exp")),
]


@pytest.mark.parametrize(("loss", "penalty"), PAIRS)
def test_an_iteration_is_the_same_in_every_step(loss, penalty, tmp_path):
    extra = ["penalty.memory=4"] if penalty == "maxgp" else []
    watch = Watch()
    fit(
        [
            f"loss={loss}",
            *fitting("loss", loss),
            f"penalty={penalty}",
            "schedule=linear",
            *extra,
        ],
        tmp_path,
        watch,
    )
    first, *others = watch.seen
    assert others
    assert {"mm", "addmm"} & first.names, (
        "the recorder saw no network: it does not watch the iteration"
    )
    assert all(other.calls == first.calls for other in others)
    assert not first.names & (READS | RANDOM)
    assert all(where == watch.addresses[0] for where in watch.addresses)


def test_the_recorder_sees_what_it_looks_for():
    with Operators() as operators:
        torch.ones(()).item()
        torch.rand(3).mul(0.25)
    assert operators.names & READS
    assert operators.names & RANDOM
    assert ("mul", (0.25,)) in operators.calls


@pytest.mark.parametrize("option", options("optimizer"))
def test_a_capturable_step_is_the_same_whatever_the_step_and_the_rate(option):
    """On fake tensors of a CUDA device, which run the real dispatch; fused steps, which have none
    there, on a CPU."""
    fused = fields("optimizer", option).get("fused", False) or option in ("sgd", "momentum")
    with nullcontext() if fused else FakeTensorMode(), torch.device("cpu" if fused else "cuda"):
        params = [nn.Parameter(torch.ones(shape)) for shape in ((3,), (2, 3), (3, 2, 2, 2))]
        optimizer = instantiate("optimizer", option, params)
        capturable.make_capturable(optimizer)
        group = optimizer.param_groups[0]
        if fused:
            group["capturable"] = False  # torch has it on accelerators alone
        else:
            group["foreach"] = True  # as torch chooses for real tensors of a CUDA device
        seen = []
        for step in range(4):
            capturable.set_rate(group, 0.1 / (1 + step))
            for param in params:
                param.grad = torch.ones_like(param)
            with Operators() as operators:
                optimizer.step()
            seen.append(operators)
    assert all(one.calls == seen[1].calls for one in seen[2:])
    assert not seen[1].names & (READS | RANDOM)


@pytest.mark.parametrize("option", options("optimizer"))
def test_a_saved_state_is_that_of_any_device(option):
    """A rate that is a tensor is saved as a number; what was saved elsewhere leaves the rate a
    tensor."""
    param = nn.Parameter(torch.ones(3))
    here, there = (instantiate("optimizer", option, [param]) for _ in range(2))
    rate = here.param_groups[0]["lr"]
    here.param_groups[0]["lr"] = torch.tensor(rate)
    state = capturable.saved_state(here)
    assert state["param_groups"][0]["lr"] == pytest.approx(rate, rel=1e-7)
    assert isinstance(state["param_groups"][0]["lr"], float)
    there.param_groups[0]["lr"] = torch.tensor(0.5)
    capturable.load_state(there, state)
    assert isinstance(there.param_groups[0]["lr"], torch.Tensor)
    capturable.set_rate(there.param_groups[0], 0.25)
    assert there.param_groups[0]["lr"].item() == 0.25


# The graph, with a stand-in for CUDA --------------------------------------------------------------


class Graph:
    """Counts replays."""

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1


class Iterations:
    """What `CapturedIteration` asks of a GAN: counts iterations, and makes its state anew in the
    first few."""

    def __init__(self, unsettled: int, fails: bool = False) -> None:
        self.device = torch.device("cpu")
        self.unsettled, self.fails = unsettled, fails
        self.ran: list[float] = []
        self.state = torch.zeros(1)
        self.capturing = False

    def iterate(self, draws: Draws) -> None:
        if self.capturing and self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.ran.append(draws.real.item())
        if len(self.ran) <= self.unsettled:
            self.kept = self.state
            self.state = torch.zeros(1)

    def state_tensors(self) -> list[torch.Tensor]:
        return [self.state]


def some_draws(value: float) -> Draws:
    latent = Latent(torch.full((1,), value), None)
    return Draws(
        torch.full((1,), value), torch.zeros(1), (latent,), ((torch.full((1,), value),),), latent
    )


@pytest.fixture
def no_cuda(monkeypatch):
    """torch.cuda's streams and graphs without a device; gives the list of graphs."""
    graphs: list[Graph] = []

    class Stream:
        def __init__(self, *_: Any) -> None: ...

        def wait_stream(self, other: Any) -> None: ...

    @contextmanager
    def capturing(graph: Graph, stream: Stream) -> Iterator[None]:
        watched[0].capturing = True
        try:
            yield
        finally:
            watched[0].capturing = False

    watched: list[Iterations] = []

    def new() -> Graph:
        graphs.append(Graph())
        return graphs[-1]

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", capturing)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", new)
    return graphs, watched


def test_iterations_are_captured_once_the_state_stays_where_it_is(no_cuda):
    graphs, watched = no_cuda
    gan, said = Iterations(unsettled=6), []
    watched.append(gan)
    iteration = capture.CapturedIteration(gan, said.append)
    for step in range(20):
        iteration(some_draws(float(step)))
    (graph,) = graphs
    assert gan.ran == [
        float(step) for step in range(8)
    ]  # seven eager ones, and the one that is captured
    assert graph.replays == 20 - 7
    assert [tensor.item() for tensor in iteration.inputs.tensors()] == [19.0, 0.0, 19.0, 19.0, 19.0]
    assert not said


@pytest.mark.parametrize(
    ("gan", "word"), [(Iterations(10**6), "made anew"), (Iterations(0, fails=True), "permitted")]
)
def test_where_capturing_fails_the_iterations_go_on_and_it_is_said_once(gan, word, no_cuda):
    graphs, watched = no_cuda
    said: list[str] = []
    watched.append(gan)
    iteration = capture.CapturedIteration(gan, said.append)
    for step in range(capture.PATIENCE + 20):
        iteration(some_draws(float(step)))
    assert gan.ran == [float(step) for step in range(capture.PATIENCE + 20)]
    assert len(said) == 1
    assert word in said[0]
    assert all(graph.replays == 0 for graph in graphs)


# The graph itself ---------------------------------------------------------------------------------

gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
ON_GPU = [
    "trainer=gpu",
    "architecture=resnet",
    "architecture.channels=16",
    "dataset=digits",
    "schedule=linear",
]


def gpu_fit(
    folder: Any, captured: bool, stop: int = 20, overrides: Any = (), resume: Any = None
) -> GAN:
    """A run on the GPU; resume: the state of another one to go on from."""
    quiet_lightning()
    config.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", [*ON_GPU, "max_generator_steps=20", *overrides])
    data = load(build.make("dataset", cfg.dataset), None)
    said: list[str] = []
    keep = Checkpoint(folder, 10, 1, dict, resume)
    trainer = build.trainer(
        cfg, [keep, ReadMetrics(), *([Capture(said.append)] if captured else [])], [], str(folder)
    )
    gan = build.gan(cfg, data.spec)
    start = resume["generator_steps"] if resume else 0
    trainer.fit(
        gan,
        ResidentDataModule(data, cfg.batch_size, cfg.n_critic, cfg.seed, start=start, stop=stop),
    )
    assert not said
    if captured:
        assert gan.run_iteration.graph is not None
    return gan


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic = True
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


def equal(one: GAN, other: GAN) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    "overrides",
    [
        *(pytest.param([f"penalty={option}"], marks=gpu) for option in options("penalty")),
        *(pytest.param([f"optimizer={option}"], marks=gpu) for option in options("optimizer")),
        *(
            pytest.param([f"optimizer={one}", f"optimizer@optimizer_critic={other}"], marks=gpu)
            for one, other in (("adam", "extra_adam"), ("extra_adam", "adam"))
        ),
        pytest.param(["penalty.memory=16"], marks=gpu),
        pytest.param(
            ["experiment=am_gan", "architecture=resnet", "architecture.channels=16"], marks=gpu
        ),
    ],
)
def test_captured_steps_are_eager_steps_to_the_last_bit(overrides, tmp_path, deterministic):
    """The rate falls in every step: one that a graph froze would show."""
    eager = gpu_fit(tmp_path / "eager", captured=False, overrides=overrides)
    graph = gpu_fit(tmp_path / "graph", captured=True, overrides=overrides)
    assert equal(eager, graph)
    assert all(
        torch.equal(eager.metrics[name].nan_to_num(), graph.metrics[name].nan_to_num())
        for name in eager.metrics
    )


@pytest.mark.parametrize(
    "captured", [pytest.param(True, marks=gpu), pytest.param(False, marks=gpu)]
)
def test_a_run_goes_on_from_a_captured_one(captured, tmp_path, deterministic):
    whole = gpu_fit(tmp_path / "whole", captured=True)
    half = gpu_fit(tmp_path / "half", captured=True, stop=10)
    state = half.run_state()
    rest = gpu_fit(
        tmp_path / "rest", captured=captured, resume=state | {"last_metrics": {}, "seconds": 0.0}
    )
    assert equal(whole, rest)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_run_that_diverges_is_seen(tmp_path):
    with pytest.raises(Diverged):
        gpu_fit(
            tmp_path,
            captured=True,
            overrides=["optimizer.lr=1e30", "log_every=1", "schedule=constant"],
        )
