"""Image files of other people: which decoders they reach, how large they may be, what is no file at
all."""

import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from gan_lab.data import ImageFolder, load
from gan_lab.data.images import FORMATS, MAX_PIXELS, MAX_SIDE, ImageRule, decode_image
from gan_lab.data.tree import _Room, decode_tree
from helpers.data_builders import noise, save, user_error

ANY = ImageRule()


def png(path, width, height, depth=8, colour=2, rows=b""):
    """A PNG by the letter of its definition; `rows`: of pixels with their filter bytes, which may
    be missing."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


# Decoders -----------------------------------------------------------------------------------------


def test_an_eps_starts_no_ghostscript(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **kwargs: started.append(args))
    path = tmp_path / "x.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")
    with Image.open(path) as image, suppress(Exception):  # what stands for it makes no picture
        image.load()
    assert started  # Pillow itself would
    started.clear()
    user_error(lambda: decode_image(path, ANY), path, "BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP")
    assert not started


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_other_decoder_is_reached(tmp_path, monkeypatch):
    """Every format that Pillow writes, under the name of another."""
    Image.init()
    monkeypatch.setattr(
        Image, "EXTENSION", dict(Image.EXTENSION)
    )  # Pillow's SPIDER takes a suffix that it writes
    tried = set()
    for kind in sorted(set(Image.SAVE) & set(Image.OPEN) - set(FORMATS)):
        path = tmp_path / f"{kind}.png"
        try:
            Image.fromarray(noise(32, 32, 3)).save(path, format=kind)
            with Image.open(path) as image:
                other = image.format not in FORMATS
        except (OSError, ValueError, KeyError):  # this one has no encoder here, or not of colours
            continue
        if other:
            user_error(lambda path=path: decode_image(path, ANY), path, "remove the file")
            tried.add(kind)
    assert len(tried) >= 8, tried


def test_a_picture_of_a_phone_is_a_jpeg(tmp_path):
    """Pillow calls a JPEG with a second picture behind it MPO."""
    first, second = Image.fromarray(noise(16, 16, 3)), Image.fromarray(noise(8, 8, 3, seed=1))
    path = tmp_path / "photo.jpg"
    first.save(path, format="MPO", save_all=True, append_images=[second])
    with Image.open(path) as image:
        assert image.format == "MPO"
    assert decode_image(path, ANY).shape == (3, 16, 16)


# More than 8 bits ---------------------------------------------------------------------------------


def ppm(kind, largest, channels):
    def write(path):
        values = np.full(2 * 2 * channels, largest * 3 // 4)
        plain = " ".join(map(str, values)).encode()
        path.write_bytes(
            b"P%d 2 2 %d\n" % (kind, largest)
            + (plain if kind < 4 else values.astype(">u2").tobytes())
        )

    return write


def deep_png(colour, channels):
    return lambda path: png(
        path, 2, 2, 16, colour, 2 * (b"\0" + struct.pack(">H", 3300) * 2 * channels)
    )


def deep_tiff(path):
    """Little-endian, one strip of RGB with 16 bits a channel."""
    pixels = struct.pack("<12H", *[3300] * 12)
    tags = [
        (256, 3, 1, 2),
        (257, 3, 1, 2),
        (258, 3, 3, 8 + 2 + 9 * 12 + 4),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
    ]
    tags += [
        (273, 4, 1, 8 + 2 + 9 * 12 + 4 + 6),
        (277, 3, 1, 3),
        (278, 3, 1, 2),
        (279, 4, 1, len(pixels)),
    ]
    directory = (
        struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    )
    path.write_bytes(
        b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<3H", 16, 16, 16) + pixels
    )


def grey_tiff(path):
    Image.fromarray(np.full((2, 2), 3300, np.uint16)).save(path)


DEEP = {
    "colour.png": deep_png(2, 3),
    "alpha.png": deep_png(6, 4),
    "grey.png": deep_png(0, 1),
    "grey_alpha.png": deep_png(4, 2),
    "binary.ppm": ppm(6, 4095, 3),
    "binary16.ppm": ppm(6, 65535, 3),
    "plain.ppm": ppm(3, 4095, 3),
    "grey.pgm": ppm(5, 4095, 1),
    "plain.pgm": ppm(2, 4095, 1),
    "colour.tif": deep_tiff,
    "grey.tiff": grey_tiff,
}


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("channels", [1, 3])
def test_more_than_eight_bits_are_refused(tmp_path, name, channels):
    path = tmp_path / name
    DEEP[name](path)
    with Image.open(path) as image:
        assert image.size == (2, 2)
        image.load()  # Pillow takes it
    user_error(
        lambda: decode_image(path, ImageRule(channels=channels)), path, "8 bits", "4095 to 255"
    )


def test_the_remedy_for_twelve_bits(tmp_path):
    """As the message has it: 4095 to 255."""
    values = np.random.default_rng(0).integers(0, 4096, (4, 4, 3))
    path = save(tmp_path / "a.png", np.round(values * (255 / 4095)))
    assert decode_image(path, ANY).max() == round(values.max() * 255 / 4095)


@pytest.mark.parametrize("largest", [1, 15, 100, 255])
def test_a_ppm_of_fewer_values_is_scaled(tmp_path, largest):
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6 2 1 %d\n" % largest + bytes([0, largest, 0, largest, 0, 0]))
    np.testing.assert_array_equal(decode_image(path, ANY)[:, 0], [[0, 255], [255, 0], [0, 0]])


def test_a_png_of_fewer_bits_is_read(tmp_path):
    path = png(tmp_path / "a.png", 8, 1, 4, 0, bytes([0, 0x01, 0x23, 0x45, 0xFF]))
    assert decode_image(path, ANY)[0, 0].tolist() == [0, 17, 34, 51, 68, 85, 255, 255]


# Large ones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (8193, 8192),
        (10_000, 10_000),
        (15_000, 15_000),
        (MAX_SIDE + 1, 1),
        (1, MAX_SIDE + 1),
        (2**31 - 1, 2**31 - 1),
    ],
)
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path, width, height):
    path = png(tmp_path / "x.png", width, height)
    tree = {"train": {"a": [str(path)]}}
    message = user_error(
        lambda: decode_tree(tree, ["a"], ImageRule(size=8, resize="box"), "x"),
        path,
        "make it smaller",
    )
    assert f"{MAX_PIXELS:,}" in message


def test_pillow_says_nothing_beside_it(tmp_path, recwarn):
    path = png(tmp_path / "x.png", 10_000, 10_000)  # Pillow warns of it and goes on
    user_error(lambda: decode_tree({"train": {"a": [str(path)]}}, ["a"], ANY, "x"), path)
    assert [str(warning.message) for warning in recwarn] == []


MEMORY = """
import resource, sys
from gan_lab.data.images import ImageRule, decode_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pixels = decode_image(sys.argv[1], ImageRule(size=32, resize="box"))
assert (pixels == 77).all()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_small_file_of_many_pixels_takes_little_memory(tmp_path):
    """4000 x 4000 in 50 kB: 64 MB in Pillow, and once 600 in all."""
    path = png(tmp_path / "x.png", 4000, 4000, rows=4000 * (b"\0" + 12_000 * b"M"))
    assert path.stat().st_size < 100_000
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY, path], capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 150  # MB


