"""A bundle for a GPU machine without a network, and the way home of its results. Torch-free.

It holds source, wheels, data and a campaign.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess  # nosec B404 # git, pip and pytest, below
import sys
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from gan_lab import terminal
from gan_lab.bundles.campaign import (
    ENDED,
    GRACE_SECONDS,
    CampaignRun,
    read_campaign,
    status_of,
    work_through,
)
from gan_lab.errors import UserError
from gan_lab.files import checksum_path, open_regular, write_atomically
from gan_lab.records import folder, provenance

MIB = 2**20
BUNDLE_BYTES = 55 * MIB
PART_BYTES, PARTS, RESULT_BYTES = 16 * MIB, 8, 50 * MIB  # of what comes home
WORK = ("tests", "benchmark", "cells")  # what is done there, in this order
TESTS_SECONDS, BENCHMARK_SECONDS, PACKING_SECONDS = 120, 60, 15

# What a machine with torch, torchvision, Lightning, scikit-learn and matplotlib may lack. They are
# wheels of pure Python, or for the stable interface of CPython: one that is built here fits there.
WHEELS = (
    "hydra-core", "omegaconf", "antlr4-python3-runtime", "torch-fidelity",
    "filelock", "safetensors", "rich", "markdown-it-py", "mdurl", "pygments",
    "pytest", "pytest-timeout", "iniconfig", "pluggy",
)  # fmt: skip

RUN = """#!/bin/sh
# ./run.sh MINUTES OUT: install what is missing without an index, then tests, benchmark and cells
# until time is over.
# More arguments are those of scripts/bundle.py run, as --only cells.
set -eu
minutes=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
here=$(cd "$(dirname "$0")" && pwd)
began=$(date +%s)
python=${PYTHON:-python3}
work=$(mktemp -d)
"$python" -m pip install --quiet --no-index --no-deps --target "$work/site" "$here"/wheels/*.whl
tar -xzf "$here/gan_lab.tar.gz" -C "$work"
mkdir -p "$work/gan_lab/data"
tar -xJf "$here/data.tar.xz" -C "$work/gan_lab/data"
if [ -f "$here/runs.tar" ]; then tar -xf "$here/runs.tar" -C "$work/gan_lab"; fi
cp "$here/campaign.yaml" "$work/gan_lab/campaign.yaml"
cd "$work/gan_lab"
export PYTHONPATH="$work/site:$work/gan_lab/src:$work/gan_lab/tests"
exec "$python" scripts/bundle.py run "$minutes" "$out" --began "$began" "$@"
"""


# At home: packing ---------------------------------------------------------------------------------


def pack(data: Path, campaign: Path, runs: Path, bundle: Path) -> None:
    """Write a bundle folder.

    Args:
        data: a folder that the campaign's cells name as data/NAME.
        campaign: the list of cells.
        runs: the folder of their runs, as far as they are; those that have begun go along.
        bundle: made anew.

    Raises:
        UserError: the bundle would be larger than BUNDLE_BYTES, or the code is no commit.
    """
    # records of a run name its commit, which must exist
    cells = read_campaign(campaign)
    if not data.is_dir():
        raise UserError(
            f"--data {data} is no folder: unpack the data, "
            "and name the folder that campaign.yaml calls data/NAME"
        )
    if provenance.git_state()["dirty"] is not False:
        raise UserError("a bundle is of a commit: commit what has changed, then make it again")

    # beside the old bundle, which stays until the new one is whole
    beside = bundle.parent if bundle.parent.is_dir() else None
    with tempfile.TemporaryDirectory(dir=beside) as scratch:
        made = Path(scratch) / "bundle"
        (made / "wheels").mkdir(parents=True)
        _archive_source(made / "gan_lab.tar.gz")
        _build_wheels(made / "wheels")
        with tarfile.open(made / "data.tar.xz", "w:xz") as archive:
            archive.add(data, data.name)

        # the list of cells, and those of them that have begun
        _add_runs(cells, runs, made / "runs.tar")
        shutil.copy(campaign, made / "campaign.yaml")
        (made / "run.sh").write_text(RUN)
        (made / "run.sh").chmod(0o755)

        # a bundle that is too large cannot be carried
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        if size > BUNDLE_BYTES:
            raise UserError(
                f"the bundle has {size / MIB:.1f} MiB, more than {BUNDLE_BYTES // MIB}: "
                "take smaller data"
            )
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.move(made, bundle)


def _archive_source(path: Path) -> None:
    """Archive the last commit without results/, and the file that names it."""
    origin = provenance.write_for_checkout()
    added = ["--prefix=gan_lab/src/gan_lab/", f"--add-file={origin}", "--prefix=gan_lab/"]
    command = ["git", "archive", f"--output={path}", *added, "HEAD", "--", ".", ":(exclude)results"]
    subprocess.run(command, check=True, cwd=_root())  # nosec B603 B607 # constants of this module


def _build_wheels(folder: Path) -> None:
    """Build WHEELS in the versions of constraints.txt. Raises UserError where one is compiled."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--wheel-dir", str(folder), "--constraint", str(_root() / "constraints.txt")]
    subprocess.run([*command, *WHEELS], check=True)  # nosec B603

    # the machine there may have another Python
    wheels = [path.name for path in folder.iterdir()]
    compiled = [name for name in wheels if not re.search(r"-none-any\.whl$|-abi3-", name)]
    if compiled:
        raise UserError(
            f"{compiled[0]} is compiled, and fits this Python alone: "
            "take it out of the bundle's wheels"
        )


def _add_runs(cells: Iterable[CampaignRun], runs: Path, path: Path) -> None:
    """Pack ended runs so that they are passed over, begun ones so that they go on."""
    with tarfile.open(path, "w") as archive:
        for cell in cells:
            run_dir = runs / cell.name
            status = status_of(run_dir)
            if status is None:
                continue
            ended = [folder.CONFIG, folder.RECORD]
            for name in ended if status in ENDED else sorted(_to_go_on(run_dir)):
                archive.add(run_dir / name, f"runs/{cell.name}/{name}")


def _to_go_on(run_dir: Path) -> Iterator[str]:
    """The files that a run goes on from."""
    yield from (folder.CONFIG, folder.RECORD)
    if (run_dir / folder.METRICS).exists():
        yield folder.METRICS
    for name in _newest_checkpoint(run_dir):
        yield f"{folder.CHECKPOINTS}/{name}"


def _newest_checkpoint(run_dir: Path) -> list[str]:
    """Its file and the checksum's; none where there is none."""
    checkpoints = folder.checkpoint_paths(run_dir)
    return [checkpoints[-1].name, checksum_path(checkpoints[-1]).name] if checkpoints else []


def _root() -> Path:
    return Path(__file__).resolve().parents[3]


# There: working -----------------------------------------------------------------------------------


def run(minutes: float, out: Path, began: float, only: Collection[str] = WORK) -> None:
    """Do tests, benchmark and campaign until time is over, and pack what came of them.

    SIGTERM and SIGINT end it early: what there is comes home.

    Args:
        minutes: after `began`.
        out: the folder that gets at most PARTS files.
        began: Unix time.
        only: the parts of WORK to be done.
    """
    # by the monotonic clock: the machine's time may be set meanwhile
    until = time.monotonic() + began + 60 * minutes - time.time() - PACKING_SECONDS
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: signals.append(received))

    # tests and benchmark first: they are short, and the cells take whatever time there is
    told, runs = Path("told"), Path("runs")
    told.mkdir(exist_ok=True)
    if "tests" in only:
        _timed(_gpu_tests(), TESTS_SECONDS, told / "gpu_tests.txt")
    if "benchmark" in only:
        benchmark = _benchmark(told / "benchmark.json")
        _timed(benchmark, BENCHMARK_SECONDS, told / "benchmark.txt")

    # cells, with time to stop them in
    cells = read_campaign(Path("campaign.yaml"))
    ended_before = {cell.name for cell in cells if status_of(runs / cell.name) in ENDED}

    def is_over() -> bool:
        return bool(signals) or time.monotonic() > until - GRACE_SECONDS

    statuses = work_through(cells if "cells" in only else [], runs, is_over)
    (told / "cells.json").write_text(json.dumps(statuses, indent=1) + "\n")

    # runs that had ended before are at home already
    worked_on = [cell for cell in cells if cell.name not in ended_before]
    left_out = pack_results(told, runs, worked_on, out)
    lines = [f"{name}: {status or 'not begun'}" for name, status in statuses.items()]
    terminal.tell("\n".join(lines))
    for name in left_out:
        terminal.tell(f"left out for its size: {name}")


def _gpu_tests() -> list[str]:
    """The command that runs the tests for a GPU.

    Only their files are named: others may need packages that are not there.
    """
    tests = sorted(Path("tests").rglob("test_*.py"))
    files = [str(path) for path in tests if "mark.gpu" in path.read_text()]
    pytest = [sys.executable, "-m", "pytest", "-q", "-m", "gpu"]
    return [*pytest, "--continue-on-collection-errors", *files]


def _benchmark(figures: Path) -> list[str]:
    """The command that measures a step at 32 pixels; `figures` is the file that it writes."""
    step = [sys.executable, "scripts/benchmark.py", "step", "--side", "32"]
    step += ["--precision", "32-true", "bf16-mixed", "--steps", "5", "--rounds", "3"]
    return [*step, "--json", str(figures)]


def _timed(command: list[str], seconds: float, log: Path) -> None:
    """Run a command for at most so long; keep its output and how it ended."""
    with log.open("w") as file:
        try:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, timeout=seconds)  # nosec B603
            ended = str(done.returncode)
        except subprocess.TimeoutExpired:
            ended = f"stopped after {seconds} s"
        file.write(f"\nended: {ended}\n")


def pack_results(told: Path, runs: Path, cells: Iterable[CampaignRun], out: Path) -> list[str]:
    """Pack what came of the work, as far as it fits.

    Args:
        told: the folder of tests' and benchmark's output.
        runs: the folder of run directories.
        cells: whose runs come home.
        out: the folder of the archive's parts.

    Returns:
        The names of the files that did not fit.
    """
    # small and wanted most first: outputs and records
    first = [[(path, f"told/{path.name}")] for path in sorted(told.iterdir())]
    checkpoints: list[list[tuple[Path, str]]] = []
    last: list[list[tuple[Path, str]]] = []
    for cell in cells:
        run_dir, status = runs / cell.name, status_of(runs / cell.name)
        if (log := runs / f"{cell.name}.txt").exists():
            first.append([(log, f"runs/{log.name}")])
        if status is None:
            continue
        first.append(_members(run_dir, [folder.CONFIG, folder.RECORD]))
        first.append(_members(run_dir, [folder.METRICS]))

        # then the checkpoints of runs that go on, those of the latest run before all
        if status not in ENDED:
            names = [f"{folder.CHECKPOINTS}/{name}" for name in _newest_checkpoint(run_dir)]
            checkpoints.insert(0, _members(run_dir, names))

        # generators and grids last: people look at them, no run needs them
        last.append(_members(run_dir, [folder.DESCRIPTION, folder.WEIGHTS]))
        last.append(_members(run_dir, _last_grid(run_dir)))
    return _write_parts([*first, *checkpoints, *last], out)


def _members(run_dir: Path, names: Iterable[str]) -> list[tuple[Path, str]]:
    return [
        (run_dir / name, f"runs/{run_dir.name}/{name}")
        for name in names
        if (run_dir / name).exists()
    ]


def _last_grid(run_dir: Path) -> list[str]:
    grids = folder.samples_paths(run_dir)
    return [f"{folder.SAMPLES}/{grids[-1].name}"] if grids else []


def _write_parts(groups: Iterable[list[tuple[Path, str]]], out: Path) -> list[str]:
    """Write one tar over several files of at most PART_BYTES.

    Args:
        groups: files and their names in the tar. Of a group all come, or none: a checkpoint is
            nothing without its checksum, and a checksum without its checkpoint even less.
        out: the folder of the parts.

    Returns:
        The names of the files that would have made it too large.
    """
    # a member takes blocks of 512 bytes, and two of them for its header: a long name needs a second
    most = min(RESULT_BYTES, PARTS * PART_BYTES) - 20 * 1024  # tar's own end
    whole, left_out, size = io.BytesIO(), [], 0
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for members in groups:
            needed = sum(1024 + -(-path.stat().st_size // 512) * 512 for path, _ in members)
            if size + needed > most:
                left_out += [name for _, name in members]
                continue
            for path, name in members:
                archive.add(path, name)
            size += needed

    # the parts are copied one by one by whoever carries them
    content = whole.getvalue()
    out.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(content), PART_BYTES)):
        write_atomically(out / f"results.tar.{number:02}", content[start : start + PART_BYTES])
    return left_out


# At home: unpacking -------------------------------------------------------------------------------


def unpack(archive: Path, runs: Path) -> list[str]:
    """Put what a bundle brought home into `runs`; outputs of tests and benchmark into `runs`/told.

    Args:
        archive: the folder of results.tar.00, ...
        runs: the folder of the campaign's runs; a run that went on takes the place of what it was.

    Returns:
        The names of the runs.

    Raises:
        UserError: where there is no archive, it is damaged, or it would write outside `runs`.
    """
    parts = sorted(archive.glob("results.tar.[0-9][0-9]"))
    if not parts:
        raise UserError(f"{archive} holds no results.tar.00: name the folder that run.sh wrote")

    # into a scratch folder first: a damaged archive changes nothing in `runs`
    with tempfile.TemporaryDirectory() as scratch:
        try:
            _extract(parts, Path(scratch))
        except (tarfile.TarError, OSError) as error:
            raise UserError(
                f"{archive} cannot be unpacked ({error}): copy all of its parts again"
            ) from None

        # runs, and the files of their output beside them
        arrived = Path(scratch) / "runs"
        for path in sorted(arrived.iterdir()) if arrived.is_dir() else []:
            _merge(path, runs / path.name)
        told = Path(scratch) / "told"
        if told.is_dir():
            shutil.copytree(told, runs / "told", dirs_exist_ok=True)
        return sorted(path.name for path in arrived.glob("*/") if path.is_dir())


def _extract(parts: Iterable[Path], into: Path) -> None:
    """Unpack an archive of several files. Raises tarfile.TarError and OSError."""
    content = io.BytesIO()
    for part in parts:
        with open_regular(part, PART_BYTES) as file:
            content.write(file.read())
    content.seek(0)

    # the filter alone lets links lead outside in Python before 3.11.13, 3.12.11 and 3.13.4
    with tarfile.open(fileobj=content, mode="r:") as tar:
        for member in tar:
            if member.issparse() or not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"{member.name[:200]!r} is neither a file nor a folder")
        tar.extractall(into, filter="data")


def _merge(arrived: Path, kept: Path) -> None:
    """Put the files of a run that came home over those that are there."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    if arrived.is_file():
        shutil.copy(arrived, kept)
        return

    # of checkpoints only the newer ones stay, once they are there; a run that has ended needs none
    before = folder.checkpoint_paths(kept)
    shutil.copytree(arrived, kept, dirs_exist_ok=True)
    newer = {path.name for path in folder.checkpoint_paths(arrived)}
    if newer or status_of(arrived) in ENDED:
        for path in before:
            if path.name not in newer:
                path.unlink()
                checksum_path(path).unlink(missing_ok=True)
