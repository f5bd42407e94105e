"""gan_lab.files: a reader sees the old file or the new one, never half of one; damage is
noticed."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.files import (
    atomic_path,
    checksum_path,
    is_intact,
    read_json,
    sha256_of,
    write_atomically,
    write_with_checksum,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class Broken(Exception):
    pass


# Atomic writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [("héllo\n", "héllo\n".encode()), (b"\x00\xff\r\n", b"\x00\xff\r\n"), ("", b"")],
)
def test_content_is_written_as_it_is(tmp_path, content, expected):
    path = tmp_path / "new" / "folder" / "file.json"
    write_atomically(path, content)
    assert path.read_bytes() == expected
    assert names(path.parent) == ["file.json"]


def test_old_content_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "a long first content")
    write_atomically(path, "short")
    assert path.read_text() == "short"


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_no_temporary(tmp_path, old, error):
    path = tmp_path / "file"
    if old is not None:
        path.write_text(old)

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half of the ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert names(tmp_path) == ([] if old is None else ["file"])
    assert old is None or path.read_text() == old


def test_until_the_end_the_old_file_stands_and_the_new_one_is_on_the_same_disk(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_path(path) as temporary:
        assert temporary != path
        assert temporary.parent == path.parent  # os.replace is atomic only within one file system
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(path):
        pass
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_content_reaches_the_disk_before_the_name(tmp_path, monkeypatch):
    """fsync of the file, then the rename, then fsync of the folder: after a power cut the name
    never holds less."""
    events, sync, replace = [], os.fsync, os.replace

    def note_sync(descriptor):
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        sync(descriptor)

    def note_replace(source, target):
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_atomically(tmp_path / "file", "content")
    assert events == ["file", "rename", "folder"]


def test_a_failing_rename_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_kill_9_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_with_checksum(path, lambda to: to.write_text("old"))
    program = f"""
import os, signal, pathlib
from gan_lab.files import write_with_checksum
def write(to):
    to.write_text("half of the ne")
    os.kill(os.getpid(), signal.SIGKILL)
write_with_checksum(pathlib.Path({str(path)!r}), write)
"""
    assert (
        subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    )
    assert path.read_text() == "old"
    assert is_intact(path)


def test_two_writers_of_one_process_number(tmp_path):
    """Two threads, or two machines whose processes have the same number: "the last one wins
    whole"."""
    path = tmp_path / "file"
    with atomic_path(path) as slow:
        slow.write_text("slow: first half, ")
        with atomic_path(path) as quick:
            quick.write_text("quick")
        assert path.read_text() == "quick"
        with slow.open("a") as file:
            file.write("second half")
    assert path.read_text() == "slow: first half, second half"
    assert names(tmp_path) == ["file"]


def test_threads_that_write_at_once(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([65 + index]) * 50_000 for index in range(4)]
    start, errors = threading.Barrier(4), []

    def write(content):
        try:
            start.wait()
            for _ in range(10):
                write_atomically(path, content)
                assert path.read_bytes() in contents
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert names(tmp_path) == ["file"]


WRITER = """
import sys, pathlib
from gan_lab.files import write_atomically
path, letter = pathlib.Path(sys.argv[1]), sys.argv[2]
for length in range(100_000, 100_030):
    write_atomically(path, letter * length)
"""


def test_a_reader_beside_three_writing_processes_never_sees_half(tmp_path):
    path = tmp_path / "file"
    path.write_text("d" * 100_000)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter]) for letter in "abc"
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        content = path.read_text()
        assert len(set(content)) == 1
        assert 100_000 <= len(content) < 100_030
        seen.add(content[0])
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert seen & set("abc")
    last = path.read_text()
    assert last in [letter * 100_029 for letter in "abc"]
    assert names(tmp_path) == ["file"]


# Checksums ----------------------------------------------------------------------------------------


