"""Scores of what is already there: a finished run, a folder of images, the data set itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Column, Table
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from gan_lab import build, records, terminal
from gan_lab.commands.data_statistics import COLUMNS, data_statistics
from gan_lab.commands.rescore import Rescoring, find_runs
from gan_lab.data import LoadedData
from gan_lab.data.images import ImageRule
from gan_lab.data.pictures import save_grid
from gan_lab.data.tree import decode_tree, list_files, list_images, passed_over, say_passed_over
from gan_lab.errors import UserError, one_line
from gan_lab.files import asked_path, safe_name
from gan_lab.metrics import Moments, load_reference
from gan_lab.metrics.feature_moments import read_statistics
from gan_lab.metrics.setting import Reference
from gan_lab.reading.declared_scores import declared_scores
from gan_lab.records import folder as names
from gan_lab.records import provenance
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.extractors import OwnClassifier, StackedDigits
from gan_lab.scoring.features import Extractor
from gan_lab.scoring.meters import Samples, Setting, meters_of
from gan_lab.scoring.protocol import (
    Entry,
    Protocol,
    enough_are_moments,
    needs_features,
    score_text,
)
from gan_lab.scoring.score import measure_reference, score_samples
from gan_lab.training.host import keep_freed_memory

NOISE_SEED = 0  # of the self-test
BLUR_SIGMA = 1.0  # pixels; of the self-test
CLASSES_ALONE = 10  # as many classes at most have a row of their own in the self-test ...
LEAST_ALONE = 20  # ... where every class has so many images
ORDER_SEED = 0  # in which given images are dealt to splits and chunks

# an option: the tasks that it changes something of
_HAS_EFFECT = {
    **dict.fromkeys(("history", "rescore"), ("run_dir", "runs")),
    **dict.fromkeys(("reference", "resize", "size"), ("samples",)),
    "name": ("samples", "self_test", "data_statistics"),
}


def evaluate(config: DictConfig) -> None:
    """Do what `scripts/evaluate.py` was asked to.

    Args:
        config: its fields.

    Raises:
        UserError: for a field that cannot be used, and for what cannot be scored.
    """
    # a task is named by the field that it needs
    tasks = {
        "run_dir": score_run,
        "runs": score_runs,
        "samples": score_folder,
        "self_test": self_test,
        "data_statistics": real_images,
    }

    asked = [name for name in tasks if config[name]]
    if len(asked) != 1:
        raise UserError(
            "name one thing to score: run_dir=RUN, runs=FOLDER, samples=FOLDER reference=FOLDER, "
            "self_test=true or data_statistics=true"
        )

    # an option without effect is refused: who typed it believes that it has one
    for option, its in _HAS_EFFECT.items():
        is_given = config[option] not in (None, False, "none")
        if is_given and asked[0] not in its:
            raise UserError(
                f"{option}={terminal.quoted(config[option])} has an effect only with "
                f"{' or '.join(its)}: omit {option}"
            )

    if not config.evaluation:
        raise UserError(
            "evaluation=off scores nothing: choose evaluation=classifier, inception or thesis"
        )

    # the code that scores, before it can be edited
    provenance.git_state()
    if build.device(config.device).type == "cpu":
        keep_freed_memory()

    tasks[asked[0]](config, terminal.console())


# A finished run -----------------------------------------------------------------------------------


def score_run(config: DictConfig, console: Console) -> None:
    """Score the exported generator of `config.run_dir`, against its own
    data; the scores join its record."""
    run_dir = Path(config.run_dir)
    scores = Rescoring(config, console).score(run_dir, again=True)
    _print(console, {str(run_dir): scores})
    console.print(f"record: {run_dir / names.RECORD}")


def score_runs(config: DictConfig, console: Console) -> None:
    """Score every finished run below `config.runs` by one protocol, as `score_run` does.

    Runs that are scored already, or have not finished, are passed over; one that cannot be scored
    does not stop the others.

    Raises:
        UserError: at the end, where there was one.
    """
    run_dirs = find_runs(Path(config.runs).expanduser())
    rescoring = Rescoring(config, console)
    scored: dict[str, dict[str, Entry]] = {}
    failed: dict[Path, str] = {}

    # of a damaged file or a full device, too: hours of scoring must not end at one run
    for run_dir in run_dirs:
        try:
            status = records.read(run_dir)["status"]
            if status != "finished":
                console.print(f"{run_dir}: passed over, it is {status}")
                continue

            if new := rescoring.score(run_dir, again=config.rescore):
                scored[str(run_dir)] = new
        except Exception as error:
            is_told = isinstance(error, UserError)
            reason = str(error) if is_told else f"{type(error).__name__}: {one_line(error)}"
            failed[run_dir] = reason
            console.print(f"{run_dir}: not scored: {reason}")

    # what there is, and what there is not
    if scored:
        _print(console, scored)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(run_dirs)} runs could not be scored: "
            f"{', '.join(map(str, failed))}"
        )


# A folder of images -------------------------------------------------------------------------------


def score_folder(config: DictConfig, console: Console) -> None:
    """Score the images of one folder against those of another, or against a file of statistics.

    Raises:
        UserError: where they cannot be read, or not be scored by this protocol.
    """
    # what can be refused before a classifier is trained or images are read
    if not config.reference:
        raise UserError(
            "samples=FOLDER needs reference=FOLDER, "
            "or a file of statistics (.npz with mu and sigma)"
        )

    protocol: Protocol = build.make("evaluation", config.evaluation)
    _check_folders(config, protocol)

    # the images, in one size, and what they are held to
    statistics = Path(config.reference).expanduser()
    data = build.loaded(config.dataset, config.data_cache)
    of_this_size = isinstance(protocol.extractor, OwnClassifier | StackedDigits)
    shape = data.spec.shape if of_this_size else None
    images = _read(config, "samples", shape)

    # another folder, or a file of statistics
    reference_data = (
        _statistics(statistics, protocol)
        if statistics.is_file()
        else _read(config, "reference", images.shape[1:])
    )

    # what the extractor says of the reference, or what the file says that it said
    device = build.device(config.device)
    extractor: Extractor = protocol.extractor.make(data, Path(config.data_cache), device, console)
    if isinstance(reference_data, Tensor):
        real = _Batches(reference_data, protocol, device)
        batches = (real(batch).images for batch in range(-(-real.count // protocol.batch_size)))
        reference = measure_reference(
            batches, extractor, keep_features=needs_features(protocol.scores)
        )
    else:
        reference = _held_to(reference_data, extractor, console)

    # the scores, with the names of both folders
    setting = Setting(
        extractor, {"reference": reference}, reference.marginal, protocol, len(images)
    )
    scores = score_samples(_Batches(images, protocol, device), setting)

    _print(console, {str(config.samples): scores})
    samples_name, reference_name = Path(config.samples).name, Path(config.reference).name
    about = {"samples": samples_name, "reference": reference_name, "scores": scores}
    _write(console, config, f"{samples_name}_against_{reference_name}", about, extractor)


def _check_folders(config: DictConfig, protocol: Protocol) -> None:
    """Refuse folders that are not there or hold too little for a protocol, and a protocol of
    points. Raises UserError."""
    if getattr(protocol.extractor, "kind", "images") != "images":
        raise UserError(
            "evaluation: it scores points, and folders hold images: use evaluation=classifier or "
            "inception"
        )
    for name in ("samples", "reference"):
        if not Path(config[name]).expanduser().exists():
            raise UserError(f"{name}={config[name]}: there is no such folder or file")

    # splits and chunks need images of their own
    count = len(_files(Path(config.samples).expanduser(), "samples"))
    what = f"samples={config.samples} holds {count} images"
    protocol.check_count(count, what, splits=protocol.splits, chunks=protocol.chunks)

    # a file of statistics has no images, which other scores compare
    if Path(config.reference).expanduser().is_file():
        _check_moments_are_enough(config.reference, protocol)


def _check_moments_are_enough(reference: str, protocol: Protocol) -> None:
    """Refuse scores that compare with more of the real data than moments. Raises UserError."""
    refused = [score for score in protocol.scores if not enough_are_moments(score)]
    if not refused:
        return

    # what was asked for and is possible; else a score that a file of moments is made for
    kept = [score for score in protocol.scores if enough_are_moments(score)]
    made_for = [
        name for name, score in declared_scores().items() if score.facts.reference == "moments"
    ]
    raise UserError(
        f"reference={reference} holds moments, not enough for {', '.join(refused)}: "
        f"add evaluation.scores={terminal.quoted(kept or made_for)}, or name a folder of images"
    )


class _Batches:
    """Images (N, C, H, W) as `score_samples` takes them: in a seeded random order, since splits
    must not be classes."""

    def __init__(self, images: Tensor, protocol: Protocol, device: torch.device) -> None:
        self.images, self.count = images, len(images)
        self.size, self.device = protocol.batch_size, device
        self.order = torch.randperm(self.count, generator=torch.Generator().manual_seed(ORDER_SEED))

    def __call__(self, batch: int) -> Samples:
        rows = self.order[batch * self.size : (batch + 1) * self.size]
        return Samples(self.images[rows].to(self.device))


def _files(folder: Path, name: str) -> list[str]:
    """The image files of a folder. Raises UserError where there is none."""
    files = list_images(folder)
    if not files:
        others = passed_over(list_files(folder))
        raise UserError(
            f"{name}={folder} holds no image files{f' (passed over: {others})' if others else ''}"
        )
    return files


def _read(config: DictConfig, name: str, shape: tuple[int, ...] | torch.Size | None) -> Tensor:
    """All images of a folder.

    Args:
        config: has the folder, and how images are brought to one size.
        name: of the field that names the folder.
        shape: (C, H, W) where one is needed.

    Returns:
        uint8 (N, C, H, W).

    Raises:
        UserError: where they cannot be read, or have another shape.
    """
    files = _files(Path(config[name]).expanduser(), name)
    rule = ImageRule(
        config.size, config.resize, channels=shape[0] if shape else 3, greyscale="refuse"
    )

    # the fields size and resize are the rule's, by the same names
    rule.validate()
    say_passed_over(f"{name}={config[name]}", list_files(Path(config[name]).expanduser()))
    images = decode_tree({"train": {"all": files}}, ["all"], rule, name).splits["train"].values

    # both folders are seen in one size, and a classifier knows only its own
    if shape is not None and images.shape[1:] != tuple(shape):
        held, needed = ("x".join(map(str, sides)) for sides in (images.shape[1:], shape))
        raise UserError(
            f"{name}={config[name]} holds images of {held}, and {needed} are needed (by the other "
            f"folder, or by the classifier of dataset={config.dataset.name}): add resize=box "
            f"size={shape[-1]}, choose the data set that they belong to, or use "
            "evaluation=inception"
        )
    return torch.from_numpy(images)


@dataclass(frozen=True)
class _Statistics:
    """Moments in a file; meta is None in one of pytorch-fid, which does not say how it was made."""

    path: Path
    moments: Moments
    meta: dict[str, Any] | None


def _statistics(path: Path, protocol: Protocol) -> _Statistics:
    """Read before anything is trained or passed through; refuses what another architecture made."""
    try:
        moments, meta = read_statistics(path)
    except UserError as error:
        raise UserError(f"reference={path}: {error}; or name a folder of images") from None
    if meta is not None:
        load_reference(path, {"extractor": protocol.extractor.architecture})
    return _Statistics(path, moments, meta)


def _held_to(statistics: _Statistics, extractor: Extractor, console: Console) -> Reference:
    """The statistics, if they are this extractor's. Raises UserError for those of another."""
    if statistics.meta is None:
        console.print(f"warning: {statistics.path} does not say how it was made")
    else:
        load_reference(statistics.path, {"weights_sha256": extractor.description["weights_sha256"]})
    if len(statistics.moments.mean) != extractor.num_features:
        raise UserError(
            f"{statistics.path} has {len(statistics.moments.mean)} features and the "
            f"{extractor.name} extractor {extractor.num_features}: choose the evaluation that it "
            "was made for"
        )

    # no file of moments knows the mean of C(x), and no score that is allowed here needs it
    return Reference(
        statistics.moments, torch.full((extractor.num_classes,), torch.nan, dtype=torch.float64)
    )


