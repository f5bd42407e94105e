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
from gan_lab.errors import UserError
from gan_lab.files import atomic_path, clear_abandoned
from gan_lab.reading.arrays import json_of, read_arrays
from gan_lab.reading.schema import misfit
from gan_lab.types import DataSpec

log = logging.getLogger(__name__)


def load(source: Source, cache_dir: str | Path | None) -> LoadedData:
    """The decoded data of `source`, from `cache_dir/<content hash>.npz` where that file is whole.

    Otherwise the source is decoded and the file written, all or nothing, so that several processes
    may do this at once. `cache_dir=None` keeps no file.

    Raises UserError for everything the source cannot read and for a cache folder that cannot be
    written.
    """
    source.validate()
    source.fetch()
    key = source.content_key()
    path = None if cache_dir is None else Path(cache_dir).expanduser() / f"{key}.npz"
    if path is not None:
        clear_abandoned(path.parent)
    decoded = None if path is None else _read(path, source, key)
    if decoded is None:
        log.info(
            "Reading %s%s", source.name, "" if path is None else f" (once, then from {path.parent})"
        )
        decoded = source.decode()
        wrong = _broken_rule(
            source, decoded
        )  # a source that breaks the contract is a bug of the source
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
    return LoadedData(spec, decoded.splits, key)


class _Meta(TypedDict):
    """What stands beside the arrays of a cached data set. digest: of all arrays, in the order of
    the splits."""

    key: str
    splits: list[str]
    class_names: list[str]
    digest: str


def _read(path: Path, source: Source, key: str) -> Decoded | None:
    """The cached data of a source; None when there is none, when it is damaged or when an older
    version wrote it."""
    try:
        arrays = read_arrays(path)
        meta = json_of(arrays.get("meta"))
        if wrong := misfit(meta, _Meta, "meta"):
            raise ValueError(wrong)
        if meta["key"] != key:
            raise ValueError("it belongs to other data")
        splits = {
            name: Split(arrays[f"values_{index}"], arrays[f"labels_{index}"])
            for index, name in enumerate(meta["splits"])
        }
        if _digest(splits) != meta["digest"]:
            raise ValueError("its arrays were altered")
        decoded = Decoded(splits, tuple(meta["class_names"]))
        if wrong := _broken_rule(source, decoded):
            raise ValueError(wrong)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # whatever a damaged file raises, the remedy is the same
        log.warning(
            "The data cache %s is not used (%s: %s): decoding again",
            path,
            type(error).__name__,
            error,
        )
        return None
    return decoded


def _write(path: Path, key: str, decoded: Decoded) -> None:
    meta: _Meta = {
        "key": key,
        "splits": list(decoded.splits),
        "class_names": list(decoded.class_names),
        "digest": _digest(decoded.splits),
    }
    arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)}
    for index, split in enumerate(decoded.splits.values()):
        arrays |= {f"values_{index}": split.values, f"labels_{index}": split.labels}
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"data_cache={path.parent} cannot be written ({reason}): set data_cache=FOLDER"
        ) from error


def _digest(splits: Mapping[str, Split]) -> str:
    """SHA-256 of the bytes of all values and labels."""
    digest = hashlib.sha256()
    for split in splits.values():
        for array in (split.values, split.labels):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _broken_rule(source: Source, decoded: Decoded) -> str | None:
    """The rule of `Decoded` that data of a source break; None: they keep all of them."""
    dtype = np.uint8 if source.kind == "images" else np.float32
    dimensions = 4 if source.kind == "images" else 2
    shapes = {split.values.shape[1:] for split in decoded.splits.values()}
    if "train" not in decoded.splits:
        return "no split 'train'"
    if len(shapes) != 1:
        return f"splits of different sample shapes {shapes}"
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
        if wrong is None and not 0 <= labels.min() <= labels.max() < len(decoded.class_names):
            wrong = "labels out of range"
        if wrong is not None:
            return f"split {name}: {wrong}"
    return None
