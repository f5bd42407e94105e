"""A classifier in a file: the shipped one of digits, and one that a study takes to every
machine."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from gan_lab import build
from gan_lab.classifier.exchange import SHIPPED, check_file, classifier_from_file, export_classifier
from gan_lab.data import load
from gan_lab.data.digits import Digits
from gan_lab.errors import UserError
from gan_lab.files import sha256_of
from helpers.evaluation_runs import silent
from helpers.gan_runs import ROOT, compose

DIGITS = SHIPPED / "digits.safetensors"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load(Digits(), tmp_path_factory.mktemp("cache"))


def extractor(data, cache: Path, *overrides: str):
    """What `evaluation=classifier` makes of a data set."""
    protocol = build.make("evaluation", compose(*overrides).evaluation)
    return protocol.extractor.make(data, cache, CPU, silent())


def copied(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in (DIGITS, DIGITS.with_suffix(".json")):
        shutil.copy(path, folder / path.name)
    return folder / DIGITS.name


def test_the_shipped_classifier_is_small_good_and_the_one_that_the_option_names():
    record = check_file(str(DIGITS), compose().evaluation.extractor.shipped.digits)
    assert DIGITS.stat().st_size <= 400_000
    assert record["accuracy"]["test"] >= 0.985
    assert {"recipe", "precision", "packages", "hardware", "created"} <= record.keys()


def test_its_accuracy_is_measured_anew(digits):
    """Not what the record says: the share of test digits whose label has the largest logit."""
    made = classifier_from_file(str(DIGITS), None, digits, CPU)
    split = digits.splits["test"]
    x = (torch.from_numpy(split.values).float() - made.mean[:, None, None]) / made.std[
        :, None, None
    ]
    right = (made.network(x).argmax(1) == torch.from_numpy(split.labels)).double().mean().item()
    assert right == pytest.approx(made.record["accuracy"]["test"], abs=1.5 / len(split))
    assert right >= 0.985


def test_digits_are_scored_by_the_shipped_classifier_and_nothing_is_trained(digits, tmp_path):
    made = extractor(digits, tmp_path)
    assert made.description["weights_sha256"] == sha256_of(DIGITS)
    assert made.description["origin"] == "shipped"
    assert list(tmp_path.iterdir()) == []


QUICK = ("evaluation.extractor.recipe.epochs=1", "evaluation.extractor.recipe.network.width=2")


@pytest.mark.parametrize("change", ["split", "recipe"])
def test_another_split_or_recipe_has_a_classifier_of_its_own(change, digits, tmp_path, monkeypatch):
    if change == "split":
        from gan_lab.classifier import store

        other = load(Digits(seed=1), tmp_path)
        record = json.loads(DIGITS.with_suffix(".json").read_text())
        monkeypatch.setattr(
            "gan_lab.scoring.extractors.classifier_of",
            lambda *_: store.TrainedClassifier(
                build.make("classifier", compose().evaluation.extractor.recipe).network.network(
                    other.spec
                ),
                torch.zeros(1),
                torch.ones(1),
                record,
            ),
        )
        assert extractor(other, tmp_path).description["origin"] == "trained"
    else:
        assert extractor(digits, tmp_path, *QUICK).description["origin"] == "trained"


def test_an_exported_classifier_is_the_same_one_elsewhere(digits, tmp_path):
    from gan_lab.classifier.store import classifier_of, weights_of

    recipe = build.make("evaluation", compose(*QUICK).evaluation).extractor.recipe
    trained = classifier_of(digits, recipe, tmp_path / "here", CPU, silent())
    file = tmp_path / "study" / "classifier.safetensors"
    export_classifier(weights_of(digits, recipe, tmp_path / "here"), file)
    made = extractor(digits, tmp_path / "there", f"evaluation.extractor.weights={file}")
    assert made.description["weights_sha256"] == trained.record["weights_sha256"] == sha256_of(file)
    assert made.description["architecture"] == {
        "name": "ResNetClassifier",
        "width": 2,
    }  # the file's, not the option's
    assert made.description["origin"] == "file"
    assert not (tmp_path / "there").exists()
    for name, value in trained.network.state_dict().items():
        assert torch.equal(made.network.state_dict()[name], value)


def test_a_file_is_refused_by_name_before_anything_is_read(tmp_path):
    file = copied(tmp_path)
    weights = f"evaluation.extractor.weights={file}"

    def refused(*overrides: str, words: str) -> None:
        with pytest.raises(UserError, match=words) as caught:
            build.make("evaluation", compose(*overrides).evaluation)
        assert "\n" not in str(caught.value)

    refused(
        "evaluation.extractor.weights=nowhere.safetensors",
        words=r"no file nowhere.safetensors; .*export=FILE",
    )
    refused(
        weights,
        "evaluation.extractor.sha256=" + "0" * 64,
        words="has SHA-256 9d467df3551eae9b…, not 0000",
    )
    refused(
        "evaluation.extractor.sha256=" + "0" * 64, words="set evaluation.extractor.weights=FILE"
    )

    record = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps(record | {"weights_sha256": "0" * 64}))
    refused(weights, words="is the record of other weights")
    for text in ("{", "[]", "{}"):
        file.with_suffix(".json").write_text(text)
        refused(weights, words="digits.json.*export the classifier again")
    file.with_suffix(".json").unlink()
    refused(weights, words="there is no file .*digits.json")


def test_other_data_are_refused_and_both_are_named(tmp_path):
    other = load(Digits(seed=1), tmp_path)
    with pytest.raises(
        UserError,
        match="is the classifier of digits with content hash 2b4f300fbe8a, and these data",
    ):
        classifier_from_file(str(DIGITS), None, other, CPU)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Pickle"}, "is a Pickle: a file may hold ResNetClassifier or DenseNetBC"),
        ({"name": "ResNetClassifier", "depth": 3}, "with unknown fields"),
        ({"name": "ResNetClassifier", "width": 8}, "does not hold the classifier"),
        ({"name": "ResNetClassifier", "width": 10**6}, "does not hold the classifier"),
        ({"name": "ResNetClassifier", "width": 10**18}, "with unknown fields or values"),
        ({"name": "ResNetClassifier", "width": "wide"}, "width=wide: use a whole number"),
        ({"name": "DenseNetBC", "depth": 6 * 10**9 + 4}, "use 6 m \\+ 4 below 1000"),
        ({"name": "DenseNetBC", "compression": "x"}, "compression=x: use a number"),
        (
            {"name": ["ResNetClassifier"]},
            r"digits.json is no record of a classifier \(architecture.name is a list of 1",
        ),
        ("ResNetClassifier", "architecture is .ResNetClassifier., and must be a mapping"),
    ],
)
def test_a_record_of_another_network_is_refused(change, words, digits, tmp_path):
    file = copied(tmp_path)
    record = json.loads(file.with_suffix(".json").read_text()) | {"architecture": change}
    file.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=words):
        classifier_from_file(str(file), None, digits, CPU)


@pytest.mark.parametrize(("change", "words"), [
    ({"data": {"name": []}}, "data.name is a list of 0"), ({"accuracy": {"test": "good"}}, "accuracy.test is .good."),
    ({"calibration": 1}, "calibration is 1"), ({"recipe": []}, "recipe is a list"), ({"weights_sha256": 3}, "is 3"),
])  # fmt: skip
def test_an_odd_record_is_refused_by_the_name_of_the_field(change, words, tmp_path):
    file = copied(tmp_path)
    record = json.loads(file.with_suffix(".json").read_text()) | change
    file.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(
        UserError,
        match=rf"digits.json is no record of a classifier \(.*{words}.*export the classifier",
    ):
        check_file(str(file), None)


@pytest.mark.timeout(10)
def test_records_that_never_end_are_refused_at_once(tmp_path):
    file = copied(tmp_path)
    file.with_suffix(".json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"digits\.json cannot be read .it is nested too deeply"):
        check_file(str(file), None)
    file.with_suffix(".json").write_bytes(b" " * 9_000_000)
    with pytest.raises(UserError, match=r"digits\.json has 9,000,000 bytes"):
        check_file(str(file), None)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("pixel_std", torch.zeros(1), "none"), ("pixel_mean", torch.zeros(3), "none"),
    ("output.bias", torch.full((10,), torch.nan), "NaN"), ("output.bias", torch.zeros(11), "others"),
])  # fmt: skip
def test_tensors_that_can_be_no_classifier_are_refused(name, value, words, digits, tmp_path):
    file = copied(tmp_path)
    save_file(load_file(file) | {name: value}, file)
    record = json.loads(file.with_suffix(".json").read_text()) | {"weights_sha256": sha256_of(file)}
    file.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(
        UserError, match=f"digits.safetensors does not hold the classifier .*{words}"
    ):
        classifier_from_file(str(file), None, digits, CPU)


@pytest.mark.parametrize("text", ["[]", "{", '{"architecture": {}}', "[" * 100_000])
def test_an_odd_record_in_the_cache_is_said_and_the_classifier_trained_anew(text, digits, tmp_path):
    from gan_lab.classifier.networks import ResNetClassifier
    from gan_lab.classifier.recipe import ClassifierRecipe, OneCycle
    from gan_lab.classifier.store import classifier_of, weights_of

    recipe = ClassifierRecipe(
        ResNetClassifier(width=2), OneCycle(0.25), epochs=1, batch_size=256, lr=0.05, crop=1
    )
    first = classifier_of(digits, recipe, tmp_path, CPU, silent())
    beside = weights_of(digits, recipe, tmp_path).with_suffix(".json")
    beside.write_text(text)
    console = Console(file=io.StringIO(), width=200)
    again = classifier_of(digits, recipe, tmp_path, CPU, console)
    assert f"warning: {beside} is not used" in console.file.getvalue()
    assert again.record["weights_sha256"] == first.record["weights_sha256"]
    assert json.loads(beside.read_text()) == again.record


def test_the_wheel_has_the_shipped_files():
    import tomllib

    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]["gan_lab"]
    patterns = [pattern for pattern in patterns if not pattern.startswith("reporting/report/")]
    packed = {path for pattern in patterns for path in (ROOT / "src" / "gan_lab").glob(pattern)}
    assert packed - {ROOT / "src" / "gan_lab" / "py.typed"} == set(SHIPPED.iterdir()) != set()
