"""MS-SSIM: by hand, against loops over windows, against torchmetrics' maps, and the pairs that the
class keeps."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.metrics import MSSSIM, ms_ssim
from gan_lab.metrics.ms_ssim import _pairs
from helpers.metrics_reference import WEIGHTS, exponents
from helpers.metrics_reference import ms_ssim as by_loops

LEVELS = {8: 4, 16: 5, 32: 5}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(
        0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
    )


def related(
    n: int, channels: int, height: int, width: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth images and noisy copies: all terms are well inside (0, 1)."""
    coarse = noise(n, channels, -(-height // 8) + 1, -(-width // 8) + 1, seed=seed).double()
    smooth = torch.nn.functional.interpolate(
        coarse, (height, width), mode="bilinear", align_corners=True
    )
    noisy = smooth * 0.8 + 20 + 0.2 * noise(n, channels, height, width, seed=seed + 1).double() - 25
    return smooth.round().clamp(0, 255).byte(), noisy.round().clamp(0, 255).byte()


def constant(value: float, side: int = 32, channels: int = 1) -> torch.Tensor:
    return torch.full((1, channels, side, side), value)


# Values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", LEVELS)
def test_constant_images_by_hand(side):
    """No contrast: every cs is c2 / c2 = 1; the luminance term of 100 and 150 counts once, at the
    last level.

    l = (2 * 100 * 150 + c1) / (100^2 + 150^2 + c1), c1 = (0.01 * 255)^2; MS-SSIM = l^w with the
    last weight.
    """
    c1 = 2.55**2
    luminance = (30000 + c1) / (32500 + c1)
    found = ms_ssim(constant(100.0, side), constant(150.0, side))
    assert found.shape == (1,)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(luminance ** exponents(LEVELS[side])[-1], rel=1e-12)


def test_two_pixels_by_hand():
    """Side 2, 2 levels: window 2, all weights 1/4. a = (0, 0; 100, 100), b its transpose: means 50,
    variances 2500.

    Covariance 0: cs = c2 / (5000 + c2). Level 2 is the one pixel 50 on both: 1. Weights .0448 and
    .2856 over their sum.
    """
    a = torch.tensor([[[[0.0, 0.0], [100.0, 100.0]]]])
    c2 = 7.65**2
    expected = (c2 / (5000 + c2)) ** (0.0448 / (0.0448 + 0.2856))
    assert ms_ssim(a, a.mT).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize("side", LEVELS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["related", "noise"])
@pytest.mark.parametrize("variant", ["abs", "signed"])
def test_against_loops_over_windows(side, channels, kind, variant):
    """float64 on both sides; E x^2 - (E x)^2 loses 255^2 eps = 1e-11 beside c2 = 58, far below
    1e-10."""
    a, b = related(3, channels, side, side)
    pair = (a, b) if kind == "related" else (noise(*a.shape), noise(*a.shape, seed=1))
    found = ms_ssim(*pair, variant=variant)
    expected = [by_loops(a, b, LEVELS[side], variant) for a, b in zip(*pair, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    if kind == "related" or variant == "abs":  # of noise against noise some are clamped to 0
        assert len(set(expected)) == 3


def test_the_absolute_covariance_by_hand():
    """Side 2, 1 level, window 2 with weights 1/4: a = (0, 0; 100, 100) and its negative: means 50,
    variances 2500.

    Covariance -2500: cs = (5000 + c2) / (5000 + c2) = 1 with its absolute value, as for a with
    itself; signed (-5000 + c2) / (5000 + c2) < 0, which counts as 0. Luminances are equal.
    """
    a = torch.tensor([[[[0.0, 0.0], [100.0, 100.0]]]])
    assert ms_ssim(a, 100 - a, 1).item() == pytest.approx(1, rel=1e-12)
    assert ms_ssim(a, 100 - a, 1, variant="signed").item() == 0


def test_the_absolute_value_is_taken_at_every_place_and_level():
    """Left halves alike, right halves negatives: the covariance changes its sign within the image,
    on all levels."""
    a, _ = related(1, 1, 32, 32)
    b = a.clone()
    b[..., 16:] = 255 - b[..., 16:]
    found, signed = ms_ssim(a, b).item(), ms_ssim(a, b, variant="signed").item()
    assert found == pytest.approx(by_loops(a[0], b[0], 5, "abs"), rel=1e-10)
    assert signed == pytest.approx(by_loops(a[0], b[0], 5, "signed"), rel=1e-10)
    assert found > signed + 0.1


@pytest.mark.parametrize("variant", ["absolute", "", None])
def test_another_variant_is_refused(variant):
    with pytest.raises(UserError, match=r"choose one of abs, signed$"):
        ms_ssim(*related(1, 1, 8, 8), variant=variant)
    with pytest.raises(UserError, match=r"choose one of abs, signed$"):
        MSSSIM(3, (1, 8, 8), variant=variant)


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_fewer_levels_renormalise_the_weights(levels):
    a, b = related(2, 2, 32, 32)
    expected = [by_loops(x, y, levels) for x, y in zip(a, b, strict=True)]
    assert ms_ssim(a, b, levels).tolist() == pytest.approx(expected, rel=1e-10)


def test_five_levels_have_the_published_exponents():
    """Constant images: l^0.1333, not l^(0.1333 / 1.0001), which is apart by 1e-5 log l."""
    luminance = (2 * 255 * 0 + 2.55**2) / (255**2 + 2.55**2)
    assert ms_ssim(constant(0.0), constant(255.0)).item() == pytest.approx(
        luminance**0.1333, rel=1e-12
    )


@pytest.mark.parametrize(
    ("height", "width", "levels"), [(16, 32, 5), (32, 16, 5), (8, 32, 4), (48, 32, 5)]
)
def test_images_that_are_no_squares(height, width, levels):
    """The shorter side sets window and levels."""
    a, b = related(1, 1, height, width)
    assert ms_ssim(a, b).item() == pytest.approx(by_loops(a[0], b[0], levels), rel=1e-10)


@pytest.mark.parametrize(
    ("side", "levels"), [(4, 3), (2, 2), (1, 1), (8, 4), (16, 5), (32, 5), (64, 5)]
)
def test_the_number_of_levels(side, levels):
    a, b = related(2, 1, side, side, seed=3)
    assert ms_ssim(a, b).tolist() == ms_ssim(a, b, levels).tolist()
    with pytest.raises(UserError):
        ms_ssim(a, b, math.floor(math.log2(side)) + 2)


@pytest.mark.parametrize("levels", [0, -1, 6])
def test_a_number_of_levels_without_weights(levels):
    with pytest.raises(UserError):
        ms_ssim(*related(1, 1, 64, 64), levels)


@pytest.mark.thorough
def test_torchmetrics():
    """Where all five levels are at least 11 pixels wide the window is theirs: 11 wide, sigma 1.5.

    Theirs averages the last level's map over a border of reflected pixels, too, ours (as published)
    over the valid part only, so we take its maps, crop them, and combine them by hand.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    one, other = related(2, 3, 192, 208)
    a, b, expected = one.double(), other.double(), torch.ones(2, dtype=torch.float64)
    for level, weight in enumerate(WEIGHTS):
        common = {"data_range": 255.0, "reduction": "none", "sigma": 1.5}
        if level < 4:
            _, contrast = ssim(a, b, **common, return_contrast_sensitivity=True)
            expected *= contrast**weight
            a, b = (torch.nn.functional.avg_pool2d(x, 2) for x in (a, b))
        else:
            _, map_ = ssim(a, b, **common, return_full_image=True)
            expected *= map_[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)) ** weight
    assert ms_ssim(one, other, variant="signed").tolist() == pytest.approx(
        expected.tolist(), rel=1e-9
    )


def test_bytes_and_floats_are_on_one_scale():
    a, b = related(2, 3, 32, 32)
    for dtype in (torch.float32, torch.float64):
        assert ms_ssim(a.to(dtype), b.to(dtype)).tolist() == pytest.approx(
            ms_ssim(a, b).tolist(), rel=1e-13
        )


# Properties ---------------------------------------------------------------------------------------

SHADES = {
    "black": lambda side: constant(0.0, side),
    "white": lambda side: constant(255.0, side),
    "grey": lambda side: constant(127.0, side),
    "noise": lambda side: noise(1, 1, side, side).float(),
    "inverted noise": lambda side: 255 - noise(1, 1, side, side).float(),
    "stripes": lambda side: constant(255.0, side) * (torch.arange(side) % 2),
    "other stripes": lambda side: constant(255.0, side) * (1 - torch.arange(side) % 2),
    "half": lambda side: constant(255.0, side) * (torch.arange(side) < side // 2),
    "other half": lambda side: constant(255.0, side) * (torch.arange(side) >= side // 2),
    "smooth": lambda side: related(1, 1, side, side)[0].float(),
}


@pytest.mark.thorough
@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize(("one", "other"), list(combinations(SHADES, 2)))
@pytest.mark.parametrize("variant", ["abs", "signed"])
def test_never_nan_and_in_the_unit_interval(side, one, other, variant):
    a, b = SHADES[one](side), SHADES[other](side)
    found = ms_ssim(a, b, variant=variant).item()
    assert 0 <= found <= 1 + 1e-12  # noise and its negative are alike by "abs"
    assert found == pytest.approx(by_loops(a[0], b[0], LEVELS[side], variant), rel=1e-9)


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("shade", SHADES)
def test_identical_images_give_one(side, shade):
    a = SHADES[shade](side)
    assert ms_ssim(a, a.clone()).item() == pytest.approx(1, rel=0, abs=1e-12)


@pytest.mark.parametrize("side", [8, 32])
def test_negative_correlation_is_clamped(side):
    """An image and its inverse: cs of level 1 is near -1, and a fractional power of that is
    none."""
    a = noise(4, 1, side, side)
    assert ms_ssim(a, 255 - a, variant="signed").tolist() == [0, 0, 0, 0]


@pytest.mark.thorough
@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.sampled_from([8, 16, 32]), st.integers(0, 10**6), st.floats(0, 1))
def test_symmetry_and_bounds(side, seed, share):
    a = noise(2, 1, side, side, seed=seed).double()
    b = share * a + (1 - share) * noise(2, 1, side, side, seed=seed + 1).double()
    found = ms_ssim(a, b)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    assert found.tolist() == pytest.approx(ms_ssim(b, a).tolist(), rel=1e-10, abs=1e-12)


def test_the_pairs_of_a_batch_are_apart():
    a, b = related(4, 3, 32, 32)
    each = [ms_ssim(a[i : i + 1], b[i : i + 1]).item() for i in range(4)]
    assert ms_ssim(a, b).tolist() == pytest.approx(each, rel=1e-12)


def test_autocast_changes_nothing():
    a, b = (x.float() for x in related(2, 3, 32, 32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ms_ssim(a, b)
    assert found.dtype == torch.float64
    assert torch.equal(found, ms_ssim(a, b))


@pytest.mark.parametrize("other", [(2, 3, 32, 16), (2, 1, 32, 32), (1, 3, 32, 32)])
def test_mismatched_shapes(other):
    with pytest.raises(UserError):
        ms_ssim(noise(2, 3, 32, 32), noise(*other))


# The class ----------------------------------------------------------------------------------------

IMAGES = torch.cat(
    [x for seed in range(3) for x in related(10, 1, 8, 8, seed=10 * seed)]
)  # 60 images
LABELS = torch.randint(0, 3, (60,), generator=torch.Generator().manual_seed(1))


def scores(images: torch.Tensor, pairs: str, variant: str = "abs") -> float:
    """The mean over the pairs of one class, by loops."""
    n = len(images)
    chosen = (
        combinations(range(n), 2) if pairs == "all" else [(i, i + 1) for i in range(0, n - 1, 2)]
    )
    return float(np.mean([by_loops(images[i], images[j], 4, variant) for i, j in chosen]))


def expected(
    images, labels, keep: int, pairs: str, classes: int = 3, variant: str = "abs"
) -> list[float]:
    return [scores(images[labels == label][:keep], pairs, variant) for label in range(classes)]


def run(order=None, batch=60, index=None, keep=6, pairs="disjoint", classes=3, variant="abs"):
    metric = MSSSIM(classes, (1, 8, 8), images_per_class=keep, pairs=pairs, variant=variant)
    order = torch.arange(60) if order is None else order
    for rows in order.split(batch):
        metric.update(IMAGES[rows], LABELS[rows], None if index is None else index[rows])
    return metric.compute()


@pytest.mark.parametrize("pairs", ["disjoint", "all"])
@pytest.mark.parametrize("keep", [6, 7])
@pytest.mark.parametrize("batch", [1, 9, 60])
@pytest.mark.parametrize("variant", ["abs", "signed"])
def test_the_first_images_of_every_class_are_paired(pairs, keep, batch, variant):
    """Of 7 images in disjoint pairs the last has no partner."""
    found = run(batch=batch, keep=keep, pairs=pairs, variant=variant)
    per_class = expected(IMAGES, LABELS, keep, pairs, variant=variant)
    assert found._fields == ("per_class", "mean", "maximum", "pairs")
    assert all(part.dtype == torch.float64 for part in found[:3])
    assert (
        found.pairs.tolist() == [keep // 2 if pairs == "disjoint" else keep * (keep - 1) // 2] * 3
    )
    assert found.per_class.tolist() == pytest.approx(per_class, rel=1e-9)
    assert found.mean.item() == pytest.approx(np.mean(per_class), rel=1e-9)
    assert found.maximum.item() == pytest.approx(max(per_class), rel=1e-9)
    assert found.mean.shape == found.maximum.shape == ()


@pytest.mark.parametrize("batch", [1, 9, 60])
def test_the_index_and_not_the_order_of_arrival_decides(batch):
    order = torch.randperm(60, generator=torch.Generator().manual_seed(5))
    found = run(order=order, batch=batch, index=100 * torch.arange(60) + 7)
    assert found.per_class.tolist() == pytest.approx(run().per_class.tolist(), rel=1e-12)


def test_a_large_index_is_kept_exactly():
    index = torch.arange(60) + 2**53
    order = torch.randperm(60, generator=torch.Generator().manual_seed(5))
    found = run(order=order, batch=7, index=index)
    assert found.per_class.tolist() == pytest.approx(run().per_class.tolist(), rel=1e-12)


@pytest.mark.parametrize("present", [0, 1])
def test_a_class_with_fewer_than_two_images_is_left_out(present):
    metric = MSSSIM(3, (1, 8, 8))
    rows = torch.cat([torch.nonzero(c == LABELS).flatten()[:4] for c in (0, 2)])
    lone = torch.nonzero(LABELS == 1).flatten()[:present]
    metric.update(IMAGES[torch.cat([rows, lone])], LABELS[torch.cat([rows, lone])])
    found = metric.compute()
    assert found.per_class.isnan().tolist() == [False, True, False]
    rest = found.per_class[[0, 2]].tolist()
    assert found.mean.item() == pytest.approx(np.mean(rest), rel=1e-14)
    assert found.maximum.item() == max(rest)


def test_when_all_classes_are_left_out():
    metric = MSSSIM(2, (1, 8, 8))
    metric.update(IMAGES[:1], torch.tensor([1]))
    found = metric.compute()
    assert found.per_class.isnan().all()
    assert found.mean.isnan()
    assert found.maximum.isnan()


def test_ten_images_are_paired_as_published():
    """Five disjoint pairs, 0-1, 2-3, ..., of |σ|."""
    found = MSSSIM(3, (1, 8, 8), images_per_class=10)
    found.update(IMAGES, LABELS)
    assert found.compute().per_class.tolist() == pytest.approx(
        expected(IMAGES, LABELS, 10, "disjoint"), rel=1e-9
    )


@pytest.mark.parametrize(
    ("count", "asked", "pairs"),
    [
        (400, 400, 200),  # disjoint
        (401, 400, 200),
        (200, 400, 200),  # two rounds
        (21, 400, 200),  # of the 210 there are
        (20, 400, 190),  # all there are
        (7, 10, 5),
        (4, 400, 6),
        (3, 400, 3),
        (2, 400, 1),
        (1, 400, 0),
        (0, 400, 0),
    ],
)
def test_rounds_have_as_many_pairs_as_asked_or_as_there_are(count, asked, pairs):
    """No pair twice, no image with itself, the disjoint ones first, and no image in many more pairs
    than another."""
    found = [tuple(pair) for pair in _pairs(min(count, asked), "rounds", asked // 2).tolist()]
    assert len(found) == len({frozenset(pair) for pair in found}) == pairs
    assert all(0 <= left < count and 0 <= right < count and left != right for left, right in found)
    disjoint = [(i, i + 1) for i in range(0, min(count, asked) - 1, 2)]
    assert found[: len(disjoint)] == disjoint[:pairs]
    uses = np.bincount(np.array(found, dtype=int).ravel(), minlength=min(count, asked))
    assert not pairs or uses.max() - uses.min() <= 2


def test_a_class_with_few_images_says_how_many_pairs_it_has():
    """40 images asked, that is 20 pairs: class 0 has 12 images and 20 pairs, class 1 has 5 and all
    10, class 2 one."""
    by_class = [torch.nonzero(label == LABELS).flatten() for label in range(3)]
    rows = torch.cat([by_class[0][:12], by_class[1][:5], by_class[2][:1]])
    metric = MSSSIM(3, (1, 8, 8), images_per_class=40)
    metric.update(IMAGES[rows], LABELS[rows])
    found = metric.compute()
    assert metric.protocol == "msssim_abs_4level_20pairs"
    assert found.pairs.tolist() == [20, 10, 0]
    circle = [(i, (i + d) % 12) for d in (1, 2) for i in (*range(0, 12, 2), *range(1, 12, 2))][:20]
    first = np.mean(
        [by_loops(IMAGES[by_class[0][i]], IMAGES[by_class[0][j]], 4) for i, j in circle]
    )
    second = scores(IMAGES[by_class[1][:5]], "all")
    assert found.per_class[:2].tolist() == pytest.approx([first, second], rel=1e-9)
    assert found.per_class[2].isnan()
    assert found.maximum.item() == pytest.approx(max(first, second), rel=1e-9)


@pytest.mark.parametrize(
    ("shape", "arguments", "name"),
    [
        ((3, 32, 32), {}, "msssim_abs_5level_200pairs"),
        ((3, 32, 32), {"variant": "signed"}, "msssim_signed_5level_200pairs"),
        ((3, 32, 32), {"images_per_class": 10}, "msssim_abs_5level_5pairs"),
        ((1, 8, 8), {"images_per_class": 33, "pairs": "all"}, "msssim_abs_4level_528pairs"),
        ((3, 32, 32), {"images_per_class": 7, "pairs": "disjoint"}, "msssim_abs_5level_3pairs"),
        (
            (3, 64, 64),
            {"levels": 3, "images_per_class": 4, "pairs": "all"},
            "msssim_abs_3level_6pairs",
        ),
    ],
)
def test_the_protocol_is_named(shape, arguments, name):
    assert MSSSIM(10, shape, **arguments).protocol == name


def test_the_levels_asked_for():
    metric = MSSSIM(1, (1, 8, 8), images_per_class=2, levels=2)
    metric.update(IMAGES[:2], torch.zeros(2, dtype=torch.int64))
    assert metric.compute().maximum.item() == pytest.approx(
        by_loops(IMAGES[0], IMAGES[1], 2), rel=1e-10
    )


def test_memory_is_constant():
    metric, sizes = MSSSIM(3, (1, 8, 8), images_per_class=5), []
    for repeats in (1, 30):
        for _ in range(repeats):
            metric.update(IMAGES, LABELS)
        sizes.append(sum(state.nbytes for state in metric.metric_state.values()))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("arguments", [{"pairs": "some"}, {"levels": 5}, {"images_per_class": 1}])
def test_a_protocol_that_cannot_be(arguments):
    with pytest.raises(UserError):
        MSSSIM(3, (1, 8, 8), **arguments)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES[:4, :, :4], LABELS[:4]),
        (IMAGES[:4].expand(4, 3, 8, 8), LABELS[:4]),
        (IMAGES[:4], LABELS[:3]),
        (IMAGES[:4], torch.tensor([0, 1, 2, 3])),
        (IMAGES[:4], torch.tensor([0, 1, 2, -1])),
    ],
)
def test_images_and_labels_that_do_not_fit(images, labels):
    with pytest.raises(UserError):
        MSSSIM(3, (1, 8, 8)).update(images, labels)
