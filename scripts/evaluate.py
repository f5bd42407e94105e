"""Score a run, a folder of images or the data set itself.

`python scripts/evaluate.py run_dir=RUN`
"""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from gan_lab import config
from gan_lab.commands import entry
from gan_lab.interrupts import waits_for_imports

config.register(config.EvaluateConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Check, import torch, score."""
    with entry.refusing():
        config.check_evaluation(cfg)
        config.check_device(cfg.device)
        with waits_for_imports():
            from gan_lab.commands import evaluate  # torch: 3 s

        evaluate.evaluate(cfg)


if __name__ == "__main__":
    entry.run(main, config.EvaluateConfig)
