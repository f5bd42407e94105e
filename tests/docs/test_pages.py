"""The pages say what the code says: options, tables, layers, files, links; README stays short."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from gan_lab.commands import programs
from gan_lab.config.traits import Traits
from gan_lab.reporting import FIGURES, TABLES
from helpers.registry import CONF, stable, target

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "tests" / "README.md",
        *DOCS.rglob("*.md"),
    ]
)
GROUPS = (
    "loss",
    "labels",
    "penalty",
    "optimizer",
    "schedule",
    "architecture",
    "dataset",
    "supervision",
    "evaluation",
    "trainer",
    "logger",
    "diagnostics",
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def row(page: Path, group: str) -> str:
    """The line of a page's table of groups."""
    (line,) = [line for line in page.read_text().splitlines() if line.startswith(f"| `{group}` |")]
    return line


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    links = [one or other for one, other in LINK.findall(page.read_text())]
    local = [link for link in links if not link.startswith(("http://", "https://"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "training.md"], ids=name)
@pytest.mark.parametrize("group", GROUPS)
def test_every_option_is_in_the_tables_of_groups(page, group):
    words = set(re.findall(r"\w+", row(page, group)))
    missing = ", ".join(option for option in stable(group) if option not in words)
    assert not missing, (
        f"{name(page)}: the line of {group} in the table of groups lacks {missing}: add it there; "
        "or set `stable: false` in its YAML"
    )


def test_every_dataset_and_launcher_has_a_line():
    page = (DOCS / "data.md").read_text()
    missing = ", ".join(option for option in stable("dataset") if f"| `{option}`" not in page)
    assert not missing, (
        f"docs/data.md: the table of data sets lacks {missing}: add a line `| `NAME` | ...`; "
        "or set `stable: false` in its YAML"
    )
    launchers = [path.stem for path in (CONF / "hydra" / "launcher").glob("*.yaml")]
    assert all(f"| `{launcher}`" in (DOCS / "sweeps.md").read_text() for launcher in launchers)


def test_every_trait_is_on_the_page_about_extending():
    page = (DOCS / "extending.md").read_text()
    assert [item.name for item in fields(Traits) if f"| `{item.name}` |" not in page] == []


def test_every_table_and_figure_that_is_made_is_on_the_page_of_the_thesis():
    page = (DOCS / "thesis.md").read_text()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    for number in TABLES:
        assert f"Table {number}" in rows
    for number in FIGURES:
        # what is no figure of the thesis stands there by its command
        found = any(_covers(cell, number.rstrip("ab")) for cell in rows) if "-" in number else False
        assert found or f"`figure={number}`" in page, number


def _covers(cell: str, number: str) -> bool:
    """Whether "2-16 to 2-18, 4-4" says `number`."""
    chapter, index = number.split("-")
    for part in cell.removeprefix("Figures ").split(", "):
        ends = [end.split("-") for end in part.split(" to ") if re.fullmatch(r"\d-\d+", end)]
        if ends and ends[0][0] == chapter and int(ends[0][1]) <= int(index) <= int(ends[-1][1]):
            return True
    return False


def test_files_that_the_page_of_the_thesis_names_exist():
    page = (DOCS / "thesis.md").read_text()
    named = set(
        re.findall(r"`((?:tests|examples|scripts|conf|[a-z_]+)/[\w/.]+\.(?:py|md|yaml))`", page)
    )
    assert len(named) > 20
    assert [
        file
        for file in named
        if not (ROOT / file).exists() and not (ROOT / "src/gan_lab" / file).exists()
    ] == []


def test_every_loss_of_a_table_is_on_the_page_of_the_thesis():
    page = (DOCS / "thesis.md").read_text()
    losses = {
        line.loss for design in TABLES.values() for line in design.lines if line.loss is not None
    }
    assert losses
    factories = {target("loss", loss).__name__ for loss in losses}
    assert [name for name in sorted(factories) if f"`{name}`" not in page] == []


def test_what_the_page_of_the_thesis_calls_not_recorded_has_no_record():
    """Recorded sweeps and experiments, by the names that their rows have; `X` stands for an
    optimizer."""
    recorded = {
        choices[group]
        for folder in ("records", "studies", "stability")
        for path in (ROOT / "results" / folder).glob("*.json")
        for choices in [json.loads(path.read_text())["choices"]]
        for group in ("sweep", "experiment")
        if choices.get(group)
    }
    assert "table_2_2_small" in recorded

    rows = [line for line in (DOCS / "thesis.md").read_text().splitlines() if "no run rec" in line]
    commands = re.compile(r"\b(?:table|figure|optimizers)_\w+")
    named = {command for row in rows if row.startswith("|") for command in commands.findall(row)}
    patterns = {re.sub(r"X$", r"\\w+", command) for command in named}
    assert patterns, "no row says so: leave the state out of the page, and this test"
    wrong = [command for command in recorded if any(re.fullmatch(one, command) for one in patterns)]
    assert wrong == [], "docs/thesis.md: say that they are recorded"


def test_the_layers_of_the_page_are_those_of_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    expected = "\n".join(layer.replace("gan_lab.", "") for layer in layers)
    assert f"```text\n{expected}\n```" in (DOCS / "architecture.md").read_text()


def test_every_package_is_in_the_tree_of_the_page():
    page = (DOCS / "architecture.md").read_text()
    package = ROOT / "src" / "gan_lab"
    modules = {path.stem for path in package.glob("[a-z]*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    assert [module for module in sorted(modules) if f"`{module}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_programs_that_a_page_names_exist(page):
    named = set(re.findall(r"(?:scripts|examples)/\w+\.py", page.read_text()))
    assert [file for file in named if not (ROOT / file).exists() and "NAME" not in file] == []
    commands = set(re.findall(r"gan-lab ([a-z-]+)", page.read_text()))
    assert commands <= programs.PROGRAMS.keys()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_targets_of_make_that_a_page_names_exist(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`| {4})make ([a-z][a-z0-9-]*)", page.read_text(), re.MULTILINE))
    assert named <= targets


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert [
        name(page) for page in DOCS.rglob("*.md") if str(page.relative_to(DOCS)) not in navigation
    ] == []


def test_the_citation_has_the_version_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    arxiv = {
        paper["identifiers"][0]["value"].removeprefix("arXiv:") for paper in citation["references"]
    }
    assert all(number in (DOCS / "thesis.md").read_text() for number in arxiv)
