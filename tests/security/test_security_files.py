"""Files of somebody else: whatever lies where checkpoints, weights or statistics are expected,
nothing in it is run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from rich.console import Console

from gan_lab.errors import UserError
from helpers.gan_runs import command, record, resume, train


class Harm:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


class HarmByBuild(Harm):
    """The same through the BUILD instruction of a torch type that every loader knows."""

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (Harm(self.place), 0, (1,), (1,), False, {})


def plain_pickle(harm: Harm) -> bytes:
    return pickle.dumps({"generator_steps": harm})


def old_pickle(harm: Harm) -> bytes:
    return pickle.dumps({"generator_steps": harm}, protocol=0)


def torch_zip(harm: Harm) -> bytes:
    file = io.BytesIO()
    torch.save({"generator_steps": harm, "module": {"w": torch.zeros(2)}}, file)
    return file.getvalue()


def torch_legacy(harm: Harm) -> bytes:
    file = io.BytesIO()
    torch.save({"generator_steps": harm}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def torch_within_a_tensor(harm: Harm) -> bytes:
    return torch_zip(HarmByBuild(harm.place))


def numpy_objects(harm: Harm) -> bytes:
    array = np.empty(1, dtype=object)
    array[0] = harm
    file = io.BytesIO()
    np.savez(file, mu=array, sigma=array, meta=array)
    return file.getvalue()


def numpy_array(harm: Harm) -> bytes:
    array = np.empty(1, dtype=object)
    array[0] = harm
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


FORMS = [
    plain_pickle,
    old_pickle,
    torch_zip,
    torch_legacy,
    torch_within_a_tensor,
    numpy_objects,
    numpy_array,
]


def torch_script(harm: Harm) -> bytes:
    """The container of a TorchScript archive around the pickle: torch's loader takes another way
    for these."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(torch_zip(harm))) as source,
        zipfile.ZipFile(made, "w") as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr(f"{source.namelist()[0].split('/')[0]}/constants.pkl", pickle.dumps(harm))
    return made.getvalue()


def nothing(harm: Harm) -> bytes:
    return b""


def noise(harm: Harm) -> bytes:
    return np.random.default_rng(0).bytes(5000)


def torn_pickle(harm: Harm) -> bytes:
    return pickle.dumps({"generator_steps": harm})[:-3]


OTHER_FORMS = [torch_script, nothing, noise, torn_pickle]
EVERY_FORM = pytest.mark.parametrize("form", FORMS + OTHER_FORMS, ids=lambda form: form.__name__)


@pytest.fixture
def spring(tmp_path):
    """A path that nothing may make."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists()


def publish(path: Path, content: bytes) -> None:
    """As whoever can write the file would: with its right checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(path.name + ".sha256").write_text(hashlib.sha256(content).hexdigest() + "\n")


def refused(action, name: str) -> None:
    with pytest.raises(UserError) as error:
        action()
    assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_examples_do_harm_to_whoever_trusts_them(form, tmp_path):
    """Otherwise the tests below would show nothing."""
    path = tmp_path / "file"
    path.write_bytes(form(Harm(tmp_path / "sprung")))
    try:
        if form.__name__.startswith("torch"):
            torch.load(path, weights_only=False)
        else:
            loaded = np.load(path, allow_pickle=True)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                _ = loaded["mu"]
    except Exception:  # after the harm
        assert form is torch_within_a_tensor
    assert (tmp_path / "sprung").is_dir()


# Run directories ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(
        tmp_path_factory.mktemp("finished") / "run",
        "max_generator_steps=4",
        "checkpoint_every=2",
    )


@pytest.fixture
def run_dir(finished, tmp_path):
    """A copy of a finished run, to be altered."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def unchanged(run_dir: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}


@EVERY_FORM
def test_a_checkpoint(form, run_dir, spring):
    """A longer run would go on from it."""
    publish(run_dir / "checkpoints/step_9.ckpt", form(Harm(spring)))
    before = unchanged(run_dir)
    refused(lambda: resume(run_dir, "max_generator_steps=9"), "step_9.ckpt")
    assert unchanged(run_dir) == before


@pytest.mark.parametrize(
    "change",
    [
        {"module": {}},
        {"module": [1]},
        {"module": {"critic.x": "text"}},
        {"optimizers": []},
        {"optimizers": ["text", {}]},
        {"generator_steps": "nine"},
        {"identity": None},
        {"last_metrics": 3, "seconds": "long"},
    ],
    ids=str,
)
def test_a_checkpoint_of_plain_data_that_do_not_fit(change, run_dir):
    """Nothing of it is believed: one line, and the run is what it was."""
    state = torch.load(run_dir / "checkpoints/step_4.ckpt", weights_only=True) | change
    file = io.BytesIO()
    torch.save(state, file)
    publish(run_dir / "checkpoints/step_4.ckpt", file.getvalue())
    refused(lambda: resume(run_dir, "max_generator_steps=5"), "step_4.ckpt")


def test_the_environment_cannot_loosen_the_loader(run_dir, spring, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    publish(run_dir / "checkpoints/step_9.ckpt", torch_zip(Harm(spring)))
    with pytest.raises(UserError):
        resume(run_dir, "max_generator_steps=9")


def test_a_packed_checkpoint(run_dir):
    """Torch would unpack it, to a thousand times as much."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(run_dir / "checkpoints/step_4.ckpt") as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert torch.load(io.BytesIO(packed.getvalue()), weights_only=True)["generator_steps"] == 4
    publish(run_dir / "checkpoints/step_4.ckpt", packed.getvalue())
    refused(
        lambda: resume(run_dir, "max_generator_steps=5"),
        "step_4.ckpt is no checkpoint of gan_lab (its members",
    )


