"""Show the states of a sweep's cells.

`python scripts/status.py outputs/table_2_2_small every=5`
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.live import Live
from rich.table import Table

from gan_lab import checks, terminal
from gan_lab.errors import UserError
from gan_lab.sweeps.cells import read_cells
from gan_lab.sweeps.table import status_table

EVERY = 2.0  # seconds

USAGE = """usage: python scripts/status.py SWEEP_DIR [every=SECONDS]

One row for each cell: status, generator step, training time, time left, score or reason.
In a terminal it is shown anew every 2 seconds, or every=SECONDS, until every cell has ended or
Ctrl-C; elsewhere once. A "silent" cell has written nothing for long: where its process is gone, the
sweep's command with existing_run=resume goes on with it."""


def main(arguments: list[str]) -> None:
    """Show the table once, or live."""
    folder, every = parsed(arguments)
    console = terminal.console()
    if every is None and console.is_terminal:
        every = EVERY
    if every is None:
        console.print(table(folder)[0])
        return

    # live, until nothing more will change
    with Live(console=console, auto_refresh=False) as live:
        while True:
            shown, over = table(folder)
            live.update(shown, refresh=True)
            if over:
                return
            time.sleep(every)


def table(folder: Path) -> tuple[Table, bool]:
    """The table now, and whether nothing more will change."""
    cells = read_cells(folder)
    is_over = all(cell.state not in ("running", "silent", "waiting") for cell in cells)
    return status_table(str(folder), cells), is_over


def parsed(arguments: list[str]) -> tuple[Path, float | None]:
    """The folder and the seconds between two tables.

    Raises:
        UserError: for other arguments than a folder and every=SECONDS.
    """
    # a folder's name may have an equals sign in it, as those of a sweep's cells
    folders = [argument for argument in arguments if "=" not in argument or Path(argument).is_dir()]
    fields = [argument for argument in arguments if argument not in folders]

    if len(folders) != 1:
        raise UserError(
            f"name one folder, not {len(folders)}: "
            "python scripts/status.py SWEEP_DIR [every=SECONDS]"
        )

    # one field, so there is no parser
    every = None
    for field in fields:
        name, _, value = field.partition("=")
        if name != "every":
            raise UserError(f"{name}: there is no such field (there are: every)")
        every = checks.seconds(name, _number(value))

    return Path(folders[0]), every


def _number(text: str) -> float | str:
    """What was typed as a number, where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        terminal.tell(USAGE)
        sys.exit(0)
    try:
        main(sys.argv[1:])
    except (UserError, OSError) as error:
        terminal.tell(f"error: {error}", error=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
