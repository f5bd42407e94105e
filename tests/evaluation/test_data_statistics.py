"""scripts/evaluate.py data_statistics=true: numbers by numpy, pictures by hand, one line for
errors."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gan_lab.commands.data_statistics import BINS, COLUMNS, ROWS, data_statistics
from gan_lab.data.source import LoadedData, Split
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.features import Extractor, Features
from gan_lab.scoring.protocol import Protocol
from gan_lab.types import DataSpec
from helpers.evaluation_runs import script, silent, softmax
from helpers.gan_runs import is_refusal

ROOM = COLUMNS * ROWS


class Table(Extractor):
    """Image i, which has i in its first two pixels, has the i-th logits."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__(
            "classifier", 1, logits.shape[1], {"architecture": "a table", "weights_sha256": "0"}
        )
        self.logits = nn.Parameter(torch.from_numpy(np.asarray(logits, dtype=np.float32)))

    def forward(self, images: Tensor) -> Features:
        assert not self.training
        high, low = images[:, 0, 0, 0].long(), images[:, 0, 0, 1].long()
        return Features(torch.zeros(len(images), 1), self.logits[256 * high + low])


def images_of(count: int) -> np.ndarray:
    """uint8 (count, 1, 8, 8), which say their number."""
    images = np.random.default_rng(0).integers(256, size=(count, 1, 8, 8), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(count), 256)
    return images


def number_of(pictures: Tensor) -> list[int | None]:
    """Which images these are; None for a white one."""
    pixels = np.rint(128 * pictures[:, 0].double().numpy() + 127.5)
    white = (pictures.flatten(1) == 1).all(1).tolist()
    return [
        None if blank else int(256 * p[0, 0] + p[0, 1])
        for p, blank in zip(pixels, white, strict=True)
    ]


@pytest.fixture
def statistics(tmp_path):
    """statistics(logits, labels, batch_size): of as many images, whose classifier says so."""

    def compute(logits, labels, batch_size: int = 7):
        classes = int(np.max(labels)) + 1
        spec = DataSpec(
            "made", "images", (1, 8, 8), classes, tuple(f"kind {k}" for k in range(classes))
        )
        splits = {"train": Split(images_of(len(labels)), np.asarray(labels, dtype=np.int64))}
        protocol = Protocol(SimpleNamespace(make=lambda *_: Table(np.asarray(logits))), ("is",), splits=1,
                            samples=10, samples_in_training=10, batch_size=batch_size)  # fmt: skip
        data = LoadedData(spec, splits, "0" * 64)
        evaluator = Evaluator(protocol, data, tmp_path / "cache", torch.device("cpu"), silent())
        evaluator.extractor.train()
        found = data_statistics(evaluator, "train")
        assert evaluator.extractor.training, "it is left as it was"
        return found

    return compute


def entropies_of(logits: np.ndarray) -> np.ndarray:
    p = softmax(np.asarray(logits, dtype=np.float32))
    return -(p * np.log(p)).sum(1)


# Numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 400, 1000])
def test_the_numbers_are_numpys(batch_size, statistics):
    """400 images of three classes under a classifier of six, from sure to unsure."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(400, 6)) * rng.choice([0.1, 1, 4, 20], size=(400, 1))
    labels = rng.choice(3, size=400, p=[0.6, 0.3, 0.1])
    found, _ = statistics(logits, labels, batch_size)
    h, top = entropies_of(logits), math.log(6)
    assert found["split"] == "train"
    assert found["class_names"] == ["kind 0", "kind 1", "kind 2"]
    assert found["marginal"] == pytest.approx(softmax(logits.astype(np.float32)).mean(0), rel=1e-12)
    assert len(found["entropies"]["histograms"]) == 3
    assert found["entropies"]["edges"] == pytest.approx(
        [top * i / BINS for i in range(BINS + 1)], rel=1e-12
    )
    for k in range(3):
        own = h[labels == k]
        bins = np.minimum((own / top * BINS).astype(int), BINS - 1)
        assert found["entropies"]["histograms"][k] == [int((bins == i).sum()) for i in range(BINS)]
        assert found["mean_entropy"][k] == pytest.approx(own.mean(), rel=1e-9)
        assert found["share_below_0.05"][k] == pytest.approx((own < 0.05).mean(), rel=1e-12)
        assert 0 < found["share_below_0.05"][k] < 1
    assert found["share_below_0.05_of_all"] == pytest.approx((h < 0.05).mean(), rel=1e-12)
    for level, (low, high) in zip(found["levels"], ((0, 1), (3, 4), (6, 7)), strict=True):
        assert (level["from"], level["to"]) == pytest.approx((top * low / 7, top * high / 7))
        assert level["images"] == ((h >= top * low / 7) & (h <= top * high / 7)).sum() > 0
    assert json.loads(json.dumps(found)) == found


SURE, TIED, UNSURE = [900.0, 0.0, 0.0, 0.0], [5.0, 5.0, -900.0, -900.0], [2.0] * 4


def test_a_few_images_by_hand(statistics):
    """H is 0, log 2 and log 4: the first, the middle and the last of the levels, and of the
    bins."""
    found, pictures = statistics([SURE, TIED, TIED, UNSURE, SURE, SURE], [0, 0, 1, 1, 1, 0])
    assert found["marginal"] == pytest.approx(
        [(3 + 0.5 + 0.5 + 0.25) / 6, 1.25 / 6, 0.25 / 6, 0.25 / 6], rel=1e-12
    )
    assert found["mean_entropy"] == pytest.approx(
        [math.log(2) / 3, (math.log(2) + math.log(4)) / 3], rel=1e-12
    )
    assert found["share_below_0.05"] == pytest.approx([2 / 3, 1 / 3])
    assert found["share_below_0.05_of_all"] == 0.5
    first, second = found["entropies"]["histograms"]
    assert (first[0], first[BINS // 2 - 1] + first[BINS // 2], first[-1], sum(first)) == (
        2,
        1,
        0,
        3,
    )
    assert (second[0], second[BINS // 2 - 1] + second[BINS // 2], second[-1], sum(second)) == (
        1,
        1,
        1,
        3,
    )
    assert [level["images"] for level in found["levels"]] == [3, 2, 1]
    white = [None] * COLUMNS
    rows = [[0, 4, 5], [1, 2], [3]]
    expected = [[*row, *[None] * (ROOM - len(row))] for row in rows]
    assert number_of(pictures) == [*expected[0], *white, *expected[1], *white, *expected[2]]


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 7, 10, 1000])
def test_an_image_without_any_preference_is_of_the_last_level(classes, statistics):
    """Its H is log K but for rounding, to either side."""
    found, pictures = statistics(np.zeros((2, classes)), [0, 1])
    assert [level["images"] for level in found["levels"]] == [0, 0, 2]
    assert [row[-1] for row in found["entropies"]["histograms"]] == [1, 1]
    assert number_of(pictures)[-ROOM:] == [0, 1, *[None] * (ROOM - 2)]


def test_a_class_under_another_is_kept_apart(statistics):
    """Entropies are sorted by the data's labels, not by what the classifier says."""
    found, _ = statistics([SURE, UNSURE, SURE, UNSURE], [1, 0, 1, 0])
    assert found["mean_entropy"] == pytest.approx([math.log(4), 0.0], abs=1e-12)


# Pictures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, ROOM - 1, ROOM, ROOM + 1, 300])
def test_the_picture_is_spread_over_the_images_of_a_level(count, statistics):
    _, pictures = statistics([*[SURE] * count, TIED], [0] * (count + 1))
    assert pictures.shape == (3 * ROOM + 2 * COLUMNS, 1, 8, 8)
    shown = [number for number in number_of(pictures)[:ROOM] if number is not None]
    assert number_of(pictures)[: len(shown)] == shown, "white comes last"
    assert len(shown) == min(count, ROOM)
    assert shown == sorted(set(shown))
    assert (shown[0], shown[-1]) == (0, count - 1)
    steps = np.diff(shown)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


def test_the_pictures_are_the_images(statistics):
    _, pictures = statistics([SURE, SURE], [0, 1])
    assert (np.rint(128 * pictures[:2].double().numpy() + 127.5) == images_of(2)).all()


