"""Decode a source once and keep the result on disk. Torch-free."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np

from gan_lab.data.source import Decoded, LoadedData, Source, Split
from gan_lab.files import atomic_path, clear_abandoned, open_regular
from gan_lab.types import DataSpec, UserError

log = logging.getLogger(__name__)


def load(source: Source, cache_dir: str | Path | None) -> LoadedData:
    """The decoded data of `source`, from `cache_dir/<content hash>.npz` where that file is whole.

    Otherwise the source is decoded and the file written, all or nothing, so that several processes may do this at
    once. `cache_dir=None` keeps no file.

    Raises UserError for everything the source cannot read and for a cache folder that cannot be written.
    """
    source.validate()
    source.fetch()
    key = source.content_key()
    path = None if cache_dir is None else Path(cache_dir).expanduser() / f"{key}.npz"
    if path is not None:
        clear_abandoned(path.parent)
    decoded = None if path is None else _read(path, key)
    if decoded is None:
        log.info("Reading %s%s", source.name, "" if path is None else f" (once, then from {path.parent})")
        decoded = source.decode()
        _check(source, decoded)
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


def _read(path: Path, key: str) -> Decoded | None:
    """The cached data; None when there is none or when it is damaged (each member of the zip file has a CRC)."""
    try:
        with open_regular(path) as raw, np.load(raw, allow_pickle=False) as file:
            meta = json.loads(file["meta"].tobytes())
            if meta["key"] != key:
                raise ValueError("it belongs to other data")
            splits = {
                name: Split(file[f"values_{index}"], file[f"labels_{index}"])
                for index, name in enumerate(meta["splits"])
            }
            return Decoded(splits, tuple(meta["class_names"]))
    except OSError:  # there is none
        return None
    except Exception as error:  # whatever a damaged file raises, the remedy is the same
        log.warning("The data cache %s is damaged (%s: %s): decoding again", path, type(error).__name__, error)
        return None


def _write(path: Path, key: str, decoded: Decoded) -> None:
    meta = {"key": key, "splits": list(decoded.splits), "class_names": list(decoded.class_names)}
    arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)}
    for index, split in enumerate(decoded.splits.values()):
        arrays |= {f"values_{index}": split.values, f"labels_{index}": split.labels}
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"data_cache={path.parent} cannot be written ({reason}): set data_cache=FOLDER") from error


def _check(source: Source, decoded: Decoded) -> None:
    """A source that breaks the contract is a bug of the source."""
    dtype = np.uint8 if source.kind == "images" else np.float32
    dimensions = 4 if source.kind == "images" else 2
    shapes = {split.values.shape[1:] for split in decoded.splits.values()}
    assert "train" in decoded.splits, f"{source.name}: no split 'train'"
    assert len(shapes) == 1, f"{source.name}: splits of different sample shapes {shapes}"
    for name, split in decoded.splits.items():
        where = f"{source.name}, split {name}"
        assert split.values.dtype == dtype, f"{where}: {split.values.dtype} instead of {dtype.__name__}"
        assert split.values.ndim == dimensions, f"{where}: values of shape {split.values.shape}"
        assert split.labels.dtype == np.int64, f"{where}: labels are {split.labels.dtype}"
        assert split.labels.shape == (len(split.values),), f"{where}: labels of shape {split.labels.shape}"
        assert len(split) > 0, f"{where}: no samples"
        assert 0 <= split.labels.min() <= split.labels.max() < len(decoded.class_names), f"{where}: labels out of range"
