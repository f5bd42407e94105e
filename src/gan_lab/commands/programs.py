"""The console script `gan-lab`: `gan-lab train loss=exp` is `python
train.py loss=exp` without a checkout.

Every command is a program of the project's root, run as it stands there. A wheel holds a copy of
these programs and of conf/, which setup.py makes while it builds; in a checkout the originals run.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence

from gan_lab.files import program_root
from gan_lab.terminal import tell

PROGRAMS = {
    "train": ("train.py", "train one GAN, or with -m a sweep"),
    "evaluate": (
        "scripts/evaluate.py",
        "score a finished run, a folder of images, or the data set itself",
    ),
    "sample": ("scripts/sample.py", "draw samples of a finished run"),
    "classifier": ("scripts/classifier.py", "train the classifier of a data set"),
    "study": ("scripts/study.py", "run a study in which no GAN is trained"),
    "status": ("scripts/status.py", "show the cells of a sweep"),
    "collect": ("scripts/collect.py", "copy the records of runs into one folder"),
    "table": ("scripts/table.py", "write a table of any sweep"),
    "curves": ("scripts/curves.py", "draw losses and scores of any sweep over generator steps"),
    "report": ("scripts/report.py", "write what was run as one HTML page, or serve it live"),
    "tables": ("scripts/tables.py", "write a table of the thesis from records"),
    "figures": ("scripts/figures.py", "draw figures from records and runs"),
    "wandb-dashboard": ("scripts/wandb_dashboard.py", "make a W&B workspace for runs"),
}
"""{command: (its program, below `program_root()`; what it does)}."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, with the rest of them.

    Args:
        arguments: a command and what its program takes; None: those of this process.
    """
    # what is no program
    command, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if command in ("-h", "--help", "help"):
        tell(usage())
        return
    if command == "--version":
        from gan_lab import __version__

        tell(__version__)
        return
    if command not in PROGRAMS:
        tell(
            f"error: {command!r}: there is no such command (there are: {', '.join(PROGRAMS)})",
            error=True,
        )
        sys.exit(1)

    # argv[0] is the program's own path, since processes of several devices and of a sweep are
    # started by it
    path = str(program_root() / PROGRAMS[command][0])
    sys.argv = [path, *rest]
    runpy.run_path(path, run_name="__main__")


def usage() -> str:
    """The commands, one a line."""
    first, last = "usage: gan-lab COMMAND [FIELD=VALUE ...]", "gan-lab COMMAND --help: its fields"
    lines = [f"  {name:<16} {purpose}" for name, (_, purpose) in PROGRAMS.items()]
    return "\n".join([first, "", *lines, "", last])
