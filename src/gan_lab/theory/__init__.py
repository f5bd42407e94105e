"""What the theory says, computed: exact optimal critics, transport, divergences, games, and
optimizers as recurrences."""

from gan_lab.theory.lipschitz import LipschitzEstimate, lipschitz_estimate

__all__ = [
    "LipschitzEstimate",
    "lipschitz_estimate",
]
