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

    Args:
        values: uint8 (N, C, H, W) images, or float32 (N, D) points.
        labels: int64 (N,), 0 <= label < num_classes; -1 where training shall not know it
            (gan_lab.data.labelled).

    Examples:
        >>> import numpy as np
        >>> from gan_lab.data import Split
        >>> len(Split(values=np.zeros((3, 2), np.float32), labels=np.zeros(3, np.int64)))
        3
    """

    values: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes of an even mixture of isotropic Gaussians, known exactly.

    Args:
        centres: float64 (K, D), the means, in the order of the labels.
        std: σ >= 0 of each mode and coordinate.

    Examples:
        >>> from gan_lab.data import Gaussians
        >>> Gaussians(modes=2).known_modes().centres[0].tolist()
        [2.0, 0.0]
    """

    centres: np.ndarray
    std: float


@dataclass(frozen=True, eq=False)
class Decoded:
    """What `Source.decode` returns.

    Args:
        splits: by name, "train" among them.
        class_names: in the order of the labels.

    Examples:
        >>> from gan_lab.data import Digits
        >>> decoded = Digits().decode()
        >>> list(decoded.splits), decoded.class_names[:3]
        (['train', 'test'], ('0', '1', '2'))
    """

    splits: dict[str, Split]
    class_names: tuple[str, ...]


class Source(ABC):
    """A data set as a value. Subclasses are frozen dataclasses; their fields are keys of a YAML.

    Methods are called in the order validate, fetch, content_key, decode; `gan_lab.data.load` does
    so.

    Attributes:
        name: the data set's name in records and scores.

    Examples:
        >>> from dataclasses import dataclass
        >>> import numpy as np
        >>> from gan_lab.data import Decoded, Source, Split, load
        >>> @dataclass(frozen=True)
        ... class Line(Source):
        ...     name: str = "line"
        ...     kind = "points"
        ...
        ...     def content_key(self) -> str:
        ...         return "line-1"
        ...
        ...     def decode(self) -> Decoded:
        ...         points = np.linspace(-1, 1, 10, dtype=np.float32)[:, None]
        ...         return Decoded({"train": Split(points, np.zeros(10, np.int64))}, ("all",))
        >>> load(Line(), cache_dir=None).summary()
        'line: points 1, train 10 in 1 class of 10'
    """

    name: str

    @property
    def kind(self) -> Literal["images", "points"]:
        """What a sample is; see `gan_lab.types.DataSpec`."""
        return "images"

    def known_modes(self) -> Modes | None:
        """The modes of points that are drawn from a mixture of Gaussians; None for all other
        data."""
        return None

    def validate(self) -> None:  # noqa: B027
        """Check what the fields and the folders tell.

        It uses no network and no torch, and decodes nothing.

        Raises:
            UserError: for the first thing that is wrong.
        """

    def fetch(self) -> None:  # noqa: B027
        """Download the raw files where they are missing and may be downloaded.

        Raises:
            UserError: where they cannot be had.
        """

    @abstractmethod
    def content_key(self) -> str:
        """SHA-256 (hex) of the raw content and the rule that decodes it, the same everywhere."""

    @abstractmethod
    def decode(self) -> Decoded:
        """Read everything.

        Raises:
            UserError: naming a damaged file.
        """


@dataclass(frozen=True, eq=False)
class LoadedData:
    """A decoded data set.

    Args:
        spec: what networks need to know.
        splits: by name, "train" among them.
        content_hash: its identity in records.
        modes: of points that are drawn from a mixture of Gaussians.

    Examples:
        >>> from gan_lab.data import Gaussians, load
        >>> data = load(Gaussians(modes=2, num_samples=5), cache_dir=None)
        >>> sum(data.label_histogram["train"])
        5
    """

    spec: DataSpec
    splits: dict[str, Split]
    content_hash: str
    modes: Modes | None = None

    @property
    def label_histogram(self) -> dict[str, list[int]]:
        """For each split, the number of samples of each class; unlabelled ones are in none."""
        classes = self.spec.num_classes
        counts = {name: split.labels[split.labels >= 0] for name, split in self.splits.items()}
        return {
            name: np.bincount(labels, minlength=classes).tolist() for name, labels in counts.items()
        }

    def summary(self) -> str:
        """One line: name, sample shape, and per split the size and how even the classes are."""
        parts = [f"{self.spec.name}: {self.spec.kind} {'x'.join(map(str, self.spec.shape))}"]
        for split, counts in self.label_histogram.items():
            low, high = min(counts), max(counts)
            each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            classes = "class" if len(counts) == 1 else "classes"
            parts.append(f"{split} {sum(counts):,} in {len(counts)} {classes} of {each}")
        return ", ".join(parts)


def content_digest(rule: Mapping[str, object], parts: Iterable[bytes]) -> str:
    """SHA-256 (hex) of a decoding rule, the decoder's version and the raw content.

    Args:
        rule: plain JSON values.
        parts: the content; its boundaries count, ("ab", "c") is not ("a", "bc").
    """
    versioned = {**rule, "decoder": DECODER_VERSION}
    digest = hashlib.sha256(json.dumps(versioned, sort_keys=True).encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def expand(root: str) -> Path:
    """A folder as the user wrote it, `~` resolved."""
    return Path(str(root)).expanduser()


def read_bytes(path: Path | str) -> bytes:
    """A raw file's content.

    Raises:
        UserError: naming the file, where it cannot be read.
    """
    with _raw(path) as file:
        return file.read()


def raw_digest(path: Path | str) -> bytes:
    """The SHA-256 of a raw file's content, without holding it.

    Raises:
        UserError: as `read_bytes`.
    """
    with _raw(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def _raw(path: Path | str) -> Iterator[BufferedReader]:
    """A raw file, open for reading."""
    try:
        with open_regular(Path(path), RAW_BYTES) as file:
            yield file
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): replace or remove it"
        ) from error
