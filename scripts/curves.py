"""Draw curves of any sweep.

`python scripts/curves.py runs=outputs/mine rows=loss curves=[critic_loss,fid_train]`
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from gan_lab import config, reporting, terminal
from gan_lab.commands import entry
from gan_lab.files import safe_name

config.register(config.CurvesConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="curves")
def main(cfg: DictConfig) -> None:
    """Read, draw, and print what was written."""
    # everything that can be refused, before anything is written
    with entry.refusing():
        config.check_fields(cfg, config.CurvesConfig)
        plain = config.plain_config(cfg)
        folders = [Path(folder) for folder in config.listed(plain["runs"])]
        rows, facet = (tuple(config.listed(plain[name])) for name in ("rows", "facet"))
        axes = reporting.Axes(rows, facet=facet)
        runs = reporting.read_runs(folders, plain["select"], plain["allow"])
        curves = reporting.sweep_curves(runs, axes, config.listed(plain["curves"]))
        drawing = reporting.draw_curves(curves)

    # named after the folders, the curves and the axes
    shown = dict.fromkeys(panel.curve for panel in curves.panels)
    parts = [*(folder.resolve().name for folder in folders), *shown, *axes.rows, *axes.facet]
    name = cfg.name or safe_name("_".join(parts))

    for run in curves.outside:
        terminal.tell(f"in no line: {reporting.unplaced(run)}")
    for path in reporting.write_figure(drawing, Path(cfg.out), name):
        terminal.tell(f"written: {path}")


if __name__ == "__main__":
    entry.run(main, config.CurvesConfig)
