"""A step of the own optimizers reads no value back and takes its precision from the parameters
alone.

Without a GPU by proxies: meta tensors have no values to read, and a dispatch mode sees every
operator of a step. With
one: a step captured in a CUDA graph against eager steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lab.optim import AdamSpatial, AdaShift
from helpers.optim_reference import PHI, gradients, parameters, rates, run, set_gradients, starts

CASES = [
    *[
        (AdaShift, {"n": 3, "betas": (beta1, 0.99), "spatial": spatial})
        for beta1 in (0.0, 0.9)
        for spatial in PHI
    ],
    (AdaShift, {"n": 1, "betas": (0.9, 0.99), "spatial": "max"}),
    (AdaShift, {"n": 3, "m": 2, "betas": (1.0, 0.0), "spatial": "max"}),
    (AdamSpatial, {"betas": (0.9, 0.99)}),
]
READS = {
    "_local_scalar_dense",
    "nonzero",
    "equal",
    "is_nonzero",
    "masked_select",
}  # they wait for the device
gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.thorough
@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_step_needs_no_values(kind, fields, foreach):
    """On the meta device `.item()`, `bool()` and their like raise."""
    with torch.device("meta"):
        params = [nn.Parameter(torch.ones(shape)) for shape in ((), (3,), (2, 3), (3, 2, 2, 2))]
        optimizer = kind(params, foreach=foreach, **fields)
        for _ in range(5):
            for param in params:
                param.grad = torch.ones_like(param)
            optimizer.step()
    assert all(value.is_meta for state in optimizer.state.values() for value in state.values())
    with pytest.raises(RuntimeError):  # the proxy holds
        optimizer.state[params[0]]["step"].item()


class Operators(TorchDispatchMode):
    """Names and results' precisions of all operators."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.names.append(func.overloadpacket.__name__)
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor):
                self.dtypes.add(value.dtype)
        return result


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_step_is_the_same_operators_whatever_the_step(kind, fields, foreach):
    """In the warm-up and after it: no branch on a count, none that reads a value; what a graph
    replays is the step."""
    params = parameters(starts(), torch.float32)
    optimizer = kind(params, foreach=foreach, **fields)
    run(optimizer, gradients(1), [0.1])  # makes the state
    seen = []
    for values in gradients(7)[1:]:
        set_gradients(params, values)
        with Operators() as operators:
            optimizer.step()
        seen.append(operators.names)
    assert all(names == seen[0] for names in seen)
    assert not READS & set(seen[0])
    with Operators() as proof:
        torch.ones(()).item()
    assert READS & set(proof.names)


@contextmanager
def autocast(device: str) -> Iterator[None]:
    """bf16 autocast, on a machine without the device too (torch.autocast would switch itself
    off)."""
    before = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, torch.bfloat16)
    try:
        yield
    finally:
        torch.set_autocast_enabled(device, before[0])
        torch.set_autocast_dtype(device, before[1])


@pytest.mark.thorough
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_autocast_does_not_reach_into_a_step(kind, fields, device):
    """training/gan.py steps within bf16 autocast: nothing of a float32 step may be computed in
    bf16.

    Fake tensors of the device run the real dispatch, autocast's included, without the device.
    """
    with FakeTensorMode(), torch.device(device):
        params = [nn.Parameter(torch.ones(shape)) for shape in ((), (3,), (2, 3))]
        optimizer = kind(params, **fields)
        for _ in range(2):
            for param in params:
                param.grad = torch.ones_like(param)
            with autocast(device), Operators() as operators:
                optimizer.step()
            assert operators.dtypes <= {torch.float32, torch.int64, torch.bool}
        with autocast(device), Operators() as proof:
            torch.ones(2, 2) @ torch.ones(2, 2)
        assert torch.bfloat16 in proof.dtypes


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_autocast_on_the_cpu_changes_nothing(kind, fields):
    plain, cast = parameters(starts(), torch.float32), parameters(starts(), torch.float32)
    run(kind(plain, **fields), gradients(9), rates(9))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        run(kind(cast, **fields), gradients(9), rates(9))
    for one, other in zip(plain, cast, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_rate_in_a_tensor_is_a_rate(kind, fields):
    """What a captured step needs to change its rate. One float32 rounding of lr and of its products
    apart."""
    plain, tensor = parameters(starts()), parameters(starts())
    rate = torch.tensor(0.0, dtype=torch.float64)
    optimizer = kind(tensor, lr=rate, **fields)
    for values, lr in zip(gradients(20), rates(20), strict=True):
        rate.fill_(lr)
        set_gradients(tensor, values)
        optimizer.step()
    run(kind(plain, **fields), gradients(20), rates(20))
    for one, other, start in zip(plain, tensor, starts(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)
        assert not torch.equal(one, torch.tensor(start))


@pytest.mark.parametrize(("kind", "fields"), [pytest.param(*case, marks=gpu) for case in CASES])
@pytest.mark.parametrize("foreach", [True, False])
def test_a_captured_step_replays_as_eager_steps(kind, fields, foreach):
    """The warm-up of n = 3 ends within the replays; the rate changes between them."""
    values, lrs = gradients(16), rates(16)
    ours, eager = (
        [nn.Parameter(p.detach().cuda()) for p in parameters(starts(), torch.float32)]
        for _ in range(2)
    )
    rate, eager_rate = torch.tensor(0.0, device="cuda"), torch.tensor(0.0, device="cuda")
    optimizer, expected = (
        kind(ours, lr=rate, foreach=foreach, **fields),
        kind(eager, lr=eager_rate, **fields),
    )
    for param in ours:
        param.grad = torch.zeros_like(param)

    def load(t: int) -> None:
        rate.fill_(lrs[t])
        for param, value in zip(ours, values[t], strict=True):
            param.grad.copy_(torch.as_tensor(value))

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # the first step makes the state, outside the graph
        load(0)
        optimizer.step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    for t in range(1, 16):
        load(t)
        graph.replay()
    for t in range(16):
        eager_rate.fill_(lrs[t])
        set_gradients(eager, [torch.as_tensor(value).cuda() for value in values[t]])
        expected.step()
    for one, other, start in zip(ours, eager, starts(), strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one.cpu(), torch.tensor(start, dtype=torch.float32))
    assert all(state["step"].item() == 16 for state in optimizer.state.values())


@pytest.mark.parametrize(("kind", "fields"), [pytest.param(*case, marks=gpu) for case in CASES])
def test_autocast_on_the_gpu_changes_nothing(kind, fields):
    results = []
    for enabled in (False, True):
        params = [nn.Parameter(p.detach().cuda()) for p in parameters(starts(), torch.float32)]
        optimizer = kind(params, lr=0.05, **fields)
        for values in gradients(9):
            set_gradients(params, [torch.as_tensor(value).cuda() for value in values])
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=enabled):
                optimizer.step()
        results.append(params)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("kind", "fields"), [pytest.param(*case, marks=gpu) for case in CASES])
def test_a_step_on_the_gpu_waits_for_nothing(kind, fields):
    params = [nn.Parameter(p.detach().cuda()) for p in parameters(starts(), torch.float32)]
    optimizer = kind(params, lr=0.05, **fields)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            for param in params:
                param.grad = torch.ones_like(param)
            optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isfinite(param).all() for param in params)
