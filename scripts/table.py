"""Write a table of any sweep.

`python scripts/table.py runs=outputs/mine rows=loss columns=penalty.weight score=fid`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gan_lab import config, reporting, terminal
from gan_lab.commands import entry
from gan_lab.files import safe_name

config.register(config.TableConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="table")
def main(cfg: DictConfig) -> None:
    """Read, build, write in three formats; print the Markdown."""
    with entry.refusing():
        config.check_fields(cfg, config.TableConfig)
        plain = config.plain_config(cfg)
        table = build(plain)

    sheet = reporting.sweep_sheet(table)
    place = Path(cfg.out) / (cfg.name or file_name(plain, table))
    written = reporting.write_sheet(sheet, place)
    terminal.tell(reporting.to_markdown(sheet))
    terminal.tell(f"written: {written}")


def build(cfg: dict[str, Any]) -> reporting.SweepTable:
    """Make the table that is asked for.

    Raises:
        UserError: for runs that cannot be read or stand in one table.
    """
    names = {name: config.listed(cfg[name]) for name in ("rows", "columns", "facet", "score")}
    axes = reporting.Axes(tuple(names["rows"]), tuple(names["columns"]), tuple(names["facet"]))
    folders = [Path(folder) for folder in config.listed(cfg["runs"])]
    runs = reporting.read_runs(folders, cfg["select"], cfg["allow"])
    return reporting.sweep_table(runs, axes, names["score"], config.typed_row(cfg["baseline"]))


def file_name(cfg: dict[str, Any], table: reporting.SweepTable) -> str:
    """The default name: after the folders, the axes and the scores."""
    folders = [Path(folder).resolve().name for folder in config.listed(cfg["runs"])]
    scores = dict.fromkeys(block.score for block in table.blocks)
    return safe_name("_".join([*folders, *table.axes.fields, *scores]))


if __name__ == "__main__":
    entry.run(main, config.TableConfig)
