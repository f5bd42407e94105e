"""From records, studies and figures to the reproduction page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_lab.files import safe_name
from gan_lab.reporting.axes import Axes
from gan_lab.reporting.collection import Record, is_study, read_records, source_name
from gan_lab.reporting.report import facts
from gan_lab.reporting.report.gather import made_by
from gan_lab.reporting.report.model import (
    Cell,
    Chart,
    Claim,
    Entry,
    Fact,
    Reproduction,
    RunView,
    TableView,
)
from gan_lab.reporting.runs import Run
from gan_lab.reporting.thesis.reproduction import figures, studies, words
from gan_lab.reporting.thesis.reproduction.items import BESIDE, CHAPTERS, ITEMS, Item
from gan_lab.reporting.thesis.reproduction.scores import (
    AGREES,
    BETTER,
    NOT_RUN,
    OTHER_SCALE,
    PARTLY,
    WORSE,
    Scores,
    scores_of,
)
from gan_lab.reporting.thesis.reproduction.slips import SLIPS
from gan_lab.sweeps.cells import duration

_DECIDED = {studies.HOLDS: "hold", studies.REVERSED: "reversed", studies.NOT_DECIDED: "not decided"}
# folders of GANs beside those of the tables; none needs to be
_TRAINED = ("stability", "toys", "systems")
_AT = {  # how many of our scores have a verdict, in words
    AGREES: "agree",
    BETTER: "are better",
    WORSE: "are worse",
    OTHER_SCALE: "are at another scale",
}
VERDICTS = (AGREES, PARTLY, BETTER, WORSE, OTHER_SCALE, NOT_RUN)


@dataclass(frozen=True)
class _Sources:
    """What the page is made of.

    Args:
        content: the GANs of the tables of published scores.
        others: studies, and GANs that were trained to look at the critic or at modes.
        results: the folder.
        anchors: {id(record): the id of its place on the page}.
    """

    content: Sequence[Record]
    others: Sequence[Record]
    results: Path
    anchors: Mapping[str, str]


def reproduction(
    results: Path, items: Sequence[Item] = ITEMS, beside: Sequence[Item] = BESIDE
) -> Reproduction:
    """Make the content of the reproduction page.

    Args:
        results: the folder with records, studies and figures in it; what it lacks is said.
        items: tables and figures of the thesis.
        beside: what is shown after them, and not counted.

    Raises:
        UserError: a record there may not be cited.
    """
    # records first: every number leads to one of them
    warnings: list[str] = []
    content = _read(results / "records", warnings)
    others = _read(results / "studies", warnings)

    for name in _TRAINED:
        if (results / name).is_dir():
            others += _read(results / name, warnings)
    others = [studies.with_more(record) for record in others]

    # each entry beside what is recorded of it
    every = [*content, *others]
    anchors = facts.run_anchors(every)
    sources = _Sources(content, others, results, anchors)
    entries = [_entry(item, sources) for item in items]
    more = [_entry(item, sources) for item in beside]

    # the whole, counted and in words
    counts = Counter(entry.verdict for entry in entries)
    return Reproduction(
        title="The thesis, reproduced: where it stands",
        made=made_by(),
        facts=_facts(entries, every),
        verdicts=tuple((word, counts[word]) for word in VERDICTS if counts[word]),
        warnings=tuple(warnings),
        entries=tuple(entries),
        beside=tuple(more),
        reversed_statements=tuple(_against([*entries, *more], studies.REVERSED)),
        open_statements=tuple(_against([*entries, *more], studies.NOT_DECIDED)),
        compute=tuple(_compute(every)),
        held_statements=tuple(_against([*entries, *more], studies.HOLDS)),
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
    for study in item.studies:
        views, problems = studies.study_views(study, sources.others, sources.anchors)
        tables += views
        notes += problems

    # what it claims
    claims = [studies.claim(statement, sources.others) for statement in item.statements]
    claims = [one for one in claims if one.verdict != studies.NO_RUN]

    # settings and answers are tables with verdicts of their own
    settings = None
    if item.settings:
        settings = studies.settings_view(item.settings, sources.others, sources.anchors)
        tables += [] if settings is None else [settings]
    if item.answers:
        view, decided = studies.answers_view(item.answers, sources.others, sources.anchors)
        tables += [] if view is None else [view]
        claims += decided

    # what was drawn; its verdict and the scale of it
    chart, images = _drawn(item, sources.results)
    runs = _runs_of(item, sources.others)
    has_any = bool(tables or chart or images)
    verdict, why = judged(item, scores, claims, settings, has_any=has_any, runs=runs)
    if has_any:
        why = "; ".join((why, *_measured(item, sources.results)))

    return Entry(
        id=safe_name(item.name.lower()),
        name=item.name,
        title=item.title,
        chapter=item.chapter,
        verdict=verdict,
        why=why,
        scales=tuple(map(words.settings, scores.scales)) if scores else (),
        shows=item.shows,
        command=item.command,
        tables=tuple(tables),
        claims=tuple(claims),
        orders=scores.orders if scores else (),
        charts=(chart,) if chart else (),
        images=tuple(images),
        notes=tuple(notes),
    )


def _drawn(item: Item, results: Path) -> tuple[Chart | None, list[tuple[str, str, str]]]:
    """Its curves, or else its pictures."""
    if item.pictures:
        return None, figures.other_pictures(results, item.pictures, item.title)
    if item.kind != "Figure":
        return None, []
    folder = results / "figures"
    chart = figures.curve_chart(folder, item.number, item.title)
    return chart, [] if chart else figures.pictures(folder, item.number, item.title)


def _measured(item: Item, results: Path) -> list[str]:
    """What the files of a figure say of themselves: their data, and a number of the thesis's."""
    folder = results / "figures"
    said = []
    if item.kind == "Figure" and not item.studies:
        data = [words.source(name) for name in figures.data_of(folder, item.number)]
        said += [f"ours: {' and '.join(data)}"] if data else []
    if item.quantity:
        ours = figures.quantity_of(folder, item.number, item.quantity.name)
        said += [
            f"{item.quantity.name}, {item.quantity.what}: {value:.3f} on {words.source(name)} "
            f"(thesis: {item.quantity.published})"
            for name, value in ours.items()
        ]
    return said


