"""gan_lab.terminal: text is shown as it is on any terminal, and printed commands work when they are
pasted."""

from __future__ import annotations

import ast
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from gan_lab import sweeps, terminal
from gan_lab.sweeps.table import status_table
from helpers.registry import CONF

NAMES = [
    "[is,fid]",
    "[/vol]",
    "[red]x",
    ":smile:",
    "\x1b[31mred\x1b[0m",
    "a\x07b\rc",
    "\u202egnp.exe",
    "x\x9b2Jy",
]


def shown(text: str, monkeypatch) -> str:
    """What a console prints of a line, of a table's title, head and cell."""
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    console = terminal.console()
    console.print(text)
    table = Table("head", title=text)
    table.add_row(text)
    console.print(table)
    terminal.tell(text)
    return file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_and_nothing_in_it_acts(name, monkeypatch):
    printed = shown(name, monkeypatch)
    assert printed.count(terminal.visible(name)) == 4
    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(printed)


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_of_a_sweep_is_text_whatever_its_name_and_reason(name, monkeypatch):
    monkeypatch.setattr(sys, "stdout", file := io.StringIO())
    name = name.replace("/", "")
    cells = [
        sweeps.SweepCell(Path("sweep") / run, (f"run_dir={name}",), "failed", name)
        for run in (name, "other")
    ]
    terminal.console().print(status_table(name, cells))
    assert file.getvalue().count(terminal.visible(name)) == 4
    terminal.console().print(Text(name))
    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(file.getvalue())


def test_a_line_of_a_log_is_text(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", True)
    before = logging.getLogRecordFactory()
    try:
        terminal.prepare()
        logging.getLogger("any").handle(
            made := logging.getLogRecordFactory()("any", 30, "", 0, "%s", ("\x1b[2J",), None)
        )
    finally:
        logging.setLogRecordFactory(before)
    assert made.getMessage() == r"\x1b[2J"


def test_visible_leaves_ordinary_text_alone():
    assert terminal.visible("λ max ‖∇f‖² ± 1\n\tüñ 你好") == "λ max ‖∇f‖² ± 1\n\tüñ 你好"
    assert terminal.visible("\x1b[2J") == "\\x1b[2J"


def test_long_lines_are_not_broken(monkeypatch):
    path = "a" * 300
    assert path in shown(path, monkeypatch)


# Commands -----------------------------------------------------------------------------------------

ODD = [
    "my run,lr=1e-3",
    "it's",
    "a\\",
    "a\\'b",
    "true",
    "NULL",
    "nan",
    "1",
    "[a]",
    "{a: 1}",
    "(x)",
    "a b",
    '"q"',
    "$HOME",
    "`x`",
]


@pytest.mark.parametrize("value", ODD)
def test_a_pasted_override_is_read_as_it_was(value):
    word = subprocess.run(
        ["sh", "-c", f"printf %s {terminal.pasted('resume', value)}"],
        capture_output=True,
        text=True,
    )
    override = OverridesParser.create().parse_override(word.stdout)
    assert (override.key_or_group, override.value()) == ("resume", value)
    assert not override.is_sweep_override()


@pytest.mark.parametrize("value", [None, True, 3, 1e-05, [0.5, None, "a,b"]])
def test_a_quoted_value_that_is_no_text_keeps_its_type(value):
    assert OverridesParser.create().parse_override(f"x={terminal.quoted(value)}").value() == value


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).filter(
        lambda text: "${" not in text
    )
)
@example("\\\\'")
def test_any_quoted_value_is_read_as_it_was(value):
    assert (
        OverridesParser.create().parse_override(f"resume={terminal.quoted(value)}").value() == value
    )


def test_plain_paths_stay_as_they_are():
    assert (
        terminal.pasted("resume", "outputs/2026-11-28/07-00-00-123456")
        == "resume=outputs/2026-11-28/07-00-00-123456"
    )


# Terminals ----------------------------------------------------------------------------------------

PROGRAM = """
import sys
from gan_lab import terminal
console = terminal.console()
for _ in range(2000):
    console.print("1 \\u00b1 2 \\u2026")
    terminal.tell("1 \\u00b1 2 \\u2026")
print("ended", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=["ascii", "C", "latin-1"],
)
def test_what_a_terminal_cannot_show_is_replaced(environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, env=os.environ | environment
    )
    assert (done.returncode, done.stderr) == (0, b"ended\n")
    assert done.stdout.count(b"2 ?") == 4000


@pytest.mark.parametrize("target", ["| head -1", "> /dev/full", ">&-"])
def test_a_stream_that_cannot_be_written_ends_nothing(target):
    """A closed pipe, a full disk, no stdout at all."""
    command = f"{sys.executable} -c '{PROGRAM}' {target}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "ended\n")


# By construction ----------------------------------------------------------------------------------

SOURCES = [
    *sorted((CONF.parent / "src").rglob("*.py")),
    *sorted((CONF.parent / "scripts").glob("*.py")),
]
OWN = {"terminal.py"}
# their output is no text of users
FOR_MACHINES = {"peer.py", "provenance.py", "scores.py", "throughput.py"}


def test_no_program_prints_but_through_one_module():
    """So that no text of a user can be markup, and no output can end a run."""
    assert len(SOURCES) > 100
    for path in SOURCES:
        called = {
            node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        }
        if path.name not in OWN:
            assert not {"Console", "rich.print"} & called, path
        if path.name not in OWN | FOR_MACHINES:
            assert "print" not in called, path
