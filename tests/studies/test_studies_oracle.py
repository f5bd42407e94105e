"""Critics beside their exact optimum: scores by hand, and figures of what tiny studies left."""

from __future__ import annotations

import functools
import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lab.architectures import MLP
from gan_lab.data import Digits, load
from gan_lab.errors import UserError
from gan_lab.losses import exponential, label_gan, least_squares, wasserstein
from gan_lab.penalties import (
    GradientPenalty,
    MaxGradientPenalty,
    NoPenalty,
    SpectralNorm,
    WeightClipping,
)
from gan_lab.reporting.figures.draw import FIGURES, draw
from gan_lab.reporting.figures.request import NothingRecorded, Request
from gan_lab.reporting.scores import has_score
from gan_lab.studies.counterexample import Counterexample, CriticalBetas
from gan_lab.studies.gradient_direction import GradientDirection
from gan_lab.studies.gradient_uninformativeness import GradientUninformativeness
from gan_lab.studies.known_critics import KnownCritics
from gan_lab.studies.lipschitz_methods import LipschitzMethods
from gan_lab.studies.oracle import Laws, OracleStudy, _segments
from gan_lab.studies.run import _plain
from gan_lab.studies.ten_images import SCORED, DenseMLP, TenImages

ADAM = functools.partial(torch.optim.Adam, lr=1e-3)
SMALL = MLP(depth=1, width=8)
STEPS = {"max_steps": 20, "batch_size": 8}


class Pair(OracleStudy):
    """One fake at (0, 0), one real at (3, 4): the optimal gradient is k (0.6, 0.8)."""

    def laws(self, seed):
        return Laws(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))

    def network(self, sample):
        critic = nn.Linear(2, 1)
        critic.weight.data = torch.tensor([[1.2, 1.6]])  # 2 (0.6, 0.8)
        return critic


def begun(study, steps=0):
    study.begin(0)
    for number in range(1, steps + 1):
        study.step(number)
    return study


def test_scores_of_one_pair_by_hand():
    """Wasserstein with λ (k - 1)²: k* = 1 + 5 / (2 λ) = 3.5 for λ = 1, J* = -5 k* + 6.25. The critic
    has k = 2, J = -10 + 1."""
    study = begun(Pair(wasserstein(), MaxGradientPenalty(1.0, target=1.0), ADAM, 1, 1))
    scores = study.scores(study.training.gradient(study.fake))
    assert scores["k"] == pytest.approx(2.0, rel=1e-6)
    assert scores["k_error"] == pytest.approx(1.5 / 3.5, rel=1e-6)
    assert scores["objective_gap"] == pytest.approx(-9 - (-17.5 + 6.25), rel=1e-6)
    assert scores["cosine"] == pytest.approx(1.0, abs=1e-6)
    assert (scores["hit_rate"], scores["known_fakes"]) == (1.0, 1.0)
    assert math.isnan(scores["oscillation"])  # nothing was looked at


@pytest.mark.parametrize(
    ("gradient", "cosine"), [((0.6, 0.8), 1), ((-0.6, -0.8), -1), ((0.8, -0.6), 0)]
)
def test_the_cosine_is_with_the_direction_to_the_real(gradient, cosine):
    study = begun(Pair(exponential(), GradientPenalty(1.0, target=0.0), ADAM, 1, 1))
    assert study.scores(torch.tensor([gradient]))["cosine"] == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize(
    ("penalty", "k"),
    [(SpectralNorm(), 1.0), (WeightClipping(0.01), math.nan), (NoPenalty(), math.nan)],
)
def test_a_constraint_is_held_against_its_own_constant(penalty, k):
    study = Pair(wasserstein(), penalty, ADAM, 1, 1)
    study.begin(0)
    assert study.optimum.k == pytest.approx(k, nan_ok=True)
    assert np.allclose(study.optimum.directions, [[0.6, 0.8]])


