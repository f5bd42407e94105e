"""Train one GAN: `python train.py loss=exp penalty=maxgp`; `--help` shows every group and field."""

import os
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_lab.commands import entry
from gan_lab.config import checks, resume, schema
from gan_lab.interrupts import waits_for_imports
from gan_lab.sweeps.devices import settle_job

schema.register(schema.TrainConfig)


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> None:
    """Compose, check, import torch, run."""
    # relative, as the user would type it
    hydra_config = HydraConfig.get()
    run_dir = Path(os.path.relpath(hydra_config.runtime.output_dir))
    with entry.refusing(run_dir):
        if cfg.resume is not None:
            cfg = resume.resumed(cfg, hydra_config.overrides.task, run_dir)
        checks.check(cfg)
        if hydra_config.mode == RunMode.MULTIRUN:
            settle_job(cfg, hydra_config, run_dir)

        with waits_for_imports():
            from gan_lab.runs.train import train  # torch: 3 s

        train(cfg, run_dir)


if __name__ == "__main__":
    entry.run(main, schema.TrainConfig)
