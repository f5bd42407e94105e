"""Train one GAN: `python train.py loss=exp penalty=maxgp`; `--help` shows every group and field."""

import os
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_lab import config
from gan_lab.commands import entry
from gan_lab.errors import UserError
from gan_lab.interrupts import waits_for_imports
from gan_lab.sweeps.devices import check_devices_of_job

config.register()


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> None:
    """Compose, check, import torch, run."""
    run_dir = Path(os.path.relpath(HydraConfig.get().runtime.output_dir))
    try:
        if cfg.resume is not None:
            cfg = config.resumed(cfg, HydraConfig.get().overrides.task, run_dir)
        config.check(cfg)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            choices, overrides = HydraConfig.get().runtime.choices, HydraConfig.get().overrides.task
            check_devices_of_job(cfg, choices["hydra/launcher"], overrides, run_dir)
        with waits_for_imports():
            from gan_lab.runs.train import train  # torch: 3 s

        train(cfg, run_dir)
    except UserError as error:
        raise entry.refuse(error, run_dir) from None


if __name__ == "__main__":
    entry.run(main, config.TrainConfig)
