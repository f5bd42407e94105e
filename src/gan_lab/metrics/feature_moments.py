"""Mean and covariance of features, and the file of a reference set's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lab.files import atomic_path
from gan_lab.metrics.base import exactly
from gan_lab.types import UserError


@dataclass(frozen=True)
class Moments:
    """mean (d,) and unbiased covariance (d, d) of n samples, float64; n = 0 where a file does not say."""

    mean: Tensor
    covariance: Tensor
    n: int

    def __post_init__(self) -> None:
        d = self.mean.shape[0] if self.mean.ndim == 1 else -1
        if self.covariance.shape != (d, d):
            raise UserError(
                f"mean {tuple(self.mean.shape)} and covariance {tuple(self.covariance.shape)} do not belong together: "
                "give (d,) and (d, d)"
            )

    def to(self, device: torch.device) -> Moments:
        """The same on another device."""
        return Moments(self.mean.to(device), self.covariance.to(device), self.n)


def check_features(features: Tensor, num_features: int | None = None) -> Tensor:
    """The features. Raises UserError unless they are (n, d), with d = num_features where that is given."""
    if features.ndim != 2 or features.shape[1] != (num_features or features.shape[1]) or not features.shape[1]:
        raise UserError(
            f"features have shape {tuple(features.shape)}: give one row per sample, (n, {num_features or 'd'})"
        )
    return features


@exactly
def moments(features: Tensor) -> Moments:
    """Moments of features (n, d). Raises UserError for fewer than 2 samples and features that are not finite."""
    x = check_features(features).to(torch.float64)
    _check(len(x), x)
    mean = x.mean(0)
    centred = x - mean
    return Moments(mean, _symmetric(centred.T @ centred) / (len(x) - 1), len(x))


def moments_of_sums(n: Tensor, total: Tensor, outer: Tensor) -> Moments:
    """Moments of n (0-d), Σ x (d,) and Σ x xᵀ (d, d). Raises UserError as `moments` does."""
    count = int(n)
    _check(count, outer)
    mean = total / count
    return Moments(mean, _symmetric(outer - torch.outer(total, mean)) / (count - 1), count)


def _symmetric(matrix: Tensor) -> Tensor:
    """Equal to its transpose in every bit, which a product xᵀx is not in every BLAS."""
    return (matrix + matrix.T) / 2


def _check(n: int, values: Tensor) -> None:
    if n < 2:
        raise UserError(f"a covariance of {n} samples: give at least 2 (50,000 for a published FID)")
    if not bool(values.isfinite().all()):
        raise UserError(
            "some features are NaN or infinite: look for a diverged generator or a half-precision extractor"
        )


def save_reference(path: str | Path, moments: Moments, meta: Mapping[str, Any]) -> None:
    """Write moments as npz, all or nothing: mu, sigma (float64, pytorch-fid's keys), n, and meta as JSON text.

    meta: what the moments were computed from, anything that JSON holds. Raises UserError for what it does not hold.
    """
    text = _as_json(meta)
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            mu=moments.mean.double().cpu().numpy(),
            sigma=moments.covariance.double().cpu().numpy(),
            n=np.int64(moments.n),
            meta=np.frombuffer(text.encode(), dtype=np.uint8),
        )


def load_reference(path: str | Path, meta: Mapping[str, Any] | None = None) -> Moments:
    """Read moments that `save_reference` wrote, or pytorch-fid's own file where meta is None.

    meta: every key of it must be stored with the same value. Raises UserError naming the first that differs, and for a
    file that is missing or no such npz.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("mu", "sigma", "n", "meta") if key in file}
            mean, covariance = torch.from_numpy(arrays["mu"]), torch.from_numpy(arrays["sigma"])
        stored = json.loads(arrays["meta"].tobytes().decode()) if "meta" in arrays else {}
    except FileNotFoundError as error:
        raise UserError(f"no reference statistics at {path}: compute them first") from error
    except Exception as error:  # numpy and json raise half a dozen types for what is no such file
        raise UserError(f"{path} holds no reference statistics ({error}): compute the reference anew") from error
    # JSON knows no tuple: compare with what the same meta becomes when it is stored
    for key, value in json.loads(_as_json(meta or {})).items():
        if key not in stored or stored[key] != value:
            found = repr(stored[key]) if key in stored else "missing"
            raise UserError(f"{path} has {key}={found}, asked is {value!r}: compute the reference anew")
    return Moments(mean.to(torch.float64), covariance.to(torch.float64), int(arrays.get("n", 0)))


def _as_json(meta: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(meta))
    except (TypeError, ValueError) as error:
        raise UserError(f"the reference's meta is no JSON ({error}): give strings, numbers, lists and dicts") from error
