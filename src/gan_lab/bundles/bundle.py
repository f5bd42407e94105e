"""A bundle for a GPU machine without a network: source, wheels, data and a campaign; and the way
home. Torch-free."""

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
from gan_lab.bundles.campaign import ENDED, Cell, read_campaign, status_of, work_through
from gan_lab.errors import UserError
from gan_lab.files import open_regular, write_atomically
from gan_lab.records import folder, provenance

MIB = 2**20
BUNDLE_BYTES = 55 * MIB
PART_BYTES, PARTS, RESULT_BYTES = 16 * MIB, 8, 50 * MIB  # of what comes home
WORK = ("tests", "benchmark", "cells")  # what is done there, in this order
TESTS_SECONDS, BENCHMARK_SECONDS, STOPPING_SECONDS, PACKING_SECONDS = 120, 60, 20, 15

# What a machine with torch, torchvision, Lightning, scikit-learn and matplotlib may lack. Wheels of
# pure Python, or for the stable interface of CPython: one that is built here fits every Python
# there.
WHEELS = (
    "hydra-core", "omegaconf", "antlr4-python3-runtime", "torch-fidelity", "filelock",
    "safetensors",
    "rich", "markdown-it-py", "mdurl", "pygments",
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
    """Write a bundle folder. Raises UserError where it would be larger than BUNDLE_BYTES, or code
    is no commit.

    Args:
        data: a folder that the campaign's cells name as data/NAME.
        campaign: the list of cells.
        runs: the folder of their runs, as far as they are; those that have begun go along.
        bundle: made anew.
    """
    cells = read_campaign(campaign)
    if not data.is_dir():
        raise UserError(
            f"--data {data} is no folder: unpack the data, and name the folder that campaign.yaml "
            "calls data/NAME"
        )
    if provenance.git_state()["dirty"] is not False:
        raise UserError("a bundle is of a commit: commit what has changed, then make it again")
    with tempfile.TemporaryDirectory(
        dir=bundle.parent if bundle.parent.is_dir() else None
    ) as folder:
        made = Path(folder) / "bundle"
        (made / "wheels").mkdir(parents=True)
        _archive_source(made / "gan_lab.tar.gz")
        _build_wheels(made / "wheels")
        with tarfile.open(made / "data.tar.xz", "w:xz") as archive:
            archive.add(data, data.name)
        _add_runs(cells, runs, made / "runs.tar")
        shutil.copy(campaign, made / "campaign.yaml")
        (made / "run.sh").write_text(RUN)
        (made / "run.sh").chmod(0o755)

        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        if size > BUNDLE_BYTES:
            raise UserError(
                f"the bundle has {size / MIB:.1f} MiB, more than {BUNDLE_BYTES // MIB}: take "
                "smaller data"
            )
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.move(made, bundle)


def _archive_source(path: Path) -> None:
    """The last commit without results/, and where it came from."""
    told = provenance.write_for_checkout()
    added = ["--prefix=gan_lab/src/gan_lab/", f"--add-file={told}", "--prefix=gan_lab/"]
    command = ["git", "archive", f"--output={path}", *added, "HEAD", "--", ".", ":(exclude)results"]
    subprocess.run(command, check=True, cwd=_root())  # nosec B603 B607 # constants of this module


def _build_wheels(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
    ]
    subprocess.run(
        [*command, "--constraint", str(_root() / "constraints.txt"), *WHEELS], check=True
    )  # nosec B603
    if alone := [
        path.name
        for path in folder.iterdir()
        if not re.search(r"-none-any\.whl$|-abi3-", path.name)
    ]:
        raise UserError(
            f"{alone[0]} is compiled, and fits this Python alone: take it out of the bundle's "
            "wheels"
        )


def _add_runs(cells: Iterable[Cell], runs: Path, path: Path) -> None:
    """Ended runs so that they are passed over, begun ones so that they go on."""
    with tarfile.open(path, "w") as archive:
        for cell in cells:
            run_dir = runs / cell.name
            status = status_of(run_dir)
            if status is None:
                continue
            names = (
                [folder.CONFIG, folder.RECORD] if status in ENDED else sorted(_to_go_on(run_dir))
            )
            for name in names:
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
    found = folder.checkpoint_paths(run_dir)
    return [found[-1].name, found[-1].name + ".sha256"] if found else []


def _root() -> Path:
    return Path(__file__).resolve().parents[3]


# There: working -----------------------------------------------------------------------------------


def run(minutes: float, out: Path, began: float, only: Collection[str] = WORK) -> None:
    """Tests, benchmark, then the campaign until `minutes` after `began` (Unix time); `out` gets at
    most PARTS files.

    SIGTERM and SIGINT end it early: what there is comes home.

    only: of WORK, what is done.
    """
    until = time.monotonic() + began + 60 * minutes - time.time() - PACKING_SECONDS
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: asked.append(received))
    told = Path("told")
    told.mkdir(exist_ok=True)
    if "tests" in only:
        for_gpu = [
            str(path)
            for path in sorted(Path("tests").rglob("test_*.py"))
            if "mark.gpu" in path.read_text()
        ]
        _timed(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-m",
                "gpu",
                "--continue-on-collection-errors",
                *for_gpu,
            ],
            TESTS_SECONDS,
            told / "gpu_tests.txt",
        )
    benchmark = [
        sys.executable,
        "scripts/benchmark.py",
        "step",
        "--side",
        "32",
        "--precision",
        "32-true",
        "bf16-mixed",
    ]
    benchmark += ["--steps", "5", "--rounds", "3", "--json", str(told / "benchmark.json")]
    if "benchmark" in only:
        _timed(benchmark, BENCHMARK_SECONDS, told / "benchmark.txt")

    # cells, with time to stop them in
    cells = read_campaign(Path("campaign.yaml"))
    ended_before = {cell.name for cell in cells if status_of(Path("runs") / cell.name) in ENDED}

    def is_over() -> bool:
        return bool(asked) or time.monotonic() > until - STOPPING_SECONDS

    statuses = work_through(cells if "cells" in only else [], Path("runs"), is_over)
    (told / "cells.json").write_text(json.dumps(statuses, indent=1) + "\n")
    left_out = pack_results(
        told, Path("runs"), [cell for cell in cells if cell.name not in ended_before], out
    )
    terminal.tell(
        "\n".join([f"{name}: {status or 'not begun'}" for name, status in statuses.items()])
    )
    for name in left_out:
        terminal.tell(f"left out for its size: {name}")


