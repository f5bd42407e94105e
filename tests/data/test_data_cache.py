"""The cache of decoded data: used when whole, rebuilt when not, shared by processes."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gan_lab.data import Digits, Gaussians, ImageFolder, load
from gan_lab.data.cache import _digest
from gan_lab.data.source import Split
from gan_lab.errors import UserError
from helpers.data_builders import save_tree, user_error


@pytest.fixture
def decodings(monkeypatch):
    """Counts what is decoded."""
    counted = []
    for kind in (ImageFolder, Digits, Gaussians):
        decode = kind.decode

        def count(self, decode=decode):
            counted.append(self.name)
            return decode(self)

        monkeypatch.setattr(kind, "decode", count)
    return counted


@pytest.fixture
def source(tmp_path):
    save_tree(tmp_path / "set", size=2, classes=("é", "b"))
    return ImageFolder(root=str(tmp_path / "set"))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "a" / "new" / "cache"


def the_file(cache):
    (path,) = cache.iterdir()  # and no temporary file beside it
    return path


def assert_equal(ours, theirs):
    assert ours.spec == theirs.spec
    assert ours.content_hash == theirs.content_hash
    assert list(ours.splits) == list(theirs.splits)
    for name in theirs.splits:
        np.testing.assert_array_equal(ours.splits[name].values, theirs.splits[name].values)
        np.testing.assert_array_equal(ours.splits[name].labels, theirs.splits[name].labels)


def test_decoded_once(source, cache, decodings):
    first = load(source, cache)
    second = load(source, str(cache))
    assert len(decodings) == 1
    assert_equal(second, first)
    assert the_file(cache).name == f"{first.content_hash}.npz"


def test_no_cache_no_file(source, tmp_path, decodings, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    load(source, None)
    load(source, None)
    assert len(decodings) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_the_cache_may_lie_in_the_home_folder(source, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    load(source, "~/cache")
    the_file(tmp_path / "cache")


def test_changed_data_are_decoded_anew(source, tmp_path, cache, decodings):
    load(source, cache)
    path = next((tmp_path / "set" / "train").rglob("*.png"))
    shutil.copy(next((tmp_path / "set" / "test").rglob("*.png")), path)
    load(source, cache)
    assert len(decodings) == 2
    assert len(list(cache.iterdir())) == 2


def test_the_cached_arrays_own_their_data(source, cache):
    """They are handed to torch.from_numpy: they must be writeable and must not change the file."""
    load(source, cache)
    data = load(source, cache)
    before = the_file(cache).read_bytes()
    for split in data.splits.values():
        assert split.values.flags.writeable
        split.values[:] = 0
    assert the_file(cache).read_bytes() == before


def test_a_truncated_file_is_rebuilt(source, cache, decodings, warned):
    whole = load(source, None)
    load(source, cache)
    path = the_file(cache)
    content = path.read_bytes()
    for length in (0, 1, 30, len(content) // 3, len(content) - 30, len(content) - 1):
        path.write_bytes(content[:length])
        decodings.clear()
        warned.clear()
        assert_equal(load(source, cache), whole)
        assert len(decodings) == 1, length
        assert str(path) in "".join(warned)  # says so
        decodings.clear()
        assert_equal(load(source, cache), whole)
        assert decodings == [], length


def test_no_altered_byte_changes_what_is_read(cache, monkeypatch):
    """Every third byte of the file in turn is altered: what comes back is right, from the file or
    decoded anew."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of files
    source = Gaussians(modes=3, num_samples=4)
    whole = load(source, cache)
    path = the_file(cache)
    content = path.read_bytes()
    rebuilt = 0
    for position in range(0, len(content), 3):
        altered = bytearray(content)
        altered[position] ^= (0xFF, 0x01, 0x04, 0x80)[position // 3 % 4]
        path.write_bytes(altered)
        assert_equal(load(source, cache), whole)
        rebuilt += path.read_bytes() != bytes(altered)
    assert rebuilt > len(content) // 6


@pytest.mark.parametrize(
    "content", [b"no zip", b"PK\x05\x06" + b"\0" * 18, b"\x93NUMPY\x01\x00junk"]
)
def test_another_kind_of_file_is_replaced(source, cache, decodings, content):
    load(source, cache)
    path = the_file(cache)
    path.write_bytes(content)
    load(source, cache)
    load(source, cache)
    assert len(decodings) == 2


def rewritten(path, change, save=np.savez):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    change(arrays)
    with path.open("wb") as file:
        save(file, **arrays)


def shift_labels(arrays):
    arrays["labels_0"] = np.roll(arrays["labels_0"], 1)


def swap_images(arrays):
    arrays["values_0"] = arrays["values_0"][::-1]


def without_digest(arrays):
    """As older versions wrote it."""
    meta = json.loads(arrays["meta"].tobytes())
    del meta["digest"]
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)