# The data set itself ------------------------------------------------------------------------------


def self_test(config: DictConfig, console: Console) -> None:
    """Score real images, and worse ones in several ways, to see that
    the scores rank them as they must.

    Fewer images have a higher FID: rows are ranked by scores of one name,
    which have one number of images.
    """
    # samples of which everybody knows how good they are
    protocol: Protocol = build.make("evaluation", config.evaluation)
    evaluator = _of_dataset(config, protocol, console)
    data = evaluator.data
    known = _known_samples(data)
    for name, images in known.items():
        what = f"{name} holds {len(images)} images"
        protocol.check_count(len(images), what, splits=protocol.splits, chunks=protocol.chunks)

    # classes alone, where they have enough images for this protocol
    alone = _classes_alone(data)
    try:
        _check_classes_alone(alone, evaluator)
        known |= alone
    except UserError as error:
        console.print(f"no rows of one class alone: {error}")

    # the scores of all rows, in one table and one file
    rows = {
        name: evaluator.score(_Batches(images, protocol, evaluator.device), protocol, len(images))
        for name, images in known.items()
    }
    _print(console, rows)
    about = {"dataset": data.spec.name, "content_hash": data.content_hash, "scores": rows}
    stem = f"self_test_{data.spec.name}_{evaluator.extractor.name}"
    _write(console, config, stem, about, evaluator.extractor)