def _timed(command: list[str], seconds: float, log: Path) -> None:
    """Run for at most so long; what it prints, and how it ended, is kept."""
    with log.open("w") as file:
        try:
            ended = str(
                subprocess.run(
                    command, stdout=file, stderr=subprocess.STDOUT, timeout=seconds
                ).returncode
            )  # nosec B603
        except subprocess.TimeoutExpired:
            ended = f"stopped after {seconds} s"
        file.write(f"\nended: {ended}\n")


def pack_results(told: Path, runs: Path, cells: Iterable[Cell], out: Path) -> list[str]:
    """Records first, then the checkpoints worth continuing, generators and grids, as far as they
    fit.

    Returns:
        The names of the files that did not fit.
    """
    wanted = [(path, f"told/{path.name}") for path in sorted(told.iterdir())]
    later: list[tuple[Path, str]] = []
    for cell in cells:
        run_dir, status = runs / cell.name, status_of(runs / cell.name)
        if (log := runs / f"{cell.name}.txt").exists():
            wanted.append((log, f"runs/{log.name}"))
        if status is None:
            continue
        wanted += _members(run_dir, [folder.CONFIG, folder.RECORD, folder.METRICS])
        if status not in ENDED:
            later = [
                *_members(
                    run_dir,
                    [f"{folder.CHECKPOINTS}/{name}" for name in _newest_checkpoint(run_dir)],
                ),
                *later,
            ]
        later += _members(run_dir, [folder.DESCRIPTION, folder.WEIGHTS, *_last_grid(run_dir)])
    return _write_parts([*wanted, *later], out)


def _members(run_dir: Path, names: Iterable[str]) -> list[tuple[Path, str]]:
    return [
        (run_dir / name, f"runs/{run_dir.name}/{name}")
        for name in names
        if (run_dir / name).exists()
    ]


def _last_grid(run_dir: Path) -> list[str]:
    found = folder.samples_paths(run_dir)
    return [f"{folder.SAMPLES}/{found[-1].name}"] if found else []


def _write_parts(members: Iterable[tuple[Path, str]], out: Path) -> list[str]:
    """One tar over several files of at most PART_BYTES; a member that makes it too large is left
    out."""
    most = min(RESULT_BYTES, PARTS * PART_BYTES) - 20 * 1024  # tar's own end
    whole, left_out, size = io.BytesIO(), [], 0
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for path, name in members:
            needed = (
                1024 + -(-path.stat().st_size // 512) * 512
            )  # with its header; long names need a second one
            if size + needed > most:
                left_out.append(name)
                continue
            archive.add(path, name)
            size += needed
    content = whole.getvalue()
    out.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(content), PART_BYTES)):
        write_atomically(out / f"results.tar.{number:02}", content[start : start + PART_BYTES])
    return left_out


# At home: unpacking -------------------------------------------------------------------------------


def unpack(archive: Path, runs: Path) -> list[str]:
    """Put what a bundle brought home into `runs`; what it says of tests and benchmark into
    `runs`/told.

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
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        try:
            for part in parts:
                with open_regular(part, PART_BYTES) as file:
                    content.write(file.read())
            content.seek(0)
            with tarfile.open(fileobj=content, mode="r:") as tar:
                # the filter alone lets links lead outside in Python before 3.11.13, 3.12.11 and
                # 3.13.4
                if odd := next(
                    (
                        one.name
                        for one in tar
                        if one.issparse() or not (one.isfile() or one.isdir())
                    ),
                    None,
                ):
                    raise tarfile.TarError(f"{odd[:200]!r} is neither a file nor a folder")
                tar.extractall(folder, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise UserError(
                f"{archive} cannot be unpacked ({error}): copy all of its parts again"
            ) from None
        made = Path(folder)
        for run_dir in sorted((made / "runs").iterdir()) if (made / "runs").is_dir() else []:
            _merge(run_dir, runs / run_dir.name)
        if (made / "told").is_dir():
            shutil.copytree(made / "told", runs / "told", dirs_exist_ok=True)
        return sorted(path.name for path in (made / "runs").glob("*/") if path.is_dir())


def _merge(come: Path, kept: Path) -> None:
    """Files of a run that came home over those that are there; of checkpoints only the newer ones
    stay."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    if come.is_file():
        shutil.copy(come, kept)
        return
    if (come / folder.CHECKPOINTS).is_dir() or status_of(come) in ENDED:
        shutil.rmtree(kept / folder.CHECKPOINTS, ignore_errors=True)
    shutil.copytree(come, kept, dirs_exist_ok=True)