# The script ---------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_digits_under_their_classifier(digits, digits_classifier, capsys, place):
    ended = script(capsys, "evaluate", "data_statistics=true", "dataset=digits", "out=kept")
    assert ended.code == 0, ended
    stem = "kept/data_statistics_digits_classifier"
    assert files(place) == [f"{stem}.json", f"{stem}.png"]
    found = json.loads((place / f"{stem}.json").read_text())
    train = digits.splits["train"]
    x = (
        torch.from_numpy(train.values).float() - digits_classifier.mean[:, None, None]
    ) / digits_classifier.std[:, None, None]
    with torch.no_grad():
        logits = digits_classifier.network(x).double().numpy()
    h = entropies_of(logits)
    assert found["marginal"] == pytest.approx(softmax(logits).mean(0), rel=1e-4)
    assert found["mean_entropy"] == pytest.approx(
        [h[train.labels == k].mean() for k in range(10)], rel=1e-3
    )
    assert found["share_below_0.05_of_all"] == pytest.approx((h < 0.05).mean(), abs=2 / len(h))
    assert [sum(row) for row in found["entropies"]["histograms"]] == np.bincount(
        train.labels
    ).tolist()
    assert (found["dataset"], found["content_hash"]) == ("digits", digits.content_hash)
    assert found["extractor"]["weights_sha256"] == digits_classifier.record["weights_sha256"]
    assert found["class_names"] == list("0123456789")
    with Image.open(place / f"{stem}.png") as picture:
        assert picture.size == (COLUMNS * 50 + 2, (3 * ROWS + 2) * 50 + 2)
    for path in (f"{stem}.json", f"{stem}.png"):
        assert path in ended.out

    again = script(
        capsys,
        "evaluate",
        "data_statistics=true",
        "out=again",
        "name=mine",
        "evaluation.batch_size=1000",
    )
    assert again.code == 0, again
    assert files(place / "again") == ["mine.json", "mine.png"]
    assert (place / "again/mine.png").read_bytes() == (place / f"{stem}.png").read_bytes()
    twice = json.loads((place / "again/mine.json").read_text())
    assert twice["levels"] == found["levels"]
    assert twice["mean_entropy"] == pytest.approx(found["mean_entropy"], rel=1e-4)

    drawn = script(
        capsys, "figures", "figure=4-4", f"statistics=[{stem}.json,again/mine.json]", "out=figures"
    )
    assert drawn.code == 0, drawn
    assert any(name.endswith(".png") for name in files(place / "figures"))


ASKED_WRONGLY = [
    (["run_dir=a"], ["one thing", "data_statistics=true"]),
    (["self_test=true"], ["one thing", "data_statistics=true"]),
    (["data_statistics=maybe"], ["data_statistics", "maybe"]),
    (["evaluation=off"], ["evaluation=off", "evaluation=classifier"]),
    (["dataset=gaussians"], ["gaussians", "points", "choose another dataset"]),
    (
        ["evaluation=inception", "evaluation.extractor.weights=none.pth"],
        ["none.pth", "evaluation=classifier"],
    ),
    (["device=tpu"], ["device=tpu", "cuda"]),
    (["dataset=image_folder"], ["dataset.root"]),
    (["dataset=image_folder", "dataset.root=nowhere"], ["nowhere"]),
    (["evaluation.batch_size=0"], ["evaluation.batch_size=0", "at least 1"]),
]


@pytest.mark.parametrize(
    ("arguments", "words"), ASKED_WRONGLY, ids=[" ".join(a) for a, _ in ASKED_WRONGLY]
)
def test_what_is_asked_wrongly_is_refused(arguments, words, capsys, place):
    asked = [] if arguments[0].startswith("data_statistics") else ["data_statistics=true"]
    is_refusal(script(capsys, "evaluate", *asked, *arguments, "data_cache=fresh"), *words)
    assert not [path for path in files(place) if not path.startswith("fresh/")]
    assert not list(place.glob("fresh/classifiers/*"))


def test_a_place_that_cannot_be_written_is_named(digits_classifier, capsys, place):
    (place / "file").write_text("keep me")
    is_refusal(
        script(capsys, "evaluate", "data_statistics=true", "out=file"),
        "out=file",
        "cannot be written",
    )
    assert files(place) == ["file"]
    assert (place / "file").read_text() == "keep me"
