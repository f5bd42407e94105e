"""Data sets: `load(Digits(), cache_dir)` decodes a source once.

Torch-free at import: `gan_lab.data.resident` and `gan_lab.data.module`, which feed a data set to
training, need torch.
"""

from gan_lab.data.cache import load
from gan_lab.data.cifar10 import CIFAR10
from gan_lab.data.digits import Digits
from gan_lab.data.flowers102 import Flowers102
from gan_lab.data.gaussians import Gaussians
from gan_lab.data.image_folder import ImageFolder
from gan_lab.data.mnist import MNIST
from gan_lab.data.point_mass import PointMass
from gan_lab.data.source import Decoded, LoadedData, Modes, Source, Split
from gan_lab.data.stacked_mnist import StackedMNIST
from gan_lab.data.swiss_roll import SwissRoll
from gan_lab.data.tiny_imagenet import TinyImageNet

__all__ = [
    "CIFAR10",
    "MNIST",
    "Decoded",
    "Digits",
    "Flowers102",
    "Gaussians",
    "ImageFolder",
    "LoadedData",
    "Modes",
    "PointMass",
    "Source",
    "Split",
    "StackedMNIST",
    "SwissRoll",
    "TinyImageNet",
    "load",
]
