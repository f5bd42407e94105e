"""Draw samples of a finished run: `python scripts/sample.py run_dir=RUN class=3 n=64`."""

import hydra
from omegaconf import DictConfig

from gan_lab import config
from gan_lab.commands import entry
from gan_lab.errors import UserError
from gan_lab.interrupts import waits_for_imports

config.register()


@hydra.main(version_base="1.3", config_path="../conf", config_name="sample")
def main(cfg: DictConfig) -> None:
    """Check, import torch, draw."""
    try:
        config.check_device(cfg.device)
        with waits_for_imports():
            from gan_lab.commands import sample

        sample.sample(cfg)
    except UserError as error:
        raise entry.refuse(error) from None


if __name__ == "__main__":
    entry.run(main)
