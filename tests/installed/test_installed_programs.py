"""The console script `gan-lab`: in a checkout it runs the programs there, in a wheel its own copies
of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch

import gan_lab
from gan_lab.commands import programs
from gan_lab.files import program_root

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    *("architecture.channels=8", "batch_size=16", "generator_batch_size=16", "n_critic=1"),
    *("max_generator_steps=3", "evaluation=off"),
)
TREE = ("src", "conf", "scripts", "train.py", "pyproject.toml", "setup.py", "README.md", "LICENSE")
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONPATH"
}  # the wheel alone is found
NOT_INSTALLED = {"benchmark", "bundle"}  # they need the checkout that they measure or pack


# In a checkout ------------------------------------------------------------------------------------


def test_every_program_is_a_command_or_said_to_be_none():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")} - NOT_INSTALLED
    assert {name.replace("-", "_") for name in programs.PROGRAMS} == {"train", *scripts}


def test_the_programs_of_a_checkout_are_its_own():
    assert program_root() == ROOT
    assert all((ROOT / path).is_file() for path, _ in programs.PROGRAMS.values())


def test_the_help_names_every_command(capsys):
    programs.main(["--help"])
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in programs.PROGRAMS)


def test_the_version_is_the_package_s(capsys):
    programs.main(["--version"])
    assert capsys.readouterr().out.strip() == gan_lab.__version__


def test_an_unknown_command_is_one_line_that_lists_them(capsys):
    with pytest.raises(SystemExit, match="1"):
        programs.main(["trian"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "'trian': there is no such command" in line
    assert "train" in line


def test_a_command_is_its_program_and_needs_no_torch_to_say_its_config():
    code = (
        "import sys; sys.modules['torch'] = None; from gan_lab.commands.programs import main; "
        "main(['train', 'loss=hinge', '--cfg', 'job'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert "_target_: gan_lab.losses.hinge" in done.stdout


def test_importing_the_package_imports_no_torch():
    code = "import sys, gan_lab; assert 'torch' not in sys.modules; assert gan_lab.__version__"
    subprocess.run([sys.executable, "-c", code], timeout=120, check=True)


# In a wheel ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder of the programs of an environment that has this project's wheel, and its
    dependencies from here."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "lab").mkdir()  # a build leaves files in its folder
    for name in TREE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / "lab" / name)

    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--quiet", "--no-deps", "--no-index"]
    build = ["--no-build-isolation", "--wheel-dir", str(folder / "wheels")]
    subprocess.run(
        [*pip, "wheel", str(folder / "lab"), *offline, *build], env=ENVIRONMENT, check=True
    )

    venv.create(folder / "fresh")
    python = folder / "fresh" / "bin" / "python"
    (wheel,) = (folder / "wheels").iterdir()
    subprocess.run(
        [*pip, "--python", str(python), "install", *offline, str(wheel)],
        env=ENVIRONMENT,
        check=True,
    )
    (site,) = (folder / "fresh" / "lib").glob("*/site-packages")
    (site / "shared.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    return python.parent


def run(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`gan-lab` with these arguments; it must succeed."""
    done = subprocess.run(
        [str(installed / "gan-lab"), *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_a_wheel_trains_samples_and_sweeps_in_an_empty_folder(installed, tmp_path):
    run(installed, "train", "loss=hinge", *SMALL, "run_dir=run", cwd=tmp_path)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], record["choices"]["loss"]) == ("finished", "hinge")
    assert "fresh" in record["command"][0]  # this package's copy trained, not the checkout

    run(installed, "sample", "run_dir=run", "n=4", "out=four.png", cwd=tmp_path)
    assert (tmp_path / "four.png").stat().st_size

    # cells in processes of their own start the copy, too
    sweep = (
        "-m",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "seed=0,1",
        "hydra.sweep.dir=sweep",
    )
    run(installed, "train", *sweep, *SMALL, cwd=tmp_path)
    told = run(installed, "status", "sweep", cwd=tmp_path).stdout
    assert "2 cells: 2 finished" in told


@pytest.mark.slow
def test_a_wheel_trains_on_two_devices(installed, tmp_path):
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    run(installed, "train", *two, *SMALL, "run_dir=run", cwd=tmp_path)
    assert json.loads((tmp_path / "run" / "record.json").read_text())["status"] == "finished"
