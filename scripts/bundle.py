"""Train without a network.

`pack` a bundle, carry it there, `./run.sh MINUTES OUT`, carry home what it wrote, `unpack` that.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from gan_lab import terminal
from gan_lab.bundles import bundle
from gan_lab.errors import UserError


def main() -> None:
    """Parse, and do one of the three."""
    arguments = parsed()
    try:
        # at home
        if arguments.task == "pack":
            bundle.pack(arguments.data, arguments.campaign, arguments.runs, arguments.bundle)
            terminal.tell(
                f"bundle: {arguments.bundle} "
                "(there: ./run.sh MINUTES OUT; here: make unbundle ARCHIVE=OUT)"
            )

        # there; the minutes count from the start of run.sh, which installs before it calls this
        elif arguments.task == "run":
            began = time.time() if arguments.began is None else arguments.began
            bundle.run(arguments.minutes, arguments.out, began, arguments.only)

        # back at home
        else:
            names = bundle.unpack(arguments.archive, arguments.runs)
            terminal.tell(f"{len(names)} runs in {arguments.runs}: {', '.join(names)}")

    # pip says what it could not find; a folder may be somebody else's
    except (UserError, OSError, subprocess.CalledProcessError) as error:
        terminal.tell(f"error: {error}", error=True)
        sys.exit(1)


def parsed() -> argparse.Namespace:
    """The task and its arguments, as they were typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True)

    # at home
    packing = tasks.add_parser("pack", help="write a bundle folder")
    packing.add_argument(
        "--data", type=Path, required=True, help="the folder that campaign.yaml calls data/NAME"
    )
    packing.add_argument("--campaign", type=Path, default=Path("campaign.yaml"))
    packing.add_argument("--runs", type=Path, default=Path("outputs/campaign"))
    packing.add_argument("--bundle", type=Path, default=Path("outputs/bundle"))
    unpacking = tasks.add_parser("unpack", help="bring home what run.sh wrote")
    unpacking.add_argument("archive", type=Path)
    unpacking.add_argument("--runs", type=Path, default=Path("outputs/campaign"))

    # there
    running = tasks.add_parser("run", help="what run.sh does once everything is installed")
    running.add_argument("minutes", type=float)
    running.add_argument("out", type=Path)
    running.add_argument(
        "--only", nargs="*", default=bundle.WORK, choices=bundle.WORK, help="what to do there"
    )
    running.add_argument(
        "--began", type=float, default=None, help="Unix time from which the minutes count"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
