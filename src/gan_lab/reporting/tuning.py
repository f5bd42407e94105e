"""Optimizers that were tuned with equal budgets, compared: from records of study=optimizers.

Scores are lower where they are better, and infinite where a trial diverged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record
from gan_lab.reporting.comparable import check_same_config, check_seeds

REFERENCE = "adam"
REFERENCE_SHARE = 0.75  # of its steps, after which the reference sets the target (Dahl et al. 2023)

# What is compared ---------------------------------------------------------------------------------


def median_best(scores: Sequence[float], k: int) -> float:
    """The median of the best of k trials that are drawn from all without replacement.

    Args:
        scores: of n trials.
        k: the budget, from 1 to n.

    Returns:
        The least score s with P(best of k <= s) >= 1/2. The best is above the i-th of the ordered
        scores with probability C(n - i, k) / C(n, k).

    Examples:
        Of 3 trials the best of 2 is the lowest in two of three pairs:

        >>> from gan_lab.reporting.tuning import median_best
        >>> [median_best([0.3, 0.1, 0.2], k) for k in (1, 2, 3)]
        [0.2, 0.1, 0.1]
    """
    assert 1 <= k <= len(scores)
    ordered, n = sorted(scores), len(scores)
    return next(
        score
        for i, score in enumerate(ordered, start=1)
        if 2 * math.comb(n - i, k) <= math.comb(n, k)
    )


def steps_to(target: float, steps: Sequence[int], curve: Sequence[float]) -> float:
    """The first step at which a curve is at a target or below; infinite where it never is.

    Args:
        target: a score.
        steps: of the curve's points; those after its end are left out.
        curve: scores.
    """
    reached = (step for step, score in zip(steps, curve, strict=False) if score <= target)
    return next(reached, math.inf)


def performance_profile(times: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """How many times longer than the fastest each solver takes on each problem.

    Args:
        times: {solver: its times on the same problems}, infinite where it did not solve one.

    Returns:
        {solver: the ratios, rising}; the profile ρ(τ) is the share of them that are at most τ.
        A ratio is infinite where the problem was not solved, by it or by anyone.

    Source:
        Dolan and Moré 2002 (doi 10.1007/s101070100263).
    """
    fastest = [min(of_problem) for of_problem in zip(*times.values(), strict=True)]
    return {
        solver: sorted(
            time / least if math.isfinite(time) else math.inf
            for time, least in zip(own, fastest, strict=True)
        )
        for solver, own in times.items()
    }


def share_within(ratios: Sequence[float], factor: float) -> float:
    """The profile ρ(factor): the share of problems that are solved within that many times the
    fastest time."""
    return sum(ratio <= factor for ratio in ratios) / len(ratios)


# From records -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tuned:
    """An optimizer on a workload, with all its seeds.

    Args:
        seeds: rising.
        rates: the trials.
        steps: after which they were judged.
        curves: by seed, then by rate: scores on what was held out, up to where a trial diverged.
        tests: by seed, then by rate: the score on the test data at the end; None where it diverged.
        state_copies: what it keeps between steps, in copies of the parameters; None where no trial
            ended.
    """

    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    steps: tuple[int, ...]
    curves: tuple[tuple[tuple[float, ...], ...], ...]
    tests: tuple[tuple[float | None, ...], ...]
    state_copies: float | None

    @property
    def finals(self) -> list[float]:
        """For each rate the mean over seeds of the last score; infinite where one diverged."""
        return [
            mean(of_seed[i][-1] for of_seed in self.curves)
            if all(len(of_seed[i]) == len(self.steps) for of_seed in self.curves)
            else math.inf
            for i in range(len(self.rates))
        ]

    @property
    def best(self) -> int:
        """The rate that is chosen, one for all seeds."""
        return min(range(len(self.rates)), key=self.finals.__getitem__)

    def steps_to(self, target: float) -> list[float]:
        """Steps to a target at the chosen rate, by seed."""
        return [steps_to(target, self.steps, of_seed[self.best]) for of_seed in self.curves]


@dataclass(frozen=True)
class Workload:
    """A workload with every optimizer that was tuned on it.

    Args:
        name: as "mlp on mnist".
        metric: what its scores are.
        tuned: by optimizer; all have the same seeds.
    """

    name: str
    metric: str
    tuned: Mapping[str, Tuned]

    @property
    def seeds(self) -> tuple[int, ...]:
        """With which each optimizer was tuned."""
        return next(iter(self.tuned.values())).seeds

    @property
    def target(self) -> float:
        """What the reference reaches at its chosen rate after three quarters of its steps, the
        median over seeds.

        Raises:
            UserError: where the reference was not tuned on it, or diverged at every rate.
        """
        reference = self.tuned.get(REFERENCE)
        if reference is None or not math.isfinite(min(reference.finals)):
            raise UserError(
                f"{self.name}: there is no target without optimizer={REFERENCE}: run "
                f"python scripts/study.py study=optimizers optimizer={REFERENCE} on it"
            )
        point = math.ceil(REFERENCE_SHARE * len(reference.steps)) - 1
        return median(of_seed[reference.best][point] for of_seed in reference.curves)


def workloads(records: Sequence[Record]) -> list[Workload]:
    """Bring the seeds of each optimizer on each workload together, in the order of names.

    Args:
        records: finished, of study=optimizers and study=optimizers_gan.

    Raises:
        UserError: where the optimizers of a workload differ in budget, seeds or anything else, or
            the records of one in more than their seed.
    """
    # by workload, then by optimizer
    groups: dict[str, dict[str, list[Record]]] = {}
    for record in sorted(records, key=lambda record: int(record["seed"])):
        of_workload = groups.setdefault(str(record["drawn"]["workload"]), {})
        of_workload.setdefault(optimizer_name(record), []).append(record)

    # optimizers are compared on equal terms, and each has its seeds once
    found = []
    for name, by_optimizer in sorted(groups.items()):
        every = [record for group in by_optimizer.values() for record in group]
        _check_budgets(name, every)
        check_same_config(every, {"config.seed", "config.optimizer"})
        for optimizer, group in by_optimizer.items():
            check_same_config(group, {"config.seed"})
            check_seeds(f"{name}, {optimizer}", group)

        # the same seeds, so that there are the same problems for all
        tuned = {optimizer: _tuned(group) for optimizer, group in sorted(by_optimizer.items())}
        _check_matched(name, tuned)
        found.append(Workload(name, str(every[0]["drawn"]["metric"]), tuned))
    return found


def _check_budgets(workload: str, records: Sequence[Record]) -> None:
    """Refuse records of a workload with other trials than the others. Raises UserError."""
    budgets = {
        (tuple(record["drawn"]["rates"]), tuple(record["drawn"]["steps"])) for record in records
    }
    if len(budgets) > 1:
        raise UserError(
            f"{workload}: its records have other rates or steps: compare those of one budget, "
            "and move the others to another folder"
        )


def _check_matched(workload: str, tuned: Mapping[str, Tuned]) -> None:
    """Refuse optimizers with other seeds than the first: a seed is a problem that all must have
    tried. Raises UserError."""
    first, *others = tuned
    seeds = tuned[first].seeds
    other = next((name for name in others if tuned[name].seeds != seeds), None)
    if other is None:
        return

    # the seeds that all have can be compared now
    shared = sorted(set.intersection(*(set(each.seeds) for each in tuned.values())))
    select = f"'select={{seed:[{','.join(map(str, shared))}]}}'"
    remedy = f", or add {select}" if shared else ""
    raise UserError(
        f"{workload}: {first} was tuned with seeds {_listed(seeds)}, and {other} with "
        f"{_listed(tuned[other].seeds)}: run the missing ones with scripts/study.py{remedy}"
    )


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def optimizer_name(record: Record) -> str:
    """The option's name, or that of the class that was typed in its place."""
    typed = [word for word in record["command"] if word.startswith("optimizer._target_=")]
    return typed[-1].rpartition(".")[2] if typed else str(record["choices"]["optimizer"])


def _tuned(group: Sequence[Record]) -> Tuned:
    drawn = [record["drawn"] for record in group]
    copies = [float(record["scores"]["state_copies"]["value"]) for record in group]
    return Tuned(
        seeds=tuple(int(record["seed"]) for record in group),
        rates=tuple(drawn[0]["rates"]),
        steps=tuple(drawn[0]["steps"]),
        curves=tuple(tuple(map(tuple, of_seed["valid"])) for of_seed in drawn),
        tests=tuple(tuple(of_seed["test"]) for of_seed in drawn),
        state_copies=max((value for value in copies if math.isfinite(value)), default=None),
    )
