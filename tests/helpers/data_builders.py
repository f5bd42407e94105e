"""Tiny raw data on disk for the tests of the data room, and the dataset options as they stand in
conf/dataset."""

import hashlib
import io
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gan_lab.errors import UserError
from helpers.registry import CONF, fields, options, target

REPOSITORY = Path(__file__).resolve().parents[2]
OPTIONS = {
    option: yaml.safe_load((CONF / "dataset" / f"{option}.yaml").read_text())
    for option in options("dataset")
}
REAL = REPOSITORY.parent / "shared" / "data"


def source_of(option, **replaced):
    """The option's source, with its YAML's fields and some of them replaced."""
    return target("dataset", option)(**{**fields("dataset", option), **replaced})


def user_error(function, *needles):
    """Call `function`; it must raise a UserError of one line that holds all needles. Returns the
    line."""
    with pytest.raises(UserError) as caught:
        function()
    message = str(caught.value)
    assert message.strip()
    assert "\n" not in message, message
    for needle in needles:
        assert str(needle) in message, f"{needle!r} is not in {message!r}"
    return message


def noise(*shape, seed=0):
    """uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **options):
    """Write pixels (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) as an image file; the format is the
    suffix's."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path, **options)
    return path


def save_tree(
    root, splits=("train", "test"), classes=("cat", "dog"), count=2, size=8, suffix=".png"
):
    """root/<split>/<class>/<index><suffix> of noise, no two alike. Returns {(split, class, index):
    pixels}."""
    written, seed = {}, 100
    for split in splits:
        for name in classes:
            for index in range(count):
                seed += 1
                pixels = noise(size, size, 3, seed=seed)
                save(root / split / name / f"{index:03d}{suffix}", pixels)
                written[split, name, index] = pixels
    return written


def write_idx(path, values):
    """An IDX file by the letter of its definition: 0, 0, type 8 (unsigned byte), rank, sizes
    (big-endian), values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + b"".join(
        struct.pack(">I", side) for side in values.shape
    )
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def make_mnist(root, train=12, test=7, side=28, layout="MNIST"):
    """root/<layout>/raw with four IDX files. Returns {split: (images, labels)}."""
    made = {}
    for split, prefix, count, seed in (("train", "train", train, 1), ("test", "t10k", test, 2)):
        images = noise(count, side, side, seed=seed)
        labels = (np.arange(count) * 7 + seed).astype(np.uint8) % 10
        write_idx(root / layout / "raw" / f"{prefix}-images-idx3-ubyte", images)
        write_idx(root / layout / "raw" / f"{prefix}-labels-idx1-ubyte", labels)
        made[split] = images, labels
    return made


def md5_of(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def trust_cifar10(root, monkeypatch):
    """Let torchvision take the files below `root` for the originals."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    names = [f"data_batch_{index}" for index in range(1, 6)]
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5_of(folder / name)] for name in names])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5_of(folder / "test_batch")]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5_of(folder / "batches.meta")})


def make_cifar10(root, monkeypatch=None, per_batch=4):
    """root/cifar-10-batches-py in the format of the CIFAR page: rows of 1024 red, 1024 green, 1024
    blue bytes."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True, exist_ok=True)
    made = {"train": ([], []), "test": ([], [])}
    for number, name in enumerate(
        [*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]
    ):
        rows = noise(per_batch, 3072, seed=50 + number)
        labels = [(number * per_batch + index) % 10 for index in range(per_batch)]
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": labels}))
        split = made["test" if name == "test_batch" else "train"]
        split[0].append(rows)
        split[1].extend(labels)
    (folder / "batches.meta").write_bytes(
        pickle.dumps({"label_names": [f"kind {index}" for index in range(10)]})
    )
    if monkeypatch is not None:
        trust_cifar10(root, monkeypatch)
    return {
        split: (np.concatenate(rows), np.array(labels)) for split, (rows, labels) in made.items()
    }


def make_cifar100(root, monkeypatch=None):
    """root/cifar-100-python with files of six and of four samples, their fine labels shuffled."""
    from torchvision.datasets import CIFAR100

    folder = root / "cifar-100-python"
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for seed, (name, count) in enumerate({"train": 6, "test": 4}.items()):
        rows = noise(count, 3072, seed=80 + seed)
        labels = [(37 * index + seed) % 100 for index in range(count)]
        content = {"data": rows, "fine_labels": labels, "coarse_labels": [0] * count}
        (folder / name).write_bytes(pickle.dumps(content))
        made[name] = rows, labels
    names = [f"kind {index}" for index in range(100)]
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": names}))
    if monkeypatch is not None:
        for name in ("train", "test"):
            monkeypatch.setattr(CIFAR100, f"{name}_list", [[name, md5_of(folder / name)]])
        monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5_of(folder / "meta")})
    return made


def make_svhn(root, monkeypatch=None):
    """root/train_32x32.mat and test_32x32.mat: images last, labels 1 to 10. Returns {split: (X,
    y)}."""
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    root.mkdir(parents=True, exist_ok=True)
    made, originals = {}, {}
    for seed, (split, count) in enumerate({"train": 11, "test": 5}.items()):
        images = noise(32, 32, 3, count, seed=90 + seed)
        labels = (np.arange(count, dtype=np.uint8) % 10 + 1)[:, None]
        savemat(root / f"{split}_32x32.mat", {"X": images, "y": labels})
        made[split] = images, labels
        path = root / f"{split}_32x32.mat"
        originals[split] = [SVHN.split_list[split][0], path.name, md5_of(path)]
    if monkeypatch is not None:
        monkeypatch.setattr(SVHN, "split_list", originals)
    return made


def make_stl10(root):
    """root/stl10_binary: planes of 96 columns each, labels 1 to 10. Returns {split: (bytes, y)}."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for seed, (split, count) in enumerate({"train": 5, "test": 3}.items()):
        content, labels = noise(count, 3, 96, 96, seed=95 + seed), np.arange(count) % 10 + 1
        (folder / f"{split}_X.bin").write_bytes(content.tobytes())
        (folder / f"{split}_y.bin").write_bytes(labels.astype(np.uint8).tobytes())
        made[split] = content, labels
    (folder / "class_names.txt").write_text("".join(f"kind{index}\n" for index in range(10)))
    return made


