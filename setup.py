"""The one step of the build that pyproject.toml cannot say: the package tells its commit."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROVENANCE = Path(__file__).resolve().parent / "src" / "gan_lab" / "records" / "provenance.py"


class BuildWithProvenance(build_py):
    """Copies the package, then writes its provenance.json."""

    def run(self) -> None:
        """An editable installation runs from the checkout, where git knows the commit."""
        super().run()
        if not self.editable_mode:
            runpy.run_path(str(PROVENANCE))["write_for_build"](Path(self.build_lib))


setup(cmdclass={"build_py": BuildWithProvenance})
