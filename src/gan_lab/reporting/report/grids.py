"""Sample grids of run directories as data URIs, as far as a page has room for them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gan_lab.errors import UserError
from gan_lab.files import open_regular
from gan_lab.records import folder as names
from gan_lab.reporting.report.curves import thinned
from gan_lab.reporting.report.model import Frame, Gallery, Grid
from gan_lab.reporting.runs import Run

FRAMES = 8  # of a run
_PNG = b"\x89PNG\r\n\x1a\n"
_FILE_BYTES = 4 * 2**20
_KINDS = {
    "step": ("samples", "Samples over training", "64 samples"),
    "classes": ("classes", "A row for each class, over training", "samples, a row for each class"),
}


def galleries(
    runs: Sequence[Run], titles: Mapping[int, str], anchors: Mapping[str, str], megabytes: float
) -> tuple[Gallery, ...]:
    """Make a gallery of each kind of grid that the runs have.

    Args:
        runs: in the order in which they are shown; those without a directory have no grids.
        titles: {id(run.record): what it was}.
        anchors: {id(record): the id of its place on the page}.
        megabytes: for all of them.
    """
    left = megabytes * 2**20
    made = []

    # samples come before classes: the room that is left is for these
    for kind, (name, title, what) in _KINDS.items():
        grids: list[Grid] = []
        without_room = 0
        for run in runs:
            paths = grid_paths(run.run_dir, kind) if run.run_dir else []
            if not paths:
                continue

            # a whole run, or none of it: half of a training would look like the end of one
            frames, size = _frames(paths)
            if size > left:
                without_room += 1
                continue
            left -= size
            if frames:
                of = titles[id(run.record)]
                target = anchors[str(id(run.record))]
                grids.append(Grid(of, target, f"{what} of {of}", frames))

        # what is not shown is counted
        if grids or without_room:
            which = f"{without_room}{' more' if grids else ''}"
            which += " run has" if without_room == 1 else " runs have"
            left_out = (
                f"{which} such images, for which {megabytes:g} MB leave no room: "
                "see the field megabytes."
            )
            shown = (left_out,) if without_room else ()
            made.append(Gallery(name, title, tuple(grids), shown))
    return tuple(made)


def grid_paths(run_dir: Path, kind: str) -> list[Path]:
    """The grids of a kind, the oldest first, at most FRAMES with the first and the last."""
    pattern = re.compile(rf"{kind}_\d{{1,18}}\.png")
    folder = run_dir / names.SAMPLES
    paths = [path for path in folder.glob(f"{kind}_*.png") if pattern.fullmatch(path.name)]
    by_step = {names.step_of(path): path for path in paths}
    return [by_step[step] for step in thinned(sorted(by_step), FRAMES)]


def _frames(paths: Sequence[Path]) -> tuple[tuple[Frame, ...], int]:
    """The frames, and their size in bytes. A file that is no image of ours is passed over."""
    frames = []
    for path in paths:
        if image := data_uri(path):
            frames.append(Frame(names.step_of(path), image))
    return tuple(frames), sum(len(frame.image) for frame in frames)


def data_uri(path: Path) -> str:
    """A PNG as a data URI; an empty text where the file is none, or is too large."""
    try:
        with open_regular(path, _FILE_BYTES) as file:
            content = file.read()
    except (OSError, UserError):
        return ""
    if not content.startswith(_PNG):
        return ""
    return "data:image/png;base64," + base64.b64encode(content).decode()
