"""The contract of a data set: a source says what it holds and decodes it once. Torch-free."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal

import numpy as np

from gan_lab.errors import UserError
from gan_lab.files import open_regular
from gan_lab.types import DataSpec

RAW_BYTES = 2**30  # more than any raw file that is read as one
DECODER_VERSION = 1
"""Raise it when any source decodes the same raw content to other values: every content hash changes
with it."""


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and labels of one split.

    values: uint8 (N, C, H, W) images, or float32 (N, D) points.
    labels: int64 (N,), 0 <= label < num_classes; -1 where training shall not know it
    (gan_lab.data.labelled).
    """

    values: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What `Source.decode` returns: the splits ("train" among them) and the class names in the
    order of the labels."""

    splits: dict[str, Split]
    class_names: tuple[str, ...]


class Source(ABC):
    """A data set as a value. Subclasses are frozen dataclasses whose fields are the keys of their
    YAML.

    name: the data set's name in records and scores.

    Methods are called in the order validate, fetch, content_key, decode; `gan_lab.data.load` does
    so.
    """

    name: str

    @property
    def kind(self) -> Literal["images", "points"]:
        """What a sample is; see `gan_lab.types.DataSpec`."""
        return "images"

    def validate(self) -> None:  # noqa: B027
        """Raise UserError for what the fields and the folders tell. No network, no torch, nothing
        decoded."""

    def fetch(self) -> None:  # noqa: B027
        """Download the raw files where they are missing and may be downloaded. UserError where they
        cannot be had."""

    @abstractmethod
    def content_key(self) -> str:
        """SHA-256 (hex) over the raw content and the rule that decodes it: the same on every
        machine."""

    @abstractmethod
    def decode(self) -> Decoded:
        """Read everything. Raises UserError that names a damaged file."""


@dataclass(frozen=True, eq=False)
class LoadedData:
    """A decoded data set. `spec` is what networks need, `content_hash` is its identity in
    records."""

    spec: DataSpec
    splits: dict[str, Split]
    content_hash: str

    @property
    def label_histogram(self) -> dict[str, list[int]]:
        """For each split, the number of samples of each class; unlabelled ones are in none."""
        classes = self.spec.num_classes
        counts = {name: split.labels[split.labels >= 0] for name, split in self.splits.items()}
        return {
            name: np.bincount(labels, minlength=classes).tolist() for name, labels in counts.items()
        }

    def summary(self) -> str:
        """One line for the terminal: name, sample shape, and per split the size and how even the
        classes are."""
        parts = [f"{self.spec.name}: {self.spec.kind} {'x'.join(map(str, self.spec.shape))}"]
        for split, counts in self.label_histogram.items():
            low, high = min(counts), max(counts)
            each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            parts.append(
                f"{split} {sum(counts):,} in {len(counts)} "
                f"{'class' if len(counts) == 1 else 'classes'} of {each}"
            )
        return ", ".join(parts)


def content_digest(rule: Mapping[str, object], parts: Iterable[bytes]) -> str:
    """SHA-256 (hex) of a decoding rule (plain JSON values), the decoder's version and the raw
    content."""
    digest = hashlib.sha256(
        json.dumps({**rule, "decoder": DECODER_VERSION}, sort_keys=True).encode()
    )
    for part in parts:
        digest.update(
            len(part).to_bytes(8, "big")
        )  # the boundaries count: ("ab", "c") is not ("a", "bc")
        digest.update(part)
    return digest.hexdigest()


def expand(root: str) -> Path:
    """A folder as the user wrote it, `~` resolved."""
    return Path(str(root)).expanduser()


def read_bytes(path: Path | str) -> bytes:
    """A raw file's content. UserError that names it when it cannot be read."""
    with _raw(path) as file:
        return file.read()


def raw_digest(path: Path | str) -> bytes:
    """The SHA-256 of a raw file's content, which is not held. UserError that names it when it
    cannot be read."""
    with _raw(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def _raw(path: Path | str) -> Iterator[BufferedReader]:
    try:
        with open_regular(Path(path), RAW_BYTES) as file:
            yield file
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): replace or remove it"
        ) from error


def one_line(error: BaseException) -> str:
    """An exception's message without line breaks, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
