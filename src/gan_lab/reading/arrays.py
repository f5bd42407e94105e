"""Arrays out of npz files that somebody else may have made. Torch-free."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_lab.errors import one_line
from gan_lab.files import JSON_BYTES, open_regular, parse_json


def read_arrays(
    path: Path, names: Collection[str] | None = None, at_most: int | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of an npz by name, none of them unpickled.

    Args:
        path: of the file.
        names: of those that are read where they are there; None: all.
        at_most: how many bytes all members may have once they are unpacked; None: none may be
            packed, as np.savez leaves them, so that they are no larger than the file.

    Raises:
        ValueError: where it is no such file or larger; UserError among
            them for what is no regular file.
        OSError: where it cannot be opened.
    """
    with open_regular(path, None if at_most is None else at_most + JSON_BYTES) as file:
        try:
            check_members(file, at_most)
            with np.load(file, allow_pickle=False) as arrays:
                return {
                    name: arrays[name] for name in arrays.files if names is None or name in names
                }
        # numpy and zipfile raise half a dozen types for what is no such file
        except Exception as error:
            raise ValueError(one_line(error)[:200]) from None


def check_members(file: BufferedReader, at_most: int | None) -> None:
    """Refuse a zip file that would unpack to too much. Nothing of it is unpacked.

    Args:
        file: open at its beginning, where it is left.
        at_most: how many bytes all members may have; None: none may be packed, and all together not
            more than the file has.

    Raises:
        ValueError: where it is larger, or no zip file.
    """
    with zipfile.ZipFile(file) as members:
        if at_most is None and any(
            one.compress_type != zipfile.ZIP_STORED for one in members.infolist()
        ):
            raise ValueError("its members are packed")
        size = sum(one.file_size for one in members.infolist())

    # members that are not packed may still stand on one another
    if at_most is None:
        at_most = os.fstat(file.fileno()).st_size
    file.seek(0)
    if size > at_most:
        raise ValueError(f"it unpacks to {size:,} bytes, and at most {at_most:,} are read")


def json_of(array: NDArray[Any] | None) -> Any:
    """The value of a JSON text that an array holds as bytes; None without an array.

    Raises:
        ValueError: for an array that holds no text, and a text that is no JSON.
    """
    if array is None:
        return None
    if array.dtype != np.uint8 or array.ndim != 1 or array.nbytes > JSON_BYTES:
        raise ValueError("its meta is no text")
    return parse_json(array.tobytes())
