"""What every metric promises: float64 whatever surrounds it, bounded memory, reset, pickles,
forward, refusals."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from gan_lab.errors import UserError
from gan_lab.metrics import MSSSIM
from helpers.metrics_cases import CASES, EVERY, OF_FEATURES, OF_LOGITS, STREAMING, D, K, flat
from helpers.metrics_reference import normal

BF16 = [torch.bfloat16, torch.float16]


def same(found, expected) -> None:
    """To the last bit."""
    assert np.array_equal(flat(found), expected, equal_nan=True), (flat(found), expected)


def state_bytes(metric) -> int:
    return sum(state.nbytes for state in metric.metric_state.values())


@pytest.mark.parametrize("name", EVERY)
class TestEvery:
    def test_results_are_float64(self, name):
        """And numbers of samples int64."""
        result = CASES[name].feed(CASES[name].make()).compute()
        parts = {"value": result} if isinstance(result, torch.Tensor) else result._asdict()
        dtypes = {
            field: torch.int64 if field in ("histogram", "pairs") else torch.float64
            for field in parts
        }
        assert {field: part.dtype for field, part in parts.items()} == dtypes
        assert not any(part.requires_grad for part in parts.values())

    def test_batches_do_not_matter(self, name):
        """1e-12: sums in another order, 200 numbers of order 1."""
        expected = pytest.approx(CASES[name].value(), rel=1e-12, abs=1e-12, nan_ok=True)
        assert CASES[name].value(batch=1) == expected
        assert CASES[name].value(batch=13) == expected

    @pytest.mark.parametrize("dtype", BF16)
    def test_autocast_changes_nothing(self, name, dtype):
        case, metric = CASES[name], CASES[name].make()
        with torch.autocast("cpu", dtype=dtype):
            case.feed(metric, batch=17)
            found = metric.compute()
        same(found, case.value(batch=17))

    @pytest.mark.parametrize("move", ["half", "bfloat16", "float", "double"])
    def test_a_cast_changes_nothing(self, name, move):
        """Of the metric itself, and of a module that holds it; before and between the updates."""
        case, metric = CASES[name], CASES[name].make()
        module = torch.nn.ModuleList([metric])
        getattr(metric, move)()
        case.feed(metric, 0, 0.5, batch=17)
        getattr(module, move)()
        case.feed(metric, 0.5, 1, batch=17)
        getattr(metric, move)()
        expected = case.feed(case.feed(case.make(), 0, 0.5, batch=17), 0.5, 1, batch=17)
        same(metric.compute(), flat(expected.compute()))

    def test_inference_mode(self, name):
        """A reset and updates inside, then outside and inside again."""
        case, metric = CASES[name], CASES[name].make()
        with torch.inference_mode():
            metric.reset()
            case.feed(metric, 0, 0.3)
        case.feed(metric, 0.3, 0.7)
        with torch.inference_mode():
            case.feed(metric, 0.7, 1)
        assert flat(metric.compute()) == pytest.approx(
            case.value(), rel=1e-12, abs=1e-12, nan_ok=True
        )

    def test_a_result_asked_for_between_changes_nothing(self, name):
        case, metric = CASES[name], CASES[name].make()
        case.feed(metric, 0, 0.5).compute()
        case.feed(metric, 0.5, 1)
        assert flat(metric.compute()) == pytest.approx(
            case.value(), rel=1e-12, abs=1e-12, nan_ok=True
        )

    def test_reset(self, name):
        case, metric = CASES[name], CASES[name].make()
        case.feed(metric, 0.2, 0.9).compute()
        metric.reset()
        same(case.feed(metric).compute(), case.value())

    def test_resetting_one_leaves_another_alone(self, name):
        """Neither defaults nor states are shared."""
        case, one, other = CASES[name], CASES[name].make(), CASES[name].make()
        case.feed(one)
        case.feed(other, 0, 0.5)
        other.reset()
        same(one.compute(), case.value())

    @pytest.mark.parametrize(
        "duplicate", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, lambda m: m.clone()]
    )
    def test_copies_go_on(self, name, duplicate):
        case = CASES[name]
        metric = duplicate(case.feed(case.make(), 0, 0.5))
        assert flat(case.feed(metric, 0.5, 1).compute()) == pytest.approx(
            case.value(), rel=1e-12, abs=1e-12, nan_ok=True
        )

    def test_the_callers_tensors_are_left_alone(self, name):
        """Neither changed by the metric nor kept in a way that later changes reach it."""
        case = CASES[name].with_values(torch.clone)
        before = [copy.deepcopy(stream.rows) for stream in case.streams]
        metric = case.feed(case.make())
        for stream, rows in zip(case.streams, before, strict=True):
            assert all(torch.equal(stream.rows[key], rows[key]) for key in rows)
            stream.rows[case.values].zero_()
        same(metric.compute(), CASES[name].value())

    def test_an_empty_batch_changes_nothing(self, name):
        case, metric = CASES[name], CASES[name].make()
        case.feed(metric)
        for stream in case.streams:
            metric.update(**stream.slice(0, 0).rows, **stream.settings)
        same(metric.compute(), case.value())

    def test_flags_of_torchmetrics(self, name):
        metric = CASES[name].make()
        assert metric.full_state_update is False
        assert metric.is_differentiable is False


@pytest.mark.parametrize("name", OF_LOGITS + OF_FEATURES)
@pytest.mark.parametrize("dtype", BF16)
def test_half_precision_input_is_summed_in_float64(name, dtype):
    """The same as of the same numbers in float32."""
    case = CASES[name].with_values(lambda t: t.to(dtype))
    same(
        case.feed(case.make()).compute(),
        CASES[name].with_values(lambda t: t.to(dtype).float()).value(),
    )


@pytest.mark.parametrize("name", OF_LOGITS + OF_FEATURES)
def test_no_graph_is_kept(name):
    case = CASES[name].with_values(lambda t: t.clone().requires_grad_())
    metric = case.feed(case.make())
    states = [
        s
        for state in metric.metric_state.values()
        for s in (state if isinstance(state, list) else [state])
    ]
    assert not any(state.requires_grad for state in states)


@pytest.mark.parametrize("name", OF_LOGITS)
def test_forward_gives_the_batch_and_accumulates(name):
    case, metric = CASES[name], CASES[name].make()
    (stream,) = case.streams
    for arguments in stream.batches(60):
        alone = case.make()
        alone.update(**arguments)
        assert flat(metric(**arguments)) == pytest.approx(
            flat(alone.compute()), rel=1e-12, abs=1e-12
        )
    assert flat(metric.compute()) == pytest.approx(case.value(), rel=1e-12, abs=1e-12)


def test_forward_accumulates_the_images():
    case = CASES["MSSSIM of all pairs"]
    metric = case.make()
    for arguments in case.streams[0].batches(20):
        metric(**arguments)
    assert flat(metric.compute()) == pytest.approx(case.value(), rel=1e-12, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", STREAMING)
def test_memory_is_constant(name):
    """The same bytes after 10 samples and after 10,000; nothing outside the states grows,
    either."""
    case, metric, sizes, pickles = CASES[name], CASES[name].make(), [], []
    width = K if case.values == "logits" else D
    for rows in (10, 9990):
        samples = normal(rows, width, seed=rows).float()
        for part in samples.split(500):
            metric.update(part)
        sizes.append(state_bytes(metric))
        pickles.append(len(pickle.dumps(metric)))
    assert sizes[0] == sizes[1] < 4000
    assert abs(pickles[1] - pickles[0]) < 64  # counters written with more digits


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite(name, bad):
    """A diverged generator is named as such, at the latest when the result is asked for: `compute`
    raises UserError where its states are not finite."""

    def spoil(values):
        values = values.clone()
        values[3, 1] = bad
        return values

    case = CASES[name].with_values(spoil)
    with pytest.raises(UserError, match=r"finite|nan|NaN"):
        case.feed(case.make()).compute()


@pytest.mark.parametrize("name", OF_LOGITS)
def test_logits_that_are_nan(name):
    """Never a number: nan, or a refusal."""
    case = CASES[name].with_values(lambda t: t.index_fill(0, torch.tensor([3]), float("nan")))
    try:
        value = case.feed(case.make()).compute().value
    except UserError:
        return
    assert value.isnan()


@pytest.mark.parametrize("name", EVERY)
def test_a_misspelt_argument(name):
    """Constructors are explicit: no **kwargs."""
    cls = type(CASES[name].make())
    arguments = (
        {"num_classes": 3} if cls is not MSSSIM else {"num_classes": 3, "image_shape": (1, 8, 8)}
    )
    with pytest.raises(TypeError, match="unexpected keyword"):
        cls(**arguments, misspelt=1)
