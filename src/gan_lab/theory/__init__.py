"""What the theory says, computed: exact optimal critics, transport, divergences, games, and
optimizers as recurrences."""

from gan_lab.theory.optimal_critic import OptimalCritic, optimal_critic
from gan_lab.theory.unrestricted_critic import UnrestrictedCritic, optimal_critic_unrestricted

__all__ = [
    "OptimalCritic",
    "UnrestrictedCritic",
    "optimal_critic",
    "optimal_critic_unrestricted",
]
