"""A run on Weights & Biases: curves and grids of samples over generator steps, final scores, files.

Nothing of W&B is imported before a `WandbLogger` is made.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from gan_lab import checks
from gan_lab.errors import UserError, one_line

STEP = "generator_step"


class WandbLogger(Logger):
    """The run `id` on W&B, begun or continued when the first thing is logged.

    A row is what is logged of one generator step. It is sent when it is `sent`, or the next one
    begins, under that step as W&B's own and as `generator_step`, the x axis of everything: a
    resumed run goes on where it was, and W&B passes over steps that it has.

    Why our own: Lightning's logger tells W&B no step, so every call is a row of its own (the grid
    and the losses of one step stand apart), and steps that a resumed run does again stand twice. It
    ends no run, and one that is made while another is open writes into that one: so would the
    second cell of a sweep.

    Args:
        save_dir: the run directory; everything is written below save_dir/wandb.
        id: of the run, kept in its record for a resume.
        project: on W&B.
        entity: who owns the project; None: the user's default.
        group: of runs; a sweep's name, if it is not set.
        name: of the run; None: its folder's.
        tags: of the run.
        offline: nothing is sent; `wandb sync` does it later. The environment (WANDB_MODE,
            WANDB_BASE_URL, ...) is heeded.

    Raises:
        UserError: where it should be sent and nobody is logged in, or W&B cannot be reached.
    """

    def __init__(
        self,
        save_dir: str,
        id: str,
        project: str = "gan_lab",
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        offline: bool = True,
    ) -> None:
        super().__init__()

        # a text such as "no" would count as true, and an online run without login would wait at a
        # question that nobody sees
        if not checks.flag("offline", offline):
            check_login("logger.wandb.offline=true")

        # for wandb.init, which is called when the first thing is logged
        self.about: dict[str, Any] = {
            "dir": str(Path(save_dir).resolve()),  # W&B writes in a process of its own
            "id": id,
            "project": project,
            "entity": entity,
            "group": group,
            "tags": tags,
        }
        self.about |= {
            "name": name or "/".join(Path(save_dir).parts[-2:]),
            "mode": "offline" if offline else None,
        }

        # the numbers of one step, which are sent together
        self.row: dict[str, Any] = {}
        self.step = 0
        self._run: Any = None

    @property
    def name(self) -> str:
        """Part of Lightning's interface."""
        return "wandb"

    @property
    def version(self) -> str:
        """Part of Lightning's interface."""
        return ""

    @property
    def run(self) -> Any:
        """The wandb.Run.

        Raises:
            UserError: where W&B refuses it.
        """
        if self._run is None:
            import wandb

            # W&B's own 15 s would be lost by a kill, and the steps before the checkpoint among them
            # do not come again
            settings = wandb.Settings(quiet=True, x_transaction_log_flush_interval=1.0)
            try:
                self._run = wandb.init(**self.about, resume="allow", settings=settings)
            except Exception as error:  # W&B's have no class in common
                remedy = (
                    "logger=csv" if self.about["mode"] == "offline" else "logger.wandb.offline=true"
                )
                said = one_line(error)
                raise UserError(f"logger.wandb: {said}; to do without, set {remedy}") from None

            # the x axis of everything; without it W&B draws over its own count of rows
            self._run.define_metric(STEP)
            self._run.define_metric("*", step_metric=STEP)
        return self._run

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """The config."""
        self.run.config.update(params, allow_val_change=True)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add to the row of generator step `step`. The terms of a score stand
        below it: "fid.term" as "fid/term"."""
        assert step is not None
        if step != self.step:
            self.send()
        self.step = step
        self.row |= {name.replace(".", "/"): value for name, value in metrics.items()}

    def send(self) -> None:
        """Send the row."""
        if self.row:
            self.run.log({STEP: self.step, **self.row}, step=self.step, commit=True)
            self.row = {}

    def finish(self, exit_code: int) -> None:
        """Send what is left and end the run on W&B, so that the
        next job of a sweep begins its own."""
        if self._run is not None:
            self.send()
            self._run.finish(exit_code)
            self._run = None


def check_login(remedy: str) -> None:
    """Refuse to send where nobody is logged in; nothing is asked, or sent.

    Args:
        remedy: what the user can type to do without.

    Raises:
        UserError: where nobody is logged in, or W&B cannot be reached.
    """
    import wandb

    # the environment may keep everything here, whatever the config says
    if os.environ.get("WANDB_MODE", "online") not in ("online", "run"):
        return
    try:
        logged_in = wandb.login(prompt=False)
    except wandb.Error as error:
        raise UserError(f"W&B: {one_line(error)}; run `wandb login`, or set {remedy}") from None
    if not logged_in:
        raise UserError(f"W&B: nobody is logged in; run `wandb login`, or set {remedy}")
