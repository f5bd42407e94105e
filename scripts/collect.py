"""Copy the records of finished runs into results/records.

`python scripts/collect.py runs=outputs/table_2_2_small`
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig, ListConfig

from gan_lab import config, reporting, terminal
from gan_lab.commands import entry
from gan_lab.errors import UserError

config.register(config.CollectConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="collect")
def main(cfg: DictConfig) -> None:
    """Find, check, strip, copy; tell what was refused and why."""
    with entry.refusing():
        config.check_fields(cfg, config.CollectConfig)
        if cfg.runs is None:
            raise UserError("runs is not set: add runs=FOLDER, a folder of run directories")
        folders = cfg.runs if isinstance(cfg.runs, ListConfig) else [cfg.runs]
        runs = [Path(str(folder)) for folder in folders]
        written = reporting.collect(runs, Path(cfg.out), cfg.allow, replace=cfg.replace)

    terminal.tell(f"{len(written)} records in {cfg.out}")


if __name__ == "__main__":
    entry.run(main, config.CollectConfig)
