"""The steps of the build that pyproject.toml cannot say: the package gets copies of conf/ and of
the programs beside it, for the console script `gan-lab`, and tells its commit."""

import runpy
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PROVENANCE = ROOT / "src" / "gan_lab" / "records" / "provenance.py"
COPIED = ("conf", "scripts", "train.py")  # into gan_lab/installed, see gan_lab.files.program_root


class BuildPackage(build_py):
    """Copies the package and what is beside it, then writes its provenance.json."""

    def run(self) -> None:
        """An editable installation runs from the checkout, where these files are and git knows the
        commit."""
        super().run()
        if not self.editable_mode:
            copy_programs(Path(self.build_lib) / "gan_lab" / "installed")
            runpy.run_path(str(PROVENANCE))["write_for_build"](Path(self.build_lib))


def copy_programs(folder: Path) -> None:
    """Make `folder` hold what COPIED names, and nothing that an earlier build left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder / name)


setup(cmdclass={"build_py": BuildPackage})