def test_directions_of_a_straight_loss_are_those_of_the_plan():
    """Two fakes and two reals on parallel lines: each fake goes to the real above it, though its
    potential may be bound to both."""

    class Square(Pair):
        def laws(self, seed):
            return Laws(
                torch.tensor([[0.0, 0.0], [9.0, 0.0]]), torch.tensor([[0.0, 1.0], [9.0, 1.0]])
            )

    study = Square(wasserstein(), MaxGradientPenalty(1.0, target=1.0), ADAM, 1, 1)
    study.begin(0)
    assert study.optimum.partners.tolist() == [0, 1]
    assert np.allclose(study.optimum.directions, [[0, 1], [0, 1]])
    assert study.optimum.hit_rate(np.array([[0.0, 1.0], [-1.0, 0.0]])) == 0.5


@pytest.mark.parametrize("steep", [0, 5, 57, 127])
def test_k_is_found_whichever_real_it_lies_before(steep):
    """All points at 0 but one real at (1, 0); the critic rises by 2 where x > 0.5. Four of the 128
    reals were looked at before."""
    study = Pair(wasserstein(), MaxGradientPenalty(1.0), ADAM, 1, 1)
    study.fake, study.real = torch.zeros(128, 2), torch.zeros(128, 2)
    study.real[steep, 0] = 1.0
    study.training = SimpleNamespace(gradient=lambda x: 2.0 * (x > 0.5).float())
    assert study.lipschitz() == 2.0


@pytest.mark.parametrize(
    ("fakes", "reals"),
    [
        (23, 22),
        (512, 1),
        (128, 128),
        (32, 32),
        (256, 10),
        (10, 256),
        (1000, 3),
        (3, 1000),
        (600, 700),
    ],
)
def test_at_most_512_segments_are_spread_over_fakes_and_reals(fakes, reals):
    """All of 23 x 22 = 506. Of more, each fake and each real as often as the others, or once more:
    4 each of 128 and 128."""
    chosen = _segments(fakes, reals)
    assert len(chosen) == len(set(chosen)) == min(512, fakes * reals)
    for side, points in zip(zip(*chosen, strict=True), (fakes, reals), strict=True):
        counts = Counter(side)
        assert set(counts) <= set(range(points))
        assert len(counts) == min(512, points)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_the_gradient_moves_by_its_standard_deviation():
    """Two looks at (0.7, 0) and (0, 0) in the last tenth: std 0.7 / sqrt(2), over k = 3.5."""
    study = begun(Pair(wasserstein(), MaxGradientPenalty(1.0, target=1.0), ADAM, 10, 1))
    study.seen = {
        5: torch.tensor([[9.0, 9.0]]),
        9: torch.tensor([[0.7, 0.0]]),
        10: torch.zeros(1, 2),
    }
    scores = study.scores(torch.zeros(1, 2))
    assert scores["oscillation"] == pytest.approx(0.7 / math.sqrt(2) / 3.5, rel=1e-6)
    assert scores["cosine"] == 0.0  # of a zero gradient


def test_a_loss_of_several_logits_is_refused():
    with pytest.raises(UserError, match="loss=exp"):
        Pair(label_gan(), MaxGradientPenalty(1.0), ADAM, 1, 1)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "make", [LipschitzMethods, functools.partial(GradientDirection, schedule="linear")]
)
def test_a_study_resumes_to_the_same_result(make):
    def fresh():
        study = make(exponential(), MaxGradientPenalty(1.0), ADAM, SMALL, points=4, **STEPS)
        study.begin(3)
        return study

    whole = begun_from(fresh(), 1)
    half = fresh()
    for number in range(1, 11):
        half.step(number)
    state = half.state_dict()
    again = fresh()
    again.load_state_dict(state)
    assert begun_from(again, 11).scores == whole.scores


def begun_from(study, first):
    for number in range(first, study.steps + 1):
        study.step(number)
    return study.result()


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("linear", 1 / 20)])
def test_the_rate_follows_its_schedule(schedule, last):
    study = GradientDirection(
        exponential(), MaxGradientPenalty(1.0), ADAM, SMALL, points=4, schedule=schedule, **STEPS
    )
    study.begin(0)
    rates = []
    for number in range(1, study.steps + 1):
        study.step(number)
        rates.append(study.training.optimizer.param_groups[0]["lr"] / study.rates[0])
    assert rates == pytest.approx(np.linspace(1.0, last, 20))


