"""What critic and generator minimise.

The factories are the options of conf/loss; `combine`, `scale` and `shift` make new scalar losses
out of these. Anything with the methods of `Loss` can be trained.
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
from gan_lab.losses.class_logits import LabelLoss
from gan_lab.losses.contract import ClassLoss, Loss, RelativeLoss
from gan_lab.losses.fisher import FisherLoss, fisher
from gan_lab.losses.label import ac_gan, ac_gan_plus, am_gan, cat_gan, gan_star, label_gan
from gan_lab.losses.projected import ProjectedLoss
from gan_lab.losses.relativistic import RelativisticLoss, relativistic
from gan_lab.losses.scalar import ScalarLoss, combine, scale, shift
from gan_lab.losses.unlabelled import CatLoss, GuidedLoss

__all__ = [
    "CatLoss",
    "ClassLoss",
    "FisherLoss",
    "GuidedLoss",
    "LabelLoss",
    "Loss",
    "ProjectedLoss",
    "RelativeLoss",
    "RelativisticLoss",
    "ScalarLoss",
    "ac_gan",
    "ac_gan_plus",
    "am_gan",
    "cat_gan",
    "combine",
    "exponential",
    "fisher",
    "gan_star",
    "hinge",
    "label_gan",
    "least_squares",
    "logistic",
    "nonsaturating",
    "quadratic",
    "relativistic",
    "scale",
    "shift",
    "sqrt",
    "vanilla",
    "wasserstein",
]
