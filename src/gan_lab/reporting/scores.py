"""Scores of records: the words of their names, which way is better, and how one was taken."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_lab.errors import UserError
from gan_lab.reading.declared_scores import ScoreFacts, declared_scores
from gan_lab.records import ScoreName
from gan_lab.reporting.collection import Record, is_study

# Names --------------------------------------------------------------------------------------------


def higher_is_better(name: str) -> bool | None:
    """Whether a score is better where it is higher; None where nobody knows.

    Args:
        name: of a score, as "fid_classifier_10k_train", or its first word.
    """
    facts = _facts_of(name)
    if facts is None:
        return None
    return facts.higher_is_better and name.split("_")[0] not in facts.better_lower


def _facts_of(name: str) -> ScoreFacts | None:
    """The facts of the metric whose score begins with the first word of `name`; None: there is
    none."""
    first = name.split("_")[0]
    every = (score.facts for score in declared_scores().values())
    return next((facts for facts in every if first in (facts.values or (facts.name,))), None)


def fields_of(runs: Sequence[Record], name: str) -> ScoreName | None:
    """What a score's entry says in fields, of the end of a run or over training; None where no run
    has the score, and of a study's.

    Args:
        runs: which are comparable: any one of them says it for all.
        name: of the score.
    """
    for record in runs:
        for among in ("scores", "history_about"):
            entry = (record.get(among) or {}).get(name) or {}
            if fields := ScoreName.of_entry(name, entry):
                return fields
    return None


def names_in(runs: Sequence[Record], among: str) -> set[str]:
    """The scores that runs have in `among` ("scores" or "history"); diverged runs have none.

    A name with a dot is a term of a score and no score.
    """
    return {
        name
        for record in runs
        if record["status"] != "diverged"
        for name in record.get(among) or {}
        if "." not in name
    }


def whole_name(asked: str, names: Collection[str], option: str) -> str:
    """Choose the one of `names` that is meant: `asked` itself, or the only one with its words.

    Args:
        asked: a whole name, how one begins ("fid"), or some of its words in their order
            ("fid_train").
        names: to choose from.
        option: the field that it was typed for.

    Raises:
        UserError: lists the names where none or several are meant.
    """
    if asked in names:
        return asked

    # by its beginning, or else by whole words; terms of scores only by their whole names
    whole = sorted(name for name in names if "." not in name)
    in_order = re.compile("_(?:.*_)?".join(map(re.escape, asked.split("_"))) + "(?:_|$)")
    meant = [name for name in whole if name.startswith(asked)]
    meant = meant or [name for name in whole if in_order.match(name)]

    # two protocols are two scores: none of them is chosen for the user
    if len(meant) > 1:
        raise UserError(f"{option}={asked} may be {' or '.join(meant)}: name one of them")
    if not meant:
        known = ", ".join(sorted(names)) or "none yet"
        raise UserError(f"{option}={asked}: no run has it (there are: {known})")
    return meant[0]


# Values and origins -------------------------------------------------------------------------------


def has_score(record: Record, names: Collection[str | None]) -> bool:
    """Whether a run has one of the scores.

    A diverged run has none, and a study's score that is NaN is not defined.
    """
    scores = record.get("scores") or {}
    there = [name for name in names if name in scores]
    if is_study(record):
        there = [name for name in there if not math.isnan(score_value(record, str(name)))]
    return record["status"] != "diverged" and bool(there)


def counts_in_mean(record: Record, names: Collection[str | None]) -> bool:
    """Whether a run is in the mean of a cell: it finished, and has one of the scores."""
    # an unfinished run may have scores of an earlier step, which would stand beside final ones
    return record["status"] == "finished" and has_score(record, names)


def score_value(record: Record, name: str) -> float:
    """The value of a score; a record writes "nan" and "inf" as strings."""
    return float(record["scores"][name]["value"])


@dataclass(frozen=True)
class ScoreOrigin:
    """How a score was taken: by which extractor, from how many samples, in how many parts."""

    score: str  # its name
    extractor: str  # its name
    architecture: str
    weights_sha256: str | None  # None: no network takes part
    n_samples: int
    parts: int  # splits or chunks into which the samples were cut

    @property
    def network(self) -> str:
        """As "architecture ResNetClassifier (width 32), weights 9d467df3551e", or "no network"."""
        if self.weights_sha256 is None:
            return "no network"
        return f"architecture {self.architecture}, weights {self.weights_sha256[:12]}"


def score_origin(runs: Sequence[Record], name: str | None) -> ScoreOrigin | None:
    """How the score `name` of these runs was taken; None where no run has it, and of a study."""
    # the runs are comparable: any one of them says it for all
    record = next((record for record in runs if has_score(record, [name])), None)
    if record is None or name is None or is_study(record):
        return None

    # scores of features are taken over chunks, every other score over splits
    facts = _facts_of(name)
    parts = "chunks" if facts is not None and facts.reads == "features" else "splits"
    score = record["scores"][name]
    extractor = score["extractor"]
    return ScoreOrigin(
        score=name,
        extractor=str(extractor.get("name")),
        architecture=_in_words(extractor.get("architecture")),
        weights_sha256=extractor.get("weights_sha256"),
        n_samples=int(score["n_samples"]),
        parts=int(score.get(parts) or 1),
    )


def _in_words(architecture: Any) -> str:
    """{"name": "ResNetClassifier", "width": 32} in words: "ResNetClassifier (width 32)".

    A text stays as it is.
    """
    if not isinstance(architecture, Mapping):
        return str(architecture)
    fields = ", ".join(f"{name} {value}" for name, value in architecture.items() if name != "name")
    return f"{architecture['name']}" + (f" ({fields})" if fields else "")
