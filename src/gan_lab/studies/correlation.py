"""Tables 3-1 to 3-4: how gradients, and what they are divided by, correlate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.data import LoadedData
from gan_lab.errors import UserError
from gan_lab.studies.classifiers import ClassifierStudy
from gan_lab.studies.contract import Result
from gan_lab.studies.critics import OptimizerFactory
from gan_lab.training.randomness import generator_for

LAGS = 10  # n = 1 to 10 in the tables
NETWORKS = {"relu": "mlp", "linear": "mlp_linear"}
TABLES = {
    "temporal": "Table 3-1: g_t[i] and g_{t-n}[i]",
    "spatial": "Table 3-2: g_t[i] and g_{t-n}[j]",
    "non_adashift_current": "Table 3-3: g_t²[i] and v_t[i] without spatial function",
    "non_adashift_shifted": "Table 3-3 as printed: g²_{t-n}[i] and the same v_t[i]",
    "max_adashift_current": "Table 3-4: g_t²[i] and v_t of the tensor's maximum",
    "max_adashift_shifted": "Table 3-4 as printed: g²_{t-n}[i] and the same v_t",
}
"""By lag. `adam`, g_t²[i] and v_t[i] of Adam, has no lag."""


class RunningPearson:
    """Pearson's correlation of many pairs (X, Y), of samples that come one after another.

    Means and sums of products are moved on by each sample (Welford 1962), in float64: no sample is
    stored, and no large sums cancel.

    Args:
        shape: of the pairs.
        device: where they are.
    """

    NAMES = ("mean_x", "mean_y", "square_x", "square_y", "product")

    def __init__(self, shape: tuple[int, ...], device: torch.device | str = "cpu") -> None:
        self.count = 0
        self.sums = torch.zeros(len(self.NAMES), *shape, dtype=torch.float64, device=device)

    def add(self, x: Tensor, y: Tensor) -> None:
        """Take in a sample of every pair, of shapes that broadcast to that of the pairs."""
        self.count += 1
        mean_x, mean_y, square_x, square_y, product = self.sums
        before_x, before_y = x - mean_x, y - mean_y
        mean_x += before_x / self.count
        mean_y += before_y / self.count
        after_y = y - mean_y
        square_x += before_x * (x - mean_x)
        square_y += before_y * after_y
        product += before_x * after_y

    def correlation(self) -> Tensor:
        """ρ of every pair; NaN where X or Y did not vary."""
        _, _, square_x, square_y, product = self.sums
        return product / (square_x.sqrt() * square_y.sqrt())

    def state_dict(self) -> dict[str, Any]:
        """The sums."""
        return {"count": self.count, "sums": self.sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.count, self.sums = state["count"], state["sums"].to(self.sums.device)


class History:
    """The newest values of a tensor, and of its running mean of squares.

    Args:
        shape: of a value.
        beta2: β2.
        device: where it is.

    Attributes:
        values: row n is the value n steps ago, (LAGS + 1, *shape), float64.
        seconds: likewise v̂, of v ← β2 v + (1 - β2) value² and v̂ = v / (1 - β2^t).
    """

    def __init__(self, shape: tuple[int, ...], beta2: float, device: torch.device) -> None:
        self.beta2, self.steps = beta2, 0
        self.values = torch.zeros(LAGS + 1, *shape, dtype=torch.float64, device=device)
        self.seconds = torch.zeros_like(self.values)
        self.second = torch.zeros_like(self.values[0])

    def add(self, value: Tensor) -> None:
        """Take in the value of a step."""
        self.steps += 1
        value = value.double()
        self.second = self.beta2 * self.second + (1 - self.beta2) * value.square()
        corrected = self.second / (1 - self.beta2**self.steps)
        self.values = torch.cat([value.unsqueeze(0), self.values[:-1]])
        self.seconds = torch.cat([corrected.unsqueeze(0), self.seconds[:-1]])

    def state_dict(self) -> dict[str, Any]:
        """All that `add` changes."""
        return {
            "steps": self.steps,
            "values": self.values,
            "seconds": self.seconds,
            "second": self.second,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        device = self.second.device
        self.steps = state["steps"]
        self.values, self.seconds = state["values"].to(device), state["seconds"].to(device)
        self.second = state["second"].to(device)


class Correlation(ClassifierStudy):
    """Train an MLP until it has converged and correlate the gradients of the last epochs.

    The thesis collects "the gradients of the hidden units" (3.D); here they are those of the
    weights between the two hidden layers, of `coordinates` of them drawn once. For each
    coordinate (or pair of them) Pearson's ρ is taken over the steps t of the last epochs, and then
    the mean of the ρ over coordinates, without those whose gradient never changed: of these ρ does
    not exist, and the score `undefined` is their share.

    All v are computed along the one training, from its first step, with the bias correction of the
    optimizers. Without a spatial function AdaShift's v_t of lag n is Adam's v of n steps before.
    Therefore g²_{t-n} beside v_t, as the captions of Tables 3-3 and 3-4 have it, is Adam's own
    correlation once more; what the published values, all about 0, can be is g_t² beside v_t. Both
    are computed.

    Args:
        optimizer: of the training. The thesis does not say which.
        dataset: labelled images with a test split.
        activation: of the MLP of two hidden layers of 256 units. relu; or linear, none at all and
            all parameters from N(0, 1), as in the author's program.
        batch_size: images in a step.
        epochs: of the training, those measured included.
        epochs_measured: the last so many.
        coordinates: weights whose gradients are kept; null: all 65,536.
        pairs: (i, j), i ≠ j, of Table 3-2, drawn from them once.
        beta2: β2 of all v.

    Source:
        Thesis 3.D and Tables 3-1 to 3-4.
    """

    def __init__(
        self,
        optimizer: OptimizerFactory,
        dataset: LoadedData,
        *,
        activation: str,
        batch_size: int,
        epochs: int,
        epochs_measured: int,
        coordinates: int | None,
        pairs: int,
        beta2: float,
    ) -> None:
        # what is trained, and for how long
        network = NETWORKS[checks.choice("activation", activation, NETWORKS)]
        super().__init__(optimizer, dataset, network, batch_size, epochs)

        # the steps that count are the last, and the longest lag comes before them
        checks.whole("epochs_measured", epochs_measured, at_least=1)
        self.first_measured = (epochs - epochs_measured) * self.epoch_steps + 1
        if self.first_measured <= LAGS:
            raise UserError(
                f"epochs_measured={epochs_measured}: {LAGS} steps have to come before them: leave "
                f"more of the {epochs} epochs"
            )

        if coordinates is not None:
            checks.whole("coordinates", coordinates, at_least=2)
        self.coordinates, self.pairs = coordinates, checks.whole("pairs", pairs, at_least=1)
        self.beta2 = checks.number("beta2", beta2, at_least=0, below=1)

    def begin(self, seed: int) -> None:
        """The classifier, and what is looked at."""
        super().begin(seed)

        # some weights between the hidden layers, and pairs of them
        linear = [
            layer for layer in self.training.network.modules() if isinstance(layer, nn.Linear)
        ]
        self.weight = linear[1].weight

        rng = generator_for(seed, "coordinates")
        order = torch.randperm(self.weight.numel(), generator=rng)
        self.looked_at = order[: self.coordinates].to(self.device)
        size = len(self.looked_at)

        first = torch.randint(size, (self.pairs,), generator=rng)
        apart = torch.randint(1, size, (self.pairs,), generator=rng)
        self.i, self.j = first.to(self.device), ((first + apart) % size).to(self.device)

        # gradients, and the largest of the tensor, n steps ago; the sums of each table
        self.gradients = History((size,), self.beta2, self.device)
        self.largest = History((1,), self.beta2, self.device)
        self.sums = {"adam": RunningPearson((size,), self.device)} | {
            name: RunningPearson((LAGS, self.pairs if name == "spatial" else size), self.device)
            for name in TABLES
        }

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the optimizer; in the last epochs its gradient is taken in."""
        values = {"train_loss": self.training.step(number)}
        self.curve.add(number, values)
        assert self.weight.grad is not None
        gradient = self.weight.grad.detach().flatten()
        self.gradients.add(gradient[self.looked_at])
        self.largest.add(gradient.abs().max().unsqueeze(0))
        if number >= self.first_measured:
            self._measure()
        return values

    def _measure(self) -> None:
        """Take the current step into the sums of all tables."""
        g, v, largest_v = self.gradients.values, self.gradients.seconds, self.largest.seconds
        squares = g.square()
        self.sums["adam"].add(squares[0], v[0])
        self.sums["temporal"].add(g[0], g[1:])
        self.sums["spatial"].add(g[0, self.i], g[1:, self.j])

        # row n of the v's knows gradients up to that of n steps ago
        self.sums["non_adashift_current"].add(squares[0], v[1:])
        self.sums["non_adashift_shifted"].add(squares[1:], v[1:])
        self.sums["max_adashift_current"].add(squares[0], largest_v[1:])
        self.sums["max_adashift_shifted"].add(squares[1:], largest_v[1:])

    def state_dict(self) -> dict[str, Any]:
        """The state of the training, the last gradients, and the sums."""
        return super().state_dict() | {
            "gradients": self.gradients.state_dict(),
            "largest": self.largest.state_dict(),
            "sums": {name: sums.state_dict() for name, sums in self.sums.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        super().load_state_dict(state)
        self.gradients.load_state_dict(state["gradients"])
        self.largest.load_state_dict(state["largest"])
        for name, sums in self.sums.items():
            sums.load_state_dict(state["sums"][name])

    def result(self) -> Result:
        """Adam's correlation, the mean over n of each table, and the tables by n."""
        by_lag = {name: self.sums[name].correlation().nanmean(dim=1) for name in TABLES}
        adam = self.sums["adam"].correlation()
        return Result(
            scores={
                "adam": float(adam.nanmean()),
                **{name: float(values.mean()) for name, values in by_lag.items()},
                "undefined": float(adam.isnan().double().mean()),
                "train_loss": self.curve.means()["train_loss"][-1],
                "test_accuracy": self.training.test_accuracy(),
            },
            drawn={
                "n": list(range(1, LAGS + 1)),
                **{name: [_or_none(value) for value in by_lag[name].tolist()] for name in TABLES},
                "samples": self.sums["adam"].count,
                "steps": self.curve.ends(),
                "train_loss": self.curve.means()["train_loss"],
            },
        )


def _or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
