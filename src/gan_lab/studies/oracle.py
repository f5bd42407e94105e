"""Critics between two fixed finite laws, held against the exact optimal critic along training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.losses import ScalarLoss
from gan_lab.optim.schedules import Constant, Linear
from gan_lab.penalties import Penalty, SpectralNorm
from gan_lab.studies.contract import Result, Study
from gan_lab.studies.critics import CriticTraining, OptimizerFactory
from gan_lab.theory import OptimalCritic, optimal_critic, wasserstein_1
from gan_lab.training.gan import Schedule
from gan_lab.training.randomness import fold, generator_for

Array = NDArray[np.float64]

ON_SEGMENTS = 33  # points of each segment between a fake and a real, where k is looked for
SEGMENTS = 512  # at most, see `_segments`
LAST = 10  # the oscillation is that of the last tenth of the steps ...
LOOKS = 50  # ... at so many steps
SCHEDULES: dict[str, Schedule] = {"constant": Constant(), "linear": Linear()}


@dataclass(frozen=True)
class Laws:
    """Two laws on finitely many points.

    Args:
        fake: (n, *sample), float32.
        real: (m, *sample), float32.
    """

    fake: Tensor
    real: Tensor


class OracleStudy(Study):
    """Train one critic between fixed laws and compare it with the optimum: its gradient at the
    fakes, its Lipschitz constant, its objective, and how much its gradient moves at the end.

    A subclass makes the laws and the network.

    Args:
        loss: of the critic; one that `optimal_critic` solves.
        penalty: its weight λ and target c make the optimum that of J_D + λ (k - c)²; for spectral
            normalisation it is that with k = 1. For others k and J have no optimum, and the
            gradient is compared with that of k = 1.
        optimizer: of the critic's parameters.
        max_steps: of the optimizer.
        batch_size: fakes and reals of a step, drawn with replacement.
        schedule: of the optimizer's rate, one of SCHEDULES: linear falls to 0; at a constant rate
            the last critic is some step of an oscillation.
    """

    def __init__(
        self,
        loss: ScalarLoss,
        penalty: Penalty,
        optimizer: OptimizerFactory,
        max_steps: int,
        batch_size: int,
        schedule: str = "constant",
    ) -> None:
        if not isinstance(loss, ScalarLoss):
            raise UserError("loss: the optimum is known for losses of one logit, as loss=exp")
        self.loss, self.penalty, self.optimizer = loss, penalty, optimizer
        self.steps = checks.whole("max_steps", max_steps, at_least=1)
        self.batch_size = checks.whole("batch_size", batch_size, at_least=1)
        self.schedule = SCHEDULES[checks.choice("schedule", schedule, tuple(SCHEDULES))]

    def laws(self, seed: int) -> Laws:
        """The two laws of a seed."""
        raise NotImplementedError

    def network(self, sample: torch.Size) -> nn.Module:
        """An untrained critic (n, *sample) -> (n, 1)."""
        raise NotImplementedError

    def begin(self, seed: int) -> None:
        """The laws, their optimum, and the critic, its weights from the seed."""
        self.seed = seed
        laws = self.laws(seed)
        self.fake, self.real = laws.fake.to(self.device), laws.real.to(self.device)
        self.optimum = Optimum.of(laws, self.loss, self.penalty)
        torch.manual_seed(fold(seed, "initial weights"))
        critic = self.network(self.fake.shape[1:]).to(self.device)
        self.training = CriticTraining(critic, self.loss, self.penalty, self.optimizer)
        self.rates = [group["lr"] for group in self.training.optimizer.param_groups]
        self.looks = self._looked_at()
        self.seen: dict[int, Tensor] = {}  # the gradient at the fakes, at the steps looked at

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the critic, on points drawn from the laws."""
        factor = self.schedule(number - 1, self.steps)
        for group, rate in zip(self.training.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

        rng = generator_for(self.seed, "batch", number)
        real, fake = self.batch(rng)
        logged = dict(self.training.step(real, fake, rng))
        if number in self.looks:
            self.seen[number] = self.training.gradient(self.watched).cpu()
        return logged

    def batch(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Reals and fakes of a step, drawn with replacement."""
        real, fake = (
            points[torch.randint(len(points), (self.batch_size,), generator=rng)]
            for points in (self.real, self.fake)
        )
        return real, fake

    @property
    def watched(self) -> Tensor:
        """The fakes at which the gradient is kept over training: all."""
        return self.fake

    def _looked_at(self) -> set[int]:
        """The steps after which the gradient is kept: some over training, more in the last part."""
        last = np.linspace(self.steps * (1 - 1 / LAST), self.steps, LOOKS)
        return self._over_training() | {round(step) for step in last}

    def state_dict(self) -> dict[str, Any]:
        """The state of the critic's training, and the gradients that were kept."""
        return {"training": self.training.state_dict(), "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.training.load_state_dict(state["training"])
        self.seen = dict(state["seen"])

    def result(self) -> Result:
        """The scores, and the gradient at the fakes over training."""
        gradient = self.training.gradient(self.fake).cpu()
        return Result(scores=self.scores(gradient), drawn=self.drawn())

    def scores(self, gradient: Tensor) -> dict[str, float]:
        """How far the critic is from the optimum; NaN where there is none to compare with.

        Args:
            gradient: of the critic at the fakes.
        """
        # the critic as it is now
        with torch.no_grad():
            real, fake = self.training.values(self.real), self.training.values(self.fake)
            value = float(self.loss.critic(real.unsqueeze(1), fake.unsqueeze(1)))

        k = self.lipschitz()
        found = gradient.flatten(1).double().numpy()

        # the critic as it should be
        optimum = self.optimum

        last = [self.seen[at] for at in sorted(self.seen) if at >= self.steps * (1 - 1 / LAST)]
        moves = torch.stack(last).flatten(2).double().std(dim=0) if len(last) > 1 else None
        spread = float("nan") if moves is None else float(moves.norm(dim=1).mean())

        return {
            "cosine": _mean_cosine(found, optimum.directions),
            "hit_rate": optimum.hit_rate(found),
            "known_fakes": float(np.mean(optimum.known)),
            "k": k,
            "k_error": abs(k - optimum.k) / optimum.k if optimum.k else float("nan"),
            "objective_gap": value + optimum.penalty(k) - optimum.objective,
            "oscillation": spread / (optimum.k or 1.0),
        }

    def lipschitz(self) -> float:
        """The largest gradient norm on the segments between fakes and reals, at ON_SEGMENTS points
        of each; of more than SEGMENTS pairs at as many of them, spread over fakes and reals."""
        share = torch.linspace(0, 1, ON_SEGMENTS, device=self.device)
        share = share.view(-1, *(1 for _ in self.fake.shape[1:]))
        norms = [
            self.training.gradient(share * self.real[j] + (1 - share) * self.fake[i])
            .flatten(1)
            .norm(dim=1)
            .max()
            for i, j in _segments(len(self.fake), len(self.real))
        ]
        return float(torch.stack(norms).max())

    def drawn(self) -> dict[str, Any]:
        """For the figure: points, and gradients at some steps."""
        shown = [at for at in sorted(self.seen) if at in self._over_training()]
        return {
            "fake": self.fake,
            "real": self.real,
            "directions": np.nan_to_num(self.optimum.directions),
            "k": self.optimum.k,
            "steps": shown,
            "gradients": [self.seen[at] for at in shown],
        }

    def _over_training(self) -> set[int]:
        over = np.geomspace(max(1, self.steps // 200), self.steps, 6)
        return {round(step) for step in over}


@dataclass(frozen=True)
class Optimum:
    """What a critic between two laws is compared with.

    Args:
        fake: (n, d).
        real: (m, d).
        directions: of the gradient at each fake that is bound to one real, NaN for others, (n, d).
        partners: that real, -1 for others, (n,).
        k: the optimal Lipschitz constant; NaN where there is none.
        objective: J; NaN likewise.
        weight: λ of the penalty; 0 for a constraint.
        target: c.
    """

    fake: Array
    real: Array
    directions: Array
    partners: NDArray[np.intp]
    k: float
    objective: float
    weight: float
    target: float

    @classmethod
    def of(cls, laws: Laws, loss: ScalarLoss, penalty: Penalty) -> Optimum:
        """Solve for it.

        Raises:
            UserError: for a loss without a known optimum.
        """
        fake, real = (points.flatten(1).double().numpy() for points in (laws.fake, laws.real))
        weight, target = getattr(penalty, "weight", 0.0), getattr(penalty, "target", 0.0)

        if weight:
            critic = optimal_critic(fake, real, loss, weight, target=target)
        else:
            critic = optimal_critic(fake, real, loss, constant=1.0)

        partners = _partners(fake, real, loss, critic)

        # clipping, or no penalty at all, has no constant of its own
        has_optimum = bool(weight) or isinstance(penalty, SpectralNorm)
        return cls(
            fake=fake,
            real=real,
            directions=_towards(fake, real, partners),
            partners=partners,
            k=critic.k if has_optimum else float("nan"),
            objective=critic.objective if has_optimum else float("nan"),
            weight=weight,
            target=target,
        )

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which fakes have a direction."""
        return self.partners >= 0

    def penalty(self, k: float) -> float:
        """λ (k - c)²."""
        return self.weight * (k - self.target) ** 2

    def hit_rate(self, gradient: Array) -> float:
        """The share of fakes with a direction whose gradient points to their own real more than to
        any other; NaN without such fakes."""
        hits = []
        for i in np.flatnonzero(self.known):
            towards = self.real - self.fake[i]
            length = np.linalg.norm(towards, axis=1)
            cosine = towards @ gradient[i] / np.where(length == 0, np.inf, length)
            hits.append(int(cosine.argmax()) == self.partners[i])
        return float(np.mean(hits)) if hits else float("nan")


def _segments(fakes: int, reals: int) -> list[tuple[int, int]]:
    """The pairs (fake, real) between which k is looked for: all of them, or SEGMENTS.

    Of more pairs every fake has as many as the others, or one more, with reals that follow each
    other around; so has every real.
    """
    if fakes * reals <= SEGMENTS:
        return list(itertools.product(range(fakes), range(reals)))
    return [
        (i * fakes // SEGMENTS, i % reals if reals <= SEGMENTS else i * reals // SEGMENTS)
        for i in range(SEGMENTS)
    ]


def _partners(
    fake: Array, real: Array, loss: ScalarLoss, critic: OptimalCritic
) -> NDArray[np.intp]:
    """The real that each fake is bound to, -1 where there are several or none."""
    # a straight loss has many optimal critics; all of them are bound where the plan has mass
    if loss.member and not loss.strictly_convex:
        plan = wasserstein_1(fake, real).plan.toarray()
        pairs: Sequence[tuple[int, int]] = [(int(i), int(j)) for i, j in np.argwhere(plan > 1e-12)]
    else:
        pairs = [(int(i), int(j)) for i, j in critic.bound]
    counts = np.bincount([i for i, _ in pairs], minlength=len(fake))
    partners = np.full(len(fake), -1, dtype=np.intp)
    for i, j in pairs:
        if counts[i] == 1:
            partners[i] = j
    return partners


def _towards(fake: Array, real: Array, partners: NDArray[np.intp]) -> Array:
    """Unit vectors from each fake to its partner; NaN without one."""
    towards = real[partners] - fake
    units = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    return np.where((partners >= 0)[:, None], units, np.nan)


def _mean_cosine(gradient: Array, directions: Array) -> float:
    """Mean cosine between gradients and known directions; NaN where none is known."""
    known = ~np.isnan(directions).any(axis=1)
    if not known.any():
        return float("nan")
    length = np.linalg.norm(gradient[known], axis=1)
    cosine = (gradient[known] * directions[known]).sum(axis=1) / np.where(length == 0, 1, length)
    return float(cosine.mean())
