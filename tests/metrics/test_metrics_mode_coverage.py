"""ModeCoverage by hand, against scipy, and on real samples, whose share of good ones is a closed
form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, entropy

from gan_lab.data import Gaussians
from gan_lab.errors import UserError
from gan_lab.metrics import ModeCoverage
from gan_lab.scoring.features import MixtureExtractor


def coverage(logits, least=None):
    metric = ModeCoverage(logits.shape[1], least)
    for part in logits.split(7):
        metric.update(part)
    return metric.compute()


def test_by_hand():
    """Five samples, the last not good: shares (3/4, 1/4, 0, 0) of four modes.

    KL = log 4 + 3/4 log 3/4 + 1/4 log 1/4 = 3/4 log 3. The mean with 1/4 each is (1/2, 1/4, 1/8,
    1/8), so JSD = (3/4 log 3/2 + 1/4 log 1 + 1/4 log 1/2 + 0 + 2/4 log 2) / 2.
    """
    logits = torch.full((5, 4), -9.0)
    for row, mode in enumerate([0, 0, 0, 1]):
        logits[row, mode] = -1.0
    logits[4, 3] = -4.5  # exactly at the bound: outside, as in the author's program
    found = coverage(logits, least=-4.5)
    assert found.modes.item() == 2
    assert found.good.item() == 0.8
    assert found.histogram.tolist() == [3, 1, 0, 0]
    assert found.modekl.item() == pytest.approx(0.75 * math.log(3), rel=1e-14)
    jsd = (0.75 * math.log(1.5) + 0.25 * math.log(2)) / 2
    assert found.modejsd.item() == pytest.approx(jsd, rel=1e-14)


@pytest.mark.parametrize("least", [None, 1.0])
def test_against_numpy_and_scipy(least):
    logits = torch.randn(200, 6, generator=torch.Generator().manual_seed(1)) - torch.arange(6) / 4
    found = coverage(logits, least)
    array = logits.numpy()
    good = array[array.max(1) > (-np.inf if least is None else least)]
    counts = np.bincount(good.argmax(1), minlength=6)
    shares, uniform = counts / counts.sum(), np.full(6, 1 / 6)
    assert found.histogram.tolist() == counts.tolist()
    assert found.modes.item() == (counts > 0).sum()
    assert found.good.item() == pytest.approx(len(good) / 200)
    assert found.modekl.item() == pytest.approx(entropy(shares, uniform), rel=1e-12)
    assert found.modejsd.item() == pytest.approx(jensenshannon(shares, uniform) ** 2, rel=1e-12)


def test_without_a_good_sample_the_divergences_are_the_largest():
    nothing = coverage(torch.full((3, 5), -9.0), least=-1.0)
    collapsed = coverage(torch.eye(5)[:1])
    assert (nothing.modes.item(), nothing.good.item()) == (0, 0)
    assert nothing.modekl.item() == collapsed.modekl.item() == pytest.approx(math.log(5))
    assert nothing.modejsd.item() == collapsed.modejsd.item()


@pytest.mark.thorough
@pytest.mark.parametrize("layout", ["ring", "grid"])
def test_real_samples_are_good_as_often_as_the_normal_law_says(layout):
    """In the plane P(|x - c| < 3 σ) = 1 - e^(-9/2) = 98.9%: an interval of 1 in 10^6 around it."""
    source = {
        "ring": Gaussians(modes=8, radius=1.0, std=0.01),
        "grid": Gaussians(layout="grid", modes=25, radius=4.0, std=0.05),
    }[layout]
    extractor = MixtureExtractor(source.known_modes(), within=3.0)
    points = torch.from_numpy(source.decode().splits["train"].values)
    features, logits = extractor(points)
    assert torch.equal(features, points)
    found = coverage(logits, extractor.least_logit)
    low, high = binom.interval(1 - 1e-6, len(points), 1 - math.exp(-4.5))
    assert low <= found.histogram.sum().item() <= high
    assert found.modes.item() == source.modes
    assert found.modekl.item() < 0.01


def test_logits_of_a_mixture_are_half_squared_distances_in_its_deviations():
    """(0.03, 0) is 3 σ from the only centre (0, 0): -9/2."""
    source = Gaussians(modes=1, radius=0.0, std=0.01)
    logits = MixtureExtractor(source.known_modes(), 3.0)(torch.tensor([[0.03, 0.0]])).logits
    assert logits.item() == pytest.approx(-4.5, rel=1e-6)


def test_what_cannot_be_counted_is_refused():
    metric = ModeCoverage(3)
    with pytest.raises(UserError, match="no samples"):
        metric.compute()
    with pytest.raises(UserError, match=r"shape \(2, 4\)"):
        metric.update(torch.zeros(2, 4))
    metric.update(torch.tensor([[0.0, math.nan, 1.0]]))
    with pytest.raises(UserError, match="NaN"):
        metric.compute()
