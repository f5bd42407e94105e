"""Write a table of the thesis from recorded runs.

`python scripts/tables.py table=2-2 datasets=[digits]`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gan_lab import config, reporting, terminal
from gan_lab.commands import entry
from gan_lab.errors import UserError
from gan_lab.files import safe_name

config.register(config.TablesConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="tables")
def main(cfg: DictConfig) -> None:
    """Read, build, write in three formats; print the Markdown."""
    plain: dict[str, Any] = config.plain_config(cfg)
    with entry.refusing():
        config.check_fields(cfg, config.TablesConfig)
        table = build(plain)

    # named after the table, and the data sets that were asked for
    parts = ["table", cfg.table.replace("-", "_"), *(plain["datasets"] or [])]
    sheet = reporting.sheet(table)
    written = reporting.write_sheet(sheet, Path(cfg.out) / (cfg.name or safe_name("_".join(parts))))
    terminal.tell(reporting.to_markdown(sheet))
    terminal.tell(f"written: {written}")


def build(cfg: dict[str, Any]) -> reporting.Table:
    """Make the table that is asked for.

    Raises:
        UserError: for a table that there is not, and runs that may not stand in it.
    """
    number = cfg["table"]
    if number not in reporting.TABLES:
        raise UserError(
            f"table={number}: there is no such table{config.suggestion(number, reporting.TABLES)}"
        )
    design = reporting.TABLES[number]
    records = reporting.read_records(Path(cfg["records"]), cfg["select"], cfg["allow"])

    # which score is meant, where runs have several of a kind
    asked = {kind.option: cfg[kind.option] for kind in design.kinds}
    return reporting.table(design, records, cfg["datasets"], asked)


if __name__ == "__main__":
    entry.run(main, config.TablesConfig)
