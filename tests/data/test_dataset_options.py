"""Every file of conf/dataset against its target, and one contract for all sources. Parametrised
over the YAMLs."""

import importlib.util
import inspect
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import gan_lab.data
from gan_lab.data import Source, load
from gan_lab.errors import UserError
from helpers.data_builders import (
    OPTIONS,
    PACKED,
    PREPARE,
    REPOSITORY,
    prepare,
    source_of,
    user_error,
)
from helpers.registry import CONF, check_complete, defaults, fields, instantiate, target

each_option = pytest.mark.parametrize("option", OPTIONS)
each_with_data = pytest.mark.parametrize("option", PREPARE)
with_files = pytest.mark.parametrize(
    "option", [name for name, content in OPTIONS.items() if "root" in content]
)
with_raw_files = pytest.mark.parametrize(
    "option", [name for name in PREPARE if "root" in OPTIONS[name]]
)
with_image_files = pytest.mark.parametrize(  # of others not every byte is one of an image
    "option", [name for name in PREPARE if "root" in OPTIONS[name] and name not in PACKED]
)
LAYOUT = {  # torchvision's
    "cifar100": "cifar-100-python",
    "fashion_mnist": "FashionMNIST/raw",
    "stl10": "stl10_binary",
    "svhn": ".",
    "cifar10": "cifar-10-batches-py",
    "flowers102": "flowers-102",
    "mnist": "MNIST/raw",
    "stacked_mnist": "MNIST/raw",
}
with_download = pytest.mark.parametrize("option", LAYOUT)
PROMISED = {  # the Makefile, the experiments and README name these
    "digits",
    "mnist",
    "cifar10",
    "tiny_imagenet",
    "flowers102",
    "image_folder",
    "gaussians",
}


def test_the_names_that_other_programs_rely_on():
    assert set(OPTIONS) >= PROMISED


def test_every_source_can_be_tested_on_tiny_data():
    check_complete(
        PREPARE,
        "dataset",
        OPTIONS,
        "tests/helpers/data_builders.py, PREPARE",
        "how tiny data of it are made below a folder, and the fields that make it read them",
    )


def test_the_layout_of_every_download_is_known():
    check_complete(
        LAYOUT,
        "dataset",
        [name for name, content in OPTIONS.items() if "download" in content],
        "tests/data/test_dataset_options.py, LAYOUT",
        "the folder below its root that holds its files",
    )


def test_every_exported_source_has_an_option():
    exported = {getattr(gan_lab.data, name) for name in gan_lab.data.__all__}
    sources = {
        item
        for item in exported
        if inspect.isclass(item) and issubclass(item, Source) and item is not Source
    }
    assert sources <= {target("dataset", option) for option in OPTIONS}


@each_option
def test_fields_are_those_of_the_signature(option):
    assert set(fields("dataset", option)) == set(defaults("dataset", option))
    assert set(OPTIONS[option]) - {"stable"} == {*defaults("dataset", option), "_target_", "recipe"}


@each_option
def test_yaml_and_python_have_the_same_defaults(option):
    bare, configured = target("dataset", option)(), source_of(option)
    sharing = [other for other in OPTIONS if target("dataset", other) is type(bare)]
    if option in set(sharing) - {bare.name} and bare.name in sharing:  # other settings of a class
        assert configured.content_key() != bare.content_key()
        return
    for field in defaults("dataset", option):
        assert getattr(bare, field) == getattr(configured, field), field


@each_option
def test_yaml_is_short_and_its_name_is_plain(option):
    assert len((CONF / "dataset" / f"{option}.yaml").read_text().splitlines()) < 12
    assert option.isidentifier()


@each_option
def test_recipe(option):
    recipe = OPTIONS[option]["recipe"]
    images = {"classifier"} if recipe["kind"] == "images" else set()
    own = {"lr", "n_critic", "label_models"}  # of a small data set
    assert (
        set(recipe) - own == {"kind", "channels", "max_generator_steps", "evaluate_every"} | images
    )
    assert recipe["kind"] == source_of(option).kind
    assert recipe["kind"] in ("images", "points")
    assert type(recipe["channels"]) is int
    assert type(recipe["max_generator_steps"]) is int
    if option == "digits":  # the embedded default is quick
        assert (
            recipe["channels"],
            recipe["lr"],
            recipe["n_critic"],
            recipe["max_generator_steps"],
        ) == (
            32,
            2e-3,
            1,
            3700,
        )
    elif recipe["kind"] == "images" and option in PROMISED:  # 32-px sets are the thesis's
        assert (recipe["channels"], recipe["max_generator_steps"]) == (128, 200_000)
        assert not own & set(recipe)
    else:
        assert recipe["channels"] > 0
        assert recipe["max_generator_steps"] > 0


