"""Figures 2-16 to 2-18: the sample grids that runs left, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_lab import records
from gan_lab.files import sha256_of
from gan_lab.reporting import published
from gan_lab.reporting.cells import belongs, canonical
from gan_lab.reporting.collection import Record, check_record, field
from gan_lab.reporting.drawing import Drawing, Request, new_figure
from gan_lab.reporting.text import weight_text
from gan_lab.types import UserError


def samples_cifar10(request: Request) -> Drawing:
    """Figure 2-16: samples on CIFAR-10, one grid for each run."""
    return _samples(request, "2-16", "CIFAR-10", "cifar10")


def samples_tiny_imagenet(request: Request) -> Drawing:
    """Figure 2-17: samples on Tiny-ImageNet."""
    return _samples(request, "2-17", "Tiny-ImageNet", "tiny_imagenet")


def samples_flowers102(request: Request) -> Drawing:
    """Figure 2-18: samples on Oxford-102."""
    return _samples(request, "2-18", "Oxford-102", "flowers102")


def _samples(request: Request, name: str, title: str, dataset: str) -> Drawing:
    if not request.run_dirs:
        raise UserError(f"figure {name} shows samples of runs: add run_dirs=[RUN_DIR,...]")
    from matplotlib.image import imread

    found = []
    for run_dir in request.run_dirs:
        record = records.read(run_dir).content
        check_record(record, str(run_dir), request.allow)
        found.append((record, _newest_samples(run_dir)))
    datasets = sorted({canonical(record["dataset"]["name"]) for record, _ in found})
    if len(datasets) > 1:
        raise UserError(f"figure {name}: run_dirs are of {' and '.join(datasets)}; name runs of one data set")
    columns = min(3, len(found))
    lines = -(-len(found) // columns)
    figure = new_figure(3.2 * columns, 3.45 * lines + 0.5)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    numbers: list[dict[str, Any]] = []
    for axes in panels:
        axes.set_axis_off()
    for axes, (record, path) in zip(panels, found, strict=False):
        weight = field(record, "config.penalty.weight")
        step = _step(path)
        axes.imshow(imread(path), interpolation="nearest", cmap="gray", vmin=0, vmax=1)
        written = f"{_run_label(record)}\nλ = {weight_text(weight)}, seed {record['seed']}, {step:,} steps"
        axes.set_title(written, fontsize=9)
        one = {"run_id": record["run_id"], "loss": record["choices"]["loss"], "penalty": record["choices"]["penalty"]}
        one |= {"weight": weight_text(weight), "seed": record["seed"], "dataset": datasets[0], "step": step}
        numbers.append(one | {"samples_sha256": sha256_of(path)})
    what = title if datasets == [dataset] else f"{datasets[0]} (the thesis: {title})"
    figure.suptitle(f"Figure {name}: samples, {what}")
    return Drawing(figure, numbers, [] if datasets == [dataset] else datasets)


def _newest_samples(run_dir: Path) -> Path:
    found = sorted((run_dir / "samples").glob("step_*.png"), key=_step)
    if not found:
        raise UserError(f"{run_dir}: it has no samples/step_<N>.png")
    return found[-1]


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step_"))


def _run_label(record: Record) -> str:
    choices = record["choices"]
    line = next((line for line in published.TABLE_2_2.values() if belongs(record, line)), None)
    return line.text if line else f"{choices['loss']} + {choices['penalty']}"
