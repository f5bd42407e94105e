"""Multi-scale structural similarity of image pairs, and its mean within each class."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.metrics.base import Score
from gan_lab.metrics.exact import exactly
from gan_lab.metrics.smallest import NONE, smallest_of_class
from gan_lab.metrics.ssim import WEIGHTS, check_variant, choose_levels, ssim
from gan_lab.reading.declared_scores import ScoreFacts

PAIRS = ("rounds", "disjoint", "all")
_CHUNK = 64  # pairs compared at once: what the caches of a CPU hold


@exactly
def ms_ssim(a: Tensor, b: Tensor, levels: int | None = None, variant: str = "abs") -> Tensor:
    """MS-SSIM of image pairs.

        Π_{j<M} cs_j^{w_j} · ssim_M^{w_M}

    with the means of `ssim` at each level and a 2x2 mean between levels. A mean below 0 counts as
    0: its power would be no number.

    Args:
        a: (n, C, H, W), uint8 or float on the scale 0..255.
        b: the other image of each pair, likewise.
        levels: M <= 5 with M <= floor(log2(side)) + 1, None: the most; below 5 the weights are
            scaled to sum 1 (the five published ones sum to 1.0001).
        variant: "signed", the published MS-SSIM; "abs", with |σ_xy| for σ_xy: what Table 4-2 has
            [code]. An image and its negative are alike by "abs".

    Returns:
        float64 (n,), at most 1.

    Raises:
        UserError: for pairs of different shape, levels out of range, and another variant.

    Source:
        Wang et al. 2003, "Multiscale structural similarity for image quality assessment".

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import ms_ssim
        >>> image = torch.arange(64.0).view(1, 1, 8, 8)
        >>> round(float(ms_ssim(image, image)), 4)
        1.0
    """
    check_variant(variant)
    if a.shape != b.shape or a.ndim != 4 or 0 in a.shape[1:]:
        raise UserError(
            f"images {tuple(a.shape)} and {tuple(b.shape)} make no pairs: "
            "give two equal (n, C, H, W)"
        )

    # the published weights as they are, fewer of them scaled
    weights = WEIGHTS[: choose_levels(min(a.shape[2:]), levels)]
    scale = 1.0 if weights == WEIGHTS else sum(weights)

    # luminance counts at the coarsest level only
    x, y = a.to(torch.float64), b.to(torch.float64)
    result = torch.ones(len(a), dtype=torch.float64, device=a.device)
    for level, weight in enumerate(weights):
        if level:
            x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
        similarity, structure = ssim(x, y, variant)
        term = similarity if level == len(weights) - 1 else structure
        result = result * term.clamp(min=0) ** (weight / scale)
    return result


class MSSSIMValue(NamedTuple):
    """The similarity within classes, float64.

    Args:
        per_class: (K,), nan for a class without a pair.
        mean: 0-d, over the classes that have a pair; nan where none has.
        maximum: 0-d, likewise.
        pairs: int64 (K,), how many pairs each class had.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import MSSSIM
        >>> metric = MSSSIM(num_classes=2, image_shape=(1, 8, 8), images_per_class=4)
        >>> metric.update(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 1]))
        >>> metric.compute().pairs
        tensor([2, 0])
    """

    per_class: Tensor
    mean: Tensor
    maximum: Tensor
    pairs: Tensor


class MSSSIM(Score):
    """The mean of `ms_ssim` over pairs of images within each class; higher is less diverse.

    Of every class the `images_per_class` images of smallest index are kept, so memory is constant
    and the result does not depend on the number of processes. Thesis Table 4-2 is of the variant
    "abs", 10 images and 5 pairs [code].

    Args:
        num_classes: K.
        image_shape: (C, H, W).
        images_per_class: kept of each class.
        pairs: which of them are compared. "rounds": images_per_class / 2 pairs, 0-1, 2-3, ...
            first; a class with fewer images pairs them again, each with others, until it has as
            many (200 pairs need 21 images) or no pair is left. "disjoint": 0-1, 2-3, ... only.
            "all": every pair.
        levels: that of `ms_ssim`.
        variant: that of `ms_ssim`.

    Attributes:
        num_pairs: asked of each class; one with few images has fewer, as `compute` says.
        protocol: the word for all this, "msssim_abs_5level_200pairs".

    Raises:
        UserError: for arguments out of range.

    Source:
        Odena et al. 2017 (arXiv:1610.09585), section 4.2; thesis Table 4-2.

    Examples:
        A class that repeats one image:

        >>> import torch
        >>> from gan_lab.metrics import MSSSIM
        >>> metric = MSSSIM(num_classes=1, image_shape=(1, 8, 8), images_per_class=4)
        >>> image = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
        >>> metric.update(image.expand(4, 1, 8, 8), labels=torch.zeros(4, dtype=torch.int64))
        >>> round(float(metric.compute().mean), 4), metric.protocol
        (1.0, 'msssim_abs_4level_2pairs')
    """

    facts = ScoreFacts("msssim", reads="images", higher_is_better=False)

    images: Tensor
    indices: Tensor
    seen: Tensor

    def __init__(
        self,
        num_classes: int,
        image_shape: Sequence[int],
        images_per_class: int = 400,
        pairs: str = "rounds",
        levels: int | None = None,
        variant: str = "abs",
    ) -> None:
        super().__init__()

        # arguments in range
        checks.whole("num_classes", num_classes, at_least=1)
        checks.whole("images_per_class", images_per_class, at_least=2)
        if len(image_shape) != 3:
            raise UserError(
                f"image_shape={image_shape} is no image: give (channels, height, width)"
            )
        checks.whole("channels", image_shape[0], at_least=1)
        checks.whole("height", image_shape[1], at_least=1)
        checks.whole("width", image_shape[2], at_least=1)

        if pairs not in PAIRS:
            raise UserError(f"pairs={pairs} is unknown: choose one of {', '.join(PAIRS)}")
        check_variant(variant)

        # what is measured, and its name
        self.num_classes, self.image_shape, self.pairs = num_classes, tuple(image_shape), pairs
        self.levels = choose_levels(min(image_shape[1:]), levels)
        self.images_per_class, self.variant = images_per_class, variant

        partners = images_per_class - 1 if pairs == "all" else 1
        self.num_pairs = images_per_class * partners // 2
        self.protocol = f"msssim_{variant}_{self.levels}level_{self.num_pairs}pairs"

        # unreduced: what is kept of several processes follows from images and indices together
        kept = (num_classes, images_per_class)
        images = torch.zeros(*kept, *image_shape, dtype=torch.uint8)
        self.add_state("images", images, dist_reduce_fx=None)
        self.add_state("indices", torch.full(kept, NONE), dist_reduce_fx=None)
        self.add_state("seen", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor, labels: Tensor, index: Tensor | None = None) -> None:
        """Take in images with their classes.

        Args:
            images: uint8 (n, *image_shape).
            labels: int64 (n,), in [0, num_classes).
            index: int64 (n,) >= 0, the number of each image among those of all processes; None:
                counts up in this process.

        Raises:
            UserError: for another shape, dtype or range.
        """
        if images.dtype != torch.uint8 or images.shape[1:] != self.image_shape:
            raise UserError(
                f"images are {images.dtype} of shape {tuple(images.shape)}: give uint8 (n, "
                f"{', '.join(str(side) for side in self.image_shape)})"
            )

        # the numbers of the images decide which of them are kept
        labels = self._place(labels, self.num_classes, "labels", len(images))
        if index is None:
            index = self.seen + torch.arange(len(images), device=self.seen.device)
        index = self._place(index, NONE, "index", len(images))
        self.seen = self.seen + len(images)
        self.images, self.indices = self._smallest(images.to(labels.device), index, labels)

    def compute(self) -> MSSSIMValue:
        """The similarity within each class.

        Raises:
            UserError: where labels or indices were out of range.
        """
        images, indices = self._smallest()
        device = images.device

        # the pairs of all classes one after another: (class, left, right)
        found = [
            _pairs(count, self.pairs, self.num_pairs) for count in (indices != NONE).sum(1).tolist()
        ]
        counts = torch.tensor([len(pairs) for pairs in found])
        classes = torch.arange(len(found)).repeat_interleave(counts)
        places = torch.cat([classes[:, None], torch.cat(found)], 1).to(device)

        # compared in chunks that may hold several classes, and averaged within each
        values = [
            ms_ssim(images[k, left], images[k, right], self.levels, self.variant)
            for k, left, right in (chunk.T for chunk in places.split(_CHUNK))
        ]
        per_class = torch.stack([part.mean() for part in torch.cat(values).split(counts.tolist())])
        known = per_class[~per_class.isnan()]
        return MSSSIMValue(
            per_class, known.mean(), known.max() if len(known) else known.mean(), counts.to(device)
        )

    def _smallest(self, *new: Tensor) -> tuple[Tensor, Tensor]:
        """What to keep of the images there and of new ones.

        Args:
            new: images, their indices and their classes; nothing: only the images there.

        Returns:
            Images (K, images_per_class, *image_shape), and their indices.
        """
        # the images there, once for each process when synchronised
        places = torch.arange(self.num_classes, device=self.indices.device).repeat_interleave(
            self.images_per_class
        )
        kept = (
            self.images.flatten(0, -4),
            self.indices.flatten(),
            places.repeat(self.indices.numel() // len(places)),
        )

        # with the new ones, the smallest indices of each class
        images, index, classes = (
            torch.cat(parts) for parts in zip(kept, *([new] if new else []), strict=True)
        )
        chosen = smallest_of_class(index, classes, self.num_classes, self.images_per_class)
        return images[chosen], index[chosen]

    def _wrap_compute(self, compute: Callable[..., MSSSIMValue]) -> Callable[..., MSSSIMValue]:
        """As in `Score`; torchmetrics squeezes the (1,) of a single class, which is undone."""
        cached = super()._wrap_compute(compute)

        @functools.wraps(compute)
        def shaped() -> MSSSIMValue:
            value = cached()
            return value._replace(
                per_class=value.per_class.reshape(-1), pairs=value.pairs.reshape(-1)
            )

        return shaped


def _pairs(count: int, kind: str, most: int) -> Tensor:
    """The pairs of the images of a class.

    Args:
        count: how many images it has.
        kind: one of PAIRS.
        most: for "rounds", how many pairs at most.

    Returns:
        int64 (p, 2), the places of the images.
    """
    if kind == "disjoint":
        return torch.arange(count - count % 2).reshape(-1, 2)
    if kind == "all":
        return torch.tensor(list(combinations(range(count), 2)), dtype=torch.int64).reshape(-1, 2)

    # around the circle of images, each with the one `step` places on: every pair once, even images
    # first
    left = torch.cat([torch.arange(count)[::2], torch.arange(count)[1::2]])
    steps = min((count - 1) // 2, -(-most // max(count, 1)))
    rounds = [torch.stack([left, (left + step) % count], 1) for step in range(1, steps + 1)]
    if count and count % 2 == 0:  # the ones opposite: from one half only
        half = torch.arange(count // 2)
        rounds.append(torch.stack([half, half + count // 2], 1))
    return torch.cat([left.new_empty(0, 2), *rounds])[:most]
