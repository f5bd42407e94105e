"""Inception Score, AM Score and Mode Score: by hand, against numpy, mpmath and torch-fidelity, and
their identities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.metrics import (
    AMScore,
    InceptionScore,
    ModeScore,
    am_score,
    entropy,
    inception_score,
    log_probabilities,
    mode_score,
)
from helpers.metrics_cases import flat
from helpers.metrics_reference import am_score as am_by_numpy
from helpers.metrics_reference import (
    am_score_mp,
    normal,
    one_hot_logits,
    over_splits,
    shannon,
    simplex,
    softmax,
)
from helpers.metrics_reference import inception_score as is_by_numpy
from helpers.metrics_reference import mode_score as mode_by_numpy

LOG2, LOG3 = math.log(2), math.log(3)
# softmax of the rows: (3/4, 1/4) and (1/4, 3/4)
PAIR = torch.tensor([[LOG3, 0.0], [0.0, LOG3]], dtype=torch.float64)
H_PAIR = 2 * LOG2 - 0.75 * LOG3  # -(3/4) log(3/4) - (1/4) log(1/4)
INF = math.inf

logits_strategy = st.builds(
    lambda n, k, scale, seed: normal(n, k, seed=seed, scale=scale),
    st.integers(1, 40),
    st.integers(2, 12),
    st.sampled_from([1e-3, 1.0, 10.0, 1e3, 1e4]),
    st.integers(0, 10**6),
)
quick = settings(derandomize=True, deadline=None, max_examples=40)


def close(expected, rel=1e-12, absolute=1e-13):
    return pytest.approx(expected, rel=rel, abs=absolute)


# Log space ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_log_probabilities_are_float64(dtype):
    logits = normal(7, 4, scale=3).to(dtype)
    found = log_probabilities(logits)
    assert found.dtype == torch.float64
    assert found.exp().numpy() == close(softmax(logits.double().numpy()), rel=1e-14)


def test_log_probabilities_of_excluded_classes():
    found = log_probabilities(torch.tensor([[0.0, -INF, 0.0], [-INF, -INF, 3.0]]))
    assert found.tolist() == [[close(-LOG2), -INF, close(-LOG2)], [-INF, -INF, 0.0]]


def test_entropy_by_hand():
    """Uniform over 4: log 4. (3/4, 1/4): 2 log 2 - 3/4 log 3. One-hot, also by underflow: 0."""
    log_p = torch.tensor([[0.25] * 4, [0.75, 0.25, 0, 0], [1, 0, 0, 0]], dtype=torch.float64).log()
    found = entropy(log_p)
    assert found.shape == (3,)
    assert found.dtype == torch.float64
    assert found.tolist() == close([2 * LOG2, H_PAIR, 0.0], rel=1e-15)
    assert entropy(torch.tensor([[0.0, -1e30]], dtype=torch.float64)).tolist() == [0.0]


# By hand ------------------------------------------------------------------------------------------


def test_inception_score_by_hand():
    """Marginal (1/2, 1/2): H(mean C) = log 2; E H(C) = 2 log 2 - 3/4 log 3; IS = exp of the
    difference."""
    found = inception_score(PAIR)
    assert found._fields == ("value", "std", "marginal_entropy", "conditional_entropy")
    assert flat(found) == close([math.exp(0.75 * LOG3 - LOG2), 0, LOG2, H_PAIR])
    assert all(part.shape == () and part.dtype == torch.float64 for part in found)


def test_am_score_by_hand():
    """KL((1/4, 3/4) || (1/2, 1/2)) = 1/4 log 1/2 + 3/4 log 3/2 = 3/4 log 3 - log 2; plus E H(C)."""
    found = am_score(PAIR, torch.tensor([0.25, 0.75]))
    divergence = 0.75 * LOG3 - LOG2
    assert found._fields == ("value", "std", "marginal_divergence", "conditional_entropy")
    assert flat(found) == close([divergence + H_PAIR, 0, divergence, H_PAIR])
    assert all(part.shape == () and part.dtype == torch.float64 for part in found)


def test_the_divergence_of_the_am_score_is_from_the_training_marginal():
    """One sample (3/4, 1/4), train (1/2, 1/2): KL(train || C) = -1/2 log(3/4) - log 2 / 2 ..., not
    KL(C || train).

    KL(train || C) = 1/2 log(2/3) + 1/2 log 2 = log 2 - log(3) / 2; KL(C || train) = log 2 - H(C) is
    another number.
    """
    found = am_score(PAIR[:1], torch.tensor([0.5, 0.5]))
    assert found.marginal_divergence.item() == close(LOG2 - LOG3 / 2)


def test_mode_score_by_hand():
    """Train (1/4, 3/4). E KL(C || train): rows 3/4 log 3 + 1/4 log 1/3 = log(3)/2 and 0, mean
    log(3)/4.

    KL((1/2, 1/2) || train) = 1/2 log 2 + 1/2 log 2/3 = log 2 - log(3)/2. Difference: 3/4 log 3 -
    log 2, as for IS.
    """
    found = mode_score(PAIR, torch.tensor([0.25, 0.75]))
    assert found._fields == ("value", "std")
    assert flat(found) == close([math.exp(0.75 * LOG3 - LOG2), 0])
    assert all(part.shape == () and part.dtype == torch.float64 for part in found)


def test_two_splits_by_hand():
    """Split 0: two different one-hot samples, IS 2. Split 1: twice the same, IS 1. Mean 3/2,
    population std 1/2."""
    metric = InceptionScore(2, splits=2)
    metric.update(one_hot_logits(torch.tensor([0, 1, 0, 0]), 2, 1e4), torch.tensor([0, 0, 1, 1]))
    assert flat(metric.compute()) == close([1.5, 0.5, LOG2 / 2, 0])


def test_am_score_is_of_all_samples_and_its_deviation_of_splits_by_hand():
    """Train (1/2, 1/2); split 0 both samples uniform: 0 + log 2. Split 1: (3/4, 1/4) twice, H = 2
    log 2 - 3/4 log 3.

    Of all four mean C = (5/8, 3/8), so KL = 1/2 log(4/5) + 1/2 log(4/3) = 2 log 2 - log(15) / 2.
    """
    metric = AMScore(torch.tensor([0.5, 0.5]), splits=2)
    metric.update(torch.zeros(2, 2), 0)
    metric.update(PAIR[[0, 0]], 1)
    first, second = LOG2, (LOG2 - LOG3 / 2) + (2 * LOG2 - 0.75 * LOG3)
    divergence, conditional = 2 * LOG2 - math.log(15) / 2, (3 * LOG2 - 0.75 * LOG3) / 2
    expected = [divergence + conditional, abs(first - second) / 2, divergence, conditional]
    assert flat(metric.compute()) == close(expected)


def test_am_score_of_opposite_splits_by_hand():
    """Ten splits, each of one class, both classes as often as in training: KL is 0 over all and in
    none of them.

    Samples (3/4, 1/4) in even splits and (1/4, 3/4) in odd ones: mean C = (1/2, 1/2), and the score
    is H alone where the mean over splits is higher by KL((1/2, 1/2) || (3/4, 1/4)) = log 2 - log(3)
    / 2.
    """
    metric = AMScore(torch.tensor([0.5, 0.5]), splits=10)
    for split in range(10):
        metric.update(torch.tensor([[LOG3, 0.0]], dtype=torch.float64).roll(split, 1), split)
    conditional = 2 * LOG2 - 0.75 * LOG3
    assert flat(metric.compute()) == close([conditional, 0, 0, conditional])


# Against second implementations -------------------------------------------------------------------


@quick
@given(logits_strategy)
def test_inception_score_against_numpy(logits):
    found, expected = inception_score(logits), is_by_numpy(logits.numpy())
    for name, value in expected.items():
        assert getattr(found, name).item() == close(value, rel=1e-11, absolute=1e-11)


@quick
@given(logits_strategy, st.integers(0, 100))
def test_mode_score_against_numpy(logits, seed):
    train = simplex(logits.shape[1], seed)
    found = mode_score(logits, train)
    assert found.value.item() == close(mode_by_numpy(logits.numpy(), train.numpy()), rel=1e-11)


@quick
@given(logits_strategy, st.integers(0, 100), st.booleans())
def test_am_score_against_mpmath(logits, seed, zero):
    train = simplex(logits.shape[1], seed)
    if zero:
        train[0] = 0
        train /= train.sum()
    found, expected = (
        am_score(logits[:12], train),
        am_score_mp(logits[:12].numpy(), train.numpy(), digits=40),
    )
    for name, value in expected.items():
        # log p of a logit gap of 1e4 carries the rounding of the gap: 1e4 eps = 2e-12
        assert getattr(found, name).item() == close(value, rel=1e-13, absolute=1e-11)


def test_am_score_against_numpy():
    logits, train = normal(300, 10, seed=5, scale=2), simplex(10, 1)
    found, expected = am_score(logits, train), am_by_numpy(logits.numpy(), train.numpy())
    assert [getattr(found, name).item() for name in expected] == close(list(expected.values()))


@pytest.mark.parametrize("gap", [800.0, 1e4, 1e30, 3e38])
def test_am_score_is_finite_however_far_apart_the_logits_are(gap):
    """Train (1/4, 1/4, 1/2), all samples at class 0 by `gap`: KL = sum t log t + 3/4 gap; E H =
    0."""
    logits = one_hot_logits(torch.zeros(6, dtype=torch.int64), 3, gap).float()
    train = torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64)
    found, expected = am_score(logits, train), am_score_mp(logits.numpy(), train.numpy())
    assert found.value.item() == close(-1.5 * LOG2 + 0.75 * float(np.float32(gap)), rel=1e-13)
    assert found.value.item() == close(expected["value"], rel=1e-13)
    assert found.conditional_entropy.item() == 0


@pytest.mark.parametrize("batch", [1, 2, 5, 12])
def test_the_running_marginal_keeps_what_a_sum_of_probabilities_loses(batch):
    """Class 1 has probabilities e^-900 and e^-1000 only, in any order of arrival and in any
    batches."""
    logits = torch.zeros(12, 2, dtype=torch.float64)
    logits[:, 1] = torch.tensor([-900.0, -1000.0, -900.0] * 4)
    train = torch.tensor([0.5, 0.5])
    metric = AMScore(train)
    for part in logits.split(batch):
        metric.update(part)
    expected = am_score_mp(logits.numpy(), train.numpy())
    assert metric.compute().value.item() == close(expected["value"], rel=1e-14)


def test_am_score_of_one_batch_with_a_gap_of_1e30_and_one_without():
    metric = AMScore(torch.tensor([0.5, 0.5]))
    metric.update(torch.tensor([[0.0, -1e30]], dtype=torch.float64))
    metric.update(torch.zeros(1, 2))
    # mean C = (3/4, 1/4): KL = 1/2 log(2/3) + 1/2 log 2; E H = log(2) / 2
    assert flat(metric.compute()) == close([1.5 * LOG2 - LOG3 / 2, 0, LOG2 - LOG3 / 2, LOG2 / 2])


def test_a_missing_class_is_infinitely_far():
    logits = torch.tensor([[0.0, 1.0, -INF], [2.0, 0.0, -INF]])
    found = am_score(logits, torch.tensor([0.25, 0.25, 0.5]))
    assert found.value.item() == INF
    assert found.marginal_divergence.item() == INF
    assert math.isfinite(found.conditional_entropy.item())


def test_a_class_that_training_data_lack_may_be_missing():
    logits = torch.tensor([[0.0, 1.0, -INF], [2.0, 0.0, -INF]], dtype=torch.float64)
    found = am_score(logits, torch.tensor([0.25, 0.75, 0.0]))
    without = am_score(logits[:, :2], torch.tensor([0.25, 0.75]))
    assert flat(found) == close(flat(without))


def test_a_missing_class_in_one_split_only():
    metric = AMScore(torch.tensor([0.5, 0.5]), splits=2)
    metric.update(torch.tensor([[0.0, -INF], [0.0, 0.0]]), torch.tensor([0, 1]))
    # mean C of both = (3/4, 1/4), and infinitely far in the first split
    assert flat(metric.compute()) == close([1.5 * LOG2 - LOG3 / 2, INF, LOG2 - LOG3 / 2, LOG2 / 2])


# Against torch-fidelity ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "splits", "shuffle"), [(500, 1, False), (500, 10, True), (100, 7, True), (53, 4, False)]
)
def test_inception_score_of_torch_fidelity(n, splits, shuffle):
    """The same permutation and the same chunks, [i n // splits, (i + 1) n // splits), told to us as
    `split`."""
    from torch_fidelity.metric_isc import (
        KEY_METRIC_ISC_MEAN,
        KEY_METRIC_ISC_STD,
        isc_features_to_metric,
    )

    logits = normal(n, 20, seed=n, scale=2.5).float()
    theirs = isc_features_to_metric(logits, splits=splits, shuffle=shuffle, rng_seed=2020)
    order = np.random.RandomState(2020).permutation(n) if shuffle else np.arange(n)
    edges = [i * n // splits for i in range(splits + 1)]
    metric = InceptionScore(20, splits=splits)
    split = torch.from_numpy(np.repeat(np.arange(splits), np.diff(edges)))
    for rows, mine in zip(logits[torch.from_numpy(order)].split(37), split.split(37), strict=True):
        metric.update(rows, mine)
    found = metric.compute()
    assert found.value.item() == pytest.approx(theirs[KEY_METRIC_ISC_MEAN], rel=1e-9, abs=0)
    assert found.std.item() == pytest.approx(theirs[KEY_METRIC_ISC_STD], rel=1e-9, abs=1e-12)


# Identities and bounds ----------------------------------------------------------------------------


@quick
@given(logits_strategy)
def test_inception_score_lies_between_one_and_the_number_of_classes(logits):
    found = inception_score(logits)
    assert 1 - 1e-12 <= found.value.item() <= logits.shape[1] * (1 + 1e-12)
    # (4-26)
    assert found.value.log().item() == close(
        (found.marginal_entropy - found.conditional_entropy).item(), absolute=1e-12
    )


@pytest.mark.parametrize("gap", [1e4, INF])
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_balanced_one_hot_samples_reach_the_number_of_classes(classes, gap):
    logits = (
        torch.zeros(2 * classes, classes) if gap < INF else torch.full((2 * classes, classes), -INF)
    )
    logits[torch.arange(2 * classes), torch.arange(2 * classes) % classes] = min(gap, 1e4)
    assert flat(inception_score(logits)) == close([classes, 0, math.log(classes), 0])


def test_a_collapsed_generator():
    """All samples alike: IS 1, no nan."""
    assert inception_score(one_hot_logits(torch.full((9,), 3), 10, 1e4)).value.item() == close(1.0)
    assert inception_score(torch.zeros(9, 10)).value.item() == close(1.0)


@quick
@given(logits_strategy, st.integers(0, 100))
def test_mode_score_is_the_inception_score(logits, seed):
    """(4-31)."""
    train = simplex(logits.shape[1], seed)
    assert mode_score(logits, train).value.item() == close(
        inception_score(logits).value.item(), rel=1e-10
    )


@quick
@given(logits_strategy, st.integers(0, 100))
def test_am_score_is_not_negative(logits, seed):
    found = am_score(logits, simplex(logits.shape[1], seed))
    # the divergence is a sum of terms as large as the logit gap: eps of that, not of 1
    assert found.marginal_divergence.item() >= -1e-15 * (1 + logits.abs().max().item())
    assert found.conditional_entropy.item() >= 0
    assert math.isfinite(found.value.item())
    assert found.value.item() == close(
        (found.marginal_divergence + found.conditional_entropy).item()
    )


@quick
@given(logits_strategy)
def test_am_score_is_the_conditional_entropy_when_the_marginals_agree(logits):
    p = softmax(logits.numpy())
    marginal = torch.from_numpy(p.mean(axis=0))
    found = am_score(logits, marginal)
    assert found.value.item() == close(
        np.mean([shannon(row) for row in p]), rel=1e-11, absolute=1e-11
    )
    assert found.marginal_divergence.item() == close(0, absolute=1e-11)


@quick
@given(logits_strategy, st.floats(-1e4, 1e4))
def test_a_constant_added_to_the_logits_of_a_sample_changes_nothing(logits, shift):
    moved = logits + shift * torch.arange(len(logits), dtype=torch.float64)[:, None].cos()
    train = simplex(logits.shape[1], 3)
    rel = 1e-10  # the sum rounds logits at 1e4 eps = 2e-12
    assert flat(inception_score(moved)) == close(
        flat(inception_score(logits)), rel=rel, absolute=rel
    )
    assert flat(am_score(moved, train)) == close(
        flat(am_score(logits, train)), rel=rel, absolute=rel
    )


# Splits -------------------------------------------------------------------------------------------

MAKERS = {
    "is": (lambda splits: InceptionScore(6, splits=splits), lambda x: inception_score(x)),
    "am": (
        lambda splits: AMScore(simplex(6, 1), splits=splits),
        lambda x: am_score(x, simplex(6, 1)),
    ),
    "mode": (
        lambda splits: ModeScore(simplex(6, 1), splits=splits),
        lambda x: mode_score(x, simplex(6, 1)),
    ),
}


@pytest.mark.parametrize("score", MAKERS)
class TestSplits:
    LOGITS = normal(101, 6, seed=11, scale=2)

    def expected(self, score, split, splits):
        each = [flat(MAKERS[score][1](self.LOGITS[split == s])) for s in range(splits)]
        value, std = over_splits([one[0] for one in each])
        if score == "am":  # over all samples, the deviation apart
            value, _, *terms = flat(MAKERS[score][1](self.LOGITS))
            return [value, std, *terms]
        return [value, std, *np.mean([one[2:] for one in each], axis=0).tolist()]

    @pytest.mark.parametrize("batch", [1, 7, 101])
    def test_dealt_in_turn(self, score, batch):
        """Sample i goes to split i mod 3, whatever the batches."""
        metric = MAKERS[score][0](3)
        for part in self.LOGITS.split(batch):
            metric.update(part)
        assert flat(metric.compute()) == close(self.expected(score, torch.arange(101) % 3, 3))

    def test_dealt_anew_after_a_reset(self, score):
        metric = MAKERS[score][0](3)
        metric.update(self.LOGITS[:4])
        metric.reset()
        metric.update(self.LOGITS)
        assert flat(metric.compute()) == close(self.expected(score, torch.arange(101) % 3, 3))

    def test_told_per_sample(self, score):
        split = torch.randint(0, 4, (101,), generator=torch.Generator().manual_seed(3))
        metric = MAKERS[score][0](4)
        for rows, mine in zip(self.LOGITS.split(10), split.split(10), strict=True):
            metric.update(rows, mine)
        assert flat(metric.compute()) == close(self.expected(score, split, 4))

    def test_told_per_batch(self, score):
        metric = MAKERS[score][0](2)
        metric.update(self.LOGITS[:40], 1)
        metric.update(self.LOGITS[40:], 0)
        assert flat(metric.compute()) == close(
            self.expected(score, (torch.arange(101) < 40).long(), 2)
        )

    def test_the_order_of_the_samples_does_not_matter(self, score):
        split = torch.randint(0, 4, (101,), generator=torch.Generator().manual_seed(3))
        order = torch.randperm(101, generator=torch.Generator().manual_seed(4))
        metric = MAKERS[score][0](4)
        metric.update(self.LOGITS[order], split[order])
        assert flat(metric.compute()) == close(self.expected(score, split, 4))

    def test_one_split_is_the_functional_with_deviation_zero(self, score):
        metric = MAKERS[score][0](1)
        metric.update(self.LOGITS)
        assert flat(metric.compute()) == close(flat(MAKERS[score][1](self.LOGITS)))
        assert metric.compute().std.item() == 0

    def test_fewer_samples_than_splits(self, score):
        metric = MAKERS[score][0](5)
        metric.update(self.LOGITS[:3])
        with pytest.raises(UserError, match=r"fewer samples than splits.*") as error:
            metric.compute()
        assert "3" in str(error.value)
        assert "5" in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_split_without_a_sample(self, score):
        metric = MAKERS[score][0](2)
        metric.update(self.LOGITS, 1)
        with pytest.raises(UserError):
            metric.compute()

    @pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
    def test_no_sample_at_all(self, score):
        with pytest.raises(UserError):
            MAKERS[score][0](1).compute()

    @pytest.mark.parametrize("shape", [(4, 5), (4, 7), (6,), (4, 6, 1)])
    def test_a_wrong_number_of_classes(self, score, shape):
        with pytest.raises(UserError):
            MAKERS[score][0](1).update(torch.zeros(shape))

    @pytest.mark.parametrize("split", [3, -1, torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1])])
    def test_a_split_that_is_none(self, score, split):
        """Out of range, or not one per sample."""
        with pytest.raises(UserError):
            MAKERS[score][0](3).update(self.LOGITS[:4], split)
