"""What a job of a sweep asks of devices and loggers. Torch-free."""

from __future__ import annotations

import shlex
from pathlib import Path

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf

from gan_lab.errors import UserError
from gan_lab.terminal import quoted


def logger_groups(config: DictConfig, sweep_dir: Path) -> dict[str, str]:
    """{field: group} of the loggers that have groups and were given none: a sweep's runs are one,
    named as its folder.

    It stands in the run's config.yaml then, so that a job that is resumed alone stays in its group.
    """
    return {
        f"logger.{name}.group": sweep_dir.name
        for name, node in config.logger.items()
        if node.get("group", "") is None
    }


def uses_several_devices(config: DictConfig) -> bool:
    """Whether a run may have several processes. `auto` may be any number; a study has one."""
    trainer = config.get("trainer", {})
    return trainer.get("strategy") is not None and (
        trainer.get("devices"),
        trainer.get("num_nodes", 1),
    ) != (1, 1)


def settle_job(config: DictConfig, hydra: HydraConf, run_dir: Path) -> None:
    """Let the loggers of a sweep's job show its runs as one group, unless the user named one.

    Args:
        config: of the job; is changed.
        hydra: Hydra's own config of it.
        run_dir: the job's directory.

    Raises:
        UserError: for several devices in a job that runs in the process of its sweep: Lightning
            would start the other processes with this one's command line, which is the whole
            sweep's.
    """
    launcher = hydra.runtime.choices["hydra/launcher"]
    if launcher in ("serial", "basic") and uses_several_devices(config):
        alone = shlex.join([*hydra.overrides.task, f"run_dir={quoted(run_dir)}"])
        raise UserError(
            f"trainer.devices={config.trainer.devices}: several devices need a process for each "
            "cell: add hydra/launcher=joblib hydra.launcher.n_jobs=1 to the sweep, "
            f"or run this cell by itself: python train.py {alone}"
        )
    for field, group in logger_groups(config, Path(hydra.sweep.dir)).items():
        OmegaConf.update(config, field, group)
