"""Feature extractors: from images to the features and logits that scores are made of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from gan_lab.classifier.networks import standardise
from gan_lab.data import Modes
from gan_lab.errors import UserError
from gan_lab.files import sha256_of

INCEPTION = "Inception 2015-12-05 (torch-fidelity), pool3 and unbiased logits"
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of weights-inception-2015-12-05-6726825d.pth (95,628,359 bytes), a release file of torch-fidelity
on GitHub."""


CHANNELS = 3  # of stacked digits


class Features(NamedTuple):
    """The output of an extractor."""

    features: Tensor  # float32 (n, d)
    logits: Tensor  # float32 or float64 (n, K), of which softmax gives C(x)


class Extractor(nn.Module):
    """Samples -> Features, by a network in eval mode, in fp32, in one pass.

    Samples are uint8 images (n, C, H, W), or float32 points (n, D).

    Attributes:
        name: how scores call it.
        num_features: d.
        num_classes: K.
        description: what stands in a score's record, with "name", "architecture" and
            "weights_sha256".
        features_only: its logits are poor, and no score is made of them.
        kind: of the samples that it takes, "images" or "points".
        least_logit: a sample without a larger logit is of no class; None: every one is of one.
    """

    features_only = False
    kind: Literal["images", "points"] = "images"
    least_logit: float | None = None

    def __init__(
        self, name: str, num_features: int, num_classes: int, description: dict[str, Any]
    ) -> None:
        super().__init__()
        self.name = name
        self.num_features = num_features
        self.num_classes = num_classes
        self.description = {"name": name, **description}

    def forward(self, images: Tensor) -> Features:
        raise NotImplementedError


class ClassifierExtractor(Extractor):
    """A data set's own classifier: the features before its last layer, and logits.

    Args:
        network: `features(x)` gives (n, d), `output` is the linear layer on them.
        mean: (C,), of the pixels.
        std: (C,), of the pixels.
        description: see Extractor.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: Any, mean: Tensor, std: Tensor, description: dict[str, Any]
    ) -> None:
        output = network.output
        super().__init__("classifier", output.in_features, output.out_features, description)
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Features:
        x = standardise(images, self.mean, self.std)
        features = self.network.features(x.contiguous(memory_format=torch.channels_last))
        return Features(features, self.network.output(features))


class StackedExtractor(Extractor):
    """The digits of three stacked channels, each told by a classifier of single digits.

    Features are those of the three channels one after the other. There is a logit for each of the
    K³ triples, log C(a) + log C(b) + log C(c), so that argmax is the triple of the three argmax and
    softmax the product of the three.

    Args:
        digits: of images (n, 1, H, W), with K classes.
        description: see Extractor.
    """

    def __init__(self, digits: Extractor, description: dict[str, Any]) -> None:
        triples = digits.num_classes**CHANNELS
        super().__init__("stacked", CHANNELS * digits.num_features, triples, description)
        self.digits = digits

    def forward(self, images: Tensor) -> Features:
        found = self.digits(images.flatten(0, 1)[:, None])
        log_p = found.logits.log_softmax(1).unflatten(0, (-1, CHANNELS))
        first, second, third = log_p.unbind(1)
        triples = first[:, :, None, None] + second[:, None, :, None] + third[:, None, None, :]
        features = found.features.unflatten(0, (-1, CHANNELS)).flatten(1)
        return Features(features, triples.flatten(1))


class MixtureExtractor(Extractor):
    """Points as they are, and how near they lie to each mode of their mixture, without a network.

    The logit of mode k is -‖x - c_k‖²/(2 σ²), so softmax is the chance that x was drawn from it.

    Args:
        modes: centres and σ > 0.
        within: a point is of no mode where it lies so many σ or more from every centre.
    """

    kind = "points"

    def __init__(self, modes: Modes, within: float) -> None:
        count, dimension = modes.centres.shape
        architecture = {"name": "nearest centre of the mixture", "within": within}
        super().__init__(
            "mixture", dimension, count, {"architecture": architecture, "weights_sha256": None}
        )
        centres = torch.from_numpy(modes.centres)
        self.centres = nn.Parameter(centres, requires_grad=False)  # float64
        self.std = modes.std
        self.least_logit = -(within**2) / 2

    def forward(self, images: Tensor) -> Features:
        # differences, not products: distances within a mode are a millionth of those between modes
        apart = images.double()[:, None] - self.centres
        logits = -apart.square().sum(2) / (2 * self.std**2)
        return Features(images.float(), logits)


class InceptionExtractor(Extractor):
    """Inception 2015-12-05 by torch-fidelity, in one pass.

    It gives pool3 (2048) and the logits without their bias (1008). Images are resized to 299 × 299
    as in the TensorFlow graph (bilinear, no antialias); one channel is replicated.

    Raises:
        UserError: the weights file is missing, has another SHA-256, or is no such network.
    Source: Salimans et al. 2016; Heusel et al. 2017; the softmax without the bias is that of their
    programs [code].
    """

    def __init__(self, weights: str | Path, sha256: str = INCEPTION_SHA256) -> None:
        check_weights(weights, sha256)
        description = {
            "architecture": INCEPTION,
            "weights_sha256": sha256,
            "resize": "299 x 299, bilinear as TensorFlow 1, no antialias",
        }
        super().__init__("inception", 2048, 1008, description)
        self.network = _inception(Path(weights).expanduser())

    def forward(self, images: Tensor) -> Features:
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        return Features(*self.network(images))


def check_weights(weights: str | Path, sha256: str) -> None:
    """Check that the weights file is there and is the one meant.

    It is read once (0.3 s for 95 MB).

    Raises:
        UserError: it is not; where to get it, and which evaluation works without.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"evaluation.extractor.weights={weights} is missing: get "
            "weights-inception-2015-12-05-6726825d.pth from the releases of toshas/torch-fidelity "
            "on GitHub and set evaluation.extractor.weights=FILE; "
            "evaluation=classifier works without it"
        )

    # scores by other weights would pass for Inception's
    digest = sha256_of(path)
    if digest != sha256:
        raise UserError(
            f"evaluation.extractor.weights={weights} has SHA-256 {digest[:16]}…, not "
            f"{sha256[:16]}…: get the file again, set evaluation.extractor.sha256 if you mean "
            "another one, or use evaluation=classifier"
        )


def _inception(path: Path) -> nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # the library unpickles without weights_only: it gets a copy of what was read with it
    try:
        own = io.BytesIO()
        torch.save(torch.load(path, map_location="cpu", weights_only=True), own)
        own.seek(0)
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=own
        )

    # a crafted file can raise anything; nothing in it was called
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"{path} does not hold the weights of Inception 2015-12-05 ({reason})"
        ) from None
