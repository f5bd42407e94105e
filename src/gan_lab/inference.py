"""Networks as they are evaluated: undisturbed, in full precision; what in them mixes samples."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


@contextlib.contextmanager
def undisturbed(*modules: nn.Module) -> Iterator[None]:
    """Inside: eval mode, no gradients, no autocast, no TF32. Afterwards everything is as it was,
    random states too."""
    # `eval()` and `train()` would set every part alike, and some may have been frozen before
    training = [(part, part.training) for module in modules for part in module.modules()]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []

    # fork_rng gives the states back, whatever is drawn inside
    try:
        with (
            torch.random.fork_rng(devices),
            torch.no_grad(),
            torch.autocast("cuda", enabled=False),
            torch.autocast("cpu", enabled=False),
            _full_precision(),
        ):
            for part, _ in training:
                part.training = False
            yield
    finally:
        for part, mode in training:
            part.training = mode


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """fp32 products in fp32, whichever of torch's two sets of names the
    caller's setting was made with."""
    # since torch 2.9 each operator has a precision; before there were two switches for all
    cuda, cudnn, mkldnn = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
    places: tuple[Any, ...] = (
        *(cuda.matmul, cudnn.conv, cudnn.rnn),  # type: ignore[attr-defined]
        *(mkldnn.matmul, mkldnn.conv, mkldnn.rnn),  # type: ignore[attr-defined]
    )

    before = [place.fp32_precision for place in places]

    # torch refuses to say the old ones when only the new names were used
    matmul = cudnn_tf32 = None
    with contextlib.suppress(RuntimeError):
        matmul = torch.get_float32_matmul_precision()
    with contextlib.suppress(RuntimeError):
        cudnn_tf32 = cudnn.allow_tf32

    # both, whichever an operator looks at; the new ones last, because the old ones set them too
    try:
        torch.set_float32_matmul_precision("highest")
        cudnn.allow_tf32 = False
        for place in places:
            place.fp32_precision = "ieee"
        yield

    finally:
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if cudnn_tf32 is not None:
            cudnn.allow_tf32 = cudnn_tf32
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def device_of(module: torch.nn.Module) -> torch.device:
    """Where its parameters are."""
    return next(module.parameters()).device


def layers_that_mix_samples(module: nn.Module) -> dict[str, nn.Module]:
    """{name: layer} of the layers that make an output depend, in training, on the samples beside
    it: batch norm, and any layer with the attribute `mixes_samples`.

    Examples:
        >>> from torch import nn
        >>> from gan_lab.inference import layers_that_mix_samples
        >>> list(layers_that_mix_samples(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))))
        ['1']
    """
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) or hasattr(layer, "mixes_samples")
    }
