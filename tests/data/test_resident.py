"""The resident data: the scaling of pixels, the index stream and the batches."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gan_lab.data import LoadedData, Split
from gan_lab.data.resident import ResidentData, ResidentLoader, to_float, to_uint8
from gan_lab.types import DataSpec
from helpers.data_builders import noise, user_error

LEVELS = torch.arange(256, dtype=torch.uint8)
few = settings(max_examples=60, deadline=None, derandomize=True)


def numbered(count, shape=(1, 2, 2)):
    """`count` samples, each of whose pixels is its number; its label is 3 times that, modulo 11."""
    values = np.broadcast_to(
        np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1), (count, *shape)
    ).copy()
    labels = np.arange(count, dtype=np.int64) * 3 % 11
    spec = DataSpec("numbered", "images", shape, 11, tuple(map(str, range(11))))
    return LoadedData(spec, {"train": Split(values, labels)}, "0" * 64)


def points(count):
    """`count` points (i, -i)."""
    values = np.stack([np.arange(count), -np.arange(count)], 1).astype(np.float32)
    spec = DataSpec("points", "points", (2,), 1, ("one",))
    return LoadedData(spec, {"train": Split(values, np.zeros(count, dtype=np.int64))}, "0" * 64)


def loader(count, batch_size, n_critic=1, seed=0, start=0, stop=1000, **place):
    data = ResidentData.place(numbered(count, (1, 1, 1)) if count < 256 else points(count), "cpu")
    return ResidentLoader(
        data, batch_size=batch_size, n_critic=n_critic, seed=seed, start=start, stop=stop, **place
    )


# Scaling ------------------------------------------------------------------------------------------


def test_to_float_is_the_formula_exactly():
    """(x - 127.5) / 128 = (2 x - 255) / 256 in fractions; every value is a float32."""
    scaled = to_float(LEVELS)
    assert scaled.dtype == torch.float32
    assert [Fraction(value) for value in scaled.tolist()] == [
        Fraction(2 * x - 255, 256) for x in range(256)
    ]
    assert scaled[0] == -0.99609375
    assert scaled[255] == 0.99609375


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_to_uint8_inverts_to_float_for_all_levels(dtype):
    back = to_uint8(to_float(LEVELS).to(dtype))
    assert back.dtype == torch.uint8
    assert torch.equal(back, LEVELS)


def test_to_uint8_rounds_and_clamps():
    """round(128 x + 127.5): by hand, half to even."""
    table = {
        -1.0: 0,  # -0.5 to even is -0
        1.0: 255,  # 255.5 rounds to 256
        -5.0: 0,
        5.0: 255,
        float("-inf"): 0,
        float("inf"): 255,
        0.0: 128,  # 127.5
        1 / 128: 128,  # 128.5
        2 / 128: 130,  # 129.5
        0.25 / 128: 128,  # 127.75
        -0.25 / 128: 127,  # 127.25
        -127.25 / 128: 0,  # 0.25
        127.25 / 128: 255,  # 254.75
    }
    assert to_uint8(torch.tensor(list(table), dtype=torch.float64)).tolist() == list(table.values())


@given(st.lists(st.floats(-1.5, 1.5, width=32), min_size=1, max_size=50))
@few
def test_to_uint8_is_the_nearest_level(values):
    levels = to_float(LEVELS).tolist()
    for value, level in zip(values, to_uint8(torch.tensor(values)).tolist(), strict=True):
        best = min(abs(value - other) for other in levels)
        assert abs(value - levels[level]) <= best + 1e-7


def test_to_uint8_takes_half_precision_in_float32():
    """bfloat16 has 8 bits: the sum 128 x + 127.5 must not be rounded to it."""
    for dtype in (torch.bfloat16, torch.float16):
        values = torch.linspace(-1, 1, 401).to(dtype)
        assert torch.equal(to_uint8(values), to_uint8(values.double()))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5), (0, 3, 2, 2)])
def test_scaling_keeps_the_shape(shape):
    images = torch.zeros(shape, dtype=torch.uint8)
    assert to_float(images).shape == shape
    assert to_uint8(to_float(images)).shape == shape


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_to_float_leaves_its_argument_alone(dtype):
    values = torch.arange(6).to(dtype)
    before = values.clone()
    to_float(values)
    assert torch.equal(values, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_to_uint8_leaves_its_argument_alone(dtype):
    values = torch.linspace(-1, 1, 7).to(dtype)
    before = values.clone()
    to_uint8(values)
    assert torch.equal(values, before)


# Gathering ----------------------------------------------------------------------------------------


def test_gather_scales_images_and_keeps_labels_with_them():
    values = noise(9, 3, 4, 5)
    labels = np.arange(9, dtype=np.int64)[::-1].copy()
    spec = DataSpec("noise", "images", (3, 4, 5), 9, tuple("abcdefghi"))
    resident = ResidentData.place(LoadedData(spec, {"train": Split(values, labels)}, ""), "cpu")
    indices = torch.tensor([[4, 4, 0], [8, 1, 2]])
    images, classes = resident.gather(indices)
    assert images.shape == (2, 3, 3, 4, 5)
    assert images.dtype == torch.float32
    for row in range(2):
        for column in range(3):
            index = int(indices[row, column])
            expected = (values[index].astype(np.float64) - 127.5) / 128
            np.testing.assert_array_equal(images[row, column].numpy(), expected.astype(np.float32))
            assert classes[row, column] == 8 - index
    np.testing.assert_array_equal(values, noise(9, 3, 4, 5))  # the set itself stays


def test_points_are_not_scaled():
    resident = ResidentData.place(points(10), "cpu")
    chosen, labels = resident.gather(torch.tensor([3, 7]))
    assert chosen.tolist() == [[3, -3], [7, -7]]
    assert labels.tolist() == [0, 0]
    chosen.add_(100)  # a step may write into its batch
    assert resident.gather(torch.tensor([3]))[0].tolist() == [[3, -3]]


def test_another_split_may_be_placed():
    data = numbered(5)
    data.splits["test"] = Split(data.splits["train"].values[:2] + 7, np.array([1, 2]))
    resident = ResidentData.place(data, "cpu", split="test")
    assert len(resident) == 2
    assert to_uint8(resident.gather(torch.tensor([1]))[0]).unique().tolist() == [8]


# The index stream ---------------------------------------------------------------------------------

sizes = st.integers(1, 40).flatmap(lambda count: st.tuples(st.just(count), st.integers(1, count)))


@given(sizes, st.integers(1, 7), st.integers(0, 2**63 - 1))
@few
def test_every_epoch_visits_each_sample_at_most_once(size, n_critic, seed):
    """Written as one long list of critic batches, each run of E = N // batch of them has E * batch
    distinct samples."""
    count, batch_size = size
    stream = loader(count, batch_size, n_critic, seed)
    rows = torch.cat([stream.indices(step) for step in range(25)])
    assert rows.shape == (25 * n_critic, batch_size)
    assert rows.dtype == torch.int64
    assert 0 <= int(rows.min()) <= int(rows.max()) < count
    batches = count // batch_size
    for first in range(0, len(rows) - batches + 1, batches):
        epoch = rows[first : first + batches].flatten().tolist()
        assert len(set(epoch)) == len(epoch) == batches * batch_size


@given(sizes, st.integers(1, 7), st.integers(0, 1000), st.integers(0, 60), st.integers(0, 60))
@few
def test_a_jump_is_a_walk(size, n_critic, seed, start, back):
    """The samples of a step do not depend on how the loader came there: walked, jumped, resumed or
    gone back."""
    count, batch_size = size
    walked = loader(count, batch_size, n_critic, seed)
    for step in range(start + 1):
        here = walked.indices(step)
    jumped = loader(count, batch_size, n_critic, seed)
    assert torch.equal(jumped.indices(start), here)
    resumed = loader(count, batch_size, n_critic, seed, start=start, stop=start + 1)
    ((values, labels),) = list(resumed)
    expected = ResidentData.place(numbered(count, (1, 1, 1)), "cpu").gather(here)
    assert torch.equal(values, expected[0])
    assert torch.equal(labels, expected[1])
    assert torch.equal(
        walked.indices(back), loader(count, batch_size, n_critic, seed).indices(back)
    )
    assert torch.equal(walked.indices(start), here)


@given(st.integers(12, 60), st.integers(1, 4), st.integers(0, 30), st.integers(0, 100))
@few
def test_slices_of_the_ranks_make_the_global_batch(count, n_critic, step, seed):
    whole = loader(count, 12, n_critic, seed).indices(step)
    for world_size in (1, 2, 3, 4):
        parts = [
            loader(count, 12, n_critic, seed, rank=rank, world_size=world_size).indices(step)
            for rank in range(world_size)
        ]
        assert {tuple(part.shape) for part in parts} == {(n_critic, 12 // world_size)}
        assert torch.equal(torch.cat(parts, dim=1), whole)


@given(sizes, st.integers(1, 5), st.integers(1, 5))
@few
def test_n_critic_cuts_one_stream_into_steps(size, n_critic, steps):
    """Critic batch b is the same whatever n_critic is."""
    count, batch_size = size
    one = loader(count, batch_size, 1)
    many = loader(count, batch_size, n_critic)
    rows = torch.cat([many.indices(step) for step in range(steps)])
    assert torch.equal(rows, torch.cat([one.indices(step) for step in range(steps * n_critic)]))


def permutations(count, seed, epochs):
    stream = loader(count, count, seed=seed, stop=epochs)
    return torch.cat([stream.indices(step) for step in range(epochs)]).numpy()


def test_epochs_and_seeds_differ():
    seen = {row.tobytes() for seed in range(12) for row in permutations(30, seed, 12)}
    assert len(seen) == 12 * 12
    far = [2**31, 2**32, 2**32 + 1, 2**63 - 1]  # seeds do not wrap around
    seen |= {row.tobytes() for seed in far for row in permutations(30, seed, 12)}
    assert len(seen) == 16 * 12


def test_permutations_are_uniform():
    """Counts of (sample, position): N (N - 1) (O - E)^2 / E / N^2 summed is chi-square with (N -
    1)^2 degrees."""
    count, epochs = 10, 3000
    rows = permutations(count, seed=5, epochs=epochs)
    table = np.zeros((count, count))
    for position in range(count):
        table[:, position] = np.bincount(rows[:, position], minlength=count)
    expected = epochs / count
    statistic = ((table - expected) ** 2 / expected).sum() * (count - 1) / count
    assert 1e-3 < stats.chi2.sf(statistic, (count - 1) ** 2) < 1 - 1e-3


def test_all_orders_of_four_are_equally_likely():
    rows = permutations(4, seed=1, epochs=4800)
    codes = rows @ np.array([64, 16, 4, 1])
    counts = np.unique(codes, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_one_epoch_tells_nothing_of_the_next():
    """The number of samples that keep their place has mean 1 and variance 1."""
    rows = permutations(10, seed=2, epochs=3000)
    kept = (rows[1:] == rows[:-1]).sum(axis=1)
    assert abs(kept.mean() - 1) < 5 / np.sqrt(3000)


def test_what_an_epoch_leaves_out_is_no_fixed_part_of_the_data():
    stream = loader(10, 4, stop=400)  # two batches to an epoch, two samples left out
    left = np.zeros(10)
    for epoch in range(200):
        rows = (
            torch.cat([stream.indices(2 * epoch), stream.indices(2 * epoch + 1)]).flatten().tolist()
        )
        for index in set(range(10)) - set(rows):
            left[index] += 1
    assert left.sum() == 400
    assert stats.chisquare(left).pvalue > 1e-3


# The loader ---------------------------------------------------------------------------------------


def test_items_shapes_length_and_labels():
    data = ResidentData.place(numbered(50), "cpu")
    feed = ResidentLoader(data, batch_size=8, n_critic=3, seed=4, start=2, stop=30)
    assert len(feed) == 28
    items = list(feed)
    assert len(items) == 28
    for step, (values, labels) in enumerate(items, start=2):
        assert values.shape == (3, 8, 1, 2, 2)
        assert values.dtype == torch.float32
        assert labels.shape == (3, 8)
        assert labels.dtype == torch.int64
        numbers = to_uint8(values).long()
        assert (numbers == numbers[..., :1, :1, :1]).all()
        numbers = numbers[..., 0, 0, 0]
        assert torch.equal(numbers, feed.indices(step))
        assert torch.equal(labels, numbers * 3 % 11)
    again = list(feed)
    assert all(torch.equal(one[0], two[0]) for one, two in zip(items, again, strict=True))


def test_a_loader_of_no_steps():
    feed = loader(5, 2, start=7, stop=7)
    assert len(feed) == 0
    assert list(feed) == []


def test_the_batch_may_be_the_whole_set_but_not_more():
    assert sorted(loader(7, 7).indices(3).flatten().tolist()) == list(range(7))
    user_error(lambda: loader(7, 8), "batch_size=8", 7, "numbered")


@pytest.mark.parametrize(
    ("fields", "needle"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -2}, "batch_size"),
        ({"batch_size": 5, "world_size": 2}, "batch_size=5"),
        ({"batch_size": 4, "world_size": 3}, "3 devices"),
        ({"batch_size": 4, "n_critic": 0}, "n_critic"),
        ({"batch_size": 4, "seed": -1}, "seed"),
    ],
)
def test_fields_out_of_range(fields, needle):
    user_error(lambda: loader(20, **fields), needle)


def test_drawing_does_not_touch_the_global_generators():
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    drawn = [loader(20, 5).indices(step) for step in range(9)]
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    assert all(torch.equal(loader(20, 5).indices(step), drawn[step]) for step in range(9))


def test_a_long_run_keeps_few_permutations():
    """Memory does not grow with the epochs."""
    stream = loader(2000, 1000, n_critic=4)
    stream.indices(0)
    tracemalloc.start()
    for step in range(1, 300):
        stream.indices(step)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20 * 2000 * 8  # 600 permutations were drawn


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_batches_are_the_same_and_nothing_waits():
    data = numbered(50)
    fields = {"batch_size": 8, "n_critic": 3, "seed": 4, "stop": 20}
    here = list(ResidentLoader(ResidentData.place(data, "cpu"), **fields))
    resident = ResidentData.place(data, "cuda")
    list(ResidentLoader(resident, **fields))  # warm
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = list(ResidentLoader(resident, **fields))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for (values, labels), (gpu_values, gpu_labels) in zip(here, there, strict=True):
        assert gpu_values.device.type == "cuda"
        assert torch.equal(gpu_values.cpu(), values)
        assert torch.equal(gpu_labels.cpu(), labels)
