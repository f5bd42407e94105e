"""What changed between versions of config.yaml and record.json, in one place. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VERSION = 2
"""Of config.yaml and record.json as they are written today; files without a version are of version 1."""


@dataclass(frozen=True)
class Since:
    """A config field that came with a version.

    Args:
        version: the first version whose files have the field.
        before: the value that was implied before there was the field: how a run of an older file began and goes on.
        of: the names of the components (last part of a `_target_`) that have the field; empty: every one of the group.
    """

    version: int
    before: Any
    of: tuple[str, ...] = ()


FIELD_DEFAULTS: dict[str, Since] = {
    # what training sees of the labels
    "dataset.labelled_fraction": Since(1, 1.0),
    "dataset.num_classes": Since(1, None),
    "dataset.reference_distribution": Since(1, None),
    # how images are made and dealt out
    "dataset.split": Since(2, "standard", of=("Flowers102",)),
    "dataset.fit": Since(2, "crop", of=("Flowers102", "ImageFolder")),
    # settings of the thesis and of the author's programs that were others before
    "architecture.batch_norm_eps": Since(2, 1e-5, of=("DCGAN",)),
    "loss.unlabelled": Since(2, "pooled", of=("gan_star", "ac_gan", "ac_gan_plus", "label_gan", "am_gan")),
    "penalty.exact": Since(2, False, of=("SpectralNorm",)),
}
"""By dotted field. A field at its implied value is no part of a run's identity."""
