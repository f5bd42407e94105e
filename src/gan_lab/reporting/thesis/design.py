"""What a table of the thesis is: its lines, its scores, and its numbers, printed beside ours and
never tuned to.

Source of every number: Zhou 2020 (doctoral thesis, SJTU). The numbers stand in chapter_2.py and
chapter_4.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gan_lab.reporting.scores import higher_is_better

DATASETS = {"cifar10": "CIFAR-10", "tiny_imagenet": "Tiny-ImageNet"}
ALIASES = {
    "tiny-imagenet-200": "tiny_imagenet"
}  # the folder of the original archive names its data set


@dataclass(frozen=True)
class Published:
    """A published score: value ± std, std over parts of the samples of one run; None where the
    thesis gives none."""

    value: float
    std: float | None = None
    decimals: int = 2


@dataclass(frozen=True)
class Variant:
    """A choice that a score's name tells by a word: what each word means, and which the thesis's
    is.

    implied: what a name without any of the words stands for.
    """

    title: str
    thesis: str
    meanings: Mapping[str, str]
    implied: str

    def of(self, name: str) -> str:
        """The word of a score."""
        return next((word for word in self.meanings if word in name.split("_")), self.implied)


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be a key
class Kind:
    """A kind of score that a table shows.

    key: how columns of the CSV begin. title: how the thesis heads it. prefix, suffix: of the names
    of its scores.
    option: names one of several. extractor, samples, architecture: the thesis's, the first two as
    they stand in a score's name, the last a part of the name of the extractor's network; None where
    they are not compared. has_spread: whether it has a ± within one run. parts: the thesis's splits
    or chunks. variants: other words of the name. counts: what further words of the name count, and
    the thesis's numbers ("5pairs").
    """

    key: str
    title: str
    prefix: str
    suffix: str
    option: str
    has_spread: bool = True
    extractor: str | None = None
    samples: str | None = None
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
        parts = None if self.parts is None else f"{self.parts}x"
        words = [
            self.extractor,
            *(variant.thesis for variant in self.variants),
            self.samples,
            parts,
        ]
        return [word for word in words if word is not None]

    def counts_of(self, name: str) -> dict[str, int]:
        """What a score's name counts: {"levels": 5, "pairs": 200}; without what it does not say."""
        found = {
            what: re.search(rf"_(\d+){what.removesuffix('s')}s?(?:_|$)", name)
            for what in self.counts
        }
        return {what: int(one[1]) for what, one in found.items() if one}


@dataclass(frozen=True)
class Line:
    """A line of a table: which runs belong to it, how it is written, and what was published.

    loss, penalty: the choices of its runs; loss is None where a line has published numbers only.
    where, unless: what the dotted fields of a record must hold and must not hold. labels: the
    column of Table 4-1 that its runs are of (cells.labels_column); None: any. published: by
    Kind.key and data set. is_real: the line of the training data themselves, whose score stands
    beside that of the runs. remark: on its published numbers.
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
class Setting:
    """A field of a record that belongs to the thesis's recipe, and the thesis's value.

    words: what a number counts ("generator steps"); empty: the field says it. where: what the
    dotted fields of the records hold that it is compared in.
    """

    dotted: str
    thesis: Any
    words: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it is typed on the command line."""
        return self.dotted.removeprefix("config.").removeprefix("choices.")


def settings(fields: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Settings of the config by dotted field: those that need no words of their own."""
    return tuple(Setting(f"config.{name}", value) for name, value in fields.items())


@dataclass(frozen=True)
class Order:
    """Two lines that the thesis may put in order: `better` has the better scores, where its numbers
    say so."""

    better: str  # Line.key
    worse: str


@dataclass(frozen=True)
class Design:
    """A table of the thesis before anything was run.

    heads: of the columns that say what a line is (Line.text, Line.labels). chosen_by: the kind of
    score whose least mean chooses the penalty weight; None: no weight was searched. grid, grid_of:
    the weights that the thesis searched, and of which penalty. may_differ: the fields of the config
    that may differ between its runs ("loss", "architecture.extra_layer"); within a line only seed
    and penalty weight may. parts: what the published ± is over. source: of the published numbers
    and their ±, a sentence. reading: how ours are to be read.
    recipe: the thesis's settings. orders, ordered_by: lines that may be in order, and the keys of
    the scores.
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
    recipe: tuple[Setting, ...]
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
