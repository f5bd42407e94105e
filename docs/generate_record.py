"""Write docs/record.md from the types in gan_lab.records.record.

`python docs/generate_record.py`

The types, their docstrings and the comments at the end of their fields are the only place where a
record is described. A test fails while the page is another one than this program writes.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "gan_lab" / "records" / "record.py"
PAGE = ROOT / "docs" / "record.md"

TOP = """# record.json

Every run directory holds a `record.json`: what the run was, on what, and what came of it. It is
written atomically and rewritten whole at every change, so it can be read while the run goes on.
This page is generated from `src/gan_lab/records/record.py`; `make docs` and a test keep the two
equal.

* `version` is raised when a field changes its meaning; `src/gan_lab/records/versions.py` says what
  older files imply, so an old record is read like a new one. A record of a newer version is
  refused.
* A field that a run does not have yet is absent; readers must not expect every field.
* A field in **bold** is in every object of its kind.
* Numbers that JSON cannot hold (`nan`, `inf`, `-inf`) are written as strings.
* A record that is read back is held against these types. A damaged one is refused by name.

```python
import json
from pathlib import Path

record = json.loads(Path("outputs/NAME/record.json").read_text())
record["status"], record["choices"]["loss"]
{name: score["value"] for name, score in record["scores"].items()}
```

`examples/records_into_pandas.py` reads a whole folder of records into a table.
"""

WORDS = {
    "str": "string",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "Any": "any value",
    "Count": "whole number of at least 0",
    "Number": 'number (`"nan"`, `"inf"` as strings)',
}


@dataclass
class Shape:
    """A TypedDict of the source."""

    name: str
    text: str  # its docstring
    # (name, type, comment, whether it is always there)
    fields: list[tuple[str, ast.expr, str, bool]] = field(default_factory=list)


def comments(source: bytes) -> dict[int, str]:
    """{line: the comment at its end} of a source."""
    tokens = tokenize.tokenize(BytesIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def shapes(source: bytes) -> dict[str, Shape]:
    """Find the TypedDicts of a source, by name."""
    comment_of = comments(source)
    known: dict[str, Shape] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or not _is_typed_dict(node, known):
            continue

        # the fields of its base classes, which stand before it, come first
        shape = Shape(node.name, " ".join((ast.get_docstring(node) or "").split()))
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in known:
                shape.fields += known[base.id].fields

        # its own fields; a class that is not total has none that is always there
        is_total = not any(keyword.arg == "total" for keyword in node.keywords)
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                comment = comment_of.get(item.end_lineno or 0, "")
                shape.fields.append((item.target.id, item.annotation, comment, is_total))
        known[node.name] = shape
    return known


def _is_typed_dict(node: ast.ClassDef, known: dict[str, Shape]) -> bool:
    return any(
        isinstance(base, ast.Name) and (base.id == "TypedDict" or base.id in known)
        for base in node.bases
    )


def constants(source: bytes) -> dict[str, tuple[str, ...]]:
    """{name: strings} of the tuples of strings at the top of the source."""
    tuples = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        if isinstance(name := node.targets[0], ast.Name):
            items = node.value.elts
            tuples[name.id] = tuple(item.value for item in items if isinstance(item, ast.Constant))
    return tuples


def in_words(annotation: ast.expr, known: dict[str, Shape]) -> str:
    """A type as JSON has it, with links to the objects that the page describes."""
    # "int | None"
    if isinstance(annotation, ast.BinOp):
        return f"{in_words(annotation.left, known)} or {in_words(annotation.right, known)}"
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return "null"

    # "dict[str, Any]"; the key of an object is always a string
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        content = annotation.slice
        inner = content.elts if isinstance(content, ast.Tuple) else [content]
        parts = [in_words(item, known) for item in inner]
        if annotation.value.id == "dict":
            return f"object, each value: {parts[1]}"
        if annotation.value.id == "tuple":
            return f"[{', '.join(parts)}]"
        return f"list of {parts[0]}"

    # a name, of another object of the page or of a plain type
    name = ast.unparse(annotation)
    return f"[{name}](#{name.lower()})" if name in known else WORDS[name]


def mentioned(shape: Shape, known: dict[str, Shape]) -> Iterator[str]:
    """The names of the types in the fields of one, in order."""
    for _, annotation, _, _ in shape.fields:
        for node in ast.walk(annotation):
            if isinstance(node, ast.Name) and node.id in known:
                yield node.id


def page(source: bytes) -> str:
    """Write the page for a source of records."""
    # objects in the order in which the page mentions them; a name that begins with _ only lends
    # its fields
    known = {name: shape for name, shape in shapes(source).items() if not name.startswith("_")}
    order, waiting = [], ["Content"]
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            waiting += mentioned(known[name], known)

    # the values of a constant stand where its name is mentioned
    named = constants(source)
    parts = [TOP]
    for name in order:
        heading = "The record" if name == "Content" else name
        parts.append(f"## {heading}\n\n{known[name].text}\n\n{table(known[name], known, named)}")
    return "\n".join(parts)


def table(shape: Shape, known: dict[str, Shape], named: dict[str, tuple[str, ...]]) -> str:
    """The fields of an object; those in **bold** are in every one of its kind."""
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for name, annotation, comment, is_there in shape.fields:
        for constant, values in named.items():
            comment = re.sub(
                rf"\b{constant}\b", ", ".join(f"`{value}`" for value in values), comment
            )
        shown = f"**`{name}`**" if is_there else f"`{name}`"
        rows.append(f"| {shown} | {in_words(annotation, known)} | {comment} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(SOURCE.read_bytes()))
