"""A report as one HTML file, in which nothing that a record says is markup.

Jinja escapes every text; scripts and styles stand in the page with their hashes in its content
security policy, so that a browser runs no other, and asks no other place for anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from gan_lab.files import write_atomically
from gan_lab.reporting.report.model import Report, Reproduction
from gan_lab.terminal import visible

_VENDOR, _TEMPLATES = "vendor", "templates"
_STYLES = ((_VENDOR, "uPlot.min.css"), (_TEMPLATES, "style.css"))
_SCRIPTS = ((_VENDOR, "uPlot.iife.min.js"), (_TEMPLATES, "page.js"))


def to_html(report: Report | Reproduction, refresh: float | None = None) -> str:
    """Write a page.

    Args:
        report: its content.
        refresh: seconds between two questions whether there is a newer page, where it is served;
            None: it asks nobody.
    """
    kind = "reproduction" if isinstance(report, Reproduction) else "report"
    template = _environment().get_template(f"{kind}.html")
    return template.render(
        page=report,
        data=_data(report),
        styles=[Markup(text) for text in _texts(_STYLES)],
        scripts=[Markup(text) for text in _texts(_SCRIPTS)],
        policy=_policy(refresh),
        refresh=refresh,
    )


def write_page(report: Report | Reproduction, path: Path) -> Path:
    """Write a page to a file, all or nothing."""
    write_atomically(path, to_html(report))
    return path


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gan_lab.reporting.report", _TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"data_uri": _csv_uri, "word": _word, "breakable": _breakable}
    return environment


def _shown(value: Any) -> Any:
    """A text with its control characters as they are written, not as they act."""
    return visible(value) if type(value) is str else value


def _breakable(text: str) -> Markup:
    """A heading that may be broken within the name of a score, which is longer than its numbers."""
    return Markup("_<wbr>").join(map(visible, text.split("_")))


def _word(text: str) -> str:
    """The name of a state as a class of the style sheet: "other scale" is "scale"."""
    word = text.removeprefix("other ").removeprefix("is ").split()[0]
    return word if word.isalpha() else "not"


def _csv_uri(text: str) -> str:
    """A text as a link that saves it."""
    return "data:text/csv;base64," + base64.b64encode(text.encode()).decode()


def _data(report: Report | Reproduction) -> Markup:
    """The numbers of charts and the frames of galleries as JSON within a script element."""
    charts = list(report.charts if isinstance(report, Report) else ())
    if isinstance(report, Reproduction):
        charts = [chart for entry in report.entries for chart in entry.charts]
    frames = {}
    for gallery in report.galleries if isinstance(report, Report) else ():
        frames[gallery.id] = [
            [[frame.step, frame.image] for frame in grid.frames] for grid in gallery.grids
        ]
    content = {"charts": {chart.id: chart.panels for chart in charts}, "frames": frames}

    # no text may end the element, or begin a comment in it
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@functools.cache
def _texts(files: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The texts of files of this package."""
    root = resources.files("gan_lab.reporting.report")
    return tuple(root.joinpath(*place).read_text(encoding="utf-8").strip() for place in files)


def _policy(refresh: float | None) -> str:
    """The content security policy: our own scripts and styles, and images in the page."""
    scripts, styles = (
        " ".join(f"'sha256-{_hash(text)}'" for text in _texts(files))
        for files in (_SCRIPTS, _STYLES)
    )
    policy = f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:"
    connect = "" if refresh is None else "; connect-src 'self'"
    return f"{policy}; base-uri 'none'; form-action 'none'{connect}"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