@pytest.mark.parametrize("change", [shift_labels, swap_images, without_digest])
def test_arrays_that_are_not_those_that_were_written_are_decoded_anew(
    change, source, cache, decodings, warned
):
    whole = load(source, cache)
    rewritten(the_file(cache), change)
    assert_equal(load(source, cache), whole)
    assert len(decodings) == 2
    assert f"{the_file(cache)} is not used" in "".join(warned)
    load(source, cache)
    assert len(decodings) == 2


@pytest.mark.parametrize(("name", "value"), [
    ("labels_0", np.full(4, 7)), ("labels_0", np.full(4, -1)), ("labels_0", np.zeros(4)), ("values_0", np.zeros(4)),
    ("values_0", np.zeros((0, 3, 8, 8), np.uint8)), ("labels_1", np.zeros(1, np.int64)),
])  # fmt: skip
def test_arrays_that_break_the_rules_of_data_are_decoded_anew(
    name, value, source, cache, decodings
):
    """Even with their own digest."""
    whole = load(source, cache)

    def change(arrays):
        arrays[name] = value
        meta = json.loads(arrays["meta"].tobytes())
        splits = {
            one: Split(arrays[f"values_{i}"], arrays[f"labels_{i}"])
            for i, one in enumerate(meta["splits"])
        }
        meta["digest"] = _digest(splits)
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)

    rewritten(the_file(cache), change)
    assert_equal(load(source, cache), whole)
    assert len(decodings) == 2


@pytest.mark.timeout(10)
def test_a_packed_cache_and_a_pipe_are_decoded_anew(source, cache, decodings):
    """This program never packs it: so it is as large as its file, and no larger."""
    whole = load(source, cache)
    rewritten(the_file(cache), lambda arrays: None, np.savez_compressed)
    assert_equal(load(source, cache), whole)
    path = the_file(cache)
    path.unlink()
    os.mkfifo(path)
    assert_equal(load(source, cache), whole)
    assert len(decodings) == 3
    assert path.is_file()


def test_a_pickle_in_the_cache_is_not_loaded(source, cache, tmp_path):
    load(source, cache)
    path = the_file(cache)
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return (open, (str(trap), "w"))

    with path.open("wb") as file:
        np.savez(file, meta=np.array([Trap()], dtype=object))
    load(source, cache)
    assert not trap.exists()


def test_the_file_of_other_data_is_not_taken(source, cache, decodings):
    other = load(Digits(), cache)
    key = source.content_key()
    (cache / f"{other.content_hash}.npz").rename(cache / f"{key}.npz")
    assert_equal(load(source, cache), load(source, None))


def test_points_come_back_as_they_are(cache, decodings):
    source = Gaussians(num_samples=50)
    first, second = load(source, cache), load(source, cache)
    assert len(decodings) == 1
    assert second.splits["train"].values.dtype == np.float32
    assert_equal(second, first)