def real_images(config: DictConfig, console: Console) -> None:
    """Write what the extractor says of the training images (Figure 4-4), and a picture of some of
    them (Figure 4-5).

    Raises:
        UserError: where the extractor has no probabilities to look at, or the data no images.
    """
    protocol: Protocol = build.make("evaluation", config.evaluation)
    if getattr(protocol.extractor, "features_only", False):
        raise UserError(
            "data_statistics=true needs class probabilities, and those of this extractor are poor "
            "on small images: use evaluation=classifier or inception"
        )

    # numbers and picture, side by side under one name
    evaluator = _of_dataset(config, protocol, console)
    statistics, images = data_statistics(evaluator, "train")
    data = evaluator.data
    stem = f"data_statistics_{data.spec.name}_{evaluator.extractor.name}"
    about = {"dataset": data.spec.name, "content_hash": data.content_hash, **statistics}
    path = _write(console, config, stem, about, evaluator.extractor).with_suffix(".png")
    with asked_path("out", path) as place:
        save_grid(images, place, COLUMNS)
    console.print(f"images by entropy, three levels: {path}")


def _of_dataset(config: DictConfig, protocol: Protocol, console: Console) -> Evaluator:
    """The evaluator of `config.dataset` by the protocol of the config. Raises UserError where it
    cannot be scored."""
    data = build.loaded(config.dataset, config.data_cache)
    if data.spec.kind != "images":
        raise UserError(
            f"{data.spec.name} holds {data.spec.kind}, and this is of images: "
            "choose another dataset"
        )
    device = build.device(config.device)
    evaluator = build.evaluator(config, data, device, console, scored_by=protocol)
    assert evaluator is not None, "evaluation=off was refused"
    return evaluator


