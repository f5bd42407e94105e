"""Decode a source once and keep the result on disk. Torch-free."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np

from gan_lab.data.source import Decoded, LoadedData, Source, Split
from gan_lab.files import atomic_path, clear_abandoned, writing_cache
from gan_lab.reading.arrays import json_of, read_arrays
from gan_lab.reading.schema import misfit
from gan_lab.types import DataSpec

log = logging.getLogger(__name__)


def load(source: Source, cache_dir: str | Path | None) -> LoadedData:
    """Decode a source, or read what was decoded before.

    The data are in `cache_dir/<content hash>.npz` where that file is whole. Otherwise the source is
    decoded and the file written, all or nothing, so that several processes may do this at once.

    Args:
        source: the data set.
        cache_dir: the folder of decoded data; None keeps no file.

    Returns:
        The splits, with the facts of the data and their content hash.

    Raises:
        UserError: for everything the source cannot read and for a cache folder that cannot be
            written.

    Examples:
        >>> from gan_lab.data import Gaussians, load
        >>> data = load(Gaussians(modes=4, num_samples=100), cache_dir=None)
        >>> data.spec.shape, data.spec.num_classes, len(data.splits["train"])
        ((2,), 4, 100)
    """
    # the order that `Source` promises
    source.validate()
    source.fetch()
    key = source.content_key()

    # what an earlier run decoded
    path = None if cache_dir is None else Path(cache_dir).expanduser() / f"{key}.npz"
    if path is not None:
        clear_abandoned(path.parent)
    decoded = None if path is None else _read(path, source, key)

    # A source that breaks the contract is a bug of the source, not of the user.
    if decoded is None:
        later = "" if path is None else f" (once, then from {path.parent})"
        log.info("Reading %s%s", source.name, later)
        decoded = source.decode()
        wrong = _broken_rule(source, decoded)
        assert wrong is None, f"{source.name}, {wrong}"
        if path is not None:
            _write(path, key, decoded)

    spec = DataSpec(
        name=source.name,
        kind=source.kind,
        shape=decoded.splits["train"].values.shape[1:],
        num_classes=len(decoded.class_names),
        class_names=decoded.class_names,
    )
    return LoadedData(spec, decoded.splits, key, source.known_modes())


class _Meta(TypedDict):
    """What stands beside the arrays of a cached data set.

    `digest` is that of all arrays, in the order of the splits.
    """

    key: str
    splits: list[str]
    class_names: list[str]
    digest: str


def _read(path: Path, source: Source, key: str) -> Decoded | None:
    """The cached data of a source.

    Args:
        path: the cached file.
        source: whose data it shall hold.
        key: the source's content key.

    Returns:
        None where there is no file, it is damaged, or an older version wrote it.
    """
    try:
        # of these data, and of this version
        arrays = read_arrays(path)
        meta = json_of(arrays.get("meta"))
        if wrong := misfit(meta, _Meta, "meta"):
            raise ValueError(wrong)
        if meta["key"] != key:
            raise ValueError("it belongs to other data")

        # as it was written: nobody has looked at the arrays yet
        splits = {
            name: Split(arrays[f"values_{index}"], arrays[f"labels_{index}"])
            for index, name in enumerate(meta["splits"])
        }
        if _digest(splits) != meta["digest"]:
            raise ValueError("its arrays were altered")

        decoded = Decoded(splits, tuple(meta["class_names"]))
        if wrong := _broken_rule(source, decoded):
            raise ValueError(wrong)

    # nothing that can be used: the data are decoded again
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # whatever a damaged file raises, the remedy is the same
        reason = f"{type(error).__name__}: {error}"
        log.warning("The data cache %s is not used (%s): decoding again", path, reason)
        return None
    return decoded


def _write(path: Path, key: str, decoded: Decoded) -> None:
    """Keep decoded data. Raises UserError for a folder that cannot be written."""
    # the arrays by number: the name of a split need not be a name that npz takes
    meta: _Meta = {
        "key": key,
        "splits": list(decoded.splits),
        "class_names": list(decoded.class_names),
        "digest": _digest(decoded.splits),
    }
    arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)}

    for index, split in enumerate(decoded.splits.values()):
        arrays |= {f"values_{index}": split.values, f"labels_{index}": split.labels}

    # all or nothing: another process may be reading
    with (
        writing_cache(path.parent),
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
    ):
        np.savez(file, allow_pickle=False, **arrays)


def _digest(splits: Mapping[str, Split]) -> str:
    """SHA-256 of the bytes of all values and labels."""
    digest = hashlib.sha256()
    for split in splits.values():
        for array in (split.values, split.labels):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _broken_rule(source: Source, decoded: Decoded) -> str | None:
    """The rule of `Decoded` that data of a source break; None: they keep all of them."""
    # the data as a whole
    dtype = np.uint8 if source.kind == "images" else np.float32
    dimensions = 4 if source.kind == "images" else 2
    shapes = {split.values.shape[1:] for split in decoded.splits.values()}

    if "train" not in decoded.splits:
        return "no split 'train'"
    if len(shapes) != 1:
        return f"splits of different sample shapes {shapes}"

    # each split
    for name, split in decoded.splits.items():
        values, labels = split.values, split.labels
        kept = {
            f"{values.dtype} instead of {dtype.__name__}": values.dtype == dtype,
            f"values of shape {values.shape}": values.ndim == dimensions,
            f"labels are {labels.dtype}": labels.dtype == np.int64,
            f"labels of shape {labels.shape}": labels.shape == (len(values),),
            "no samples": labels.size > 0,
        }
        wrong = next((rule for rule, holds in kept.items() if not holds), None)

        # only labels of the right kind can be compared
        if wrong is None and not 0 <= labels.min() <= labels.max() < len(decoded.class_names):
            wrong = "labels out of range"

        if wrong is not None:
            return f"split {name}: {wrong}"
    return None
