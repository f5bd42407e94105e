"""Sample a finished run: `python examples/load_a_generator.py outputs/DATE/TIME`."""

import sys

import gan_lab

generator = gan_lab.load_generator(sys.argv[1])
images = generator.images(64, seed=0)  # uint8 (64, C, H, W)
print(
    f"{len(images)} samples of {generator.spec.name}, {tuple(images.shape[1:])}, mean pixel "
    f"{images.float().mean():.1f}"
)