@each_option
def test_hydra_makes_the_source(option):
    source = instantiate("dataset", option)
    assert type(source) is target("dataset", option)
    assert source == source_of(option)


@each_option
def test_a_source_is_a_frozen_value(option):
    source = source_of(option)
    with pytest.raises(AttributeError):
        source.name = "other"


@each_with_data
def test_loaded_data_keep_the_contract(option, tmp_path, monkeypatch):
    source = source_of(option, **prepare(option, tmp_path / "raw", monkeypatch))
    data = load(source, tmp_path / "cache")
    spec = data.spec
    assert spec.name == source.name
    assert spec.kind == OPTIONS[option]["recipe"]["kind"]
    assert "train" in data.splits
    assert len(spec.class_names) == spec.num_classes == len(set(spec.class_names))
    assert spec.size == np.prod(spec.shape)
    assert len(data.content_hash) == 64
    assert int(data.content_hash, 16) >= 0
    for split in data.splits.values():
        assert split.values.dtype == (np.uint8 if spec.kind == "images" else np.float32)
        assert split.values.shape == (len(split), *spec.shape)
        assert split.values.flags["C_CONTIGUOUS"]
        assert split.labels.dtype == np.int64
        assert split.labels.shape == (len(split),)
        assert set(split.labels.tolist()) <= set(range(spec.num_classes))
    histogram = {name: [0] * spec.num_classes for name in data.splits}
    for name, split in data.splits.items():
        for label in split.labels.tolist():
            histogram[name][label] += 1
    assert data.label_histogram == histogram
    summary = data.summary()
    assert "\n" not in summary
    assert spec.name in summary
    for split in data.splits.values():
        assert f"{len(split):,}" in summary


@each_with_data
def test_a_name_of_ones_own_changes_the_spec_only(option, tmp_path, monkeypatch):
    local = prepare(option, tmp_path, monkeypatch)
    plain, named = (
        load(source_of(option, **local), None),
        load(source_of(option, **{**local, "name": "mine"}), None),
    )
    assert named.spec.name == "mine"
    assert named.content_hash == plain.content_hash


@each_with_data
def test_the_second_load_decodes_nothing(option, tmp_path, monkeypatch):
    source = source_of(option, **prepare(option, tmp_path / "raw", monkeypatch))
    first = load(source, tmp_path / "cache")

    def refuse(self):
        raise AssertionError("decoded again")

    monkeypatch.setattr(type(source), "decode", refuse)
    second = load(source, tmp_path / "cache")
    assert second.spec == first.spec
    assert second.content_hash == first.content_hash
    assert list(second.splits) == list(first.splits)
    for name, split in first.splits.items():
        for ours, theirs in (
            (second.splits[name].values, split.values),
            (second.splits[name].labels, split.labels),
        ):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(AssertionError, match="decoded again"):
        load(source, None)


@with_raw_files
def test_content_hash_does_not_depend_on_the_place(option, tmp_path, monkeypatch):
    local = prepare(option, tmp_path / "here", monkeypatch)
    shutil.copytree(tmp_path / "here", tmp_path / "over" / "there")
    here = source_of(option, **local).content_key()
    assert (
        source_of(option, **{**local, "root": str(tmp_path / "over" / "there")}).content_key()
        == here
    )
    monkeypatch.chdir(tmp_path)
    assert source_of(option, **{**local, "root": "here"}).content_key() == here


