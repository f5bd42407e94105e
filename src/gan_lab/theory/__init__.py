"""What the theory says, computed: exact optimal critics, transport, divergences, games, and
optimizers as recurrences."""

from gan_lab.theory.optimal_critic import OptimalCritic, optimal_critic

__all__ = [
    "OptimalCritic",
    "optimal_critic",
]
