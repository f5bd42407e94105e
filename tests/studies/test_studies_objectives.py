"""Table 2-1, computed: the search against closed forms of two points, and the columns' tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from gan_lab.studies.objectives import AHEAD, OBJECTIVES, CriticSearch, Objectives, PointLaws

D, WEIGHT = 2.0, 0.25


def one_fake_one_real(name: str) -> CriticSearch:
    points = np.array([[0.0, 0.0], [0.0, D]])
    laws = PointLaws.of(points, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    return CriticSearch(OBJECTIVES[name], laws, WEIGHT)


def test_the_probe_stands_on_the_way_to_the_real():
    laws = one_fake_one_real("wasserstein").laws
    assert laws.probed.tolist() == [0]
    assert laws.probes.tolist() == [[0.0, AHEAD * D]]


def test_mass_that_stays_is_probed_nowhere():
    """Half of the first point's mass goes to the second; the third keeps its own."""
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 9.0]])
    laws = PointLaws.of(points, np.array([0.75, 0.0, 0.25]), np.array([0.5, 0.25, 0.25]))
    assert laws.probed.tolist() == [0]
    assert laws.probes.tolist() == [[4 * AHEAD, 0.0]]


@pytest.mark.parametrize(
    ("name", "best", "cost"),
    [
        # J = -(f(y) - f(x)); a critic that is flat up to the probe rises by 3/4 of the way
        ("wasserstein", -D, AHEAD * D),
        ("wasserstein_relaxed", -D, 0.0),
        # -k d + λ k² is least at k = d / (2 λ); with 3/4 d for d where it is turned
        ("lgan_wasserstein", -(D**2) / (4 * WEIGHT), (1 - 0.75**2) * D**2 / (4 * WEIGHT)),
        # f(y) - f(x) with (f(x)² + f(y)²) / 2 <= 1: at -1 and 1
        ("fisher", -2.0, 0.0),
    ],
)
def test_one_fake_and_one_real(name, best, cost):
    search = one_fake_one_real(name)
    found = search.best()
    assert found.objective == pytest.approx(best, abs=1e-7)
    assert search.turned().objective - found.objective == pytest.approx(cost, abs=1e-7)


def test_one_fake_and_one_real_of_an_exponential_lipschitz_gan():
    """2 e^-a + λ (2 a / d)² is least where 8 λ a / d² = 2 e^-a."""
    found = one_fake_one_real("lgan_exp").best()
    a = brentq(lambda a: 8 * WEIGHT * a / D**2 - 2 * np.exp(-a), 0, 5)
    assert found.values == pytest.approx([-a, a], abs=1e-6)
    assert found.k == pytest.approx(2 * a / D, abs=1e-6)


def test_a_search_that_does_not_end_gives_no_row(monkeypatch):
    monkeypatch.setattr("gan_lab.studies.objectives.ENDS", {"trust-exact": (9,), "SLSQP": (9,)})
    for name in ("least_squares", "wasserstein"):
        with pytest.raises(RuntimeError, match="no optimal critic was found"):
            one_fake_one_real(name).best()


def row(name: str) -> dict[str, float]:
    study = Objectives(objective=name, points=3, weight=0.1)
    study.begin(seed=0)
    return dict(study.result().scores)


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, float]]:
    """The thesis's rows, and the one in which it is not followed."""
    named = ("vanilla", "least_squares", "fisher", "wasserstein", "lgan_exp", "lgan_wasserstein")
    return {name: row(name) for name in named}


@pytest.mark.thorough
@pytest.mark.parametrize("column", ["vanishes", "uninformative", "unique"])
def test_the_columns_are_those_of_the_thesis(rows, column):
    """But for a straight loss: its optimum has a free offset, whatever the penalty."""
    differ = {name for name, row in rows.items() if row[column] != row[f"{column}_in_thesis"]}
    assert differ == ({"lgan_wasserstein"} if column == "unique" else set())


@pytest.mark.thorough
def test_the_optimum_is_the_closed_form(rows):
    for name in ("vanilla", "least_squares", "fisher"):
        assert rows[name]["optimum_error"] < 1e-6, name
    assert max(row["objective_error"] for row in rows.values()) < 1e-8


def test_least_squares_is_printed_the_other_way_round(rows):
    """(P_r / (P_r + P_g)) against (P_g / (P_r + P_g)), with α = 0 and β = 1."""
    study = Objectives(objective="least_squares", points=3, weight=0.1)
    study.begin(seed=0)
    p, q = study.covered.fake, study.covered.real
    assert rows["least_squares"]["printed_error"] == pytest.approx(np.abs((q - p) / (p + q)).max())
    assert rows["vanilla"]["printed_error"] < 1e-6
    assert rows["fisher"]["printed_error"] < 1e-6


def test_a_gradient_that_vanishes_is_the_share_of_reals_on_the_fakes(rows):
    """σ(log(q / p)) = q / (p + q), twice over: fakes among reals count as much."""
    study = Objectives(objective="vanilla", points=3, weight=0.1)
    study.begin(seed=0)
    p, q = study.disjoint.fake, study.disjoint.real
    assert rows["vanilla"]["slope_disjoint"] == pytest.approx(p @ (q / (p + q)), rel=1e-4)
    assert rows["least_squares"]["slope_disjoint"] == pytest.approx(2, abs=1e-3)
