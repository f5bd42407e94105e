"""The kernel distance (KID): by hand, against brute force over all subsets, torchmetrics and
torch-fidelity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.metrics import KernelDistance, kernel_distance
from helpers.metrics_cases import flat
from helpers.metrics_reference import mmd, mmd_of_all_subsets, normal


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def single(real, fake, seed: int = 0, size: int | None = None) -> float:
    """One subset."""
    return kernel_distance(
        real, fake, 1, len(real) if size is None else size, rng(seed)
    ).value.item()


def test_by_hand():
    """d = 1, k = (xy + 1)^3, real 0 and 1, fake 1 and 2: within 1 and 27; across 1, 1, 8 and 27,
    mean 37/4.

    1 + 27 - 2 * 37/4 = 9.5
    """
    found = kernel_distance(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]]), 3, 2, rng())
    assert found._fields == ("value", "std")
    assert all(part.shape == () and part.dtype == torch.float64 for part in found)
    assert flat(found) == pytest.approx([9.5, 0.0], rel=1e-15, abs=1e-14)


def test_the_product_is_divided_by_the_dimension():
    """d = 2, real (1, 1) twice and fake (0, 0) twice: within 2^3 and 1, across 1: 8 + 1 - 2 = 7."""
    assert single(torch.ones(2, 2), torch.zeros(2, 2)) == pytest.approx(7, rel=1e-15)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 10**6))
def test_against_brute_force_when_a_subset_is_the_whole(n, d, seed):
    real, fake = normal(n, d, seed=seed).float(), 1.5 * normal(n, d, seed=seed + 1).float()
    expected = mmd(real, fake)
    size = max(1.0, real.abs().max().item(), fake.abs().max().item()) ** 6 * 8
    assert flat(kernel_distance(real, fake, 2, n, rng(seed))) == pytest.approx(
        [expected, 0], rel=1e-12, abs=1e-14 * size
    )


def test_subsets_are_drawn_without_replacement_from_either_side():
    """3 real and 3 fake samples, subsets of 2: nine possible values; all of them turn up, and
    nothing else does."""
    real, fake = normal(3, 2, seed=1).float(), normal(3, 2, seed=2).float() + 1
    possible = mmd_of_all_subsets(real, fake, 2)
    seen = set()
    for seed in range(120):  # one is missing with probability 9 (8/9)^120 = 7e-6
        value = single(real, fake, seed, size=2)
        nearest = np.abs(possible - value).argmin()
        assert value == pytest.approx(possible[nearest], rel=1e-11)
        seen.add(int(nearest))
    assert seen == set(range(9))


def test_value_and_std_are_mean_and_population_deviation_over_subsets():
    """Of two subsets: value - std and value + std are the two values."""
    real, fake = normal(4, 2, seed=1).float(), normal(4, 2, seed=2).float() + 1
    possible = mmd_of_all_subsets(real, fake, 3)
    spread = []
    for seed in range(10):
        value, std = flat(kernel_distance(real, fake, 2, 3, rng(seed)))
        for one in (value - std, value + std):
            assert np.abs(possible - one).min() < 1e-11
        spread.append(std)
    assert max(spread) > 0.01


def test_many_subsets_average_to_all_subsets():
    """The mean of 2,000 draws is within five standard errors of the mean over all subsets, which is
    the whole's MMD."""
    real, fake = normal(7, 3, seed=1).float(), normal(6, 3, seed=2).float() + 0.5
    possible = mmd_of_all_subsets(real, fake, 4)
    value, std = flat(kernel_distance(real, fake, 2000, 4, rng(3)))
    assert possible.mean() == pytest.approx(mmd(real, fake), rel=1e-10)  # a U-statistic
    assert abs(value - possible.mean()) < 5 * possible.std() / np.sqrt(2000)
    assert std == pytest.approx(possible.std(), rel=0.15)


def test_torchmetrics():
    from torchmetrics.image.kid import poly_mmd

    real, fake = normal(60, 32, seed=1), normal(60, 32, seed=2) * 1.3 + 0.2
    real, fake = real.float().double(), fake.float().double()  # the class keeps float32
    theirs = poly_mmd(real, fake).item()
    assert single(real, fake) == pytest.approx(theirs, rel=1e-11)
    metric = KernelDistance(subsets=3, subset_size=60)
    metric.update(real, real=True)
    metric.update(fake)
    assert flat(metric.compute()) == pytest.approx([theirs, 0], rel=1e-11, abs=1e-11)


