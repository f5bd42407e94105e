"""Scores over training and after it: they change nothing, repeat exactly, and stand once in what a
run leaves."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from gan_lab import config
from gan_lab.metrics import MSSSIM, ms_ssim
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.features import Extractor, Features
from gan_lab.scoring.meters import Samples
from gan_lab.scoring.protocol import Protocol
from gan_lab.training.ema import ExponentialMovingAverage
from helpers.evaluation_runs import SMALL_RUN, script, silent
from helpers.gan_runs import (
    Killed,
    checkpoint,
    compose,
    is_refusal,
    kill_after,
    metrics,
    record,
    resume,
    train,
    weights,
)

OFF = tuple(
    "evaluation=off" if o == "evaluation=classifier" else o
    for o in SMALL_RUN
    if "evaluation." not in o
)
ASKED = [o for o in SMALL_RUN if o.startswith("evaluation")]
FINAL = {
    "is_classifier_60_2x",
    "am_classifier_60",
    "fid_classifier_60_train",
    "fid_classifier_60_test",
}
FINAL |= {"entropy_classifier_60", "msssim_abs_4level_200pairs_classifier_60"}
IN_TRAINING = {name.replace("60", "40") for name in FINAL}
TERMS = {f"is_classifier_40_2x.{term}" for term in ("marginal_entropy", "conditional_entropy")}
TERMS |= {f"am_classifier_40.{term}" for term in ("marginal_divergence", "conditional_entropy")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, cache, digits_classifier):
    """run(*overrides): a small run of the digits that is scored, made once for each set of
    overrides."""
    made = {}

    def run(*overrides, base=SMALL_RUN):
        key = (base, overrides)
        if key not in made:
            folder = tmp_path_factory.mktemp("runs") / "run"
            made[key] = train(folder, *base, f"data_cache={cache}", *overrides, small=False)
        return made[key]

    return run


def without_scores(lines):
    return [
        {key: value for key, value in line.items() if "_classifier_" not in key} for line in lines
    ]


# They change nothing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [(), ("penalty=spectral",), ("trainer.precision=bf16-mixed",)], ids=str
)
def test_a_run_is_the_same_whether_and_how_often_it_is_scored(more, runs):
    scored, unscored = runs(*more), runs(*more, base=OFF)
    often = runs("evaluate_every=1", *more)
    assert weights(scored) == weights(unscored) == weights(often)
    assert (
        record(scored)["config_hash"]
        == record(unscored)["config_hash"]
        == record(often)["config_hash"]
    )
    logged = {line["generator_step"]: line for line in without_scores(metrics(often))}
    for line in without_scores(metrics(scored)) + metrics(unscored):
        assert logged[line["generator_step"]] == line
    assert checkpoint(scored, 4)["module"].keys() == checkpoint(unscored, 4)["module"].keys()


def test_a_run_that_is_not_scored_says_so(runs):
    kept = record(runs(base=OFF))
    assert (kept["scores"], kept["history"], kept["extractor"]) == ({}, {}, None)


def test_scoring_leaves_no_files(runs):
    def names(folder):
        return {str(path.relative_to(folder)) for path in folder.rglob("*")}

    assert names(runs()) == names(runs(base=OFF))


# What is left of them -----------------------------------------------------------------------------


def test_history_and_metrics_hold_the_same_scores_each_step_once(runs, digits_classifier):
    run = runs()
    kept, lines = record(run), metrics(run)
    assert [line["generator_step"] for line in lines] == [2, 3, 4]
    assert set(kept["history"]) == IN_TRAINING | TERMS
    assert set(kept["scores"]) == FINAL
    for name, points in kept["history"].items():
        assert [step for step, _ in points] == [2, 4]
        assert points == [[line["generator_step"], line[name]] for line in lines if name in line]
    for entry in kept["scores"].values():
        assert (entry["step"], entry["n_samples"], entry["splits"], entry["chunks"]) == (
            4,
            60,
            2,
            1,
        )
        assert entry["batch_size"] == 25
        assert entry["batch_norm_statistics"] == "running"
        assert entry["extractor"]["name"] == "classifier"
        assert entry["extractor"]["weights_sha256"] == digits_classifier.record["weights_sha256"]
    identity = kept["extractor"]
    assert identity["weights_sha256"] == digits_classifier.record["weights_sha256"]
    assert identity["architecture"] == digits_classifier.record["architecture"]
    assert identity["accuracy"] == digits_classifier.record["accuracy"]
    assert kept["status"] == "finished"


def test_the_noise_is_the_same_for_every_evaluation(runs, monkeypatch, tmp_path, cache):
    drawn = []
    original = ExponentialMovingAverage.forward

    def watched(self, z):
        drawn.append(z.clone())
        return original(self, z)

    monkeypatch.setattr(ExponentialMovingAverage, "forward", watched)
    train(tmp_path / "run", *SMALL_RUN, f"data_cache={cache}", small=False)
    batches = [z for z in drawn if len(z) == 25]
    assert len(batches) == 2 + 2 + 3
    for first, later in [(0, 2), (0, 4), (1, 3), (1, 5)]:
        assert torch.equal(batches[first], batches[later])
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[4], batches[6])


def test_the_last_evaluation_and_the_final_one_agree(runs):
    """Asked for the same number of samples, both score the same images."""
    kept = record(runs("evaluation.samples=40"))
    assert set(kept["scores"]) == IN_TRAINING
    for name, entry in kept["scores"].items():
        assert kept["history"][name][-1] == [4, entry["value"]]
    for name, points in ((name, kept["history"][name]) for name in TERMS):
        score, term = name.split(".")
        assert points[-1] == [4, kept["scores"][score][term]]


def test_a_resumed_run_has_every_score_once(runs, tmp_path, cache, monkeypatch):
    """Killed after step 4 was scored, with the checkpoint of step 3: step 4 is scored again."""
    more = ("max_generator_steps=6", "checkpoint_every=3")
    straight = runs(*more)
    kill_after(monkeypatch, 4)
    with pytest.raises(Killed):
        train(tmp_path / "killed", *SMALL_RUN, *more, f"data_cache={cache}", small=False)
    assert [step for step, _ in record(tmp_path / "killed")["history"]["is_classifier_40_2x"]] == [
        2,
        4,
    ]
    resume(tmp_path / "killed")
    assert record(tmp_path / "killed")["resumed_from_step"] == 3
    assert metrics(tmp_path / "killed") == metrics(straight)
    for field in ("history", "scores"):
        assert record(tmp_path / "killed")[field] == record(straight)[field]
    assert [step for step, _ in record(straight)["history"]["is_classifier_40_2x"]] == [2, 4, 6]
    assert weights(tmp_path / "killed") == weights(straight)


def test_a_run_that_became_longer_has_the_scores_of_its_last_generator(
    tmp_path, cache, digits_classifier
):
    run = train(
        tmp_path / "run", *SMALL_RUN, "max_generator_steps=2", f"data_cache={cache}", small=False
    )
    assert {entry["step"] for entry in record(run)["scores"].values()} == {2}
    resume(run, "max_generator_steps=4")
    assert {entry["step"] for entry in record(run)["scores"].values()} == {4}
    assert [step for step, _ in record(run)["history"]["is_classifier_40_2x"]] == [2, 4]


@pytest.mark.parametrize("override", ["evaluation.splits=5", "evaluation.samples=200"])
def test_one_field_of_the_evaluation_changes_on_resume_and_the_rest_stays(override, tmp_path):
    """Else a run of another evaluation than the default would silently be scored by the default
    one."""
    typed = (
        "evaluation=inception",
        "evaluation.extractor.weights=w.pth",
        "evaluation.samples=100",
        "evaluation.splits=2",
    )
    saved = config.plain_config(compose(f"run_dir={tmp_path}", *typed))
    OmegaConf.save(OmegaConf.create(saved), tmp_path / "config.yaml")
    asked = [f"resume={tmp_path}", override]
    found = config.plain_config(config.resumed(compose(*asked), asked, tmp_path))["evaluation"]
    field, value = override.removeprefix("evaluation.").split("=")
    assert found == saved["evaluation"] | {field: int(value)}


def test_a_classifier_chosen_on_resume_is_that_of_the_runs_data(tmp_path):
    """Its epochs, crops and flips come from the data set of the run, not from the default one."""
    saved = config.plain_config(compose(f"run_dir={tmp_path}", "dataset=cifar10", "evaluation=off"))
    OmegaConf.save(OmegaConf.create(saved), tmp_path / "config.yaml")
    asked = [f"resume={tmp_path}", "evaluation=classifier"]
    found = config.plain_config(config.resumed(compose(*asked), asked, tmp_path))["evaluation"]
    assert found == config.plain_config(compose("dataset=cifar10"))["evaluation"]


def test_points_have_no_scores_and_say_so(tmp_path, cache, capsys):
    more = (
        "dataset=gaussians",
        "architecture=mlp",
        "max_generator_steps=2",
        "batch_size=16",
        "generator_batch_size=16",
    )
    run = train(tmp_path / "run", *more, f"data_cache={cache}", small=False)
    assert "no scores" in capsys.readouterr().out
    kept = record(run)
    assert (kept["status"], kept["scores"], kept["history"], kept["extractor"]) == (
        "finished",
        {},
        {},
        None,
    )


# scripts/evaluate.py run_dir=RUN ------------------------------------------------------------------


def evaluated(capsys, run, *arguments):
    ended = script(capsys, "evaluate", f"run_dir={run}", *arguments)
    assert ended.code == 0, ended
    return record(run)


def test_scored_afterwards_exactly_as_by_the_run(tmp_path, cache, capsys, digits_classifier):
    run = train(tmp_path / "run", *SMALL_RUN, f"data_cache={cache}", small=False)
    before = record(run)
    content = json.loads((run / "record.json").read_text())
    (run / "record.json").write_text(json.dumps(content | {"scores": {}}))
    after = evaluated(capsys, run, *ASKED)
    assert after["scores"] == before["scores"]
    assert after == before | {"scores": after["scores"]}


def test_another_protocol_joins_the_record(tmp_path, cache, capsys, digits_classifier):
    unscored = train(tmp_path / "run", *OFF, f"data_cache={cache}", small=False)
    first = evaluated(capsys, unscored, *ASKED)["scores"]
    assert set(first) == FINAL
    second = evaluated(capsys, unscored, *ASKED, "evaluation.samples=50", "evaluation.scores=[is]")[
        "scores"
    ]
    assert set(second) == FINAL | {"is_classifier_50_2x"}
    assert {name: second[name] for name in FINAL} == first


OWN = "msssim_abs_4level_200pairs_own_60"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, cache, digits_classifier):
    """A run with dynamic labels that scored itself."""
    folder = tmp_path_factory.mktemp("labelled") / "run"
    more = (*SMALL_RUN, "loss=am_gan", "labels=dynamic", "penalty=none", "optimizer.lr=0.01")
    return train(folder, *more, f"data_cache={cache}", small=False)


def test_a_saved_run_is_scored_by_its_critics_labels_exactly_as_by_itself(
    labelled, tmp_path, capsys
):
    run = Path(shutil.copytree(labelled, tmp_path / "run"))
    before = record(run)
    assert max(before["scores"][OWN]["pairs_per_class"]) > 0
    content = json.loads((run / "record.json").read_text())
    (run / "record.json").write_text(json.dumps(content | {"scores": {}}))
    assert evaluated(capsys, run, *ASKED)["scores"] == before["scores"]


def test_without_its_critic_a_run_is_scored_by_the_classifier_alone(labelled, tmp_path, capsys):
    run = Path(shutil.copytree(labelled, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    ended = script(capsys, "evaluate", f"run_dir={run}", *ASKED)
    remedy = "evaluation.msssim_classes=classifier"
    is_refusal(ended, "the critic's labels are needed", f"set {remedy}")
    scores = evaluated(capsys, run, *ASKED, remedy)["scores"]
    assert {OWN, OWN.replace("own", "classifier")} <= set(scores)


def test_own_classes_are_refused_before_training_where_there_are_none(
    tmp_path, cache, capsys, digits_classifier
):
    more = (
        *SMALL_RUN,
        "evaluation.msssim_classes=own",
        f"data_cache={cache}",
        f"run_dir={tmp_path / 'run'}",
    )
    ended = script(capsys, "train", *more)
    is_refusal(ended, "evaluation.msssim_classes=own", "set evaluation.msssim_classes=classifier")
    assert not (tmp_path / "run" / "record.json").exists()


# The references' cache ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Maker:
    """Makes an extractor that counts its passes; `digest` is what it calls the hash of its
    weights."""

    digest: str = "0" * 64
    architecture: str = "mean"
    passes: list = dataclasses.field(default_factory=list)

    def make(self, data, cache, device, console):
        return Means(self)


class Means(Extractor):
    def __init__(self, maker):
        identity = {"architecture": maker.architecture, "weights_sha256": maker.digest}
        super().__init__("made", 8, 8, identity)
        self.passes = maker.passes
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        self.passes.append(len(images))
        features = images.float().mean((1, 2)) / 64
        return Features(features, features)


def evaluator(maker, data, folder, **fields):
    asked = Protocol(maker, ("is", "am", "fid"), 20, 20, 2, 1, 100)
    return Evaluator(
        dataclasses.replace(asked, **fields), data, folder, torch.device("cpu"), silent()
    )


def references(folder):
    return sorted((folder / "references").glob("*.npz"))


def equal(a, b):
    return all(
        torch.equal(a.references[split].marginal, b.references[split].marginal)
        and torch.equal(a.references[split].moments.mean, b.references[split].moments.mean)
        and torch.equal(
            a.references[split].moments.covariance, b.references[split].moments.covariance
        )
        and a.references[split].moments.n == b.references[split].moments.n
        for split in a.references
    )


def test_references_are_measured_once(tmp_path, digits):
    maker = Maker()
    first = evaluator(maker, digits, tmp_path)
    assert set(first.references) == {"train", "test"}
    assert sum(maker.passes) == sum(len(split) for split in digits.splits.values())
    assert len(references(tmp_path)) == 2
    maker.passes.clear()
    second = evaluator(maker, digits, tmp_path, samples=40, splits=4)
    assert maker.passes == []
    assert equal(first, second)
    pixels = digits.splits["test"].values.astype(np.float64).mean((1, 2)) / 64
    np.testing.assert_allclose(second.references["test"].moments.mean, pixels.mean(0), rtol=1e-6)
    assert second.references["test"].moments.n == len(pixels)


@pytest.mark.parametrize("keep", [0, 100, 1000])
def test_a_damaged_reference_is_measured_again(keep, tmp_path, digits):
    maker = Maker()
    first = evaluator(maker, digits, tmp_path)
    for path in references(tmp_path):
        path.write_bytes(path.read_bytes()[:keep])
    maker.passes.clear()
    second = evaluator(maker, digits, tmp_path)
    assert sum(maker.passes) == sum(len(split) for split in digits.splits.values())
    assert equal(first, second)
    maker.passes.clear()
    evaluator(maker, digits, tmp_path)
    assert maker.passes == []


def test_an_altered_reference_is_measured_again(tmp_path, digits):
    maker = Maker()
    first = evaluator(maker, digits, tmp_path)
    for path in references(tmp_path):
        content = bytearray(path.read_bytes())
        content[300] ^= 1  # in mu
        path.write_bytes(content)
    assert equal(first, evaluator(maker, digits, tmp_path))


@pytest.mark.parametrize("other", [{"digest": "1" * 64}, {"architecture": "another"}], ids=str)
def test_another_extractor_is_a_miss(other, tmp_path, digits):
    evaluator(Maker(), digits, tmp_path)
    maker = Maker(**other)
    evaluator(maker, digits, tmp_path)
    assert sum(maker.passes) == sum(len(split) for split in digits.splits.values())
    assert len(references(tmp_path)) == 4


def test_other_data_are_a_miss(tmp_path, digits):
    maker = Maker()
    evaluator(maker, digits, tmp_path)
    maker.passes.clear()
    evaluator(maker, dataclasses.replace(digits, content_hash="f" * 64), tmp_path)
    assert sum(maker.passes) == sum(len(split) for split in digits.splits.values())


def test_a_reference_is_never_taken_for_another(tmp_path, digits):
    """A file that was renamed: what it was made from stands in it."""
    maker = Maker()
    first = evaluator(maker, digits, tmp_path)
    one, two = references(tmp_path)
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    maker.passes.clear()
    assert equal(first, evaluator(maker, digits, tmp_path))
    assert maker.passes


def test_kid_passes_the_real_images_again(tmp_path, digits):
    """Features are never kept on disk."""
    maker = Maker()
    asked = {"scores": ("kid",), "kid_subset_size": 10}
    evaluator(maker, digits, tmp_path, **asked)
    maker.passes.clear()
    made = evaluator(maker, digits, tmp_path, **asked)
    assert made.references["test"].features.shape == (len(digits.splits["test"]), 8)
    assert maker.passes


# existing_run=resume ------------------------------------------------------------------------------


def trained(capsys, run, cache, *arguments):
    return script(
        capsys,
        "train",
        "architecture.channels=8",
        *SMALL_RUN,
        f"data_cache={cache}",
        f"run_dir={run}",
        *arguments,
    )


def test_existing_run_passes_over_goes_on_and_refuses(tmp_path, cache, capsys, runs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    kill_after(monkeypatch, 3)
    with pytest.raises(Killed):
        trained(capsys, run, cache, "existing_run=resume", "checkpoint_every=2")
    assert record(run)["status"] == "failed"
    is_refusal(trained(capsys, run, cache, "checkpoint_every=2"), "run_dir=", "resume=")
    assert trained(capsys, run, cache, "existing_run=resume", "checkpoint_every=2").code == 0
    done = record(run)
    assert (done["status"], done["resumed_from_step"]) == ("finished", 2)
    straight = runs()
    assert weights(run) == weights(straight)
    assert done["scores"] == record(straight)["scores"]
    assert done["history"] == record(straight)["history"]
    ended = trained(capsys, run, cache, "existing_run=resume")
    assert ended.code == 0, ended
    assert "passed over" in ended.out
    assert record(run) == done
    is_refusal(
        trained(capsys, run, cache, "existing_run=resume", "penalty.weight=7"),
        "penalty",
        "another run",
    )
    assert record(run) == done


# What real images have ----------------------------------------------------------------------------


class AsClassifier(Means):
    """Under the name of a classifier."""

    def __init__(self, maker):
        super().__init__(maker)
        self.name = "classifier"


@dataclass(frozen=True)
class ClassifierMaker(Maker):
    def make(self, data, cache, device, console):
        return AsClassifier(self)


def real_similarity(data, folder, **fields):
    """What the entry of MS-SSIM of any images says of the training images."""
    made = evaluator(ClassifierMaker(), data, folder, scores=("msssim",), **fields)
    images = torch.from_numpy(data.splits["test"].values[:20])
    [entry] = made.score(lambda batch: Samples(images), made.protocol, 20).values()
    return {name: value for name, value in entry.items() if name.startswith("real")}


@pytest.mark.parametrize("variant", ["abs", "signed"])
def test_the_real_datas_own_value_stands_beside_that_of_samples(variant, tmp_path, digits):
    """By hand: the training images in a seeded order, the first of each true class in disjoint
    pairs."""
    entry = real_similarity(digits, tmp_path, msssim_images=6, msssim_variant=variant)
    train_split = digits.splits["train"]
    order = np.random.default_rng(0).permutation(len(train_split))
    expected = []
    for k in range(10):
        rows = [row for row in order if train_split.labels[row] == k][:6]
        images = torch.from_numpy(train_split.values[rows])
        expected.append(ms_ssim(images[::2], images[1::2], variant=variant).mean().item())
    assert entry["real_per_class"] == pytest.approx(expected, rel=1e-12)
    assert entry["real"] == pytest.approx(max(expected), rel=1e-12)


def test_the_real_value_is_measured_once_for_each_way_to_measure_it(tmp_path, digits, monkeypatch):
    first = real_similarity(digits, tmp_path)
    asked = []
    original = MSSSIM.compute

    def counted(self):
        asked.append(self.protocol)
        return original(self)

    monkeypatch.setattr(MSSSIM, "compute", counted)
    assert real_similarity(digits, tmp_path) == first
    assert len(asked) == 1, "of the samples alone"
    for fields in (
        {"msssim_variant": "signed"},
        {"msssim_images": 50},
        {"msssim_pairs": "disjoint"},
    ):
        asked.clear()
        other = real_similarity(digits, tmp_path, **fields)
        assert other["real_per_class"] != first["real_per_class"]
        assert len(asked) == 2
    asked.clear()
    real_similarity(dataclasses.replace(digits, content_hash="f" * 64), tmp_path)
    assert len(asked) == 2


def test_a_damaged_real_value_is_measured_again(tmp_path, digits):
    first = real_similarity(digits, tmp_path)
    [path] = (tmp_path / "references").glob("*.json")
    for content in (
        "",
        "[]",
        "{}",
        path.read_text()[:40],
        path.read_text().replace("200pairs", "201pairs"),
    ):
        path.write_text(content)
        assert real_similarity(digits, tmp_path) == first
