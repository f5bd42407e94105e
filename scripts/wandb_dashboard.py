"""Build the W&B dashboard of recorded runs.

`python scripts/wandb_dashboard.py runs=outputs/table_2_2_small`
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from gan_lab import config, records, terminal
from gan_lab.commands import entry
from gan_lab.errors import DamagedFile, UserError
from gan_lab.files import write_atomically
from gan_lab.records import folder as names

LOSSES = ("critic_loss", "generator_loss", "penalty", "gradient_norm")
BY_LOSS, BY_CELL = "choices.loss", "cell"  # what callbacks.WandbRun puts into a run's config

config.register(config.WandbDashboardConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="wandb_dashboard")
def main(cfg: DictConfig) -> None:
    """Build, validate, write; send where asked."""
    with entry.refusing():
        config.check_fields(cfg, config.WandbDashboardConfig)
        if cfg.runs is None:
            raise UserError(
                "runs is not set: add runs=FOLDER, a folder of finished runs, as runs=outputs"
            )
        history, final = score_names(Path(cfg.runs))
        entity = _entity(cfg.entity) if cfg.send else cfg.entity or ""
        workspace = dashboard(entity, cfg.project, cfg.name, history, final)
        spec = validated(workspace)

    # the file first: nothing is lost where W&B cannot be reached
    write_atomically(Path(cfg.out), json.dumps(spec, indent=2) + "\n")
    for section in spec["section"]["panelBankConfig"]["sections"]:
        terminal.tell(f"{section['name']}: {len(section['panels'])} panels")
    terminal.tell(f"written: {cfg.out}" + ("" if cfg.send else "; add send=true to put it on W&B"))
    if cfg.send:
        terminal.tell(f"sent: {workspace.save().url}")


def score_names(folder: Path) -> tuple[list[str], list[str]]:
    """Collect the names of the scores over training and after it, of all records below a folder.

    Raises:
        UserError: no record has any.
    """
    content = []
    for path in sorted(folder.rglob(names.RECORD)):
        try:
            content.append(records.read_content(path))
        except DamagedFile as error:
            terminal.tell(f"warning: passed over: {error}", error=True)

    # W&B groups the terms of a score by a slash
    over_training = {name for record in content for name in record.get("history") or {}}
    history = sorted(name.replace(".", "/") for name in over_training)
    final = sorted({name for record in content for name in record.get("scores") or {}})
    if not final:
        raise UserError(
            f"runs={folder}: no record below it has scores; "
            "name a folder of finished runs, as runs=outputs"
        )
    return history, final


def dashboard(
    entity: str, project: str, name: str, history: Iterable[str], final: Iterable[str]
) -> Any:
    """Make a Workspace of wandb_workspaces: curves by loss, final scores by cell, sample grids."""
    ws, wr = _workspaces()
    from gan_lab.callbacks.wandb_run import FINAL, GRIDS
    from gan_lab.loggers.wandb import STEP  # torch: 3 s

    # a curve is a mean over the runs of a loss, between the least and the greatest
    def curve(metric: str) -> Any:
        return wr.LinePlot(
            title=metric, x=STEP, y=[metric], groupby=wr.Config(BY_LOSS), groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
        )  # fmt: skip

    def bars(score: str) -> Any:
        return wr.BarPlot(
            title=score, metrics=[FINAL + score], groupby=wr.Config(BY_CELL),
            groupby_aggfunc="mean", groupby_rangefunc="minmax", max_bars_to_show=100,
        )  # fmt: skip

    # the scores first: what a sweep is run for
    panels_of = {
        "Scores over training, by loss": [curve(metric) for metric in history],
        "Scores by cell": [bars(score) for score in final],
        "Losses and gradient norms, by loss": [curve(metric) for metric in LOSSES],
        "Samples": [wr.MediaBrowser(title=key, media_keys=[key], num_columns=4) for key in GRIDS],
    }
    sections = [
        ws.Section(name=title, panels=panels, is_open=True)
        for title, panels in panels_of.items()
        if panels
    ]

    # the list of runs beside the panels: by cell, with their final scores
    pinned = [f"summary:{FINAL}{score}" for score in final]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(groupby=[ws.Config(BY_CELL)], pinned_columns=pinned),
    )


def validated(workspace: Any) -> dict[str, Any]:
    """The message that would be sent, read back as W&B's library reads it; needs no network."""
    from wandb_workspaces.workspaces import internal

    ws, _ = _workspaces()
    sent = workspace._to_model().model_dump(by_alias=True, exclude_none=True, mode="json")

    # whatever their library reads otherwise, their page would show otherwise
    again = ws.Workspace._from_model(internal.View.model_validate(sent))
    assert [_content(section) for section in again.sections] == [
        _content(section) for section in workspace.sections
    ]
    spec: dict[str, Any] = sent["spec"]
    return spec


def _content(section: Any) -> tuple[str, list[tuple[str, Any]]]:
    return section.name, [(type(panel).__name__, panel.title) for panel in section.panels]


def _workspaces() -> tuple[Any, Any]:
    """The modules of workspaces and of panels. Raises UserError where they are not installed."""
    try:
        import wandb_workspaces.reports.v2 as panels
        import wandb_workspaces.workspaces as workspaces
    except ImportError as error:
        remedy = "pip install --constraint constraints.txt -e '.[dashboard]'"
        raise UserError(f"the dashboard needs wandb-workspaces ({error}); {remedy}") from None
    return workspaces, panels


def _entity(asked: str | None) -> str:
    """The owner of the project: as asked, else the default of whoever is logged in.

    Raises:
        UserError: nobody is.
    """
    from gan_lab.loggers.wandb import check_login

    check_login("send=false")
    if asked is not None:
        return asked
    import wandb

    return str(wandb.Api().default_entity)


if __name__ == "__main__":
    entry.run(main, config.WandbDashboardConfig)
