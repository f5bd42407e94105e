"""Strict JSON of values that may not be finite. Torch-free."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON: a number that is not finite becomes the string "nan", "inf" or "-inf"."""
    return json.dumps(mapped(value, strict), indent=indent, allow_nan=False)


def strict(value: Any) -> Any:
    """A leaf as strict JSON has it."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """`change` of every leaf of nested mappings and lists."""
    if isinstance(value, Mapping):
        return {str(key): mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mapped(item, change) for item in value]
    return change(value)
