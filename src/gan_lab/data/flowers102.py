"""Oxford-102 flowers through torchvision, resized."""

from __future__ import annotations

from dataclasses import dataclass

from gan_lab import checks
from gan_lab.data.images import ImageRule
from gan_lab.data.source import Decoded, content_digest, read_bytes
from gan_lab.data.torchvision_source import TorchvisionSource
from gan_lab.data.tree import decode_tree, list_images, tree_key
from gan_lab.errors import UserError

SPLITS = ("all", "standard")


@dataclass(frozen=True)
class Flowers102(TorchvisionSource):
    """uint8 (N, 3, size, size), 102 classes, 8,189 images in all.

    By default all images are training data, stretched to squares [code].

    Args:
        name: the data set's name in records.
        root: the folder that holds flowers-102 (jpg/image_00001.jpg ..., imagelabels.mat,
            setid.mat), torchvision's layout.
        download: let torchvision fetch it where it is missing (345 MB).
        size: the side, in pixels; it, `resize` and `fit` are those of
            `gan_lab.data.images.ImageRule`.
        resize: the filter.
        split: "all", as in the author's program: there is no split but "train", and all scores are
            against it. "standard": train 1,020, val 1,020, test 6,149.
        fit: "stretch" is the author's way.

    Source:
        M.-E. Nilsback, A. Zisserman, "Automated flower classification over a large number of
        classes" (2008).

    Examples:
        >>> from gan_lab.data import Flowers102, load
        >>> data = load(Flowers102(root="data", size=64), "outputs/cache")  # doctest: +SKIP
        >>> Flowers102(size=64).rule.fit
        'stretch'
    """

    name: str = "flowers102"
    size: int = 32
    resize: str = "box"
    split: str = "all"
    fit: str = "stretch"

    layout = "flowers-102"
    files = ("imagelabels.mat", "setid.mat", "jpg/image_00001.jpg", "jpg/image_08189.jpg")
    url = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/setid.mat"
    peer = "Flowers102"

    @property
    def rule(self) -> ImageRule:
        """How a file becomes an array."""
        return ImageRule(self.size, self.resize, fit=self.fit)

    def validate(self) -> None:
        self.rule.validate()
        checks.choice("split", self.split, SPLITS)
        super().validate()

    def content_key(self) -> str:
        images = tree_key({"jpg": {"all": list_images(self.folder / "jpg")}}, ("all",), self.rule)
        rule = {"flowers102": images} | ({} if self.split == "standard" else {"split": self.split})
        return content_digest(rule, (read_bytes(self.folder / name) for name in self.files[:2]))

    def decode(self) -> Decoded:
        # each of torchvision's splits as (path, label) pairs: loader=str decodes nothing
        peer = self._torchvision()
        class_names = tuple(peer.classes)
        tree: dict[str, dict[str, list[str]]] = {}
        for split in ("train", "val", "test"):
            try:
                files = peer(self.folder.parent, split, loader=str)
            except RuntimeError as error:
                labels = self.folder / self.files[0]
                raise UserError(
                    f"{labels} or {self.files[1]} is not the original file: "
                    "remove both and run again"
                ) from error

            # the files by class
            tree[split] = {name: [] for name in class_names}
            for index in range(len(files)):
                path, label = files[index]
                tree[split][class_names[label]].append(path)

        # all of them as one split, in the order of their numbers
        if self.split == "all":
            together = {
                name: [file for part in tree.values() for file in part[name]]
                for name in class_names
            }
            tree = {"train": {name: sorted(files) for name, files in together.items()}}

        return decode_tree(tree, class_names, self.rule, self.name)
