"""The scores that a run can have: what each metric declares of itself. Torch-free: the classes of
gan_lab.metrics are read, not imported."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

METRICS = "gan_lab.metrics"  # the package whose files are read


@dataclass(frozen=True)
class ScoreFacts:
    """What a metric class says of the score that it gives a run, as `facts` in its body, in
    literals.

    Args:
        name: in `evaluation.scores`, and the first word of the score's name in a record.
        reads: what `update` takes: "logits" (n, K), "features" (n, d), or "images", uint8
            (n, C, H, W). MS-SSIM is given their classes as well.
        higher_is_better: which way is better.
        over_splits: whether a score of logits is a mean over splits of the samples, so that its
            name in a record says how many (is_classifier_10k_10x).
        reference: what of the real data it compares with: a score of features with the "moments" of
            each split, or with the "features" themselves, which are kept then; one of logits with
            the "marginal", the mean of C(x) over the training set. None: with nothing.
        values: the names of its numbers, where a metric has several scores in one; their first
            words stand in the place of `name` in a record.
        better_lower: those of `values` that are better where they are lower, in a metric whose
            others are better where they are higher.
        stable: False: the tests do not ask yet for what it is fed and made with.
    """

    name: str
    reads: Literal["logits", "features", "images"]
    higher_is_better: bool
    over_splits: bool = False
    reference: Literal["moments", "features", "marginal"] | None = None
    values: tuple[str, ...] = ()
    better_lower: tuple[str, ...] = ()
    stable: bool = True


@dataclass(frozen=True)
class DeclaredScore:
    """A metric class that scores runs.

    Args:
        facts: what it says of itself.
        module: where it stands.
        class_name: its name there.
    """

    facts: ScoreFacts
    module: str
    class_name: str


@functools.cache
def declared_scores() -> Mapping[str, DeclaredScore]:
    """The scores that there are, by name, in the order of their names."""
    folder = Path(__file__).parents[1] / METRICS.rpartition(".")[2]
    found = [
        DeclaredScore(facts, f"{METRICS}.{path.stem}", class_name)
        for path in folder.glob("*.py")
        for class_name, facts in facts_in(path)
    ]
    by_name = {score.facts.name: score for score in found}
    assert len(by_name) == len(found), "two metrics declare a score of one name"
    return dict(sorted(by_name.items()))


def facts_in(path: Path) -> Iterator[tuple[str, ScoreFacts]]:
    """The classes of a file with facts in their bodies."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for item in node.body:
            if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "facts":
                assert isinstance(item.value, ast.Call), f"{path}: facts is no ScoreFacts(...)"
                arguments = [ast.literal_eval(value) for value in item.value.args]
                named = {
                    str(word.arg): ast.literal_eval(word.value) for word in item.value.keywords
                }
                yield node.name, ScoreFacts(*arguments, **named)
