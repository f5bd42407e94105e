"""Downloads without a network: what is fetched is published whole or not at all, and failures are
one line."""

import http.client
import os
import socket
import tarfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torchvision.datasets as peers

import gan_lab.data.download
from gan_lab.data import load
from gan_lab.data.download import fetch
from helpers.data_builders import (
    OPTIONS,
    make_cifar10,
    make_cifar100,
    make_flowers102,
    make_mnist,
    make_stl10,
    make_svhn,
    source_of,
    user_error,
)
from helpers.registry import check_complete

URL = "https://example.invalid/file"


class Reachable:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def reachable(monkeypatch):
    """The server answers; nothing can be had from it but through the test's own `download`."""
    asked = []

    def answer(request, *args, **kwargs):
        asked.append(request.full_url)
        return Reachable()

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return asked


def write(folder, **files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def test_files_take_their_places(tmp_path, reachable):
    def download(temporary):
        write(temporary / "inner", a="A", b="B")
        write(temporary / "inner" / "deep", c="C")
        (temporary / "archive.tar.gz").write_text("archive")
        (temporary / "inner" / "a.gz").write_text("archive")

    fetch(tmp_path / "set", ("a", "b", "deep/c"), download, "inner", URL)
    found = {
        str(path.relative_to(tmp_path / "set"))
        for path in (tmp_path / "set").rglob("*")
        if path.is_file()
    }
    assert found == {"a", "b", os.path.join("deep", "c")}
    assert (tmp_path / "set" / "deep" / "c").read_text() == "C"
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"a", "b", "deep"}
    assert reachable == [URL]


def test_nothing_is_asked_where_the_files_are(tmp_path, reachable):
    write(tmp_path, a="A")
    fetch(tmp_path, ("a",), lambda _: pytest.fail("downloaded"), "inner", URL)
    assert reachable == []


def test_a_download_that_brings_too_little(tmp_path, reachable):
    user_error(
        lambda: fetch(tmp_path, ("a", "b"), lambda to: write(to / "inner", a="A"), "inner", URL),
        "no b",
        "a, b",
    )


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("File not found\nor corrupted."),
        urllib.error.URLError("timed out"),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        http.client.IncompleteRead(b"half"),
        tarfile.ReadError("unexpected end of data"),
        EOFError("Compressed file ended"),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_interrupted_download_leaves_nothing_and_is_one_line(tmp_path, reachable, error):
    def download(temporary):
        write(temporary / "inner", a="half of")
        raise error

    message = user_error(
        lambda: fetch(tmp_path / "set", ("a", "b"), download, "inner", URL), tmp_path / "set", URL
    )
    assert "a, b" in message
    assert list((tmp_path / "set").iterdir()) == []


def test_a_kill_in_the_middle_leaves_no_file_in_place(tmp_path, reachable):
    def download(temporary):
        write(temporary / "inner", a="half of")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path / "set", ("a",), download, "inner", URL)
    assert not (tmp_path / "set" / "a").exists()


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (urllib.error.URLError("Name or service\nnot known"), False),
        (urllib.error.HTTPError(URL, 503, "busy", {}, None), False),
        (urllib.error.HTTPError(URL, 405, "HEAD refused", {}, None), True),
        (ConnectionRefusedError(111, "refused"), False),
        (http.client.RemoteDisconnected("gone"), False),
    ],
)
def test_the_server_is_asked_first(tmp_path, monkeypatch, error, goes_on):
    tried = []

    def refuse(*args, **kwargs):
        raise error

    def download(temporary):
        tried.append(temporary)
        write(temporary / "inner", a="A")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    if goes_on:
        fetch(tmp_path / "set", ("a",), download, "inner", URL)
        assert (tmp_path / "set" / "a").read_text() == "A"
    else:
        user_error(
            lambda: fetch(tmp_path / "set", ("a",), download, "inner", URL),
            URL,
            "cannot be reached",
            "a",
        )
        assert tried == []
        assert not (tmp_path / "set").exists()


def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    release = threading.Event()

    def hang(*args, **kwargs):
        release.wait(30)
        raise TimeoutError

    monkeypatch.setattr(gan_lab.data.download, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(urllib.request, "urlopen", hang)
    try:
        user_error(
            lambda: fetch(tmp_path, ("a",), lambda _: pytest.fail("tried"), "inner", URL),
            "no answer",
            URL,
        )
    finally:
        release.set()


def test_two_downloads_at_once_do_no_harm(tmp_path, reachable):
    """The second one finishes while the first is under way."""

    def quick(temporary):
        write(temporary / "inner", a="A", b="B")

    def slow(temporary):
        write(temporary / "inner", a="A")
        fetch(tmp_path / "set", ("a", "b"), quick, "inner", URL)
        write(temporary / "inner", b="B")

    fetch(tmp_path / "set", ("a", "b"), slow, "inner", URL)
    assert {path.name: path.read_text() for path in (tmp_path / "set").iterdir()} == {
        "a": "A",
        "b": "B",
    }


def test_the_socket_limit_is_put_back(tmp_path, reachable):
    before, seen = socket.getdefaulttimeout(), []

    def download(temporary):
        seen.append(socket.getdefaulttimeout())
        raise OSError("stop")

    user_error(lambda: fetch(tmp_path, ("a",), download, "inner", URL))
    assert seen[0] is not None
    assert socket.getdefaulttimeout() == before


DOWNLOADS = {
    "cifar100": (peers.CIFAR100, make_cifar100),
    "fashion_mnist": (peers.FashionMNIST, lambda root, _: make_mnist(root, layout="FashionMNIST")),
    "stl10": (peers.STL10, lambda root, _: make_stl10(root)),
    "svhn": (peers.SVHN, make_svhn),
    "cifar10": (peers.CIFAR10, make_cifar10),
    "flowers102": (peers.Flowers102, make_flowers102),
    "mnist": (peers.MNIST, lambda root, _: make_mnist(root)),
    "stacked_mnist": (peers.MNIST, lambda root, _: make_mnist(root)),
}


def test_every_download_has_its_peer():
    check_complete(
        DOWNLOADS,
        "dataset",
        [name for name, fields in OPTIONS.items() if "download" in fields],
        "tests/data/test_download.py, DOWNLOADS",
        "torchvision's class that downloads it, and how its files are made",
    )


@pytest.mark.thorough
@pytest.mark.parametrize("option", DOWNLOADS)
def test_torchvision_is_asked_for_the_layout_it_makes(option, tmp_path, monkeypatch, reachable):
    """torchvision's own download is replaced by one that writes its layout: the source then finds
    its files."""
    peer, make = DOWNLOADS[option]

    def download(self):
        make(Path(self.root), monkeypatch)

    monkeypatch.setattr(peer, "download", download)
    fields = {"size": 8} if option == "flowers102" else {}
    root = tmp_path / "new" / "root"
    data = load(source_of(option, root=str(root), download=True, **fields), None)
    assert len(data.splits["train"]) > 0
    assert len(reachable) == 1
    assert not [path for path in root.rglob("*") if "download" in path.name]
