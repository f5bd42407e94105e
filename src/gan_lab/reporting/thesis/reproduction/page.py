"""From records, studies and figures to the reproduction page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_lab.reporting.axes import Axes
from gan_lab.reporting.collection import Record, is_study, read_records, source_name
from gan_lab.reporting.report import facts
from gan_lab.reporting.report.gather import made_by
from gan_lab.reporting.report.model import Claim, Entry, Fact, Reproduction, RunView, TableView
from gan_lab.reporting.runs import Run
from gan_lab.reporting.thesis.reproduction import figures, studies
from gan_lab.reporting.thesis.reproduction.items import CHAPTERS, ITEMS, Item
from gan_lab.reporting.thesis.reproduction.scores import (
    AGREES,
    BETTER,
    NOT_RUN,
    OTHER_SCALE,
    WORSE,
    Scores,
    scores_of,
)
from gan_lab.reporting.thesis.reproduction.slips import SLIPS
from gan_lab.sweeps.cells import duration

_PLURAL = {studies.HOLDS: "hold", studies.REVERSED: "reversed", studies.NOT_DECIDED: "not decided"}
VERDICTS = (AGREES, BETTER, WORSE, OTHER_SCALE, NOT_RUN)


@dataclass(frozen=True)
class _Sources:
    """What the page is made of."""

    content: Sequence[Record]
    studies: Sequence[Record]
    figures: Path
    tables: Path
    anchors: Mapping[str, str]


def reproduction(results: Path, items: Sequence[Item] = ITEMS) -> Reproduction:
    """Make the content of the reproduction page.

    Args:
        results: the folder with records, studies and figures in it; what it lacks is said.
        items: tables and figures of the thesis.

    Raises:
        UserError: a record there may not be cited.
    """
    # records first: every number leads to one of them
    warnings: list[str] = []
    content = _read(results / "records", warnings)
    of_studies = _read(results / "studies", warnings)
    every = [*content, *of_studies]
    anchors = facts.run_anchors(every)
    folders = results / "figures", results / "tables"
    sources = _Sources(content, of_studies, *folders, anchors)
    entries = [_entry(item, sources) for item in items]

    # the whole, counted and in words
    counts = Counter(entry.verdict for entry in entries)
    return Reproduction(
        title="The thesis, reproduced: where it stands",
        made=made_by(),
        facts=_facts(entries, content, of_studies),
        verdicts=tuple((word, counts[word]) for word in VERDICTS if counts[word]),
        warnings=tuple(warnings),
        entries=tuple(entries),
        reversed_statements=tuple(_against(entries, studies.REVERSED)),
        open_statements=tuple(_against(entries, studies.NOT_DECIDED)),
        compute=tuple(_compute(content, of_studies)),
        versions=facts.versions(every, anchors),
        slips=SLIPS,
        runs=tuple(_run_views(every, anchors)),
        chapters=CHAPTERS,
    )


def _read(folder: Path, warnings: list[str]) -> list[Record]:
    if not folder.is_dir():
        warnings.append(f"{folder}: there is no such folder.")
        return []
    if not any(folder.glob("*.json")):
        return []
    return read_records(folder, report=warnings.append)


# Entries ------------------------------------------------------------------------------------------


def _entry(item: Item, sources: _Sources) -> Entry:
    """A table or figure with everything that was recorded of it."""
    # scores beside published ones, or studies
    scores = scores_of(item.design, sources.content, sources.anchors) if item.design else None
    tables = list(scores.tables) if scores else []
    notes = list(scores.notes) if scores else []
    if item.study:
        views, problems = studies.study_views(item.study, sources.studies, sources.anchors)
        tables += views
        notes += problems
    settings = None
    if item.settings:
        settings = studies.settings_view(item.settings, sources.studies, sources.anchors)
        tables += [] if settings is None else [settings]

    if item.kind == "Table" and not (item.design or item.study or item.settings):
        tables += figures.recorded_tables(sources.tables, item.number)

    # what it claims, and what was drawn
    claims = [studies.claim(statement, sources.studies) for statement in item.statements]
    claims = [one for one in claims if one.verdict != studies.NO_RUN]
    chart = images = None
    if item.kind == "Figure":
        chart = figures.curve_chart(sources.figures, item.number, item.title)
        images = figures.pictures(sources.figures, item.number, item.title) if not chart else None

    verdict, why = judged(item, scores, claims, settings, has_any=bool(tables or chart or images))
    return Entry(
        id=f"{item.kind.lower()}-{item.number}",
        name=item.name,
        title=item.title,
        chapter=item.chapter,
        verdict=verdict,
        why=why,
        shows=item.shows,
        command=item.command,
        tables=tuple(tables),
        claims=tuple(claims),
        orders=scores.orders if scores else (),
        charts=(chart,) if chart else (),
        images=tuple(images or ()),
        notes=tuple(notes),
    )


def judged(
    item: Item,
    scores: Scores | None,
    claims: Sequence[Claim],
    settings: TableView | None,
    *,
    has_any: bool,
) -> tuple[str, str]:
    """The verdict on an entry and its reason.

    Args:
        item: the entry.
        scores: of a table of published scores.
        claims: statements of the thesis that were decided.
        settings: of a table of settings, as studies.settings_view.
        has_any: whether anything was recorded.
    """
    # what has numbers of its own to be judged by
    if scores is not None:
        return _of_scores(scores)
    if item.in_tests:
        return AGREES, f"exact: checked by tests/{item.in_tests}"
    if settings is not None:
        ours = {row[-1].text for row in settings.rows}
        done = "every setting of our runs is the published one"
        return (AGREES, done) if ours == {AGREES} else (OTHER_SCALE, "not all settings are ours")

    # nothing, or what no number decides
    if item.settings is not None or not has_any:
        return NOT_RUN, "nothing is recorded"

    # measured: at another scale whatever its claims say; else they decide
    counts = Counter(one.verdict for one in claims)
    words = ", ".join(f"{count} {_PLURAL[word]}" for word, count in counts.items())
    decided = f"statements of the thesis: {words}" if claims else ""
    if item.scale:
        return OTHER_SCALE, "; ".join(filter(None, (item.scale, decided)))
    if not claims:
        return OTHER_SCALE, "there is no number to compare"
    if counts[studies.REVERSED]:
        return WORSE, decided
    return (AGREES if counts[studies.HOLDS] else OTHER_SCALE), decided


def _of_scores(scores: Scores) -> tuple[str, str]:
    """The verdict on a table: that of its scores, where some of them have one."""
    counts = Counter(scores.verdicts)
    text = ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
    why = f"scores: {text}"
    if scores.scales:
        why += f". Ours: {'; or '.join(dict.fromkeys(scores.scales))}"
    present = [word for word in VERDICTS if counts[word] and word != NOT_RUN]
    if not present:
        return NOT_RUN, "no score of it is recorded"

    # one that is worse is not hidden by others that agree
    order = (WORSE, BETTER, AGREES) if OTHER_SCALE not in present else (OTHER_SCALE,)
    return next(word for word in order if word in present), why


# Words --------------------------------------------------------------------------------------------


def _facts(
    entries: Sequence[Entry], content: Sequence[Record], of_studies: Sequence[Record]
) -> tuple[Fact, ...]:
    recorded = sum(entry.verdict != NOT_RUN for entry in entries)
    seconds = _seconds([*content, *of_studies])
    return (
        Fact(f"{recorded} of {len(entries)}", "tables and figures have something recorded"),
        Fact(str(len(content)), "GANs trained"),
        Fact(str(len(of_studies)), "studies run"),
        Fact(duration(seconds), "of computing"),
    )


def _seconds(content: Sequence[Record]) -> float:
    return sum(float(record.get("seconds") or 0.0) for record in content)


def _against(entries: Sequence[Entry], verdict: str) -> list[str]:
    """Every statement of the thesis with a verdict, in words."""
    return [
        f"{entry.name}: {claim.text} ({claim.ours})."
        for entry in entries
        for claim in (*entry.claims, *entry.orders)
        if claim.verdict == verdict
    ]


def _compute(content: Sequence[Record], of_studies: Sequence[Record]) -> list[str]:
    """What was run where, from the records."""
    lines = []
    for words, several in (("GANs", content), ("studies", of_studies)):
        if not several:
            continue
        data = Counter(map(source_name, several))
        named = ", ".join(f"{name} ({count})" for name, count in sorted(data.items()))
        lines.append(
            f"{len(several)} {words}, {duration(_seconds(several))} of computing: {named}."
        )
    devices = Counter(
        str((record.get("hardware") or {}).get("device")) for record in (*content, *of_studies)
    )
    if devices:
        named = ", ".join(f"{name} ({count} runs)" for name, count in devices.most_common())
        lines.append(f"Devices: {named}.")
    return lines


def _run_views(content: Sequence[Record], anchors: Mapping[str, str]) -> list[RunView]:
    """Every record, named by what it was."""
    views = []
    for record in content:
        choices = record.get("choices") or {}
        names = ["study", "optimizer"] if is_study(record) else ["loss", "penalty", "labels"]
        if "penalty" in choices and is_study(record):
            names = ["study", "loss", "penalty"]
        axes = Axes(tuple(name for name in names if name in choices))
        run = Run(record)
        title = facts.run_titles([run], axes)[id(record)]
        where = "" if is_study(record) else f", {source_name(record)}"
        views.append(facts.run_view(run, title + where, anchors[str(id(record))]))
    return views
