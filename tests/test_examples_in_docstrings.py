"""Every public part has an example in its docstring, and the examples give what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import gan_lab

PACKAGES = ("architectures", "data", "losses", "metrics", "optim", "penalties", "theory")
PUBLIC = [
    (f"gan_lab.{package}", name)
    for package in PACKAGES
    for name in importlib.import_module(f"gan_lab.{package}").__all__
]
SOURCE = Path(gan_lab.__file__).parent
WITH_EXAMPLES = [
    ".".join(("gan_lab", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text()
]
OPTIONS = doctest.NORMALIZE_WHITESPACE


@pytest.mark.thorough
@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[".".join(part) for part in PUBLIC])
def test_example_of_a_public_part_runs(
    module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # an example may write files
    monkeypatch.chdir(tmp_path)
    part = getattr(importlib.import_module(module), name)
    case = doctest.DocTestParser().get_doctest(part.__doc__ or "", {}, name, module, 0)
    assert case.examples, f"{module}.{name} has no example: add `Examples:` to its docstring"

    said: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(case, out=said.append)
    assert said == []


@pytest.mark.thorough
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_a_file_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    module: ModuleType = importlib.import_module(name)
    # inside a package an example may use what its module has
    assert doctest.testmod(module, optionflags=OPTIONS).failed == 0