@pytest.mark.parametrize(
    ("program", "file"),
    [
        ("train.py max_generator_steps=5 resume={}", "step_4.ckpt"),
        ("scripts/sample.py run_dir={}", "generator.safetensors"),
        ("scripts/evaluate.py run_dir={}", "generator.safetensors"),
    ],
)
def test_networks_that_a_config_makes_larger_take_no_memory(
    program, file, run_dir, capsys, monkeypatch
):
    """Of terabytes, by a config.yaml and a checkpoint that agree: they are compared with the
    tensors first."""
    config, path = run_dir / "config.yaml", run_dir / "checkpoints/step_4.ckpt"
    config.write_text(config.read_text().replace("channels: 8", "channels: 1000000"))
    state = torch.load(path, weights_only=True)
    state["identity"]["architecture"]["channels"] = 1_000_000
    altered = io.BytesIO()
    torch.save(state, altered)
    publish(path, altered.getvalue())

    parameter, devices = torch.nn.Parameter.__new__, set()

    def watched(cls, data=None, *more):
        devices.add(data.device.type)
        return parameter(cls, data, *more)

    monkeypatch.setattr(torch.nn.Parameter, "__new__", watched)
    name, *arguments = program.format(run_dir).split()
    ended = command(capsys, *arguments, program=name)
    assert ended.code == 1
    assert f"{file} holds other networks than its run's config.yaml describes" in ended.err
    assert devices == {"meta"}


@EVERY_FORM
@pytest.mark.parametrize("program", ["scripts/sample.py", "scripts/evaluate.py"])
def test_an_exported_generator(program, form, run_dir, spring, capsys):
    (run_dir / "generator.safetensors").write_bytes(form(Harm(spring)))
    ended = command(capsys, f"run_dir={run_dir}", program=program)
    assert ended.code == 1
    assert "generator.safetensors cannot be used" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", ["record.json", "generator.json", "config.yaml"])
@EVERY_FORM
def test_the_texts_of_a_run(form, name, run_dir, spring, capsys):
    (run_dir / name).write_bytes(form(Harm(spring)))
    ended = command(capsys, f"run_dir={run_dir}", program="scripts/sample.py")
    assert ended.code == 1, ended
    assert name in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("train.py max_generator_steps=5 resume={}", "record.json"),
        ("train.py max_generator_steps=5 resume={}", "metrics.jsonl"),
        ("train.py max_generator_steps=5 resume={}", "checkpoints/step_4.ckpt"),
        ("train.py max_generator_steps=5 resume={}", "checkpoints/step_4.ckpt.sha256"),
        ("scripts/sample.py run_dir={}", "record.json"),
        ("scripts/sample.py run_dir={}", "generator.json"),
        ("scripts/sample.py run_dir={}", "generator.safetensors"),
        ("scripts/evaluate.py run_dir={}", "generator.safetensors"),
    ],
)
def test_a_pipe_in_a_run_is_not_waited_at(program, name, run_dir, capsys):
    (run_dir / name).unlink()
    os.mkfifo(run_dir / name)
    path, *arguments = program.format(run_dir).split()
    ended = command(capsys, *arguments, program=path)
    if "step_4" in name:  # it is passed over: the checkpoint before it is whole
        assert "run/checkpoints/step_4.ckpt is damaged" in ended.out
    else:
        assert ended.code == 1
        assert f"run/{name} is no regular file" in ended.err
        assert "Traceback" not in ended.err


# The data cache -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    from gan_lab.data import Digits, load

    return load(Digits(), None)


@pytest.fixture(scope="module")
def recipe():
    """A classifier that takes a second."""
    from gan_lab.classifier.networks import ResNetClassifier
    from gan_lab.classifier.recipe import ClassifierRecipe, OneCycle

    return ClassifierRecipe(
        ResNetClassifier(width=4), OneCycle(0.25), epochs=1, batch_size=256, lr=0.05, crop=1
    )


