"""Sweeps of hundreds of cells: composed once for each combination of options, listed in linear
time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hydra
import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_lab import build, config, sweeps
from gan_lab.sweeps import composing, table
from helpers.gan_runs import compose
from helpers.registry import CONF


@contextmanager
def sweep(*overrides: str) -> Iterator[tuple[ConfigLoader, DictConfig]]:
    """The loader and the config of a sweep, as the callback gets them."""
    config.register()
    setup_globals()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        whole = loader.load_configuration("train", list(overrides), run_mode=RunMode.MULTIRUN)
        HydraConfig.instance().set_config(whole)
        _ = whole.hydra.sweep.dir
        yield loader, whole


NAMED = "hydra.sweep.subdir='${hydra:runtime.choices.loss}_w${penalty.weight}_s${seed}_${hydra.job.num}_${n_critic}'"
SWEEPS = [
    (["n_critic=1"], [[f"seed={seed}", "loss=exp"] for seed in range(3)]),
    (
        [NAMED],
        [
            [f"loss={loss}", "penalty.weight=0.1", f"seed={seed}"]
            for loss in ("exp", "hinge")
            for seed in (0, 1)
        ],
    ),
    (["experiment=table_2_2_small"], [[f"loss={loss}", "seed=1"] for loss in ("exp", "sqrt")]),
    (
        ["experiment=table_4_1_small"],
        [["loss=am_gan", f"labels={labels}"] for labels in ("dynamic", "predefined")],
    ),
    (
        ["hydra.sweep.subdir='${hydra.job.override_dirname}'"],
        [["loss=exp", f"seed={seed}"] for seed in (0, 1)],
    ),
    (
        [NAMED],
        [
            ["optimizer@optimizer_critic=sgd", "+logger.csv.extra=1", "n_critic=2"],
            ["~logger", "seed=3"],
        ],
    ),
]


def fields_of(composed: DictConfig) -> dict[str, Any]:
    """A cell's config without Hydra's own, as it stands before it is resolved."""
    fields = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(fields, dict)
    return {str(name): value for name, value in fields.items() if name != "hydra"}


@pytest.mark.parametrize(
    ("overrides", "asked"), SWEEPS, ids=[f"{' '.join(one)[:30]} {len(two)}" for one, two in SWEEPS]
)
def test_cells_go_where_composing_each_puts_them(overrides, asked):
    with sweep(*overrides) as (loader, whole):
        configs = composing.CellConfigs(loader, whole)
        for number, each in enumerate(asked):
            composed = configs.compose(each, number)
            expected = composing.compose_cell(loader, whole, each, number)
            assert composing.resolve_folder(composed) == composing.resolve_folder(expected)
            assert fields_of(composed) == fields_of(expected)


def test_a_sweep_of_seeds_composes_once(monkeypatch):
    made = []
    whole_compose = composing.compose_cell

    def counted(*arguments):
        made.append(arguments)
        return whole_compose(*arguments)

    monkeypatch.setattr(composing, "compose_cell", counted)
    with sweep("n_critic=1") as (loader, whole):
        planned = composing.plan_sweep(
            loader, whole, [[f"seed={seed}", "loss=exp"] for seed in range(40)]
        )
    assert len(made) == 1
    assert [cell.name for cell in planned.cells] == [str(number) for number in range(40)]
    assert planned.cells[7].overrides == ("seed=7", "loss=exp")
    assert planned.cells[7].run_dir == planned.directory / "7"


@pytest.mark.parametrize("override", ["n_critic=abc", "nothing=1"])
def test_what_cannot_be_composed_is_found_before_the_first_cell(override):
    with (
        sweep() as (loader, whole),
        pytest.raises((OmegaConfBaseException, hydra.errors.HydraException)),
    ):
        composing.plan_sweep(loader, whole, [["seed=0"], [override, "seed=1"]])


def test_a_table_of_many_cells_looks_at_each_a_fixed_number_of_times(tmp_path):
    """Every cell's overrides were held against those of all others."""
    looked = []

    class Overrides(tuple):
        def __iter__(self):
            looked.append(1)
            return super().__iter__()

    found = [
        sweeps.SweepCell(tmp_path / str(n), Overrides(("loss=exp", f"seed={n}")), "waiting")
        for n in range(300)
    ]
    shown = table.status_table("sweep", found)
    assert [str(cell) for cell in shown.columns[1].cells][:2] == ["seed=0", "seed=1"]
    assert len(looked) <= 3 * len(found)
    looked.clear()
    sweeps.closing_report(tmp_path, found)
    assert len(looked) <= 3 * len(found)


def test_names_of_cells_are_text_in_the_table(tmp_path):
    cell = sweeps.SweepCell(tmp_path / "\x1b[2J", ("seed=0",), "failed", reason="[red]\x1b[31m")
    shown = table.status_table("sweep", [cell])
    assert all("\x1b" not in str(text) for column in shown.columns for text in column.cells)


def test_a_run_on_one_device_is_none_of_slurms_business(monkeypatch, tmp_path):
    for name, value in {
        "SLURM_NTASKS": "8",
        "SLURM_JOB_ID": "3",
        "SLURM_JOB_NAME": "other",
    }.items():
        monkeypatch.setenv(name, value)
    made = build.trainer(compose("trainer=cpu"), [], [], str(tmp_path))
    assert (made.world_size, made.num_devices) == (1, 1)
