"""FID of two folders of images: `python examples/fid_of_two_folders.py REAL FAKE`.

The features here are those of a fixed random convolution, so that the example needs no weights:
replace `features` by your own network. FID by Inception, as it is published, is one command:

    python scripts/evaluate.py samples=FAKE reference=REAL evaluation=inception
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gan_lab.metrics import FrechetDistance

BATCH, SIDE, FEATURES = 100, 32, 64


def batches(folder: Path) -> Iterator[Tensor]:
    """The images of a folder at any depth, (n, 3, SIDE, SIDE) in [-1, 1]."""
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")
    )
    for start in range(0, len(paths), BATCH):
        images = [
            Image.open(path).convert("RGB").resize((SIDE, SIDE))
            for path in paths[start : start + BATCH]
        ]
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(
            0, 3, 1, 2
        )
        yield (pixels.float() - 127.5) / 128


def main() -> None:
    """Stream both folders through the network and print the distance."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path)
    parser.add_argument("fake", type=Path)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    features = nn.Sequential(
        nn.Conv2d(3, FEATURES, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    fid = FrechetDistance(num_features=FEATURES)  # memory does not grow with the number of images
    with torch.no_grad():
        for images in batches(arguments.real):
            fid.update(features(images), real=True)
        for images in batches(arguments.fake):
            fid.update(features(images))
    print(
        f"distance {fid.compute().item():.4f}: compare it only with that of as many images by the "
        "same network"
    )


if __name__ == "__main__":
    main()
