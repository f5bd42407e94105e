"""Draw samples of a finished run.

`python scripts/sample.py run_dir=RUN class=3 n=64`
"""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from gan_lab import config
from gan_lab.commands import entry
from gan_lab.interrupts import waits_for_imports

config.register(config.SampleConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="sample")
def main(cfg: DictConfig) -> None:
    """Check, import torch, draw."""
    with entry.refusing():
        config.check_fields(cfg, config.SampleConfig)
        config.check_device(cfg.device)
        with waits_for_imports():
            from gan_lab.commands import sample  # torch: 3 s

        sample.sample(cfg)


if __name__ == "__main__":
    entry.run(main, config.SampleConfig)