@EVERY_FORM
def test_the_weights_of_a_classifier(form, digits, recipe, tmp_path, spring):
    from gan_lab.classifier.store import _key, classifier_of

    weights = tmp_path / f"{_key(digits, recipe)}.safetensors"
    publish(weights, form(Harm(spring)))
    known = {
        "architecture": {"name": "x"},
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    known |= {name: {} for name in ("recipe", "data", "accuracy", "calibration")}
    weights.with_suffix(".json").write_text(json.dumps(known))
    refused(
        lambda: classifier_of(digits, recipe, tmp_path, "cpu", Console(quiet=True)), weights.name
    )


@EVERY_FORM
def test_a_classifier_in_training(form, digits, recipe, tmp_path, spring):
    """It is not believed: the training begins anew."""
    from gan_lab.classifier.store import _key, classifier_of

    publish(tmp_path / f"{_key(digits, recipe)}.ckpt", form(Harm(spring)))
    made = classifier_of(digits, recipe, tmp_path, "cpu", Console(quiet=True))
    assert made.record["accuracy"]["train"] > 0.1


@EVERY_FORM
def test_statistics_of_real_images(form, tmp_path, spring):
    from gan_lab.metrics import load_reference
    from gan_lab.scoring.evaluator import _read

    path = tmp_path / "reference.npz"
    path.write_bytes(form(Harm(spring)))
    refused(lambda: load_reference(path, None), "reference.npz")
    assert _read(path, {}, 10) is None  # in the cache: a miss


@EVERY_FORM
def test_statistics_that_are_named(form, tmp_path, spring, capsys):
    from PIL import Image

    (tmp_path / "images").mkdir()
    for index in range(20):
        Image.new("L", (8, 8), index).save(tmp_path / f"images/{index}.png")
    (tmp_path / "reference.npz").write_bytes(form(Harm(spring)))
    ended = command(
        capsys, f"samples={tmp_path / 'images'}", f"reference={tmp_path / 'reference.npz'}",
        "evaluation.scores=[is,fid]", program="scripts/evaluate.py",
    )  # fmt: skip
    assert ended.code == 1, ended
    assert "reference.npz" in ended.err
    assert "Traceback" not in ended.err


def test_a_run_removes_nothing_else_of_the_data_cache(tmp_path):
    """Of its own kind alone, and in none but its own folders: what killed writers left."""
    cache = tmp_path / "cache"
    folders = (cache, cache / "classifiers", cache / "references", cache / "mine")
    left = [folder / ".x.npz.0123456789ab.tmp" for folder in folders]
    others = [
        folder / name
        for folder in folders
        for name in (
            "a.npz",
            "a.tmp",
            ".x.tmp",
            "x.0123456789ab.tmp",
            ".x.0123456789ab",
            "a.ckpt",
            "a.lock",
            ".a",
        )
    ]
    for path in (*left, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("somebody's")
    scored = (
        "evaluation=classifier",
        "evaluation.samples=40",
        "evaluation.splits=2",
        "evaluation.scores=[is,fid]",
    )
    quick = ("evaluation.extractor.recipe.epochs=1", "evaluation.extractor.recipe.network.width=4")
    train(tmp_path / "run", f"data_cache={cache}", "max_generator_steps=1", *scored, *quick)
    assert [path.exists() for path in left] == [False, False, False, True]
    assert all(path.read_text() == "somebody's" for path in others)
    assert len(list(cache.rglob("*.safetensors"))) == 1


# Inception ----------------------------------------------------------------------------------------


@EVERY_FORM
def test_inception_weights(form, tmp_path, spring):
    """With their own hash in the config, as a config of somebody else would have it."""
    from gan_lab import build

    path = tmp_path / "weights.pth"
    path.write_bytes(form(Harm(spring)))
    node = {
        "_target_": "gan_lab.scoring.extractors.Inception",
        "weights": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    extractor = build.make("evaluation", OmegaConf.create(node))
    refused(
        lambda: extractor.make(None, tmp_path, torch.device("cpu"), Console(quiet=True)),
        "weights.pth",
    )


def test_inception_weights_that_change_after_they_were_read(tmp_path, spring, monkeypatch):
    """torch-fidelity loads without weights_only: it must not get the file."""
    from gan_lab.scoring.features import InceptionExtractor
    from helpers import inception_weights

    path = tmp_path / "weights.pth"
    sha256 = inception_weights.write(path)
    load, calls = torch.load, []

    def swapping(file, *arguments, **named):
        calls.append(file)
        state = load(file, *arguments, **named)
        path.write_bytes(torch_zip(Harm(spring)))
        return state

    monkeypatch.setattr("torch.load", swapping)
    InceptionExtractor(path, sha256)
    assert len(calls) == 2
    assert calls[0] == path


# Records ------------------------------------------------------------------------------------------


def test_a_record_cannot_choose_where_it_is_collected(run_dir, tmp_path):
    """Its fields make the file's name."""
    from gan_lab.reporting import collect

    content = record(run_dir)
    content["run_id"] = "../../../escaped"
    content["dataset"]["name"] = "../../up"
    content["choices"]["loss"] = "/absolute"
    (run_dir / "record.json").write_text(json.dumps(content))
    out = tmp_path / "a/b/c/records"
    written = collect([run_dir], out, ["dirty"], report=lambda line: None)
    assert [path.parent for path in written] == [out]
    assert list(out.iterdir()) == written
