"""signature.parameters reads from the source what inspect.signature finds in the imported
target."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Any

import hydra.utils
import pytest
import yaml

from gan_lab.config import signature
from gan_lab.errors import UserError

CONF = Path(__file__).resolve().parents[1] / "conf"


def targets(content: Any) -> set[str]:
    if not isinstance(content, dict):
        return set()
    own = {content["_target_"]} if "_target_" in content else set()
    return own.union(*map(targets, content.values()))


ALL = sorted(
    set().union(*(targets(yaml.safe_load(path.read_text())) for path in CONF.rglob("*.yaml")))
)


def test_there_are_targets():
    assert len(ALL) > 20


@pytest.mark.parametrize("target", ALL)
def test_equals_inspect(target):
    parameters = inspect.signature(hydra.utils.get_object(target)).parameters.values()
    named = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    assert signature.parameters(target) == named


@pytest.mark.parametrize(
    "target",
    [
        "gan_lab.losses.nothing",
        "gan_lab.nothing.exp",
        "no_such_package.thing",
        "torch.optim.Adamm",
        "x",
    ],
)
def test_a_target_that_is_not_there_is_named(target):
    with pytest.raises(UserError, match=target):
        signature.parameters(target)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("gan_lab.losses.nothing", r"losses/__init__\.py defines no 'nothing'"),
        ("gan_lab.nothing.exp", "gan_lab has no module 'nothing'"),
        (
            "no_such.thing",
            r"neither no_such\.py nor .* in the current folder \(.*an installed pack",
        ),
        ("x", "a module comes before its name"),
    ],
)
def test_whether_the_module_or_the_name_in_it_is_missing(target, words):
    with pytest.raises(UserError, match=f"there is no such class or function: .*{words}"):
        signature.parameters(target)


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "sketched_package"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "from .inner import Renamed as Public\nfrom sketched_package.inner.deep import g\n"
    )
    (folder / "inner" / "__init__.py").write_text("from .deep import Original as Renamed\n")
    (folder / "inner" / "deep.py").write_text(
        textwrap.dedent(
            """
            from __future__ import annotations
            from dataclasses import dataclass, field
            from typing import ClassVar

            raise RuntimeError("nobody imports me")

            @dataclass
            class Base:
                first: int
                kind: ClassVar[str] = "base"

            @dataclass
            class Original(Base):
                second: int = 2
                cached: list = field(init=False, default_factory=list)

            def g(a, /, b, *rest, c=1, **others): ...

            class Plain:
                pass

            class Inherits(Plain):
                def __init__(self, x, *, y=0): ...

            class Child(Inherits):
                size: int = 3
            """
        )
    )
    (folder / "dotted.py").write_text(
        textwrap.dedent(
            """
            import json.decoder
            import sketched_package.inner
            import sketched_package.inner.deep as depths
            from . import inner
            from sketched_package import inner as by_another_name

            class Whole(sketched_package.inner.deep.Inherits): ...
            class Short(depths.Inherits): ...
            class Relative(inner.deep.Inherits): ...
            class Renamed(by_another_name.Renamed): ...
            class Foreign(json.decoder.JSONDecoder): ...
            class Made(inner.make("Inherits")): ...
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "sketched_package"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("g", {"a", "b", "c"}),
        ("inner.deep.g", {"a", "b", "c"}),
        ("inner.deep.Plain", set()),
        ("inner.deep.Inherits", {"x", "y"}),
        ("Public", {"first", "second"}),
        ("inner.deep.Child", {"x", "y"}),
        ("dotted.Whole", {"x", "y"}),
        ("dotted.Short", {"x", "y"}),
        ("dotted.Relative", {"x", "y"}),
        ("dotted.Renamed", {"first", "second"}),
        ("dotted.Foreign", set()),  # of another package, as an undotted base
        ("dotted.Made", set()),
    ],
)
def test_reads_without_importing(package, name, expected):
    """Re-exports, renames, inherited fields and constructors, of a base by its name or dotted; ClassVar and field(init=False) are no
    parameters."""
    assert signature.parameters(f"{package}.{name}") == expected
