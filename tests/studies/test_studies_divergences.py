"""What divergences say of two laws, against integrals and programmes by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from gan_lab.studies.divergences import DivergenceCurves, _convexity, _supremum


@pytest.fixture(scope="module")
def result():
    study = DivergenceCurves(largest_shift=1.0, shifts=5, grid=61, laws=4)
    study.begin(seed=0)
    return study.result()


def test_parallel_lines_are_those_of_example_1(result):
    lines = result.drawn["lines"]
    assert lines["shift"].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert lines["wasserstein"] == [1.0, 0.5, 0.0, 0.5, 1.0]
    assert lines["jensen_shannon"] == pytest.approx(np.log(2) * np.array([1, 1, 0, 1, 1]))
    assert lines["kl_real_fake"] == [None, None, 0.0, None, None]
    assert result.scores["lines_kl_finite"] == 0


def test_overlapping_densities_against_their_integrals(result):
    """The grid ends 3.3 standard deviations beyond the means."""

    def mean(x: float) -> float:
        return (norm.pdf(x, 0, 0.3) + norm.pdf(x, 0.5, 0.3)) / 2

    def js(x: float) -> float:
        parts = norm.pdf(x, 0, 0.3), norm.pdf(x, 0.5, 0.3)
        return sum(part * np.log(part / mean(x)) / 2 for part in parts)

    scores = result.scores
    assert scores["js_overlapping"] == pytest.approx(quad(js, -2, 2.5)[0], abs=1e-3)
    assert scores["kl_overlapping"] == pytest.approx(0.5**2 / (2 * 0.3**2), rel=5e-3)
    assert scores["w1_overlapping"] == pytest.approx(0.5, abs=2e-3)
    assert scores["js_apart"] == pytest.approx(np.log(2), abs=1e-5)
    assert scores["normal_error"] < 5e-3


def test_identities_hold(result):
    for name in ("js_identity_error", "ipm_bounded_error", "ipm_lipschitz_error"):
        assert result.scores[name] < 1e-12, name
    assert result.scores["convexity_violation"] < 1e-12


def test_the_supremum_over_critics_by_hand():
    """E_p f - E_q f of (1, 0) and (0, 1): 2 for bounded critics, the distance for Lipschitz ones."""
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert _supremum(p, q, bounds=(-1, 1)) == pytest.approx(2)
    rows = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert _supremum(p, q, A_ub=rows, b_ub=np.array([3.0, 3.0])) == pytest.approx(3)


def test_w1_is_convex_and_not_straight():
    rng = np.random.default_rng(0)
    found = [_convexity(rng) for _ in range(30)]
    assert max(found) < 1e-12
    assert min(found) < -0.01
