"""Draw figures of the thesis.

`python scripts/figures.py figure=4-6`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gan_lab import config, reporting, terminal
from gan_lab.commands import entry
from gan_lab.errors import UserError

config.register(config.FiguresConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="figures")
def main(cfg: DictConfig) -> None:
    """Draw the figures; of several, those without a recorded run are passed over."""
    with entry.refusing():
        config.check_fields(cfg, config.FiguresConfig)
        draw(config.plain_config(cfg))


def draw(cfg: dict[str, Any]) -> None:
    """Read what the figures need, draw, and print what was written."""
    if cfg["figure"] is None:
        raise UserError(
            "figure is not set: add figure=NAME or a list (there are: "
            f"{', '.join(reporting.FIGURES)})"
        )

    # no records are needed for formulas, samples and statistics
    names = config.listed(cfg["figure"])
    records = []
    if reporting.NEED_RECORDS & set(names):
        records = reporting.read_records(Path(cfg["records"]), cfg["select"], cfg["allow"])

    studies = []
    if reporting.NEED_STUDIES & set(names):
        studies = reporting.read_records(Path(cfg["studies"]), cfg["select"], cfg["allow"])

    request = reporting.Request(
        found=records,
        studies=studies,
        datasets=None if cfg["datasets"] is None else tuple(cfg["datasets"]),
        run_dirs=tuple(map(Path, cfg["run_dirs"])),
        curves=tuple(config.listed(cfg["curve"])),
        frechet_distance=cfg["frechet_distance"],
        statistics=tuple(map(Path, cfg["statistics"] or [])),
        allow=tuple(cfg["allow"]),
    )

    # a figure of which no run is recorded yet does not stop the others
    for name in names:
        try:
            for path in reporting.draw(name, Path(cfg["out"]), request):
                terminal.tell(f"written: {path}")
        except reporting.NothingRecorded as error:
            if len(names) == 1:
                raise
            terminal.tell(f"passed over: {error}")


if __name__ == "__main__":
    entry.run(main, config.FiguresConfig)
