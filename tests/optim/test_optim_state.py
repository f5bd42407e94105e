"""What the own optimizers keep: tensors only, that survive a checkpoint, a copy and a move into a
fresh optimizer."""

from __future__ import annotations

import io
import pickle
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from gan_lab.optim import AdamSpatial, AdaShift
from helpers.optim_reference import PHI, SHAPES, gradients, parameters, rates, run, starts

CASES = [
    *[
        (AdaShift, {"n": 4, "betas": (beta1, 0.99), "spatial": spatial})
        for beta1 in (0.0, 0.9)
        for spatial in PHI
    ],
    (AdaShift, {"n": 1, "betas": (0.9, 0.99), "spatial": "max"}),
    (AdaShift, {"n": 4, "m": 2, "betas": (1.0, 0.0), "spatial": "max"}),
    (AdamSpatial, {"betas": (0.9, 0.99)}),
]
DTYPES = [torch.float64, torch.float32, torch.bfloat16]


def through_a_file(state: object) -> object:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def tensors(optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
    return [(key, value) for state in optimizer.state.values() for key, value in state.items()]


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "fields"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("cut", [3, 9])
def test_a_checkpoint_continues_identically(kind, fields, dtype, cut):
    """Cut in the warm-up of n = 4, and with a queue whose oldest gradient is somewhere in the
    middle."""
    params = parameters(starts(), dtype)
    optimizer = kind(params, **fields)
    values, lrs = gradients(20), rates(20)
    run(optimizer, values[:cut], lrs[:cut])
    saved = through_a_file(
        {"optimizer": optimizer.state_dict(), "params": [p.detach() for p in params]}
    )
    copies = [nn.Parameter(p) for p in saved["params"]]
    fresh = kind(copies, lr=123.0)  # settings come from the file
    fresh.load_state_dict(saved["optimizer"])
    assert fresh.param_groups[0]["betas"] == fields["betas"]
    for (key, one), (other_key, other) in zip(tensors(optimizer), tensors(fresh), strict=True):
        assert key == other_key
        assert one.dtype == other.dtype == (torch.int64 if key == "step" else dtype)
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()
    run(optimizer, values[cut:], lrs[cut:])
    run(fresh, values[cut:], lrs[cut:])
    for one, other, start in zip(params, copies, starts(), strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, torch.tensor(start, dtype=dtype))


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_state_is_tensors_in_the_parameters_precision_with_a_whole_count(kind, fields):
    for dtype in DTYPES:
        params = parameters(starts(), dtype)
        optimizer = kind(params, **fields)
        assert not optimizer.state
        run(optimizer, gradients(7), rates(7))
        assert len(optimizer.state) == len(params)
        for param in params:
            state = optimizer.state[param]
            assert all(type(value) is Tensor for value in state.values())
            assert state["step"].dtype == torch.int64
            assert state["step"].shape == ()
            assert state["step"].item() == 7
            assert all(value.dtype == dtype for key, value in state.items() if key != "step")
            assert not any(value.requires_grad for value in state.values())
        plain = {
            key: value
            for group in optimizer.state_dict()["param_groups"]
            for key, value in group.items()
        }
        assert not [key for key, value in plain.items() if isinstance(value, Tensor)]


@pytest.mark.parametrize("spatial", PHI)
def test_the_queue_is_a_ring_of_the_last_n_gradients(spatial):
    params = parameters(starts())
    optimizer = AdaShift(params, n=4, spatial=spatial)
    run(optimizer, gradients(10), rates(10))
    for i, (param, shape) in enumerate(zip(params, SHAPES, strict=True)):
        queue = optimizer.state[param]["queue"]
        assert queue.shape == (4, *shape)
        assert optimizer.state[param]["second"].shape == (shape if spatial == "none" else ())
        last = sorted(values[i].tobytes() for values in gradients(10)[-4:])
        assert sorted(row.numpy().tobytes() for row in queue) == last


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_the_size_of_the_state_does_not_grow(kind, fields):
    params = parameters(starts())
    optimizer = kind(params, **fields)
    sizes = set()
    for values in gradients(15):
        run(optimizer, [values], [0.01])
        sizes.add(sum(value.numel() for _, value in tensors(optimizer)))
    assert len(sizes) == 1


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_deep_copy_and_a_pickle_go_their_own_way(kind, fields):
    values, lrs = gradients(12), rates(12)
    params = parameters(starts())
    optimizer = kind(params, **fields)
    run(optimizer, values[:6], lrs[:6])
    copied_params, copied = deepcopy((params, optimizer))
    pickled_params, pickled = pickle.loads(pickle.dumps((params, optimizer)))
    before = [p.detach().clone() for p in params]
    run(copied, values[6:], lrs[6:])
    run(pickled, values[6:], lrs[6:])
    for param, old in zip(params, before, strict=True):
        assert torch.equal(param, old)
    run(optimizer, values[6:], lrs[6:])
    for one, two, three, old in zip(params, copied_params, pickled_params, before, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)
        assert not torch.equal(one, old)


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_parameter_without_gradients_has_no_state_and_that_survives_a_checkpoint(kind, fields):
    params = parameters(starts())
    optimizer = kind(params, **fields)
    values = [[None if i == 1 else g for i, g in enumerate(v)] for v in gradients(12)]
    run(optimizer, values[:6], rates(6))
    assert params[1] not in optimizer.state
    copies = [nn.Parameter(p.detach().clone()) for p in params]
    fresh = kind(copies, **fields)
    fresh.load_state_dict(through_a_file(optimizer.state_dict()))
    run(optimizer, gradients(12)[6:], rates(6))
    run(fresh, gradients(12)[6:], rates(6))
    assert optimizer.state[params[1]]["step"].item() == 6
    for one, other in zip(params, copies, strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_carries_the_groups_settings():
    params = parameters(starts())
    groups = [
        {"params": params[:2], "n": 2, "spatial": "none"},
        {"params": params[2:], "n": 5, "m": 3},
    ]
    optimizer = AdaShift(groups, betas=(0.9, 0.99))
    run(optimizer, gradients(9), rates(9))
    copies = [nn.Parameter(p.detach().clone()) for p in params]
    fresh = AdaShift([{"params": copies[:2]}, {"params": copies[2:]}])
    fresh.load_state_dict(through_a_file(optimizer.state_dict()))
    run(optimizer, gradients(20)[9:], rates(20)[9:])
    run(fresh, gradients(20)[9:], rates(20)[9:])
    for one, other in zip(params, copies, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_channels_last_state_survives_a_checkpoint(kind, fields):
    start = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = [[g] for (g,) in gradients(16, ((4, 3, 2, 2),))]
    param = nn.Parameter(start.to(memory_format=torch.channels_last))
    optimizer = kind([param], **fields)
    run(optimizer, values[:8], rates(8))
    copy = nn.Parameter(param.detach().clone())
    fresh = kind([copy])
    fresh.load_state_dict(through_a_file(optimizer.state_dict()))
    run(optimizer, values[8:], rates(16)[8:])
    run(fresh, values[8:], rates(16)[8:])
    assert torch.equal(param, copy)


def test_a_learning_rate_scheduler_of_torch_drives_it():
    """LambdaLR wraps step() and writes group["lr"]; hooks run."""
    params, expected = parameters(starts()), parameters(starts())
    optimizer = AdaShift(params, lr=0.1, n=2)
    calls: list[int] = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / 20)
    for values in gradients(20):
        for param, value in zip(params, values, strict=True):
            param.grad = torch.tensor(value)
        optimizer.step()
        scheduler.step()
    run(AdaShift(expected, n=2), gradients(20), [0.1 * (1 - t / 20) for t in range(20)])
    assert len(calls) == 20
    for one, other in zip(params, expected, strict=True):
        assert torch.equal(one, other)


def test_clipped_gradients_are_what_the_queue_keeps():
    """n = 1, β1 = 0, gradients clipped to norm 1: [3, 4] becomes [0.6, 0.8], and [0, 2] becomes
    [0, 1], which is divided by 0.8."""
    param = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = AdaShift([param], lr=0.1, betas=(0.0, 0.999), n=1, eps=0.0)
    for value in ([3.0, 4.0], [0.0, 2.0]):
        param.grad = torch.tensor(value, dtype=torch.float64)
        nn.utils.clip_grad_norm_([param], max_norm=1.0)
        optimizer.step()
    assert param.tolist() == pytest.approx([0.0, -0.1 / 0.8], rel=1e-5)  # torch adds 1e-6 to norms


@pytest.mark.slow
def test_a_compiled_model_trains_as_it_does_without():
    """In float64 the two round differently alone: 20 steps of at most 4 lr."""
    losses = {}
    for compiled in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1)).double()
        optimizer = AdaShift(model.parameters(), lr=1e-2, n=3)
        forward = torch.compile(model) if compiled else model
        x = torch.randn(64, 5, dtype=torch.float64)
        path = []
        for _ in range(20):
            loss = (forward(x) - x.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            path.append(loss.item())
        losses[compiled] = path
    assert losses[False][-1] < 0.9 * losses[False][0]
    assert losses[True] == pytest.approx(losses[False], rel=1e-9)
