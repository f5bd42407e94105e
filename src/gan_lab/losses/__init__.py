"""What critic and generator minimise.

The factories are the options of conf/loss; `combine`, `scale` and `shift` make new scalar losses out of these. Anything
with the methods of `Loss` can be trained.
"""

from gan_lab.losses.adversarial import (
    exponential,
    hinge,
    least_squares,
    logistic,
    nonsaturating,
    quadratic,
    sqrt,
    vanilla,
    wasserstein,
)
from gan_lab.losses.contract import Loss
from gan_lab.losses.fisher import FisherLoss, fisher
from gan_lab.losses.scalar import ScalarLoss, combine, scale, shift

__all__ = [
    "FisherLoss",
    "Loss",
    "ScalarLoss",
    "combine",
    "exponential",
    "fisher",
    "hinge",
    "least_squares",
    "logistic",
    "nonsaturating",
    "quadratic",
    "scale",
    "shift",
    "sqrt",
    "vanilla",
    "wasserstein",
]