def test_torch_fidelity():
    from torch_fidelity.metric_kid import mmd2

    real, fake = (normal(40, 16, seed=seed).float() + seed for seed in (1, 2))
    x, y = real.double().numpy(), fake.double().numpy()
    kernels = [(a @ b.T / 16 + 1) ** 3 for a, b in ((x, x), (x, y), (y, y))]
    assert single(real, fake) == pytest.approx(float(mmd2(*kernels)), rel=1e-11)


def test_sums_are_float64():
    """Features of an Inception network's size: k is about 30, and float32 sums of 40,000 of them
    are off by 1e-5."""
    real, fake = (normal(200, 64, seed=seed).float().abs() * 1.7 for seed in (1, 2))
    x, y = real.double().numpy(), fake.double().numpy()
    kernels = [(a @ b.T / 64 + 1) ** 3 for a, b in ((x, x), (x, y), (y, y))]
    within = [(k.sum() - np.trace(k)) / (200 * 199) for k in (kernels[0], kernels[2])]
    assert single(real, fake) == pytest.approx(
        sum(within) - 2 * kernels[1].mean(), rel=0, abs=1e-11
    )


def test_equal_distributions_have_no_bias():
    """Unbiased: negative values occur and are not clipped."""
    values = [
        single(normal(10, 3, seed=2 * s).float(), normal(10, 3, seed=2 * s + 1).float())
        for s in range(60)
    ]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)


def test_symmetry():
    real, fake = normal(12, 4, seed=1).float(), normal(12, 4, seed=2).float() * 2
    assert single(real, fake) == pytest.approx(single(fake, real), rel=1e-12)


class TestClass:
    REAL, FAKE = normal(50, 4, seed=1).float(), normal(60, 4, seed=2).float() * 1.5

    def fed(self, batch=100, **arguments):
        metric = KernelDistance(**{"subsets": 10, "subset_size": 20, **arguments})
        for part in self.FAKE.split(batch):
            metric.update(part)
        for part in self.REAL.split(batch):
            metric.update(part, real=True)
        return metric

    def test_it_is_the_functional_with_its_seed(self):
        expected = flat(kernel_distance(self.REAL, self.FAKE, 10, 20, rng(7)))
        assert flat(self.fed(seed=7).compute()) == pytest.approx(expected, rel=1e-13)

    def test_another_seed_is_another_draw(self):
        assert self.fed(seed=1).compute().value != self.fed(seed=2).compute().value

    def test_batches_do_not_matter(self):
        assert flat(self.fed(batch=7).compute()) == pytest.approx(
            flat(self.fed().compute()), rel=1e-13
        )

    def test_asking_twice_draws_the_same_subsets(self):
        metric = self.fed()
        first = flat(metric.compute())
        metric.update(self.FAKE[:0])  # forgets the cached result
        assert flat(metric.compute()) == first

    def test_the_global_generator_is_left_alone(self):
        before = torch.get_rng_state()
        self.fed().compute()
        assert torch.equal(torch.get_rng_state(), before)

    def test_it_takes_the_published_defaults(self):
        metric = KernelDistance()
        metric.update(self.FAKE)
        metric.update(self.REAL, real=True)
        with pytest.raises(UserError) as error:
            metric.compute()
        assert "1000" in str(error.value).replace(",", "")

    @pytest.mark.parametrize(("size", "count"), [(51, 50), (1000, 50)])
    def test_fewer_samples_than_a_subset(self, size, count):
        with pytest.raises(UserError) as error:
            self.fed(subset_size=size).compute()
        message = str(error.value)
        assert str(count) in message
        assert str(size) in message.replace(",", "")
        assert "\n" not in message

    @pytest.mark.parametrize(("real", "fake"), [(10, 30), (30, 10), (0, 30), (30, 0)])
    def test_fewer_samples_than_a_subset_on_one_side(self, real, fake):
        metric = KernelDistance(subsets=2, subset_size=20)
        metric.update(self.REAL[:real], real=True)
        metric.update(self.FAKE[:fake])
        with pytest.raises(UserError):
            metric.compute()


def test_the_functional_refuses_too_few_samples():
    for real, fake in ((9, 20), (20, 9)):
        with pytest.raises(UserError):
            kernel_distance(normal(real, 2), normal(fake, 2), 2, 10, rng())