def make_celeba(root):
    """root/celeba: six faces of 178 x 218 pixels in three splits, and two attributes. Returns {file:
    (split, whether it has the second attribute)}."""
    folder, made = root / "celeba", {}
    for number in range(1, 7):
        file, split = f"{number:06}.jpg", str((number - 1) // 2)
        save(folder / "img_align_celeba" / file, noise(218, 178, 3, seed=600 + number))
        made[file] = split, number % 2 == 0
    lines = [f"{file} {split}\n" for file, (split, _) in made.items()]
    (folder / "list_eval_partition.txt").write_text("".join(lines))
    rows = [f"{file} -1 {' 1' if has else '-1'}\n" for file, (_, has) in made.items()]
    (folder / "list_attr_celeba.txt").write_text("6\nBald Smiling \n" + "".join(rows))
    return made


def make_flowers102(root, monkeypatch=None):
    """root/flowers-102 with one image a class and split, ids shuffled. Returns {split: [(id,
    label)]}."""
    from scipy.io import savemat
    from torchvision.datasets import Flowers102

    folder = root / "flowers-102"
    ids = np.random.default_rng(3).permutation(np.arange(1, 307))
    ids[ids == 306] = 8189  # the original's last one
    labels = np.zeros(8189, dtype=np.uint8)
    labels[ids - 1] = np.arange(306) % 102 + 1  # 1 to 102, as in the original
    for number in ids:
        width, height = (12, 8) if number % 2 else (8, 10)
        save(folder / "jpg" / f"image_{number:05d}.jpg", noise(height, width, 3, seed=int(number)))
    parts = {"trnid": ids[:102], "valid": ids[102:204], "tstid": ids[204:]}
    savemat(folder / "imagelabels.mat", {"labels": labels[None]})
    savemat(folder / "setid.mat", {key: part[None] for key, part in parts.items()})
    if monkeypatch is not None:
        sums = {"label": "imagelabels.mat", "setid": "setid.mat"}
        originals = {key: (name, md5_of(folder / name)) for key, name in sums.items()}
        monkeypatch.setattr(Flowers102, "_file_dict", {**Flowers102._file_dict, **originals})
    names = {"train": "trnid", "val": "valid", "test": "tstid"}
    return {
        split: [(int(i), int(labels[i - 1]) - 1) for i in parts[key]]
        for split, key in names.items()
    }


def make_tiny(root, count=2, size=64, classes=("n01443537", "n02002724", "n07749582")):
    """The layout of tiny-imagenet-200.zip, PNG content under its names. Returns {(split, wnid,
    index): pixels}."""
    made, seed, rows = {}, 700, []
    for wnid in classes:
        for index in range(count):
            seed += 1
            made["train", wnid, index] = noise(size, size, 3, seed=seed)
            path = root / "train" / wnid / "images" / f"{wnid}_{index}.JPEG"
            save(path, made["train", wnid, index], format="png")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t62\t62\n")
    for index in range(count):  # the classes are interleaved, as in the original
        for wnid in reversed(classes):
            seed += 1
            made["val", wnid, index] = noise(size, size, 3, seed=seed)
            name = f"val_{len(rows):04d}.JPEG"
            save(root / "val" / "images" / name, made["val", wnid, index], format="png")
            rows.append(f"{name}\t{wnid}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(rows))
    save(root / "test" / "images" / "test_0.JPEG", noise(size, size, 3), format="png")
    (root / "words.txt").write_text("n01443537\tgoldfish, Carassius auratus\n")
    return made


def encoded(pixels, form="PNG"):
    """The bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def write_lmdb(folder, values):
    """An LMDB of keys and values, without its lock file."""
    import lmdb

    folder.mkdir(parents=True)
    database = lmdb.open(str(folder), map_size=2**26)
    with database, database.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key, value)
    (folder / "lock.mdb").unlink()


def make_lsun(root, category="bedroom_train", count=4):
    """root/<category>_lmdb with photographs of 12 x 8 pixels. Returns {key: pixels}."""
    made = {f"{37 * n % 100:040x}".encode(): noise(8, 12, 3, seed=800 + n) for n in range(count)}
    contents = {key: encoded(pixels) for key, pixels in made.items()}
    write_lmdb(root / f"{category}_lmdb", contents)
    return made


def write_split(folder, columns, features):
    """What `save_to_disk` of a Dataset writes: two batches in one Arrow stream, and two files of JSON.

    Args:
        columns: pyarrow arrays by name.
        features: the JSON of their types.
    """
    import pyarrow.ipc

    folder.mkdir(parents=True)
    table = pyarrow.table(columns)
    with pyarrow.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as stream:
        stream.write_table(table, max_chunksize=max(1, -(-len(table) // 2)))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_format_type": None}
    (folder / "state.json").write_text(json.dumps(state))


def image_column(contents):
    """Bytes as a column of images, None where there are none."""
    import pyarrow

    rows = [{"bytes": content, "path": "cat.png"} for content in contents]
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    return pyarrow.array(rows, kind)


def make_hugging_face(root, splits=("train", "test"), names=("cat", "dog")):
    """A DatasetDict with an image of 8 pixels for each class, its classes interleaved. Returns
    {split: [(pixels, label)]}."""
    import pyarrow

    made = {}
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    for seed, split in enumerate(splits):
        labels = [*range(len(names)), *range(len(names))]
        images = [noise(8, 8, 3, seed=900 + 10 * seed + index) for index in range(len(labels))]
        columns = {"image": image_column(map(encoded, images)), "label": pyarrow.array(labels)}
        write_split(root / split, columns, features)
        made[split] = list(zip(images, labels, strict=True))
    (root / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return made


PACKED = {"hugging_face": "pyarrow", "lsun": "lmdb"}
"""Options whose images are parts of a larger file, and the package that reads it."""
PREPARE = {
    "celeba": lambda root, patch: make_celeba(root) and {"root": str(root), "size": 8},
    "cifar100": lambda root, patch: make_cifar100(root, patch) and {"root": str(root)},
    "fashion_mnist": lambda root, patch: (
        make_mnist(root, layout="FashionMNIST") and {"root": str(root)}
    ),
    "stl10": lambda root, patch: make_stl10(root) and {"root": str(root), "size": 8},
    "svhn": lambda root, patch: make_svhn(root) and {"root": str(root)},
    "cifar10": lambda root, patch: make_cifar10(root, patch) and {"root": str(root)},
    "digits": lambda root, patch: {},
    "flowers102": lambda root, patch: (
        make_flowers102(root, patch) and {"root": str(root), "size": 8}
    ),
    "dirac": lambda root, patch: {"num_samples": 5},
    "gaussians": lambda root, patch: {"num_samples": 500},
    "grid": lambda root, patch: {"num_samples": 500},
    "hugging_face": lambda root, patch: make_hugging_face(root) and {"root": str(root)},
    "image_folder": lambda root, patch: save_tree(root) and {"root": str(root)},
    "lsun": lambda root, patch: make_lsun(root) and {"root": str(root), "size": 8},
    "mnist": lambda root, patch: make_mnist(root) and {"root": str(root)},
    "ring": lambda root, patch: {"num_samples": 500},
    "stacked_mnist": lambda root, patch: (
        make_mnist(root) and {"root": str(root), "num_train": 9, "num_test": 4}
    ),
    "swiss_roll": lambda root, patch: {"num_samples": 500},
    "tiny_imagenet": lambda root, patch: make_tiny(root) and {"root": str(root)},
}
"""Tiny raw data of each option below a folder, made; and the fields that make its source read
them."""


def prepare(option, root, monkeypatch):
    """Tiny raw data for an option below `root`, and the fields that make its source read them."""
    if option in PACKED:
        pytest.importorskip(PACKED[option])
    return PREPARE[option](root, monkeypatch)
