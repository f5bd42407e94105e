"""Mean and covariance of features, and the file of a reference set's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_lab.errors import UserError
from gan_lab.files import atomic_path
from gan_lab.metrics.exact import exactly
from gan_lab.reading.arrays import json_of, read_arrays
from gan_lab.reading.schema import misfit

STATISTICS_BYTES = 64 * 2**20  # of a file of moments once it is unpacked: 2,048 features have 34 MB
LARGEST = 1e30  # of a moment; its square is a number still
TOLERANCE = 1e-6  # of a covariance that somebody else computed, ten times float32's


@dataclass(frozen=True)
class Moments:
    """Mean and unbiased covariance of the features of a set of samples.

    Args:
        mean: float64 (d,).
        covariance: float64 (d, d).
        n: how many samples; 0 where a file does not say.

    Raises:
        UserError: for shapes that do not belong together.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import Moments
        >>> standard = Moments(mean=torch.zeros(2), covariance=torch.eye(2), n=1000)
        >>> standard.mean.shape
        torch.Size([2])
    """

    mean: Tensor
    covariance: Tensor
    n: int

    def __post_init__(self) -> None:
        d = self.mean.shape[0] if self.mean.ndim == 1 else -1
        if self.covariance.shape != (d, d):
            raise UserError(
                f"mean {tuple(self.mean.shape)} and covariance {tuple(self.covariance.shape)} do "
                "not belong together: give (d,) and (d, d)"
            )

    def to(self, device: torch.device) -> Moments:
        """The same on another device."""
        return Moments(self.mean.to(device), self.covariance.to(device), self.n)


def check_features(features: Tensor, num_features: int | None = None) -> Tensor:
    """The features themselves.

    Raises:
        UserError: unless they are (n, d), with d = num_features where that is given.
    """
    are_rows = features.ndim == 2 and features.shape[1] > 0
    if not are_rows or features.shape[1] != (num_features or features.shape[1]):
        raise UserError(
            f"features have shape {tuple(features.shape)}: "
            f"give one row per sample, (n, {num_features or 'd'})"
        )
    return features


@exactly
def moments(features: Tensor) -> Moments:
    """Mean and unbiased covariance of features, in float64.

    Args:
        features: (n, d), one row for each sample.

    Raises:
        UserError: for fewer than 2 samples and features that are not finite.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import moments
        >>> of_two = moments(torch.tensor([[0.0], [2.0]]))
        >>> float(of_two.mean), float(of_two.covariance), of_two.n
        (1.0, 2.0, 2)
    """
    x = check_features(features).to(torch.float64)
    _check(len(x), x)
    mean = x.mean(0)
    centred = x - mean
    return Moments(mean, _symmetric(centred.T @ centred) / (len(x) - 1), len(x))


def moments_of_sums(n: Tensor, total: Tensor, outer: Tensor) -> Moments:
    """Moments from sums over the samples.

    Args:
        n: how many samples, 0-d.
        total: Σ x, (d,).
        outer: Σ x xᵀ, (d, d).

    Raises:
        UserError: as `moments` does.
    """
    count = int(n)
    _check(count, outer)
    mean = total / count
    return Moments(mean, _symmetric(outer - torch.outer(total, mean)) / (count - 1), count)


def _symmetric(matrix: Tensor) -> Tensor:
    """Equal to its transpose in every bit, which a product xᵀx is not in every BLAS."""
    return (matrix + matrix.T) / 2


def _check(n: int, values: Tensor) -> None:
    """Raise UserError for fewer than 2 samples and values that are not finite."""
    if n < 2:
        raise UserError(
            f"a covariance of {n} samples: give at least 2 (50,000 for a published FID)"
        )
    if not bool(values.isfinite().all()):
        raise UserError(
            "some features are NaN or infinite: "
            "look for a diverged generator or a half-precision extractor"
        )


def save_reference(path: str | Path, moments: Moments, meta: Mapping[str, Any]) -> None:
    """Write the moments of a reference set to a file, all or nothing.

    The file is an npz with mu and sigma (float64, pytorch-fid's keys), n, and meta as JSON text.

    Args:
        path: the file.
        moments: of the reference set.
        meta: what the moments were computed from, anything that JSON holds.

    Raises:
        UserError: for a meta that JSON does not hold.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import load_reference, moments, save_reference
        >>> meta = {"split": "train", "resize": "none"}
        >>> save_reference("reference.npz", moments(torch.tensor([[0.0], [2.0]])), meta)
        >>> load_reference("reference.npz", meta).n
        2
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
    """Read moments that `save_reference` wrote, or pytorch-fid's own file.

    Args:
        path: the file.
        meta: what the moments must have been computed from: every key of it must be stored with the
            same value. None: anything, as in a file of pytorch-fid.

    Returns:
        The moments.

    Raises:
        UserError: naming the first key that differs; and for a file that is missing, no such npz,
            or of what can be no moments.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import load_reference, moments, save_reference
        >>> save_reference("reference.npz", moments(torch.eye(2)), {"split": "train"})
        >>> load_reference("reference.npz", {"split": "test"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        gan_lab.errors.UserError: reference.npz has split='train', asked is 'test': compute ...
    """
    found, stored = read_statistics(Path(path))

    # JSON knows no tuple: compare with what the same meta becomes when it is stored
    for key, value in json.loads(_as_json(meta or {})).items():
        if stored is None or key not in stored or stored[key] != value:
            its = repr(stored[key])[:80] if stored and key in stored else "missing"
            raise UserError(
                f"{path} has {key}={its}, asked is {value!r}: compute the reference anew"
            )
    return found


def read_statistics(path: Path) -> tuple[Moments, dict[str, Any] | None]:
    """Read a file of moments.

    Args:
        path: the file.

    Returns:
        The moments, and what they were computed from; None in a file of pytorch-fid.

    Raises:
        UserError: as `load_reference`.
    """
    try:
        # pytorch-fid's files have no n and no meta
        arrays = read_arrays(path, ("mu", "sigma", "n", "meta"), STATISTICS_BYTES)
        mean, covariance = (_numbers(arrays, name) for name in ("mu", "sigma"))
        meta = json_of(arrays.get("meta"))
        count = arrays.get("n", np.int64(0))

        # others may have computed them
        wrong = misfit(meta, dict[str, Any] | None, "meta")
        if wrong := wrong or _unlike_moments(mean, covariance, count):
            raise ValueError(wrong)

    # each with its remedy
    except FileNotFoundError as error:
        raise UserError(f"no reference statistics at {path}: compute them first") from error
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} holds no reference statistics ({error}): compute the reference anew"
        ) from None
    return Moments(torch.from_numpy(mean), torch.from_numpy(covariance), int(count)), meta


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    """An array as float64.

    Raises:
        ValueError: where there is none, or one of anything but real numbers.
    """
    if name not in arrays:
        raise ValueError(f"it has no {name}")
    if arrays[name].dtype.kind not in "fiu":
        raise ValueError(f"{name} is of {arrays[name].dtype}, not of numbers")
    return np.ascontiguousarray(arrays[name], dtype=np.float64)


