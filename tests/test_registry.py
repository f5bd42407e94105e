"""The registry as tests see it: what a new option is told, and what one that is not stable is
spared."""

from __future__ import annotations

import re

import pytest

from helpers import registry
from helpers.registry import CONF, check_complete, fields, options, stable, traits

NEW = """_target_: gan_lab.losses.mine.mine
traits: {{targets: true}}
stable: {stable}
alpha: 1.0
"""


@pytest.fixture
def loss(tmp_path, monkeypatch):
    """loss(stable): a conf/ with the option `mine`, which is stable or not."""
    monkeypatch.setattr(registry, "CONF", tmp_path)
    monkeypatch.setattr(registry, "_content", registry._content.__wrapped__)
    (tmp_path / "loss").mkdir()
    return lambda said: (tmp_path / "loss/mine.yaml").write_text(NEW.format(stable=said))


@pytest.mark.parametrize(("said", "found"), [("true", ["mine"]), ("false", [])])
def test_an_option_is_stable_unless_it_says_otherwise(said, found, loss):
    loss(said)
    assert options("loss") == ["mine"]
    assert stable("loss") == stable("loss", ["mine"]) == found
    assert fields("loss", "mine") == {"alpha": 1.0}
    assert traits("loss", "mine") == {"targets": True}


def test_a_new_option_is_told_what_it_lacks_unless_it_is_not_stable(loss):
    """In one sentence that names the table, what to write there, and the way out."""
    loss("true")
    with pytest.raises(pytest.fail.Exception) as told:
        check_complete({}, "loss", ["mine"], "tests/x.py, TABLE", "its value")
    assert str(told.value) == (
        "tests/x.py, TABLE has no mine: add its value; or set `stable: false` in "
        "conf/loss/mine.yaml, and values are not tested"
    )
    check_complete({"mine": 1}, "loss", ["mine"], "tests/x.py, TABLE", "its value")
    loss("false")
    check_complete({}, "loss", ["mine"], "tests/x.py, TABLE", "its value")
    check_complete({"mine": 1}, "loss", ["mine"], "tests/x.py, TABLE", "its value")


def test_every_table_that_is_named_is_where_it_is_said_to_be():
    """What a new option is told names a file and a table in it: both must be there."""
    root = CONF.parent
    places = {
        place
        for path in (root / "tests").rglob("test_*.py")
        for place in re.findall(r"\"(tests/[\w/]+\.py), (\w+)\b", path.read_text())
        if place[0] != "tests/x.py"
    }
    assert len(places) >= 6
    for file, table in sorted(places):
        assert re.search(rf"^{table}\b.* = ", (root / file).read_text(), re.MULTILINE), (
            file,
            table,
        )


def test_a_table_holds_no_option_that_there_is_not(loss):
    loss("true")
    with pytest.raises(AssertionError, match=r"TABLE has other, and conf/loss does not"):
        check_complete({"mine": 1, "other": 2}, "loss", ["mine"], "TABLE", "its value")
