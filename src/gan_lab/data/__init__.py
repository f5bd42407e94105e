"""Data sets: `load(Digits(), cache_dir)` decodes a source once.

Torch-free at import: `gan_lab.data.resident` and `gan_lab.data.module`, which feed a data set to
training, need torch.
"""

from gan_lab.data.cache import load
from gan_lab.data.celeba import CelebA
from gan_lab.data.cifar10 import CIFAR10, CIFAR100
from gan_lab.data.digits import Digits
from gan_lab.data.flowers102 import Flowers102
from gan_lab.data.gaussians import Gaussians
from gan_lab.data.hugging_face import HuggingFace
from gan_lab.data.image_folder import ImageFolder
from gan_lab.data.lsun import LSUN
from gan_lab.data.mnist import MNIST, FashionMNIST
from gan_lab.data.point_mass import PointMass
from gan_lab.data.source import Decoded, LoadedData, Modes, Source, Split
from gan_lab.data.stacked_mnist import StackedMNIST
from gan_lab.data.stl10 import STL10
from gan_lab.data.svhn import SVHN
from gan_lab.data.swiss_roll import SwissRoll
from gan_lab.data.tiny_imagenet import TinyImageNet

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "LSUN",
    "MNIST",
    "STL10",
    "SVHN",
    "CelebA",
    "Decoded",
    "Digits",
    "FashionMNIST",
    "Flowers102",
    "Gaussians",
    "HuggingFace",
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