def _runs_of(item: Item, content: Sequence[Record]) -> list[Record]:
    """The runs of its studies or settings, each once."""
    runs = [run for study in item.studies for run in studies.runs_of(study, content)]
    runs += studies.of_settings(item.settings, content) if item.settings else []
    return list({id(run): run for run in runs}.values())


def judged(
    item: Item,
    scores: Scores | None,
    claims: Sequence[Claim],
    settings: TableView | None,
    *,
    has_any: bool,
    runs: Sequence[Record] = (),
) -> tuple[str, str]:
    """The verdict on an entry and its reason.

    Args:
        item: the entry.
        scores: of a table of published scores.
        claims: statements of the thesis that were decided.
        settings: of a table of settings, as studies.settings_view.
        has_any: whether anything was recorded.
        runs: of its studies or settings.
    """
    # what has numbers of its own to be judged by
    if scores is not None:
        return _of_scores(scores)
    if item.in_tests:
        return AGREES, f"it is exact, and checked by tests/{item.in_tests}"

    # nothing, or no run of a table of settings
    has_settings = settings is not None and bool(_ran(settings))
    if not has_any or (item.settings is not None and not has_settings):
        return NOT_RUN, "nothing is recorded"

    # at another scale whatever its claims say
    scale = [*studies.differences(item.published, runs), *filter(None, [item.scale])]
    told = _told(settings, claims)
    ours = filter(None, [studies.facts_of(runs, item.published)])
    why = "; ".join((*told, *ours, *scale))
    if scale:
        return OTHER_SCALE, why

    # else they decide, or the settings do
    if settings is not None:
        return (AGREES if _is_as_published(settings) else OTHER_SCALE), why
    counts = Counter(one.verdict for one in claims)
    if not counts:
        return OTHER_SCALE, "; ".join(("there is no number to compare", *filter(None, [why])))
    if counts[studies.REVERSED]:
        return (PARTLY if counts[studies.HOLDS] else WORSE), why
    return (AGREES if counts[studies.HOLDS] else OTHER_SCALE), why


def _told(settings: TableView | None, claims: Sequence[Claim]) -> list[str]:
    """What settings and statements come to, in words."""
    if settings is not None:
        is_same = "every setting of our runs is the published one"
        without = dict.fromkeys(row[0].text for row in settings.rows if row[-1].text == NOT_RUN)
        said = [is_same if _is_as_published(settings) else f"not {is_same}"]
        return said + ([f"no run of {' or '.join(without)}"] if without else [])
    counts = Counter(one.verdict for one in claims)
    told = ", ".join(
        f"{counts[word]} {word if counts[word] == 1 else several}"
        for word, several in _DECIDED.items()
        if counts[word]
    )
    return [f"statements of the thesis: {told}"] if claims else []


def _ran(settings: TableView) -> list[tuple[Cell, ...]]:
    """The rows of settings that some run has."""
    return [row for row in settings.rows if row[-1].text != NOT_RUN]


def _is_as_published(settings: TableView) -> bool:
    return {row[-1].text for row in _ran(settings)} == {AGREES}


def _of_scores(scores: Scores) -> tuple[str, str]:
    """The verdict on a table: that of its scores, where some of them have one."""
    counts = Counter(scores.verdicts)
    ran, missing = len(scores.verdicts) - counts[NOT_RUN], counts[NOT_RUN]
    told = [f"{counts[word]} {_AT[word]}" for word in _AT if counts[word]]
    whole = f"of {ran} scores of ours {', '.join(told)}"
    if len(told) == 1:
        whole = f"all {told[0].replace(' ', ' scores of ours ', 1)}"
    why = f"{whole}; {missing} published ones have none of ours beside them"
    present = [word for word in VERDICTS if counts[word] and word != NOT_RUN]
    if not present:
        return NOT_RUN, "no score of it is recorded"

    # one that is worse is not hidden by others that agree
    order = (WORSE, BETTER, AGREES) if OTHER_SCALE not in present else (OTHER_SCALE,)
    return next(word for word in order if word in present), why


# Words --------------------------------------------------------------------------------------------


def _facts(entries: Sequence[Entry], content: Sequence[Record]) -> tuple[Fact, ...]:
    recorded = sum(entry.verdict != NOT_RUN for entry in entries)
    of_studies = sum(map(is_study, content))
    return (
        Fact(f"{recorded} of {len(entries)}", "tables and figures have a run or an exact check"),
        Fact(str(len(content) - of_studies), "GANs trained"),
        Fact(str(of_studies), "studies run"),
        Fact(duration(_seconds(content)), "of computing, summed over runs"),
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


def _compute(content: Sequence[Record]) -> list[str]:
    """What was run where, from the records."""
    lines = []
    gans = [record for record in content if not is_study(record)]
    of_studies = [record for record in content if is_study(record)]
    for what, several in (("GANs", gans), ("studies", of_studies)):
        if not several:
            continue
        data = Counter(
            words.source(source_name(record).removeprefix("study ")) for record in several
        )
        named = ", ".join(f"{name} ({count})" for name, count in sorted(data.items()))
        lines.append(f"{len(several)} {what}, {duration(_seconds(several))} of computing: {named}.")
    devices = Counter(str((record.get("hardware") or {}).get("device")) for record in content)
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
