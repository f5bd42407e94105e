"""The name of a score, which says its protocol. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(
    r"(?P<score>.+?)_(?P<extractor>[^_]+)_(?P<samples>\d+)(?P<thousands>k?)"
    r"(?:_(?P<parts>\d+)x)?(?:_(?P<reference>[^_]+))?"
)


@dataclass(frozen=True)
class ScoreName:
    """<score>_<extractor>_<samples>[_<parts>x][_<reference split>], under which a record keeps a
    score. The record says the same in fields.

    Args:
        score: the metric, with further words of its protocol: "fid", "msssim_abs_5level_5pairs".
        extractor: what made features and logits of the samples.
        samples: how many were scored.
        parts: splits or chunks into which they were cut, where the value is a mean over these.
        reference: the split of the real data that they were compared with.

    Examples:
        >>> str(ScoreName("fid", "inception", 500_000, parts=10, reference="train"))
        'fid_inception_500k_10x_train'
    """

    score: str
    extractor: str
    samples: int
    parts: int = 1
    reference: str | None = None

    def __str__(self) -> str:
        """The name."""
        words = [
            self.score,
            self.extractor,
            samples_word(self.samples),
            f"{self.parts}x" if self.parts > 1 else None,
            self.reference,
        ]
        return "_".join(word for word in words if word)

    @classmethod
    def of_entry(cls, name: str, entry: Mapping[str, Any]) -> ScoreName | None:
        """What an entry of a record says in its fields. One that has not all of them, as an older
        one, is read from its name, here and nowhere else.

        Args:
            name: of the entry.
            entry: of `scores` or `history_about`.

        Returns:
            None for what is no score of samples, as a value of a study, and for an entry whose
            name is none.
        """
        extractor = entry.get("extractor")
        if extractor is None:
            return None
        if "name" in extractor and {"score", "n_samples", "parts", "reference"} <= entry.keys():
            own = (entry["score"], extractor["name"], entry["n_samples"])
            return cls(*own, entry["parts"], entry["reference"])

        found = _NAME.fullmatch(name)
        if found is None:
            return None
        samples = int(found["samples"]) * (1000 if found["thousands"] else 1)
        parts = int(found["parts"] or 1)
        return cls(found["score"], found["extractor"], samples, parts, found["reference"])

    @property
    def fields(self) -> dict[str, Any]:
        """What a record's entry says of it beside the extractor."""
        return {
            "score": self.score,
            "n_samples": self.samples,
            "parts": self.parts,
            "reference": self.reference,
        }


def samples_word(samples: int) -> str:
    """10,000 as "10k", 1,797 as "1797"."""
    return f"{samples // 1000}k" if samples % 1000 == 0 else str(samples)
