"""The data module under a real Lightning Trainer, and the data after a real run."""

import warnings
from types import SimpleNamespace

import lightning
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from gan_lab import config
from gan_lab.data import Digits, Gaussians, load
from gan_lab.data.module import ResidentDataModule
from gan_lab.data.resident import ResidentData, ResidentLoader
from helpers.data_builders import REPOSITORY, user_error


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Threads that wait for one another on a busy machine cost more than these tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Spy(lightning.LightningModule):
    """Keeps the batches that arrive."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.batches = []

    def training_step(self, batch, batch_idx):
        self.batches.append((batch_idx, batch))

    def configure_optimizers(self):
        return torch.optim.SGD([self.weight], lr=0.1)


def fit(spy, feed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        ).fit(spy, feed)


@pytest.fixture(scope="module")
def digits():
    return load(Digits(), None)


@pytest.fixture
def gathered(monkeypatch):
    """The tensors that leave the resident data, kept alive so that no address is used twice."""
    kept = []
    gather = ResidentData.gather

    def keep(self, indices):
        kept.append(gather(self, indices))
        return kept[-1]

    monkeypatch.setattr(ResidentData, "gather", keep)
    return kept


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (5, 9), (24, 25)])
def test_the_trainer_stops_after_the_asked_steps_with_the_right_batches(digits, start, stop):
    spy = Spy()
    fit(spy, ResidentDataModule(digits, batch_size=64, n_critic=5, seed=3, start=start, stop=stop))
    assert [index for index, _ in spy.batches] == list(range(stop - start))
    data = ResidentData.place(digits, "cpu")
    peer = ResidentLoader(data, batch_size=64, n_critic=5, seed=3, start=start, stop=stop)
    for (_, (values, labels)), expected in zip(spy.batches, peer, strict=True):
        assert values.shape == (5, 64, 1, 8, 8)
        assert torch.equal(values, expected[0])
        assert torch.equal(labels, expected[1])


def test_start_may_be_set_until_the_fit(digits):
    feed = ResidentDataModule(digits, batch_size=8, n_critic=1, seed=0, stop=12)
    feed.start = 10
    spy = Spy()
    fit(spy, feed)
    assert len(spy.batches) == 2


def test_the_batch_is_not_copied_on_its_way(digits, gathered):
    spy = Spy()
    fit(spy, ResidentDataModule(digits, batch_size=16, n_critic=2, seed=0, stop=4))
    assert len(spy.batches) == len(gathered) == 4
    for (_, (values, labels)), made in zip(spy.batches, gathered, strict=True):
        assert values.data_ptr() == made[0].data_ptr()
        assert labels.data_ptr() == made[1].data_ptr()


def test_on_the_cpu_the_set_is_not_copied_either(digits):
    split = digits.splits["train"]
    placed = ResidentData.place(digits, "cpu")
    assert placed.values.data_ptr() == split.values.ctypes.data
    assert placed.labels.data_ptr() == split.labels.ctypes.data


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_every_rank_gets_its_slice(digits, world_size):
    def batches(rank, world_size):
        feed = ResidentDataModule(digits, batch_size=16, n_critic=2, seed=1, stop=3)
        feed.trainer = SimpleNamespace(
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
            global_rank=rank,
            world_size=world_size,
        )
        return list(feed.train_dataloader())

    parts = [batches(rank, world_size) for rank in range(world_size)]
    for step, whole in enumerate(batches(0, 1)):
        for kind in range(2):
            assert torch.equal(torch.cat([part[step][kind] for part in parts], dim=1), whole[kind])


def test_a_batch_of_more_than_the_training_samples_is_refused_before_the_fit(digits):
    samples = len(digits.splits["train"])
    ResidentDataModule(digits, batch_size=samples, n_critic=1, seed=0, stop=1)
    message = user_error(
        lambda: ResidentDataModule(digits, batch_size=samples + 1, n_critic=1, seed=0, stop=1),
        samples,
        "digits",
    )
    assert f"batch_size={samples + 1}" in message


@pytest.mark.parametrize("option", ["digits", "gaussians"])
def test_a_run_leaves_the_data_as_they_were(option, tmp_path, monkeypatch):
    """On the CPU training shares the memory of the loaded data, so nothing on the way may write
    into it."""
    run = pytest.importorskip("gan_lab.runs.train")
    source = {"digits": Digits(), "gaussians": Gaussians(num_samples=300)}[option]
    loaded = []

    def keep(asked, cache_dir):
        loaded.append(load(source, None))
        return loaded[-1]

    monkeypatch.setattr("gan_lab.build.load", keep)
    config.register()
    overrides = [
        f"dataset={option}",
        "max_generator_steps=1",
        "n_critic=1",
        "architecture.channels=4",
        "logger=none",
    ]
    if option == "gaussians":
        overrides = [*overrides[:3], "architecture=mlp", "logger=none"]
    overrides += ["trainer=cpu", f"run_dir={tmp_path}/run"]
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        composed = compose("train", overrides)
        monkeypatch.setattr(
            HydraConfig.instance(), "cfg", compose("train", overrides, return_hydra_config=True)
        )
    (tmp_path / "run").mkdir()
    run.train(composed, tmp_path / "run")
    (data,) = loaded
    for name, split in load(source, None).splits.items():
        np.testing.assert_array_equal(data.splits[name].values, split.values)
        np.testing.assert_array_equal(data.splits[name].labels, split.labels)