def _unlike_moments(
    mean: NDArray[np.float64], covariance: NDArray[np.float64], count: NDArray[Any] | np.int64
) -> str:
    """Say what is wrong with moments that somebody else computed, perhaps in float32.

    The covariance may be asymmetric by TOLERANCE of its largest variance, and its eigenvalues no
    less than -TOLERANCE times its trace: Σ + TOLERANCE tr(Σ) I then has a Cholesky factor, which
    takes a tenth of the time of eigenvalues.

    Returns:
        The first thing that is wrong; "" where nothing is.
    """
    # shapes
    if mean.ndim != 1 or not len(mean):
        return f"mu has shape {mean.shape}, not (d,)"
    if covariance.shape != (len(mean), len(mean)):
        expected = (len(mean), len(mean))
        return f"sigma has shape {covariance.shape}, not {expected} as mu has {len(mean)} numbers"
    if count.shape or count.dtype.kind not in "iu" or not 0 <= int(count) < 2**63:
        return "n is no number of samples"

    # values
    for name, values in (("mu", mean), ("sigma", covariance)):
        if not np.isfinite(values).all():
            return f"{name} has values that are NaN or infinite"
        if max(values.max(), -values.min()) > LARGEST:
            return f"{name} has values beyond {LARGEST:g}"

    # a covariance
    variances = covariance.diagonal()
    if variances.min() < 0:
        return "sigma has negative variances"
    if np.abs(covariance - covariance.T).max() > TOLERANCE * variances.max():
        return "sigma is not symmetric"

    # without negative eigenvalues
    least = TOLERANCE * variances.sum() or np.finfo(np.float64).tiny
    lifted = torch.from_numpy(covariance + least * np.eye(len(mean)))
    if torch.linalg.cholesky_ex(lifted).info.item():
        return f"sigma has an eigenvalue below -{TOLERANCE:g} of its trace"
    return ""


def _as_json(meta: Mapping[str, Any]) -> str:
    """What moments were computed from, as JSON. Raises UserError for what JSON does not hold."""
    try:
        return json.dumps(dict(meta))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the reference's meta is no JSON ({error}): give strings, numbers, lists and dicts"
        ) from error
