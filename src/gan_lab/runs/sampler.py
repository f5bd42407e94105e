"""The generator of a finished run, for other programs:
`gan_lab.load_generator(run_dir).sample(64)`."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from gan_lab import build, checks
from gan_lab.data.resident import to_uint8
from gan_lab.errors import UserError
from gan_lab.files import read_json
from gan_lab.inference import undisturbed
from gan_lab.reading.schema import misfit
from gan_lab.records import folder
from gan_lab.runs import saved
from gan_lab.runs.export import Description
from gan_lab.runs.saved import SavedRun
from gan_lab.training import GAN, sampling
from gan_lab.training.randomness import generator_for
from gan_lab.types import DataSpec

# of the random numbers: the same seed draws the same samples here and there
PURPOSE = "scripts/sample.py"


@dataclass(frozen=True)
class SavedGenerator:
    """The EMA generator of a finished run.

    Args:
        run: its directory, config and record.
        spec: the facts of the data that it was trained on.
        gan: the networks; the critic has its weights only where samples have classes by it.
    """

    run: SavedRun
    spec: DataSpec
    gan: GAN

    @property
    def network(self) -> nn.Module:
        """The network itself: (n, latent_dim + conditions) -> (n, *spec.shape)."""
        return self.gan.ema.average

    def sample(self, n: int = 64, seed: int = 0, label: int | None = None) -> Tensor:
        """Draw samples as the network makes them: images have values in [-1, 1].

        Args:
            n: how many.
            seed: the same n and seed give the same samples, and the same as
                `scripts/sample.py n=N seed=SEED`.
            label: the class to draw, a number below `spec.num_classes`; None: as they come.

        Returns:
            float32 on the CPU, (n, *spec.shape); fewer than n where the
            generator seldom draws the class.

        Raises:
            UserError: for a class that the samples do not have, and for no samples at all.
        """
        checks.whole("n", n, at_least=1)
        rng = generator_for(seed, PURPOSE, device=self.gan.device)
        if label is None:
            with undisturbed(self.gan):
                return self.gan.sample(n, rng)[0].float().cpu()

        self._check_label(label)
        (samples,) = sampling.by_class(self.gan, [label], n, rng)
        return samples

    def lines(
        self, rows: int = 8, steps: int = 10, seed: int = 0, label: int | None = None
    ) -> Tensor:
        """Samples on straight lines between random inputs, as `scripts/sample.py interpolate=true`.

        Args:
            rows: how many lines.
            steps: samples on each, its ends included.
            seed: of the ends.
            label: the class of both ends; None: as they come.

        Returns:
            float32 on the CPU, (rows, steps, *spec.shape).

        Raises:
            UserError: for a class that the samples do not have, for no line, and for one without
                both ends.
        """
        checks.whole("rows", rows, at_least=1)
        checks.whole("steps", steps, at_least=2)
        if label is not None:
            self._check_label(label)
        rng = generator_for(seed, PURPOSE, device=self.gan.device)
        return sampling.along(self.gan, rows, steps, rng, within=label)

    def images(self, n: int = 64, seed: int = 0, label: int | None = None) -> Tensor:
        """`sample` as pixels: uint8 (n, C, H, W).

        Raises:
            UserError: as `sample`, and for data that are no images.
        """
        if self.spec.kind != "images":
            raise UserError(f"{self.spec.name} holds {self.spec.kind}, not images: use sample()")
        return to_uint8(self.sample(n, seed, label))

    def _check_label(self, label: int) -> None:
        """Raise UserError for a class that the samples do not have."""
        if not sampling.knows_classes(self.gan) or not 0 <= label < self.spec.num_classes:
            raise UserError(f"label={label}: the samples of {self.run.folder} have no such class")


def load_generator(run_dir: str | PathLike[str], device: str = "auto") -> SavedGenerator:
    """Load the generator of a finished run.

    Args:
        run_dir: the run's directory.
        device: auto (a GPU where there is one), cpu or cuda.

    Returns:
        The generator with its facts; `.sample(n)` and `.images(n)` draw from it.

    Raises:
        UserError: where this is no run directory, it is damaged, or its run did not finish.

    Examples:
        >>> import gan_lab
        >>> images = gan_lab.load_generator("outputs/NAME").images(64)  # doctest: +SKIP
    """
    run = saved.open_run(Path(run_dir))
    spec = data_spec(run)

    # networks are made with initial weights, and drawing these must not
    # move the caller's random numbers
    with torch.random.fork_rng(devices=[]):
        saved.check_generator(run, spec)
        gan = build.gan(run.config, spec)
    saved.load_generator(gan, run)
    if gan.classes_by_critic:
        saved.load_critic(gan, run)
    return SavedGenerator(run, spec, gan.to(build.device(device)).eval())


def data_spec(run: SavedRun) -> DataSpec:
    """The facts of the data that a run was trained on, from its own files.

    Raises:
        UserError: where they are damaged.
    """
    # the data set itself need not be there
    path = run.folder / folder.DESCRIPTION
    try:
        content = read_json(path)
        if wrong := misfit(content, Description):
            raise ValueError(wrong)

        # what the types alone do not say
        data = content["data"]
        if not data["class_names"] or len(data["shape"]) != (3 if data["kind"] == "images" else 1):
            sides, classes = len(data["shape"]), len(data["class_names"])
            raise ValueError(f"{data['kind']} of {sides} sides in {classes} classes")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): restore it, or train the run again"
        ) from None

    # a run on data without labels has one class
    names = tuple(data["class_names"])
    return DataSpec(data["name"], data["kind"], tuple(data["shape"]), len(names), names)
