"""docs/record.md is what the types of a record say today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from gan_lab.records import Content

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location(
    "generate_record", ROOT / "docs" / "generate_record.py"
)
assert SPEC is not None
assert SPEC.loader is not None
generate_record = importlib.util.module_from_spec(SPEC)
sys.modules["generate_record"] = generate_record
SPEC.loader.exec_module(generate_record)


def test_the_page_is_what_the_types_say():
    written = generate_record.page(generate_record.SOURCE.read_bytes())
    assert generate_record.PAGE.read_text() == written, (
        "it is stale: run python docs/generate_record.py"
    )


def test_the_page_has_every_field_of_a_record():
    page = generate_record.PAGE.read_text()
    assert [name for name in Content.__annotations__ if f"| `{name}` |" not in page] == []


def test_a_field_that_comes_is_on_the_page():
    source = generate_record.SOURCE.read_text().replace(
        "    status: str  # one of STATUSES\n",
        "    status: str  # one of STATUSES\n    mood: dict[str, list[ScoreEntry | None]]  # how it "
        "felt\n",
    )
    page = generate_record.page(source.encode())
    assert (
        "| `mood` | object, each value: list of [ScoreEntry](#scoreentry) or null | how it felt |"
        in page
    )
    assert "| `status` | string | one of `running`, `finished`," in page
