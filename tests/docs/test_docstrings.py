"""Docstrings have the sections of docs/style.md, and no lists in prose beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "scripts").glob("*.py"), ROOT / "train.py"])
ORDER = ("Args", "Attributes", "Returns", "Yields", "Raises", "Source", "Examples")
HEADING = re.compile(r"([A-Z][a-z]+):")
ERROR_IN_PROSE = re.compile(
    r"(?:^|[.:] )(?:Raises?|Errors?:) (?=an?\b|the\b|what\b|\w*Error\b|\w+Exception\b)"
)
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def parts(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """Every class and function with its name in the module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Documented):
            name = f"{prefix}{node.name}"
            yield name, node
            yield from parts(node, f"{name}.")
        else:
            yield from parts(node, prefix)


def arguments(node: Documented) -> set[str]:
    """What a call of a function, or of a class, is given; of a class also what it declares."""
    if not isinstance(node, ast.ClassDef):
        given = node.args
        return {item.arg for item in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    names = set(fields(node))
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            names |= arguments(item) if item.name == "__init__" else {item.name}
    return names


def fields(node: ast.ClassDef) -> list[str]:
    """The fields of a dataclass or NamedTuple."""
    return [
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and not ast.unparse(item.annotation).startswith("ClassVar")
    ]


def has_fields(node: Documented) -> bool:
    """Whether this is a dataclass or NamedTuple."""
    if not isinstance(node, ast.ClassDef):
        return False
    makers = [ast.unparse(item).partition("(")[0] for item in node.decorator_list]
    return "NamedTuple" in map(ast.unparse, node.bases) or any(
        maker.rpartition(".")[2] == "dataclass" for maker in makers
    )


def sections(docstring: str) -> tuple[str, list[tuple[str, list[str]]]]:
    """The prose of a docstring, and its sections with their lines."""
    prose: list[str] = []
    found: list[tuple[str, list[str]]] = []
    for line in docstring.splitlines():
        if heading := HEADING.fullmatch(line):
            found.append((heading[1], []))
        elif found and (line.startswith(" ") or not line):
            found[-1][1].append(line.strip())
        else:
            prose.append(line)
    return "\n".join(prose), found


def complaints(source: str) -> list[str]:
    """What is wrong with the docstrings of a file, a line each."""
    wrong = []
    for name, node in parts(ast.parse(source)):
        prose, found = sections(ast.get_docstring(node) or "")
        headings = [heading for heading, _ in found]

        # the headings that there are, in their order
        if unknown := sorted(set(headings) - set(ORDER)):
            wrong.append(f"{name}: {unknown[0]}: is no section of docs/style.md")
        elif headings != [heading for heading in ORDER if heading in headings]:
            wrong.append(f"{name}: sections in the order {', '.join(headings)}")

        # fields are arguments
        own = set(fields(node)) if isinstance(node, ast.ClassDef) and has_fields(node) else set()
        for entry in dict(found).get("Attributes", []):
            if entry.partition(":")[0] in own:
                wrong.append(f"{name}: {entry.partition(':')[0]} is a field: move it to Args:")

        # no lists in prose
        names = "|".join(map(re.escape, arguments(node)))
        if names and (
            listed := re.search(rf"(?:^|[.;] )(?:\w+, )*({names}): ", prose, re.MULTILINE)
        ):
            wrong.append(f"{name}: {listed[1]} is told in prose: move it to Args:")
        is_public = not any(
            part.startswith("_") and not part.endswith("__") for part in name.split(".")
        )
        if is_public and ERROR_IN_PROSE.search(" ".join(prose.split())):
            wrong.append(f"{name}: an error is told in prose: move it to Raises:")
    return wrong


def test_every_docstring_has_the_sections_of_the_style_guide():
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in FILES
        for line in complaints(path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_example_of_a_page_has_them_too(page: Path):
    """Whoever copies one would be refused by the test above."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    wrong = [line for block in blocks for line in complaints(block)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("docstring", "complaint"),
    [
        ("A sentence.\n\n    x: a number.", "x is told in prose: move it to Args:"),
        ("A sentence. x: a number.", "x is told in prose: move it to Args:"),
        ("A sentence.\n\n    Attributes:\n        x: a number.", "x is a field: move it to Args:"),
        ("A sentence. Raises UserError.", "an error is told in prose: move it to Raises:"),
        (
            "A sentence.\n\n    Errors: UserError for 0.",
            "an error is told in prose: move it to Raises:",
        ),
        (
            "A sentence.\n\n    Errors:\n        UserError: for 0.",
            "Errors: is no section of docs/style.md",
        ),
        (
            "A sentence.\n\n    Raises:\n        UserError: for 0.\n\n    Args:\n        x: a number.",
            "sections in the order Raises, Args",
        ),
        (
            "A sentence.\n\n    Args:\n        x: a number.\n\n    Raises:\n        UserError: for 0.",
            None,
        ),
    ],
)
def test_other_docstrings_are_found(docstring: str, complaint: str | None):
    source = f'@dataclass(frozen=True)\nclass A:\n    """{docstring}\n    """\n\n    x: float\n'
    assert complaints(source) == ([f"A: {complaint}"] if complaint else [])