def test_known_digests(tmp_path):
    """The vectors of FIPS 180-2."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"")
    assert sha256_of(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_checksum_stands_beside_the_file(tmp_path):
    path = tmp_path / "step_60.ckpt"
    write_with_checksum(path, lambda to: to.write_bytes(b"weights"))
    assert names(tmp_path) == ["step_60.ckpt", "step_60.ckpt.sha256"]
    assert checksum_path(path) == tmp_path / "step_60.ckpt.sha256"
    assert checksum_path(path).read_text().strip() == hashlib.sha256(b"weights").hexdigest()
    assert is_intact(path)


def test_the_checksum_is_published_before_the_file(tmp_path, monkeypatch):
    published, replace = [], os.replace

    def note(source, target):
        published.append(os.path.basename(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    write_with_checksum(tmp_path / "file", lambda to: to.write_bytes(b"x"))
    assert published == ["file.sha256", "file"]


def test_no_file_ever_stands_without_its_checksum(tmp_path, monkeypatch):
    """Interrupted between the two renames: a checksum without a file, which counts as damaged."""
    replace = os.replace

    def stop_at_the_file(source, target):
        if os.path.basename(target) == "file":
            raise Broken
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop_at_the_file)
    with pytest.raises(Broken):
        write_with_checksum(tmp_path / "file", lambda to: to.write_bytes(b"x"))
    assert names(tmp_path) == ["file.sha256"]
    assert not is_intact(tmp_path / "file")


def test_a_failing_writer_leaves_the_old_file_intact(tmp_path):
    path = tmp_path / "file"
    write_with_checksum(path, lambda to: to.write_bytes(b"old"))

    def fail(to):
        to.write_bytes(b"half of the ne")
        raise Broken

    with pytest.raises(Broken):
        write_with_checksum(path, fail)
    assert path.read_bytes() == b"old"
    assert is_intact(path)
    assert names(tmp_path) == ["file", "file.sha256"]


def test_rewriting_gives_a_new_checksum(tmp_path):
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        write_with_checksum(path, lambda to, content=content: to.write_bytes(content))
        assert path.read_bytes() == content
        assert is_intact(path)


@given(st.binary(min_size=1, max_size=200), st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path_factory, content, data):
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(content)
    checksum_path(path).write_text(hashlib.sha256(content).hexdigest() + "\n")
    assert is_intact(path)
    altered = bytearray(content)
    altered[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(altered)
    assert not is_intact(path)
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert not is_intact(path)
    path.write_bytes(content + b"\0")
    assert not is_intact(path)
    path.write_bytes(content)
    assert is_intact(path)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "file"
    write_with_checksum(path, lambda to: to.write_bytes(b"content"))
    return path


def test_missing_parts(written):
    checksum = checksum_path(written).read_text()
    checksum_path(written).unlink()
    assert not is_intact(written)
    checksum_path(written).write_text(checksum)
    assert is_intact(written)
    written.unlink()
    assert not is_intact(written)
    written.mkdir()
    assert not is_intact(written)


def test_an_empty_or_foreign_checksum(written, tmp_path):
    other = tmp_path / "other"
    write_with_checksum(other, lambda to: to.write_bytes(b"other"))
    for content in ("", "\n", checksum_path(other).read_text(), "0" * 64):
        checksum_path(written).write_text(content)
        assert not is_intact(written)


def test_a_flipped_bit_in_the_checksum_is_noticed_and_raises_nothing(written):
    """Any bit, the highest too: the bytes then are no UTF-8."""
    good = checksum_path(written).read_bytes()
    for position in range(64):
        for bit in range(8):
            altered = bytearray(good)
            altered[position] ^= 1 << bit
            checksum_path(written).write_bytes(altered)
            assert is_intact(written) is False, (position, bit)


# Files that other people made ---------------------------------------------------------------------


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, at which an ordinary reader waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("read", [sha256_of, read_json], ids=["sha256_of", "read_json"])
def test_what_is_no_regular_file_is_refused_without_waiting(read, pipe, tmp_path):
    endless = tmp_path / "endless"
    endless.symlink_to("/dev/zero")
    for path in (pipe, endless):
        with pytest.raises(UserError, match="is no regular file"):
            read(path)
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        read(tmp_path)


@pytest.mark.timeout(10)
def test_a_checksum_that_is_a_pipe_or_endless_is_no_checksum(pipe, tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"x")
    for target in (pipe, Path("/dev/zero")):
        checksum_path(weights).unlink(missing_ok=True)
        checksum_path(weights).symlink_to(target)
        assert not is_intact(weights)


def test_json_that_is_too_large_or_too_deep_is_a_value_error(tmp_path):
    path = tmp_path / "some.json"
    path.write_text('{"a": [1, 2.5, null]}')
    assert read_json(path) == {"a": [1, 2.5, None]}
    with pytest.raises(UserError, match="has 21 bytes, and at most 20 are read"):
        read_json(path, at_most=20)
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(path)
