"""Pictures of a finished run: any number of samples, of one class, or between two."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig
from PIL import Image
from rich.console import Console
from torch import Tensor

from gan_lab import build, checks, terminal
from gan_lab.data.pictures import save_grid
from gan_lab.data.resident import to_uint8
from gan_lab.errors import UserError
from gan_lab.files import asked_path
from gan_lab.inference import undisturbed
from gan_lab.records import folder
from gan_lab.runs.sampler import PURPOSE, data_spec
from gan_lab.runs.saved import SavedRun, check_generator, load_critic, load_generator, open_run
from gan_lab.training import GAN, sampling
from gan_lab.training.randomness import generator_for
from gan_lab.types import DataSpec


def sample(config: DictConfig) -> None:
    """Do what `scripts/sample.py` was asked to.

    Args:
        config: its fields.

    Raises:
        UserError: for a field that cannot be used, or a run that cannot.
    """
    # what the fields alone tell
    if config.run_dir is None:
        raise UserError("run_dir is not set: add run_dir=RUN, the folder of a finished run")
    for name, least in (("n", 1), ("steps", 2), ("seed", 0)):
        checks.whole(name, config[name], at_least=least)
    if config["class"] is not None and config.between is not None:
        raise UserError("class and between: name one of them")
    if checks.flag("interpolate", config.interpolate) and config.between is not None:
        raise UserError("interpolate and between: name one of them")

    # its generator
    run = open_run(Path(str(config.run_dir)))
    spec = data_spec(run)
    if spec.kind != "images":
        raise UserError(
            f"run_dir={run.folder}: {spec.name} holds {spec.kind}, and samples are drawn as images"
        )
    check_generator(run, spec)
    gan = build.gan(run.config, spec)
    load_generator(gan, run)

    # the same seed draws the same samples as `load_generator(run_dir).sample`
    console = terminal.console()
    samples, stem, columns = _drawn(config, run, spec, gan, console)

    # beside the grids of the training, unless another place was named
    path = run.folder / folder.SAMPLES / f"{stem}_seed{config.seed}.png"
    if config.out is not None:
        path = Path(str(config.out))
    with asked_path("out", path) as place:
        save_grid(samples, place, columns)
    console.print(f"grid: {path}")
    if config.images is not None:
        _write_images(samples, Path(str(config.images)), stem)
        console.print(f"images: {len(samples)} in {config.images}")


def _drawn(
    config: DictConfig, run: SavedRun, spec: DataSpec, gan: GAN, console: Console
) -> tuple[Tensor, str, int]:
    """The samples (n, C, H, W), the name of their file, and how many make a row.

    Raises:
        UserError: for a class that there is not, or that the generator does not draw.
    """
    # as they come
    device = build.device(config.device)
    rng = generator_for(config.seed, PURPOSE, device=device)
    if config.interpolate and config["class"] is None:
        lines = sampling.along(gan.to(device), config.n, config.steps, rng)
        return lines.flatten(0, 1), f"lines_n{config.n}_steps{config.steps}", config.steps

    if config["class"] is None and config.between is None:
        with undisturbed(gan.to(device)):
            samples = gan.sample(config.n, rng)[0].float().cpu()
        return samples, f"n{config.n}", _in_a_row(config.n)

    # of classes, where samples have some: the generator's input, or what the critic says they are
    if not sampling.knows_classes(gan):
        raise UserError(
            f"run_dir={run.folder}: its samples have no classes "
            f"(loss={run.record['choices']['loss']}, labels=none); "
            "omit class and between"
        )

    if gan.classes_by_critic:
        load_critic(gan, run)
        origin = "by the critic's own label: samples are drawn without a class and sorted"
    else:
        origin = "drawn with them (labels=predefined)"
    gan.to(device)

    # on the way from one class to another, a line a row
    if config.between is not None:
        ends = list(config.between) if isinstance(config.between, ListConfig) else []
        if len(ends) != 2:
            raise UserError(f"between={config.between}: name two classes, as between=[3,5]")
        first, second = (_class(which, spec, "between") for which in ends)

        lines = sampling.between(gan, first, second, config.n, config.steps, rng)
        names = f"{spec.class_names[first]} and {spec.class_names[second]}"
        console.print(f"between {names}; classes {origin}")
        stem = f"between_{first}_{second}_n{config.n}_steps{config.steps}"
        return lines.flatten(0, 1), stem, config.steps

    # of one class, which the generator may draw seldom, or never
    which = _class(config["class"], spec, "class")
    if config.interpolate:
        lines = sampling.along(gan, config.n, config.steps, rng, within=which)
        console.print(f"lines within class {spec.class_names[which]}, the class {origin}")
        stem = f"lines_class_{which}_n{config.n}_steps{config.steps}"
        return lines.flatten(0, 1), stem, config.steps
    (samples,) = sampling.by_class(gan, [which], config.n, rng)
    console.print(f"class {spec.class_names[which]}: {len(samples)} samples, the class {origin}")
    if len(samples) < config.n:
        console.print(f"warning: it came up only {len(samples)} times; asked were {config.n}")
    if not len(samples):
        raise UserError(f"class={config['class']}: this generator does not draw that class")
    return samples, f"class_{which}_n{config.n}", _in_a_row(config.n)


def _in_a_row(count: int) -> int:
    """How many of so many samples make a row: 8, or more where the grid would be a strip."""
    return max(8, math.isqrt(count - 1) + 1)


def _class(asked: Any, spec: DataSpec, field: str) -> int:
    """The number of a class that was named, or numbered."""
    if str(asked) in spec.class_names:
        return spec.class_names.index(str(asked))
    if isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked < spec.num_classes:
        return asked
    names = ", ".join(spec.class_names[:20]) + (", …" if spec.num_classes > 20 else "")
    raise UserError(
        f"{field}={asked}: there is no such class (0 to {spec.num_classes - 1}: {names})"
    )


def _write_images(samples: Tensor, folder: Path, stem: str) -> None:
    """Every sample as a PNG of its own, as scripts/evaluate.py reads them."""
    for number, image in enumerate(to_uint8(samples).permute(0, 2, 3, 1).numpy()):
        pixels = image.squeeze(2) if image.shape[2] == 1 else image
        with asked_path("images", folder / f"{stem}_{number:06}.png") as path:
            Image.fromarray(pixels).save(path, format="png")
