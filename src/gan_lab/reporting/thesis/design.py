"""The parts of a table of the thesis: its lines, its scores, and its numbers.

The numbers stand in chapter_2.py and chapter_4.py, to be printed beside ours and never tuned to.
Source of every number: Zhou 2020 (doctoral thesis, SJTU).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gan_lab.records.score_name import samples_word
from gan_lab.reporting.scores import higher_is_better

DATASETS = {"cifar10": "CIFAR-10", "tiny_imagenet": "Tiny-ImageNet"}
# the folder of the original archive names its data set
ALIASES = {"tiny-imagenet-200": "tiny_imagenet"}


@dataclass(frozen=True)
class Published:
    """A published score: value ± std."""

    value: float
    std: float | None = None  # over parts of the samples of one run; None: the thesis gives none
    decimals: int = 2


@dataclass(frozen=True)
class Variant:
    """A choice that a score's name tells by a word."""

    title: str
    thesis: str  # the word of the thesis's choice
    meanings: Mapping[str, str]  # of each word
    implied: str  # the word that a name without any of them stands for

    def of(self, name: str) -> str:
        """The word of a score."""
        return next((word for word in self.meanings if word in name.split("_")), self.implied)


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be a key
class Kind:
    """A kind of score that a table shows.

    Args:
        key: how columns of the CSV begin.
        title: how the thesis heads it.
        prefix: of the names of its scores.
        suffix: likewise.
        option: the field that names one of several.
        has_spread: whether it has a ± within one run.
        extractor: the thesis's, as it stands in a score's name; None: not compared.
        samples: the thesis's number; None: not compared.
        architecture: a part of the name of the thesis's network; None: not compared.
        parts: the thesis's splits or chunks; None: not compared.
        variants: other words of the name.
        counts: {thing that further words of the name count ("5pairs"): the thesis's number}.
    """

    key: str
    title: str
    prefix: str
    suffix: str
    option: str
    has_spread: bool = True
    extractor: str | None = None
    samples: int | None = None
    architecture: str | None = None
    parts: int | None = None
    variants: tuple[Variant, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        return bool(higher_is_better(self.prefix))

    @property
    def published_words(self) -> list[str]:
        """The words of a score's name that say the thesis's protocol, the most important first."""
        variants = [variant.thesis for variant in self.variants]
        parts = None if self.parts is None else f"{self.parts}x"
        samples = None if self.samples is None else samples_word(self.samples)
        words = [self.extractor, *variants, samples, parts]
        return [word for word in words if word is not None]

    def counts_of(self, name: str) -> dict[str, int]:
        """The counts in a score's name, as {"levels": 5, "pairs": 200}; others are omitted."""
        matches = {
            what: re.search(rf"_(\d+){what.removesuffix('s')}s?(?:_|$)", name)
            for what in self.counts
        }
        return {what: int(match[1]) for what, match in matches.items() if match}


@dataclass(frozen=True)
class Line:
    """A line of a table: its runs, its name, and its published numbers.

    Args:
        key: names it in code.
        text: its name.
        latex: its name in LaTeX.
        loss: the choice of its runs; None where a line has published numbers only.
        penalty: the choice of its runs.
        published: by Kind.key and data set.
        where: {dotted field of a record: value} that its runs must have.
        unless: {dotted field of a record: value} that its runs must not have.
        labels: the column of Table 4-1 that its runs are of (cells.labels_column); None: any.
        is_real: whether it is the line of the training data themselves, whose score stands beside
            that of the runs.
        remark: on its published numbers.
    """

    key: str
    text: str
    latex: str
    loss: str | None
    penalty: str
    published: Mapping[str, Mapping[str, Published]]
    where: Mapping[str, Any] = field(default_factory=dict)
    unless: Mapping[str, Any] = field(default_factory=dict)
    labels: str | None = None
    is_real: bool = False
    remark: str = ""

    def is_published(self, dataset: str) -> bool:
        """Whether the thesis has a number of this line on a data set."""
        return any(dataset in numbers for numbers in self.published.values())


@dataclass(frozen=True)
class RecipeField:
    """A field of a record that belongs to the thesis's recipe, and the thesis's value.

    Args:
        dotted: the field.
        thesis: the thesis's value.
        words: for the things that a number counts ("generator steps"); empty: the field says it.
        where: {dotted field: value} of the records in which it is compared.
    """

    dotted: str
    thesis: Any
    words: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it is typed on the command line."""
        return self.dotted.removeprefix("config.").removeprefix("choices.")


def settings(fields: Mapping[str, Any]) -> tuple[RecipeField, ...]:
    """Settings of the config by dotted field: those that need no words of their own."""
    return tuple(RecipeField(f"config.{name}", value) for name, value in fields.items())


@dataclass(frozen=True)
class Order:
    """Two lines that may be in order: `better` has the better scores, where the thesis says so."""

    better: str  # Line.key
    worse: str


@dataclass(frozen=True)
class Design:
    """A table of the thesis before anything was run.

    Args:
        number: of the table.
        title: of the table.
        heads: of the columns that name a line (Line.text, Line.labels).
        lines: in their order.
        kinds: of the scores, in their order.
        chosen_by: the kind of score whose least mean chooses the penalty weight; None: no weight
            was searched.
        may_differ: the fields of the config that may differ between its runs ("loss",
            "architecture.extra_layer"); within a line only seed and penalty weight may.
        parts: a word for the parts that the published ± is over.
        source: of the published numbers and their ±, a sentence.
        reading: how ours are to be read.
        recipe: the thesis's settings.
        orders: lines that may be in order.
        ordered_by: the keys of the scores by which they may be.
        grid: the weights that the thesis searched.
        grid_of: the penalty whose weights they are.
    """

    number: str
    title: str
    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    kinds: tuple[Kind, ...]
    chosen_by: str | None
    may_differ: frozenset[str]
    parts: str
    source: str
    reading: str
    recipe: tuple[RecipeField, ...]
    orders: tuple[Order, ...] = ()
    ordered_by: tuple[str, ...] = ()
    grid: tuple[float, ...] = ()
    grid_of: str | None = None

    @property
    def datasets(self) -> list[str]:
        """The data sets that the thesis has the table of."""
        return [name for name in DATASETS if any(line.is_published(name) for line in self.lines)]

    def kind(self, key: str) -> Kind:
        """The kind of score of a key."""
        return next(kind for kind in self.kinds if kind.key == key)
