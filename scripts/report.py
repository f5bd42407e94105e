"""Write a report of runs, or of the thesis, as one HTML file.

`python scripts/report.py runs=outputs/mine`
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gan_lab import checks, config, reporting, terminal
from gan_lab.commands import entry
from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reporting.report import model, page, serve

config.register(config.ReportConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
def main(cfg: DictConfig) -> None:
    """Read, gather, and write or serve."""
    # everything that can be refused, before anything is written
    with entry.refusing():
        config.check_fields(cfg, config.ReportConfig)
        plain = config.plain_config(cfg)
        if cfg.watch:
            serve_page(plain)
            return
        report = build(plain)

    path = page.write_page(report, Path(cfg.out) / f"{cfg.name or file_name(plain)}.html")
    terminal.tell(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB)")


def build(cfg: dict[str, Any]) -> model.Report | model.Reproduction:
    """Make the content of the page that is asked for.

    Raises:
        UserError: for fields that do not go together, and for runs that the page cannot show.
    """
    if cfg["thesis"]:
        if cfg["runs"] is not None:
            raise UserError("thesis=true is made of collected records: omit runs")
        return reporting.reproduction(Path(cfg["results"]))

    # a report of runs
    names = {name: tuple(config.listed(cfg[name])) for name in ("rows", "columns", "facet")}
    folders = [Path(folder) for folder in config.listed(cfg["runs"])]
    found = reporting.read_runs(folders, cfg["select"], cfg["allow"], report=lambda line: None)
    asked = reporting.Asked(
        **names,
        scores=tuple(config.listed(cfg["score"])),
        curves=tuple(config.listed(cfg["curves"])),
        baseline=config.typed_row(cfg["baseline"]),
        title=", ".join(folder.resolve().name for folder in folders),
        megabytes=cfg["megabytes"],
    )
    return reporting.gather(found, asked)


def serve_page(cfg: dict[str, Any]) -> None:
    """Serve the page on 127.0.0.1 and make it anew, until Ctrl-C.

    Raises:
        UserError: for a number out of range, and as `build`.
    """
    checks.seconds("every", cfg["every"])
    checks.number("port", cfg["port"], at_least=0, at_most=65535)
    live = serve.LivePage(lambda: build(cfg), cfg["every"])
    server = serve.server(live, cfg["port"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    terminal.tell(f"http://{serve.HOST}:{server.server_port}/ shows the runs; Ctrl-C ends it")

    # made here and not on a request: ten open pages cost as much as one
    try:
        while True:
            threading.Event().wait(cfg["every"])
            live.refresh()
    except KeyboardInterrupt:
        return
    finally:
        server.shutdown()


def file_name(cfg: dict[str, Any]) -> str:
    """The default name: after the folders, or the thesis."""
    folders = [Path(folder).resolve().name for folder in config.listed(cfg["runs"])]
    return "thesis" if cfg["thesis"] else safe_name("_".join(folders))


if __name__ == "__main__":
    entry.run(main, config.ReportConfig)
