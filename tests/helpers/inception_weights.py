"""A weights file of torch-fidelity's Inception with seeded random weights, and images that it tells
apart."""

from __future__ import annotations

import hashlib
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


def images(count: int, seed: int, side: int = 16, spread: float = 255.0) -> Tensor:
    """uint8 (count, 3, side, side) of many colours and contrasts, so that even a random network
    tells them apart."""
    rng = torch.Generator().manual_seed(seed)
    colour = 128 + spread * (torch.rand(count, 3, 1, 1, generator=rng) - 0.5)
    contrast = 255 * torch.rand(count, 1, 1, 1, generator=rng)
    noise = torch.rand(count, 3, side, side, generator=rng) - 0.5
    return (colour + contrast * noise).clamp(0, 255).to(torch.uint8)


def write(path: Path, seed: int = 0) -> str:
    """Write the file and return its SHA-256.

    Convolutions keep the size of activations, BN is away from the identity, the output layer has a
    large bias, and ignores the features that all images share, so that the Inception Score is far
    from 1.
    """
    with (
        mock.patch("torch.load", return_value={}),
        mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"),
    ):
        network = FeatureExtractorInceptionV3(
            "random", ["2048"], feature_extractor_weights_path="none"
        )
    rng = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            scale = (2 / module.weight[0].numel()) ** 0.5
            module.weight.copy_(scale * torch.randn(module.weight.shape, generator=rng))
        elif isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.8, 1.2),
                (module.running_var, 0.8, 1.2),
                (module.bias, -0.2, 0.2),
                (module.running_mean, -0.2, 0.2),
            ):
                tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=rng))
    with torch.no_grad():
        common = network(images(4, seed=1000))[0].mean(0)
    weight = 8 * torch.randn(network.fc.weight.shape, generator=rng)  # sure of its classes
    network.fc.weight.copy_(weight - torch.outer(weight @ common, common) / common.square().sum())
    network.fc.bias.copy_(3 * torch.randn(network.fc.bias.shape, generator=rng))
    torch.save(network.state_dict(), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
