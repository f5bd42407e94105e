"""Every public part has an example in its docstring, and the examples give what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGES = ("architectures", "optim")
PUBLIC = [
    (f"gan_lab.{package}", name)
    for package in PACKAGES
    for name in importlib.import_module(f"gan_lab.{package}").__all__
]


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
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(case, out=said.append)
    assert said == []