def _known_samples(data: LoadedData) -> dict[str, Tensor]:
    """Every split; and as many as the smallest has of it blurred, of
    noise and of one training image."""
    known = {f"real {name}": torch.from_numpy(split.values) for name, split in data.splits.items()}
    smallest = min(known.values(), key=len)
    blurred = gaussian_blur(smallest, [2 * round(3 * BLUR_SIGMA) + 1] * 2, [BLUR_SIGMA] * 2)
    known[f"blur, σ {BLUR_SIGMA:g} pixel"] = blurred
    known["noise"] = _noise(smallest)
    known["one image"] = known["real train"][:1].expand(len(smallest), -1, -1, -1)
    return known


def _noise(images: Tensor) -> Tensor:
    """Uniform noise, as many images and of the same size."""
    rng = torch.Generator().manual_seed(NOISE_SEED)
    return torch.randint(256, images.shape, dtype=torch.uint8, generator=rng)


def _classes_alone(data: LoadedData) -> dict[str, Tensor]:
    """Images of one class of the last split each, as many as the smallest class has.

    With as many of all classes and of noise; empty where there are no labels.
    """
    # the last split is the test split, if there is one
    name, split = list(data.splits.items())[-1]
    images, labels = torch.from_numpy(split.values), torch.from_numpy(split.labels)
    count = int(torch.bincount(labels[labels >= 0], minlength=max(1, data.spec.num_classes)).min())
    if data.spec.num_classes < 2 or count == 0:
        return {}

    # rows of one number of images, to be ranked among themselves
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(ORDER_SEED))
    mixed = images[order[:count]]
    alone = {f"real {name}, {count:,} images": mixed, f"noise, {count:,} images": _noise(mixed)}
    for index, class_name in enumerate(data.spec.class_names[:CLASSES_ALONE]):
        alone[f"only {class_name}"] = images[labels == index][:count]
    return alone


def _check_classes_alone(rows: dict[str, Tensor], evaluator: Evaluator) -> None:
    """Refuse rows of which the protocol cannot be scored. Raises UserError."""
    count = min(map(len, rows.values()), default=0)
    if count < LEAST_ALONE:
        raise UserError(
            f"{LEAST_ALONE} images of every class are needed, and the smallest has {count}"
        )
    protocol = evaluator.protocol
    what = f"the smallest class holds {count} images"
    protocol.check_count(count, what, splits=protocol.splits, chunks=protocol.chunks)
    meters_of(evaluator.setting(protocol, count))


# Shown and kept -----------------------------------------------------------------------------------


def _print(console: Console, rows: dict[str, dict[str, Entry]]) -> None:
    """A table of scores by what was scored."""
    # where it is narrow, all but a score's name takes several lines
    table = Table(
        Column("scored", overflow="fold", min_width=8), Column("score", no_wrap=True), "value"
    )
    for row, scores in rows.items():
        for name, entry in scores.items():
            table.add_row(row, name, score_text(entry))
            row = ""
        table.add_section()
    console.print(table)


def _write(
    console: Console, config: DictConfig, name: str, about: dict[str, Any], extractor: Extractor
) -> Path:
    """Write scores, or statistics, with everything that says how they came about; the file."""
    content = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **about,
        "extractor": extractor.description,
        "git": provenance.git_state(),
        "packages": provenance.package_versions(),
        "hardware": provenance.hardware(),
    }
    path = Path(config.out) / f"{config.name or safe_name(name)}.json"
    with asked_path("out", path) as place:
        place.write_text(records.to_json(content, indent=2) + "\n")
    console.print(f"written: {path}")
    return path
