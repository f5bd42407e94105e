"""The base of data sets that torchvision can download. Torch-free but for the download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gan_lab import checks
from gan_lab.data.download import fetch, require
from gan_lab.data.source import Source, content_digest, expand, read_bytes
from gan_lab.errors import UserError


@dataclass(frozen=True)
class TorchvisionSource(Source):
    """A data set in torchvision's layout of files.

    A subclass says where its files are, and decodes them.

    Args:
        name: the data set's name in records.
        root: the folder that holds `layout`.
        download: let torchvision fetch the files where they are missing.

    Attributes:
        layout: the folder of the files below `root`; "." is `root` itself.
        files: their paths below it; all that is decoded, but for images of their own.
        url: is asked whether it answers before a download.
        peer: the class of torchvision.datasets that downloads.
        rule_key: the rule of decoding, as the content key has it.
    """

    name: str = ""
    root: str | None = "data"
    download: bool = True

    layout: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    url: ClassVar[str]
    peer: ClassVar[str]
    rule_key: ClassVar[dict[str, str]]

    @property
    def folder(self) -> Path:
        """Where the raw files are.

        Raises:
            UserError: without a root.
        """
        if not self.root:
            raise UserError(
                f"dataset.root is not set: add dataset.root=FOLDER, which holds {self._held}"
            )
        return expand(self.root) / self.layout

    @property
    def _held(self) -> str:
        """What `root` holds, for messages."""
        return self.files[0] if self.layout == "." else self.layout

    def validate(self) -> None:
        folder = self.folder
        if not checks.flag("download", self.download):
            remedy = f"or set dataset.root=FOLDER to the folder that holds {self._held}"
            require(folder, self.files, remedy)

    def fetch(self) -> None:
        if self.download:
            fetch(self.folder, self.files, self._download, self.layout, self.url)

    def content_key(self) -> str:
        return content_digest(
            self.rule_key, (read_bytes(self.folder / name) for name in self.files)
        )

    def _torchvision(self) -> Any:
        """The class of torchvision.datasets."""
        import torchvision.datasets

        return getattr(torchvision.datasets, self.peer)

    def _download(self, folder: Path) -> None:
        """Fill `folder / layout`."""
        self._torchvision()(folder, download=True)

    def _damaged(self, name: str, problem: str) -> UserError:
        """The error for a file that does not hold what it should."""
        return UserError(
            f"{self.folder / name} {problem}: remove it and run again with dataset.download=true"
        )