def test_a_cache_folder_that_cannot_be_made(source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    user_error(lambda: load(source, tmp_path / "file"), tmp_path / "file", "data_cache=FOLDER")
    user_error(lambda: load(source, tmp_path / "file" / "deeper"), "data_cache=FOLDER")


def test_a_full_disk_leaves_nothing(source, cache, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    user_error(lambda: load(source, cache), "No space left on device", "data_cache=FOLDER")
    assert list(cache.iterdir()) == []


def test_damaged_data_leave_no_cache(source, tmp_path, cache):
    bad = next((tmp_path / "set" / "test").rglob("*.png"))
    bad.write_bytes(b"junk")
    with pytest.raises(UserError):
        load(source, cache)
    assert not cache.exists() or list(cache.iterdir()) == []


PROGRAM = """
import sys, time, pathlib
import numpy as np
from gan_lab.data import ImageFolder, load
root, cache, gate, me, repeat = sys.argv[1:]
pathlib.Path(gate, me).touch()
while len(list(pathlib.Path(gate).iterdir())) < 3:
    time.sleep(0.002)
for index in range(int(repeat)):
    data = load(ImageFolder(root=root), cache)
    print(data.content_hash, [int(split.values.astype(np.int64).sum()) for split in data.splits.values()])
    if me == "0":  # somebody damages the file again and again
        for path in pathlib.Path(cache).glob("*.npz"):
            path.write_bytes(path.read_bytes()[:100])
"""


def test_three_processes_at_once(source, tmp_path, cache):
    (tmp_path / "gate").mkdir()
    root = str(tmp_path / "set")
    commands = [
        [sys.executable, "-c", PROGRAM, root, str(cache), str(tmp_path / "gate"), str(index), "15"]
        for index in range(3)
    ]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    results = [process.communicate(timeout=120) for process in processes]
    for process, (_, errors) in zip(processes, results, strict=True):
        assert process.returncode == 0, errors
    whole = load(source, None)
    line = f"{whole.content_hash} {[int(split.values.astype(np.int64).sum()) for split in whole.splits.values()]}"
    assert [output.splitlines() for output, _ in results] == [[line] * 15] * 3
    assert [path.suffix for path in cache.iterdir()] == [".npz"]
    assert os.path.basename(the_file(cache)) == f"{whole.content_hash}.npz"


# What killed processes leave ----------------------------------------------------------------------

KILLED = """
import os, sys
import numpy as np
from gan_lab.data import ImageFolder, load
def half(file, **arrays):
    file.write(b"half of it")
    file.flush()
    if sys.argv[3] == "killed":
        os.kill(os.getpid(), 9)
    print("writing", flush=True)
    sys.stdin.readline()
    file.seek(0)
    savez(file, **arrays)
savez, np.savez = np.savez, half
load(ImageFolder(root=sys.argv[1]), sys.argv[2])
"""


def begin(source, cache, what):
    command = [sys.executable, "-c", KILLED, source.root, str(cache), what]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_a_killed_process_left_is_cleared_by_the_next(source, cache, decodings):
    killed = begin(source, cache, "killed")
    assert killed.wait(60) == -9
    (left,) = cache.iterdir()
    assert left.suffix == ".tmp"
    load(source, cache)
    assert the_file(cache).suffix == ".npz"

    left.write_bytes(b"half of it")  # and by one that has nothing to write
    load(source, cache)
    assert the_file(cache).suffix == ".npz"
    assert len(decodings) == 1


def test_what_a_living_process_writes_is_left_to_it(source, cache, decodings):
    writer = begin(source, cache, "living")
    try:
        assert writer.stdout.readline() == "writing\n"
        (temporary,) = cache.iterdir()
        load(source, cache)  # writes the same file beside it
        assert temporary.exists()
        writer.communicate("go on\n", timeout=60)
        assert writer.returncode == 0
    finally:
        writer.kill()
        writer.wait()
    decodings.clear()
    load(source, cache)
    assert the_file(cache).suffix == ".npz"
    assert decodings == []


def test_other_files_in_the_cache_are_left_alone(source, cache):
    load(source, cache)
    others = [
        cache / name
        for name in ("mine.tmp", ".mine.tmp", ".a.0123456789ab.tmp.txt", ".a.0123456789AB.tmp")
    ]
    for path in others:
        path.write_text("")
    load(source, cache)
    assert all(path.exists() for path in others)


@pytest.mark.timeout(20)
def test_a_pipe_in_the_cache_is_replaced(source, cache, decodings):
    load(source, cache)
    path = the_file(cache)
    path.unlink()
    os.mkfifo(path)
    load(source, cache)
    load(source, cache)
    assert path.is_file()
    assert len(decodings) == 2


@pytest.mark.timeout(20)
def test_a_pipe_in_the_place_of_the_cache(source, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    user_error(lambda: load(source, tmp_path / "pipe"), tmp_path / "pipe", "data_cache=FOLDER")
