"""Semi-supervised data: which training labels a label loss may see. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gan_lab.data.source import LoadedData, Split
from gan_lab.errors import UserError
from gan_lab.types import UNLABELLED

_PURPOSE = 0x1ABE1  # keeps these permutations apart from other streams of the same seed


@dataclass(frozen=True)
class Supervision:
    """What training sees of a data set's labels.

    Args:
        labelled_fraction: in [0, 1], of the labels of every class.
        num_classes: K where no label is used; None: as many as the data have.
        reference_distribution: of the classes of unlabelled samples (4-34): "uniform", or "data",
            the shares of the training data; None: uniform where no sample is labelled.
    """

    labelled_fraction: float = 1.0
    num_classes: int | None = None
    reference_distribution: str | None = None


def partly_labelled(
    data: LoadedData, fraction: float, num_classes: int | None, seed: int
) -> LoadedData:
    """Replace the labels of some training samples by UNLABELLED.

    Args:
        data: the data with all its labels.
        fraction: in [0, 1], of the labels that stay: round(fraction · n) of the n samples of every
            class, at least one unless fraction is 0.
        num_classes: K where no label stays, or where the data have none (one class); None: as many
            as the data have.
        seed: with the class it decides which labels stay.

    Returns:
        The data with other labels and, where it is given, `num_classes` as its K.

    Raises:
        UserError: where labels of another number of classes would stay.
    """
    # K, and whether any label stays
    labels = data.splits["train"].labels
    classes = data.spec.num_classes
    if classes == 1 and num_classes is not None:  # a data set without labels
        fraction = 0.0

    if num_classes is not None and num_classes != classes and fraction > 0:
        raise UserError(
            f"supervision.num_classes={num_classes}: the labels of {data.spec.name} are of "
            f"{classes} classes; omit num_classes, or add supervision.labelled_fraction=0 to "
            "find classes without labels"
        )

    # the labels that stay; each class has a permutation of its own
    kept = np.full_like(labels, UNLABELLED)
    for label in range(classes if fraction > 0 else 0):
        members = np.flatnonzero(labels == label)
        order = np.random.default_rng([seed, label, _PURPOSE]).permutation(members)
        chosen = order[: max(1, round(fraction * len(members)))]
        kept[chosen] = label

    # classes that nobody named have numbers for names
    k = classes if num_classes is None else num_classes
    names = data.spec.class_names if k == classes else tuple(map(str, range(k)))

    spec = replace(data.spec, num_classes=k, class_names=names)
    train = Split(data.splits["train"].values, kept)
    return replace(data, spec=spec, splits={**data.splits, "train": train})


def count_labelled(data: LoadedData) -> int:
    """How many training samples have a label."""
    return int((data.splits["train"].labels != UNLABELLED).sum())


def class_shares(data: LoadedData) -> tuple[float, ...]:
    """The share of each class among the training samples; all must have a label."""
    counts = np.bincount(data.splits["train"].labels, minlength=data.spec.num_classes)
    return tuple((counts / counts.sum()).tolist())