def test_the_laws_of_figure_2_4_lie_as_it_says():
    study = GradientDirection(
        exponential(), MaxGradientPenalty(1.0), ADAM, SMALL, points=2000, **STEPS
    )
    laws = study.laws(0)
    assert torch.allclose(laws.fake.mean(0), torch.tensor([0.5, 1.5]), atol=0.03)
    right = laws.real[laws.real[:, 0] > 0]
    assert torch.allclose(right.mean(0), torch.tensor([1.5, 0.0]), atol=0.05)
    assert 0.45 < len(right) / len(laws.real) < 0.55


def test_a_dense_layer_sees_every_layer_before_it():
    torch.manual_seed(0)
    network = DenseMLP(inputs=3, depth=2, width=4)
    x = torch.randn(5, 3)
    first = torch.relu(network.hidden[0](x))
    second = torch.relu(network.hidden[1](torch.cat([x, first], 1)))
    assert torch.allclose(network(x), network.out(torch.cat([x, first, second], 1)))


def test_known_critics_score_the_potential_itself_as_perfect():
    # in few dimensions a fake may stand nearer to its center than float32 can tell
    study = KnownCritics(
        wasserstein(), MaxGradientPenalty(1.0, target=1.0), ADAM, SMALL,
        dimension=32, funnels=4, samples=256, **STEPS,
    )  # fmt: skip
    study.begin(1)
    centers = torch.tensor(study.instance.centers).float()
    biases = torch.tensor(study.instance.biases).float()

    class Known(nn.Module):
        def forward(self, x):
            return (torch.cdist(x, centers) + biases).min(dim=1).values.unsqueeze(1)

    study.training.critic = Known()
    scores = study.result().scores
    assert scores["gradient_cosine"] == pytest.approx(1, abs=1e-4)
    assert scores["gradient_l2"] == pytest.approx(0, abs=1e-3)
    assert scores["w1_ratio"] == pytest.approx(1, abs=1e-4)


def test_a_score_that_is_not_defined_is_shown_as_missing():
    """The constant of clipping: no NaN in a table."""
    scores = {"k_error": {"value": "nan"}, "cosine": {"value": 0.5}}
    clip = {"status": "finished", "choices": {"study": "lipschitz_methods"}, "scores": scores}
    assert has_score(clip, ["cosine"])
    assert not has_score(clip, ["k_error"])


# Figures ------------------------------------------------------------------------------------------


def recorded(study, **about):
    """The record of a study that has run, as the program would write it."""
    result = study.result()
    scores = {name: {"value": value} for name, value in result.scores.items()}
    drawn = {name: _plain(value) for name, value in result.drawn.items()}
    return {"status": "finished", "seed": 0, "scores": scores, "drawn": drawn, **about}


def test_a_law_gives_new_noise_in_every_step_and_is_scored_on_other_noise():
    """The reals stay the images; a sample of a law is drawn from them with replacement."""
    parts = (wasserstein(), MaxGradientPenalty(1.0), ADAM, load(Digits(), None))
    sizes = {"indices": [0, 1], "noise": "normal", "depth": 1, "width": 8}
    law, sample = (
        begun(TenImages(*parts, **sizes, continuous=is_law, **STEPS)) for is_law in (True, False)
    )
    assert (len(law.fake), len(sample.fake), len(law.watched)) == (SCORED, 2, 2)

    # a step of a number is the same one again, and no other
    (real, fake), (_, same), (_, other) = (
        law.batch(torch.Generator().manual_seed(number)) for number in (1, 1, 2)
    )
    assert torch.equal(fake, same)
    assert not torch.equal(fake, other)
    assert len(torch.cat([fake, law.fake]).flatten(1).unique(dim=0)) == len(fake) + SCORED
    assert len(torch.cat([real, law.real]).flatten(1).unique(dim=0)) == 2
    assert float(fake.std()) == pytest.approx(1, abs=0.1)
    _, drawn_again = sample.batch(torch.Generator().manual_seed(1))
    assert len(torch.cat([drawn_again, sample.fake]).flatten(1).unique(dim=0)) == 2


