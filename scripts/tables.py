"""Write a table of the thesis from recorded runs: `python scripts/tables.py table=2-2
datasets=[digits]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gan_lab import config, reporting, terminal
from gan_lab.commands import entry
from gan_lab.errors import UserError
from gan_lab.files import safe_name, write_atomically

RENDERERS = {"md": reporting.to_markdown, "csv": reporting.to_csv, "tex": reporting.to_latex}


config.register()


@hydra.main(version_base="1.3", config_path="../conf", config_name="tables")
def main(cfg: DictConfig) -> None:
    """Read, build, write in three formats; print the Markdown."""
    plain: dict[str, Any] = config.plain_config(cfg)
    try:
        config.check_fields(cfg, config.TablesConfig)
        if cfg.table not in reporting.TABLES:
            raise UserError(
                f"table={cfg.table}: there is no such "
                f"table{config.suggestion(cfg.table, reporting.TABLES)}"
            )
        design = reporting.TABLES[cfg.table]
        found = reporting.read_records(Path(cfg.records), plain["select"], cfg.allow)
        asked = {kind.option: plain[kind.option] for kind in design.kinds}
        sheet = reporting.sheet(reporting.table(design, found, plain["datasets"], asked))
    except UserError as error:
        raise entry.refuse(error) from None
    name = cfg.name or safe_name(
        "_".join(["table", cfg.table.replace("-", "_"), *(plain["datasets"] or [])])
    )
    for suffix, render in RENDERERS.items():
        write_atomically(Path(cfg.out) / f"{name}.{suffix}", render(sheet))
    terminal.tell(reporting.to_markdown(sheet))
    terminal.tell(f"written: {Path(cfg.out) / name}.{{{','.join(RENDERERS)}}}")


if __name__ == "__main__":
    entry.run(main, config.TablesConfig)
