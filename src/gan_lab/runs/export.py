"""The sampling generator as a file that other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from safetensors.torch import save

from gan_lab.files import write_atomically
from gan_lab.reading.schema import Within
from gan_lab.records import folder
from gan_lab.training import GAN
from gan_lab.types import DataSpec

Side = Annotated[int, Within(1, 8192)]


class Data(TypedDict):
    """The data set's facts, see gan_lab.types.DataSpec."""

    name: str
    kind: Literal["images", "points"]
    shape: list[Side]
    class_names: list[str]


class Description(TypedDict):
    """What is read of generator.json; it has more."""

    data: Data


def export_generator(gan: GAN, architecture: dict[str, Any], spec: DataSpec, run_dir: Path) -> Path:
    """Write EMA weights and BN buffers as safetensors, and as JSON what is needed to use them.

    Args:
        gan: the run's networks.
        architecture: its options, as the config has them.
        spec: of the data.
        run_dir: the run's directory.

    Returns:
        The file of the weights.
    """
    # save_file would hide a full disk in an error of its own
    states = gan.ema.average.state_dict()
    tensors = {name: value.detach().cpu().contiguous() for name, value in states.items()}
    write_atomically(run_dir / folder.WEIGHTS, save(tensors))

    # enough for a program that knows nothing of gan_lab
    description = {
        "architecture": architecture,
        "latent": {"dim": gan.settings.latent_dim, "distribution": "standard normal"},
        # the generator's input is z and so many numbers, a one-hot class
        "conditions": gan.targets.conditions,
        "data": {
            "name": spec.name,
            "kind": spec.kind,
            "shape": spec.shape,
            "class_names": spec.class_names,
        },
        "pixels": "round(128 x + 127.5) clamped to [0, 255]" if spec.kind == "images" else None,
        "batch_norm_statistics": gan.batch_norm_statistics,
        "ema_decay": gan.settings.ema_decay,
        "generator_steps": gan.generator_steps,
    }

    write_atomically(run_dir / folder.DESCRIPTION, json.dumps(description, indent=2) + "\n")
    return run_dir / folder.WEIGHTS
