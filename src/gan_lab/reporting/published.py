"""What a table of the thesis is: its lines, its scores, and its numbers, printed beside ours and never tuned to.

Source of every number: Zhou 2020 (doctoral thesis, SJTU). The numbers stand in published_objectives.py (chapter 2) and
published_labels.py (chapter 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DATASETS = {"cifar10": "CIFAR-10", "tiny_imagenet": "Tiny-ImageNet"}
ALIASES = {"tiny-imagenet-200": "tiny_imagenet"}  # the folder of the original archive names its data set


@dataclass(frozen=True)
class Published:
    """A published score: value ± std, std over parts of the samples of one run; None where the thesis gives none."""

    value: float
    std: float | None = None
    decimals: int = 2


@dataclass(frozen=True)
class Kind:
    """A kind of score that a table shows.

    key: how columns of the CSV begin. title: how the thesis heads it. prefix, suffix: of the names of its scores.
    option: names one of several. extractor, samples, architecture: the thesis's, the first two as they stand in a
    score's name, the last a part of the name of the extractor's network; None where they are not compared. has_spread:
    whether it has a ± within one run.
    """

    key: str
    title: str
    prefix: str
    suffix: str
    option: str
    higher_is_better: bool = False
    has_spread: bool = True
    extractor: str | None = None
    samples: str | None = None
    architecture: str | None = None


@dataclass(frozen=True)
class Line:
    """A line of a table: which runs belong to it, how it is written, and what was published.

    loss, penalty: the choices of its runs; loss is None where a line has published numbers only. where, unless: what
    the dotted fields of a record must hold and must not hold. labels: the column of Table 4-1 that its runs are of
    (cells.labels_column); None: any. published: by Kind.key and data set.
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

    def is_published(self, dataset: str) -> bool:
        """Whether the thesis has a number of this line on a data set."""
        return any(dataset in numbers for numbers in self.published.values())


@dataclass(frozen=True)
class Scale:
    """A field of a record that says how large a run is, in words, and the thesis's value."""

    words: str
    field: str
    thesis: int


@dataclass(frozen=True)
class Order:
    """Two models that the thesis puts in order: `better` has the better IS and AM Score."""

    better: str  # Line.key
    worse: str


@dataclass(frozen=True)
class Design:
    """A table of the thesis before anything was run.

    heads: of the columns that say what a line is (Line.text, Line.labels). chosen_by: the kind of score whose least
    mean chooses the penalty weight; None: no weight was searched. may_differ: the fields of the config that may differ
    between its runs ("loss", "architecture.extra_layer"); within a line only seed and penalty weight may. parts: what
    the published ± is over. source: of the published numbers and their ±, a sentence. reading: how ours are to be read.
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
    scale: tuple[Scale, ...]
    orders: tuple[Order, ...] = ()

    @property
    def datasets(self) -> list[str]:
        """The data sets that the thesis has the table of."""
        return [name for name in DATASETS if any(line.is_published(name) for line in self.lines)]

    def kind(self, key: str) -> Kind:
        """The kind of score of a key."""
        return next(kind for kind in self.kinds if kind.key == key)
