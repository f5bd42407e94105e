"""Where penalties look, seen through the points that the critic is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from gan_lab.errors import UserError
from gan_lab.penalties.regions import REGIONS
from helpers.penalty_probes import MEASURING, Linear, Spy, batch, rng
from helpers.registry import fields, instantiate

SHAPE = (6, 2, 3, 3)
WITHOUT_NOISE = ("real", "fake", "both")
WITH_REGION = [option for option in MEASURING if "region" in fields("penalty", option)]


def points(option: str, real, fake, generator=None, **settings):
    """What `option` asks the critic for."""
    spy = Spy(Linear(np.ones(real[0].numel())).to(real.dtype))
    instantiate("penalty", option, **settings)(spy, real, fake, generator)
    return spy.calls[0]


def test_the_regions_of_the_options():
    """gp, lp and maxgp look between the batches, r1 at real samples, dragan around them."""
    found = {option: fields("penalty", option)["region"] for option in WITH_REGION}
    assert (
        found.items()
        >= {
            "gp": "interpolates",
            "lp": "interpolates",
            "maxgp": "interpolates",
            "r1": "real",
            "dragan": "perturbed",
        }.items()
    )
    assert set(found.values()) <= set(REGIONS)


@pytest.mark.parametrize("option", WITH_REGION)
@pytest.mark.parametrize("shape", [(6, 2), SHAPE])
def test_interpolates_lie_on_the_segment_with_one_u_per_pair(option, shape):
    real, fake = batch(*shape)
    between = points(option, real, fake, rng(), region="interpolates")
    u = ((between - fake) / (real - fake)).flatten(1)
    assert between.shape == real.shape
    assert u.min() >= 0
    assert u.max() <= 1
    # (x - fake) / (real - fake): rounding of numbers below 10 over a difference of at least
    # `closest`
    closest = (real - fake).abs().min().item()
    assert u.std(dim=1).max().item() <= 4 * 10 * 2.3e-16 / closest
    assert u[:, 0].diff().abs().min() > 1e-3  # each pair its own


def test_u_is_uniform():
    """Kolmogorov-Smirnov, 4,000 draws of a fixed seed: beyond 1.95 / sqrt(n) once in a thousand
    seeds."""
    real, fake = torch.ones(4000, 1, dtype=torch.float64), torch.zeros(4000, 1, dtype=torch.float64)
    u = points("gp", real, fake, rng(3)).flatten().numpy()
    assert kstest(u, "uniform").statistic < 1.95 / np.sqrt(4000)
    # u real + (1 - u) fake, and neither neighbour nor batch half knows of the other: correlation
    # within 4 / sqrt(n)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(4000)


@pytest.mark.parametrize("option", WITH_REGION)
def test_real_and_fake(option):
    real, fake = batch(*SHAPE)
    assert torch.equal(points(option, real, fake, region="real"), real)
    assert torch.equal(points(option, real, fake, region="fake"), fake)
    assert torch.equal(points(option, real, fake, region="both"), torch.cat([real, fake]))


@pytest.mark.parametrize("option", WITH_REGION)
def test_perturbed_points_lie_above_real_ones_by_at_most_half_a_deviation(option):
    """x - real = u delta std / 2 with std over all values of the batch (population), u per sample,
    delta per value."""
    real, fake = batch(50, 4, 5, 5)
    moved = points(option, real, fake, rng(), region="perturbed") - real
    share = moved / (np.std(real.numpy()) / 2)  # u delta
    assert share.min() >= -1e-12  # rounding of real + noise
    assert share.max() <= 1 + 1e-12
    assert share.max() > 0.9
    # E[u delta] = 1/4: a sample's mean over 100 deltas is u / 2 within 4 * 0.29 u / 10
    u = 2 * share.flatten(1).mean(dim=1)
    assert (share.flatten(1).max(dim=1).values - u).abs().max() <= 2 * 4 * 0.29 / 10
    assert kstest(u.numpy(), "uniform").statistic < 1.95 / np.sqrt(50) + 2 * 4 * 0.29 / 10


@pytest.mark.thorough
def test_perturbed_takes_the_population_deviation():
    """0 and 2 deviate by 1, by sqrt(2) as a sample: then 5% of the noise would exceed 1/2, and 400
    draws show it."""
    real = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    generator = rng()
    noise = torch.cat([points("dragan", real, real, generator) - real for _ in range(200)])
    assert 0.4 < noise.max() <= 0.5


def test_perturbed_does_not_look_at_fake_samples():
    real, fake = batch(*SHAPE)
    assert torch.equal(
        points("dragan", real, fake, rng()), points("dragan", real, fake * 7 + 1, rng())
    )


def test_perturbed_noise_grows_with_the_data():
    """Scaled data gets scaled noise: the region is the same cloud in other units."""
    real, fake = batch(*SHAPE)
    moved, moved_more = points("dragan", real, fake, rng()), points("dragan", 8 * real, fake, rng())
    assert moved_more.numpy() == pytest.approx(8 * moved.numpy(), rel=0, abs=8 * 10 * 1e-15)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("option", WITH_REGION)
def test_randomness_comes_from_the_generator_alone(option, region):
    real, fake = batch(*SHAPE)
    torch.manual_seed(1)
    first = points(option, real, fake, rng(5), region=region)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(points(option, real, fake, rng(5), region=region), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(points(option, real, fake, rng(6), region=region), first) == (
        region in WITHOUT_NOISE
    )


@pytest.mark.parametrize("region", REGIONS)
def test_a_generator_moves_on(region):
    """Two calls with one generator draw twice."""
    real, fake = batch(*SHAPE)
    generator = rng(5)
    first, second = (points("gp", real, fake, generator, region=region) for _ in range(2))
    assert torch.equal(first, second) == (region in WITHOUT_NOISE)


@pytest.mark.parametrize("region", REGIONS)
def test_without_a_generator_the_global_one_is_drawn_from(region):
    real, fake = batch(*SHAPE)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(points("gp", real, fake, region=region))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2]) == (region in WITHOUT_NOISE)


def test_interpolates_of_unequal_batches_are_refused():
    real, fake = batch(4, 2)
    with pytest.raises(UserError, match=r"\(4, 2\) and fake \(3, 2\)"):
        points("gp", real, fake[:3], rng())


@pytest.mark.parametrize("region", sorted(set(REGIONS) - {"interpolates"}))
def test_other_regions_need_no_pairs(region):
    real, fake = batch(4, 2)
    counts = {"fake": 3, "both": 4 + 3}
    assert points("gp", real, fake[:3], rng(), region=region).shape == (counts.get(region, 4), 2)


@pytest.mark.parametrize("region", REGIONS)
def test_points_are_in_the_precision_of_the_real_samples(region):
    """Under autocast the generator gives bf16; the penalty must not look at the critic in bf16 for
    that."""
    real, fake = batch(*SHAPE)
    assert points("gp", real.float(), fake.bfloat16(), rng(), region=region).dtype == torch.float32