def in_plane(make, penalty):
    study = make(wasserstein(), penalty, ADAM, SMALL, points=3, **STEPS)
    return begun(study, study.steps)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A tiny run of every study that a figure is drawn of."""
    found = []
    for name, penalty in {"gp": GradientPenalty(1.0), "maxgp": MaxGradientPenalty(1.0)}.items():
        choices = {"study": "lipschitz_methods", "penalty": name, "loss": "wasserstein"}
        found.append(recorded(in_plane(LipschitzMethods, penalty), choices=choices, config={}))
        for continuous in (False, True):
            images = TenImages(
                wasserstein(), penalty, ADAM, load(Digits(), None), indices=[0, 1],
                noise="normal" if continuous else "uniform", continuous=continuous,
                depth=1, width=8, **STEPS,
            )  # fmt: skip
            about = {"noise": images.noise, "continuous": continuous}
            found.append(
                recorded(
                    begun(images, images.steps),
                    choices={"study": "ten_images", "penalty": name, "loss": "exp"},
                    config={"dataset": {"name": "digits"}, "study": about},
                )
            )
    direction = in_plane(GradientDirection, MaxGradientPenalty(1.0))
    choices = {"study": "gradient_direction", "penalty": "maxgp", "loss": "wasserstein"}
    found.append(recorded(direction, choices=choices, config={}))
    for layout in ("disjoint", "covered", "overlapping"):
        study = GradientUninformativeness(least_squares(), layout=layout, setting=1, **STEPS)
        found.append(
            recorded(
                begun(study, 2),
                choices={"study": "gradient_uninformativeness"},
                config={"study": {"layout": layout, "setting": 1, "max_steps": 20}},
            )
        )
    adam = Counterexample(C=101.0, delta=0.02, max_steps=1000, warm_up=10)
    betas = CriticalBetas(C=6, delta=1.0, max_steps=50, copies=2, points=3, largest=0.9)
    for name, study in {"counterexample": adam, "critical_betas": betas}.items():
        about = {"C": 6.0, "delta": 1.0, "max_steps": 50}
        found.append(recorded(begun(study), choices={"study": name}, config={"study": about}))
    return found


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("2-2", 2 * 6 * 3),  # methods, steps, fakes
        ("2-3", 2 * 2),  # methods, fakes
        ("2-4", 3),
        ("2-5", 2),
        ("2-19", 2),
        ("2-8", 3 * 241),  # layouts, points of the line
        ("3-1", 7 * 200),
        ("3-8", 4 * 3 * 3),
    ],
)
def test_a_figure_is_drawn_with_the_numbers_in_it(name, rows, records, tmp_path):
    picture, numbers = draw(name, tmp_path, Request(studies=records))
    assert picture.stat().st_size > 10_000
    assert len(numbers.read_text().splitlines()) == rows + 1


@pytest.mark.parametrize("name", ["2-2", "2-4", "2-12", "3-1"])
def test_a_figure_without_a_study_says_what_to_run(name):
    with pytest.raises(NothingRecorded, match=r"scripts/study\.py sweep="):
        FIGURES[name](Request(studies=[]))


@pytest.mark.thorough
def test_images_are_drawn_as_they_are(records):
    """Two rows of noise, gradient, four steps and the nearest real, one pixel of white between."""
    (axes, _) = FIGURES["2-3"](Request(studies=records)).figure.axes
    sheet = np.asarray(axes.images[0].get_array())
    assert sheet.shape == (2 * 9, 7 * 9)
    digit = load(Digits(), None).splits["train"].values[0, 0]
    shown = sheet[:8, 6 * 9 : 6 * 9 + 8]
    reals = [digit, load(Digits(), None).splits["train"].values[1, 0]]
    assert any(np.abs(shown.astype(int) - real.astype(int)).max() <= 1 for real in reals)
