"""Where a number came from, without git: copies, archives and wheels tell the commit of their
code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest
import torch

from gan_lab.records import provenance

ROOT = Path(__file__).resolve().parents[1]
UNKNOWN = {"sha": None, "dirty": None}
TREE = ("src", "conf", "scripts", "train.py", "Makefile", "pyproject.toml", "setup.py", ".gitignore", "README.md",
        "LICENSE")  # fmt: skip
ASK = (
    "import json; from gan_lab.records import provenance; "
    "print(json.dumps(provenance.git_state()), provenance.__file__)"
)


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def committed(folder: Path) -> str:
    """`folder` as a repository of its own with one commit; its SHA."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return git(folder, "rev-parse", "HEAD")


def make(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    command = ["make", target, f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def asked(python: str | Path, cwd: Path, **environment: str) -> tuple[dict[str, object], Path]:
    """What git_state says in a process of its own, and the file that said so."""
    done = subprocess.run(
        [str(python), "-c", ASK],
        cwd=cwd,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    state, _, file = done.stdout.strip().rpartition(" ")
    return json.loads(state), Path(file)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> tuple[Path, str]:
    """This project's code in a repository of its own, after `make archive`, and its commit."""
    folder = tmp_path_factory.mktemp("checkout") / "lab"
    folder.mkdir()
    for name in TREE:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", provenance.FILE_NAME)
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / "results").mkdir()
    (folder / "results" / "LOG.md").write_text("1")
    sha = committed(folder)
    done = make(folder, "archive")
    assert done.returncode == 0, done.stderr
    return folder, sha


@pytest.fixture
def archive(checkout, tmp_path) -> Path:
    """The source archive, unpacked where there is no git."""
    with tarfile.open(checkout[0] / "gan_lab.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path / "gan_lab"


def state_of(folder: Path) -> dict[str, object]:
    return provenance.code_state(folder / "src" / "gan_lab")


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "\n# edited\n")


# Archives and copies ------------------------------------------------------------------------------


def test_an_archive_tells_the_commit_in_a_program_of_its_own(checkout, archive, tmp_path):
    state, file = asked(sys.executable, tmp_path, PYTHONPATH=str(archive / "src"))
    assert file == archive / "src" / "gan_lab" / "records" / "provenance.py"
    assert state == {"sha": checkout[1], "dirty": False}


def test_a_plain_copy_tells_the_commit(checkout, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(checkout[0], copy, ignore=shutil.ignore_patterns(".git"))
    assert state_of(copy) == {"sha": checkout[1], "dirty": False}
    (copy / "src" / "gan_lab" / provenance.FILE_NAME).unlink()
    assert state_of(copy) == UNKNOWN


@pytest.mark.parametrize(
    "name",
    [
        "src/gan_lab/records/record.py",
        "src/hydra_plugins/gan_lab_launchers.py",
        "conf/train.yaml",
        "train.py",
    ],
)
def test_an_edited_file_of_an_archive_makes_it_dirty(name, checkout, archive):
    edit(archive / name)
    assert state_of(archive) == {"sha": checkout[1], "dirty": True}


def test_of_an_archive_the_package_must_be_whole_and_what_stands_beside_it_need_not(
    checkout, archive
):
    shutil.rmtree(archive / "conf")
    (archive / "train.py").unlink()
    (archive / "src" / "gan_lab" / "untracked.txt").write_text("as in a checkout, no change")
    assert state_of(archive) == {"sha": checkout[1], "dirty": False}
    (archive / "src" / "gan_lab" / "records" / "record.py").unlink()
    assert state_of(archive) == {"sha": checkout[1], "dirty": True}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha": "5", "dirty": false, "files": 3}'])
def test_a_damaged_file_tells_nothing(text, archive):
    (archive / "src" / "gan_lab" / provenance.FILE_NAME).write_text(text)
    assert state_of(archive) == UNKNOWN


def test_a_file_that_names_no_files_proves_nothing(archive):
    (archive / "src" / "gan_lab" / provenance.FILE_NAME).write_text(
        '{"sha": "5", "dirty": false, "files": {}}'
    )
    assert state_of(archive) == {"sha": "5", "dirty": True}


def test_a_copy_of_a_dirty_checkout_is_dirty(checkout, tmp_path):
    lab = tmp_path / "lab"
    shutil.copytree(checkout[0], lab)
    edit(lab / "src" / "gan_lab" / "records" / "record.py")
    assert make(lab, "provenance").returncode == 0
    shutil.rmtree(lab / ".git")
    assert state_of(lab) == {"sha": checkout[1], "dirty": True}


def test_provenance_is_refused_in_one_line_where_there_is_no_checkout(archive):
    done = make(archive, "provenance")
    assert done.returncode != 0
    assert "is not in a git checkout of this project" in done.stderr
    assert "Traceback" not in done.stderr


# Checkouts ----------------------------------------------------------------------------------------


def test_in_a_checkout_git_is_asked_and_not_the_file(checkout, tmp_path):
    lab = tmp_path / "lab"
    shutil.copytree(checkout[0], lab)
    (lab / "results" / "LOG.md").write_text("2")
    (lab / "untracked").write_text("2")
    assert state_of(lab) == {"sha": checkout[1], "dirty": False}
    edit(lab / "README.md")
    git(lab, "commit", "-q", "-a", "-m", "two")
    assert state_of(lab) == {"sha": git(lab, "rev-parse", "HEAD"), "dirty": False}
    edit(lab / "src" / "gan_lab" / "records" / "record.py")
    assert state_of(lab)["dirty"] is True


def test_a_copy_in_another_repository_does_not_tell_that_ones_commit(checkout, archive):
    expected = {"sha": checkout[1], "dirty": False}
    (archive.parent / "theirs.txt").write_text("theirs")
    git(archive.parent, "init", "-q")
    git(archive.parent, "add", "theirs.txt")
    git(archive.parent, "commit", "-q", "-m", "theirs")
    assert state_of(archive) == expected  # in a subfolder, untracked
    git(archive.parent, "add", "--force", ".")
    git(archive.parent, "commit", "-q", "-m", "ours in theirs")
    assert state_of(archive) == expected  # and tracked

    (archive / "theirs.txt").write_text("theirs")
    git(archive, "init", "-q")
    git(archive, "add", "theirs.txt")
    git(archive, "commit", "-q", "-m", "theirs")
    assert state_of(archive) == expected  # at the top, untracked


def test_the_state_is_that_of_the_code_that_the_process_began_with(checkout, archive, tmp_path):
    lines = (
        "from pathlib import Path; from gan_lab.records import provenance; before = "
        "provenance.git_state()",
        "path = Path(provenance.__file__).with_name('record.py'); path.write_text(path.read_text() "
        "+ '#')",
        "assert provenance.git_state() == before and before['dirty'] is False, before",
    )
    subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(archive / "src")},
        check=True,
    )
    assert state_of(archive)["dirty"] is True


# Wheels -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_wheel_in_a_fresh_environment_tells_the_commit_also_in_the_record_of_a_run(
    checkout, tmp_path
):
    lab, sha = checkout
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run(
        [
            *pip,
            "wheel",
            ".",
            *offline,
            "--no-build-isolation",
            "--wheel-dir",
            str(tmp_path / "wheels"),
        ],
        cwd=lab,
        check=True,
    )
    venv.create(tmp_path / "fresh")
    python = tmp_path / "fresh" / "bin" / "python"
    (wheel,) = (tmp_path / "wheels").iterdir()
    subprocess.run([*pip, "--python", str(python), "install", *offline, str(wheel)], check=True)
    (site,) = (tmp_path / "fresh" / "lib").glob("*/site-packages")
    (site / "shared.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")

    state, file = asked(python, tmp_path, PYTHONPATH="")
    assert file == site / "gan_lab" / "records" / "provenance.py"
    assert state == {"sha": sha, "dirty": False}

    # a run: train.py and conf/ beside the installed package
    for name in ("conf", "train.py"):
        (shutil.copytree if (lab / name).is_dir() else shutil.copy)(lab / name, tmp_path / name)
    small = [
        "architecture.channels=8",
        "batch_size=16",
        "generator_batch_size=16",
        "evaluation=off",
    ]
    subprocess.run(
        [python, "train.py", *small, "max_generator_steps=1", "run_dir=run"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ""},
        check=True,
    )
    assert json.loads((tmp_path / "run" / "record.json").read_text())["git"] == state

    edit(site / "gan_lab" / "records" / "record.py")
    assert asked(python, tmp_path, PYTHONPATH="")[0] == {"sha": sha, "dirty": True}
