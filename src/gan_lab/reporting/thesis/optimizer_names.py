"""How legends and the reproduction page call optimizers."""

from __future__ import annotations

from collections.abc import Mapping

OPTIMIZERS: Mapping[str, str] = {
    "sgd": "SGD",
    "momentum": "SGD with momentum",
    "adam": "Adam",
    "amsgrad": "AMSGrad",
    "nadam": "Nadam",
    "rmsprop": "RMSprop",
    "adam_spatial": "spatial-only AdaShift",
    "adashift": "max-AdaShift",
    "adashift_none": "non-AdaShift",
}
"""By the option's name; the thesis's words (3.E)."""
