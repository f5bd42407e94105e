"""Run a study: `python scripts/study.py study=lipschitz_methods penalty=gp`; --help lists them."""

from __future__ import annotations

import os
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gan_lab import config
from gan_lab.commands import entry
from gan_lab.interrupts import waits_for_imports

config.register(config.StudyConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="study")
def main(cfg: DictConfig) -> None:
    """Compose, check, import torch, run."""
    run_dir = Path(os.path.relpath(HydraConfig.get().runtime.output_dir))
    with entry.refusing(run_dir):
        config.check_study(cfg)
        with waits_for_imports():
            from gan_lab.studies.run import run  # torch: 3 s

        run(cfg, run_dir)


if __name__ == "__main__":
    entry.run(main, config.StudyConfig)