@pytest.mark.parametrize("sides", [(700, 900), (900, 700), (2000, 30), (30, 2000), (1, 1500)])
@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_strips_leave_no_seam(tmp_path, monkeypatch, sides, fit):
    """A large picture is averaged strip by strip: to the bit what one piece gives."""
    path = save(tmp_path / "a.png", noise(*sides, 3))
    rule = ImageRule(size=7, resize="box", fit=fit, greyscale="drop_grey")
    monkeypatch.setattr("gan_lab.data.images._STRIP", 2**40)
    whole = decode_image(path, rule)
    monkeypatch.setattr("gan_lab.data.images._STRIP", 1000)
    np.testing.assert_array_equal(decode_image(path, rule), whole)


def test_threads_wait_for_room():
    room, inside, most = _Room(10), [], []

    def take(pixels):
        with room.of(pixels):
            inside.append(pixels)
            most.append(sum(inside))
            time.sleep(0.002)
            inside.remove(pixels)

    threads = [
        threading.Thread(target=take, args=(pixels,))
        for pixels in (10, 3, 3, 3, 7, 5, 10, 0, 1) * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert room.free == 10
    assert max(most) <= 10


def test_a_set_that_fits_no_memory(tmp_path):
    """A million names of one picture: more than any address space."""
    path = str(save(tmp_path / "a.png", np.zeros((3000, 3000)), compress_level=1))
    tree = {"train": {"a": [path] * 10_000_000}}
    user_error(
        lambda: decode_tree(tree, ["a"], ANY, "x"),
        "10,000,000 images of 3000x3000",
        "add resize=box size=32",
    )


# What is no file ----------------------------------------------------------------------------------


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [pipe, device])
def test_a_pipe_or_an_endless_device_is_refused_at_once(tmp_path, make):
    save(tmp_path / "set" / "train" / "cat" / "0.png", noise(8, 8, 3))
    path = tmp_path / "set" / "train" / "cat" / "1.png"
    make(path)
    source = ImageFolder(root=str(tmp_path / "set"), splits={"train": "train"})
    for read in (
        lambda: decode_image(path, ANY),
        source.content_key,
        source.decode,
        lambda: load(source, None),
    ):
        user_error(read, path, "no regular file", "remove it")


@pytest.mark.timeout(20)
def test_a_file_without_end_is_refused(tmp_path):
    path = tmp_path / "set" / "train" / "cat" / "0.png"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no place on the disk
    source = ImageFolder(root=str(tmp_path / "set"), splits={"train": "train"})
    user_error(source.content_key, path, "1,099,511,627,776 bytes")
    user_error(lambda: decode_image(path, ANY), path, "1,099,511,627,776 bytes")