@with_image_files
def test_content_hash_changes_with_one_byte_of_any_image_or_label_file(
    option, tmp_path, monkeypatch
):
    local = prepare(option, tmp_path, monkeypatch)
    source = source_of(option, **local)
    before = source.content_key()
    files = [
        path for path in sorted(tmp_path.rglob("*")) if path.is_file() and path.suffix != ".txt"
    ]
    files = [
        path for path in files if "test_0.JPEG" not in path.name
    ]  # Tiny ImageNet's test split has no labels
    for path in files[:3] + files[-3:]:
        content = path.read_bytes()
        for position in (0, len(content) // 2, len(content) - 1):
            altered = bytearray(content)
            altered[position] ^= 1
            path.write_bytes(altered)
            assert source.content_key() != before, (path, position)
        path.write_bytes(content)
    assert source.content_key() == before


@with_files
@pytest.mark.parametrize("root", [None, ""])
def test_root_not_set(option, root):
    user_error(lambda: load(source_of(option, root=root), None), "dataset.root")


@with_files
def test_root_missing(option, tmp_path):
    local = {"download": False} if "download" in OPTIONS[option] else {}
    root = tmp_path / "nowhere"
    user_error(lambda: source_of(option, root=str(root), **local).validate(), root, "dataset.root")
    user_error(lambda: load(source_of(option, root=str(root), **local), tmp_path / "cache"), root)
    assert not (tmp_path / "cache").exists()
    assert not root.exists()


@with_raw_files
def test_root_in_the_home_folder(option, tmp_path, monkeypatch):
    local = prepare(option, tmp_path / "raw", monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    data = load(source_of(option, **{**local, "root": "~/raw"}), None)
    assert len(data.splits["train"]) > 0


@with_download
@pytest.mark.parametrize("download", [False, True])
def test_missing_files_name_the_layout(option, download, tmp_path, network_attempts):
    """Without a network, or without leave to use it, one line says which files belong where."""
    source = source_of(option, root=str(tmp_path), download=download)
    message = user_error(
        lambda: load(source, None), tmp_path, LAYOUT[option], "dataset.root=FOLDER"
    )
    assert bool(network_attempts) is download
    assert ("cannot be reached" in message) is download
    for path in tmp_path.rglob("*"):
        assert not path.is_file(), path


@with_download
def test_one_missing_file_is_named(option, tmp_path, monkeypatch):
    local = {**prepare(option, tmp_path, monkeypatch), "download": False}
    files = sorted(path for path in (tmp_path / LAYOUT[option]).iterdir() if path.is_file())
    for path in (files[0], files[-1]):
        content = path.read_bytes()
        path.unlink()
        user_error(lambda: source_of(option, **local).validate(), path.name)
        path.write_bytes(content)
    source_of(option, **local).validate()


@with_download
def test_files_in_place_need_no_network(option, tmp_path, monkeypatch, network_attempts):
    local = prepare(option, tmp_path, monkeypatch)
    load(source_of(option, **{**local, "download": True}), None)
    assert network_attempts == []


def test_validation_imports_no_torch_and_decodes_nothing(tmp_path, monkeypatch):
    """Bad data are refused before torch is imported."""
    lines = ["import sys, gan_lab.data"]
    for option in PREPARE:
        if option in PACKED and importlib.util.find_spec(PACKED[option]) is None:
            continue
        local = prepare(option, tmp_path / option, monkeypatch)
        target = OPTIONS[option]["_target_"]
        lines.append(f"import {target.rpartition('.')[0]}")
        lines.append(f"source = {target}(**{local!r})")
        lines.append("type(source).decode = None")
        lines.append("source.validate()")
    lines.append("print(sorted({'torch', 'torchvision', 'lightning'} & set(sys.modules)))")
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_git_keeps_the_data_room_and_ignores_the_data():
    """A pattern `data/` without a leading slash takes src/gan_lab/data and tests/data, too: a clone
    would lack them."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("no git checkout")
    code = [
        "src/gan_lab/data/cache.py",
        "tests/data/test_dataset_options.py",
        "conf/dataset/digits.yaml",
    ]
    command = [
        "git",
        "check-ignore",
        "--no-index",
        *code,
        "data/MNIST/raw/file",
        "data/cache/file.npz",
    ]
    ignored = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.split()
    assert ignored == ["data/MNIST/raw/file", "data/cache/file.npz"]


# What is no file ----------------------------------------------------------------------------------


def too_large(path):
    with path.open("wb") as file:
        file.truncate(2**30 + 1)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(os.mkfifo, "is no regular file", id="pipe"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "is no regular file", id="device"),
        pytest.param(
            too_large, "has 1,073,741,825 bytes, and at most 1,073,741,824 are read", id="large"
        ),
    ],
)
@with_raw_files
def test_what_is_no_raw_file_is_refused_before_it_is_read(
    option, make, words, tmp_path, monkeypatch
):
    """One file of each kind in turn, also where the cache has the data."""
    root = tmp_path / "raw"
    source = source_of(option, **prepare(option, root, monkeypatch))
    load(source, tmp_path / "cache")
    kinds = {(path.parent, path.suffix): path for path in sorted(root.rglob("*")) if path.is_file()}
    not_read = set()
    for path in kinds.values():
        path.rename(tmp_path / "aside")
        make(path)
        said = None
        try:
            load(source, tmp_path / "cache")
            not_read.add(path.name)
        except UserError as error:
            said = str(error)
        assert said is None or said.startswith(
            (f"{path} {words}", f"{path} cannot be read: unpack")
        )
        path.unlink()
        (tmp_path / "aside").rename(path)
    others = ("words.txt", "test_0.JPEG", "_boxes.txt") if option == "tiny_imagenet" else ()
    assert [name for name in not_read if not name.endswith(others)] == []
