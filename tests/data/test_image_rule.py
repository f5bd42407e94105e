"""One image file to one array: hand-computed means, NumPy's areas, PIL as a peer."""

import numpy as np
import pytest
from PIL import Image

from gan_lab.data.images import ImageRule, decode_image
from helpers.data_builders import noise, save, user_error


def decode(path, **rule):
    checked = ImageRule(**rule)
    checked.validate()
    return decode_image(path, checked)


def test_pixels_are_channels_first(tmp_path):
    pixels = noise(5, 7, 3)
    decoded = decode(save(tmp_path / "a.png", pixels))
    assert decoded.dtype == np.uint8
    assert decoded.shape == (3, 5, 7)
    for channel in range(3):
        np.testing.assert_array_equal(decoded[channel], pixels[:, :, channel])


@pytest.mark.parametrize(
    "suffix", ["bmp", "png", "ppm", "tif", "tiff", "gif", "pgm", "jpg", "jpeg", "webp"]
)
def test_formats_as_pil_reads_them(tmp_path, suffix):
    pixels = noise(8, 8) if suffix == "pgm" else noise(8, 8, 3)
    path = save(tmp_path / f"a.{suffix}", pixels)
    np.testing.assert_array_equal(
        decode(path), np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
    )
    if suffix in ("bmp", "png", "ppm", "tif", "tiff"):
        np.testing.assert_array_equal(decode(path), pixels.transpose(2, 0, 1))


# The box: means of raw pixels, rounded half up ----------------------------------------------------

BLOCKS = {  # four pixels and their mean, rounded half up by hand
    (0, 0, 0, 0): 0,
    (1, 0, 0, 0): 0,  # 0.25
    (0, 0, 0, 2): 1,  # 0.5: to even would be 0
    (1, 1, 1, 0): 1,  # 0.75
    (2, 2, 1, 1): 2,  # 1.5
    (2, 3, 3, 2): 3,  # 2.5: to even would be 2
    (10, 11, 12, 13): 12,  # 11.5
    (255, 255, 255, 254): 255,  # 254.75
    (255, 255, 255, 253): 255,  # 254.5
    (255, 255, 254, 253): 254,  # 254.25
    (255, 255, 255, 255): 255,
    (0, 255, 0, 255): 128,  # 127.5
    (0, 1, 0, 0): 0,  # rows rounded first would give round(0.5), 0 and then 0.5 again
    (0, 0, 1, 0): 0,
    (1, 0, 0, 1): 1,
    (128, 127, 128, 127): 128,
}


def test_box_by_hand(tmp_path):
    assert len(BLOCKS) == 16
    picture = np.zeros((8, 8), dtype=np.uint8)
    expected = np.zeros((4, 4), dtype=np.uint8)
    for index, (block, mean) in enumerate(BLOCKS.items()):
        row, column = divmod(index, 4)
        picture[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = np.reshape(block, (2, 2))
        expected[row, column] = mean
    path = save(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(decode(path, size=4, resize="box", channels=1)[0], expected)
    colour = decode(
        save(tmp_path / "b.png", np.stack([picture, picture.T, 255 - picture], -1)),
        size=4,
        resize="box",
    )
    np.testing.assert_array_equal(colour[0], expected)
    np.testing.assert_array_equal(colour[1], expected.T)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("low", [0, 250])
def test_box_of_whole_blocks_against_integers(tmp_path, factor, low):
    size = 6
    pixels = (
        np.random.default_rng(factor)
        .integers(low, low + 6, (size * factor, size * factor, 3))
        .astype(np.uint8)
    )
    decoded = decode(save(tmp_path / "a.png", pixels), size=size, resize="box")
    for channel in range(3):
        for row in range(size):
            for column in range(size):
                rows = slice(row * factor, (row + 1) * factor)
                total = int(
                    pixels[rows, column * factor : (column + 1) * factor, channel].astype(int).sum()
                )
                assert decoded[channel, row, column] == (2 * total + factor**2) // (2 * factor**2)


def overlaps(side, size):
    """(size, side): how much of each of `side` pixels lies in each of `size` equal intervals, rows
    summing to 1."""
    edges = np.arange(size + 1) * side / size
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(side)[None]
    return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None) * size / side


@pytest.mark.parametrize(("side", "size"), [(5, 2), (7, 4), (48, 32), (33, 32), (100, 32)])
def test_box_of_parts_of_pixels_is_the_mean_over_areas(tmp_path, side, size):
    pixels = noise(side, side)
    weights = overlaps(side, size)
    expected = weights @ pixels.astype(float) @ weights.T
    decoded = decode(save(tmp_path / "a.png", pixels), size=size, resize="box", channels=1)[0]
    assert decoded.shape == (size, size)
    assert np.abs(decoded - expected).max() <= 1.0 + 1e-9  # rows may be rounded before columns


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("side", "size"), [(33, 32), (50, 32), (20, 32), (65, 16)])
def test_filters_against_pil(tmp_path, resize, side, size):
    pixels = noise(side, side, 3)
    peer = Image.fromarray(pixels).resize((size, size), Image.Resampling[resize.upper()])
    decoded = decode(save(tmp_path / "a.png", pixels), size=size, resize=resize)
    np.testing.assert_array_equal(decoded, np.asarray(peer).transpose(2, 0, 1))


@pytest.mark.parametrize("resize", ["box", "bilinear", "bicubic", "lanczos"])
def test_the_right_size_is_left_as_it_is(tmp_path, resize):
    pixels = noise(16, 16, 3)
    decoded = decode(save(tmp_path / "a.png", pixels), size=16, resize=resize)
    np.testing.assert_array_equal(decoded, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("resize", ["box", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("height", "width"), [(8, 14), (14, 8), (8, 8), (4, 32)])
def test_the_central_square_is_cut_out(tmp_path, resize, height, width):
    pixels = noise(height, width, 3)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2  # even differences: the centre is plain
    square = save(tmp_path / "square.png", pixels[top : top + side, left : left + side])
    whole = save(tmp_path / "whole.png", pixels)
    rule = {"size": 4, "resize": resize}
    np.testing.assert_array_equal(decode(whole, **rule), decode(square, **rule))


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("height", "width"), [(8, 14), (14, 8), (40, 33), (5, 64)])
def test_the_whole_image_is_stretched_as_by_pil(tmp_path, resize, height, width):
    pixels = noise(height, width, 3)
    peer = Image.fromarray(pixels).resize((16, 16), Image.Resampling[resize.upper()])
    decoded = decode(save(tmp_path / "a.png", pixels), size=16, resize=resize, fit="stretch")
    np.testing.assert_array_equal(decoded, np.asarray(peer).transpose(2, 0, 1))


@pytest.mark.parametrize(("height", "width"), [(8, 14), (14, 8), (40, 33), (5, 64), (12, 8)])
def test_a_stretched_box_is_the_mean_over_areas(tmp_path, height, width):
    """To half a step by floating point; against Pillow's BOX where whole pixels fall into each new
    one."""
    pixels = noise(height, width)
    expected = overlaps(height, 4) @ pixels.astype(float) @ overlaps(width, 4).T
    decoded = decode(
        save(tmp_path / "a.png", pixels), size=4, resize="box", fit="stretch", channels=1
    )[0]
    assert np.abs(decoded - expected).max() <= 0.5 + 1e-9
    if height % 4 == width % 4 == 0:
        peer = np.asarray(Image.fromarray(pixels).resize((4, 4), Image.Resampling.BOX)).astype(int)
        assert np.abs(decoded - peer).max() <= 1  # Pillow rounds rows before columns


def test_a_square_is_stretched_as_it_is_cropped(tmp_path):
    path = save(tmp_path / "a.png", noise(13, 13, 3))
    for resize in ("box", "bilinear"):
        rule = {"size": 5, "resize": resize}
        np.testing.assert_array_equal(decode(path, fit="stretch", **rule), decode(path, **rule))


def test_an_odd_difference_leaves_one_of_the_two_central_squares(tmp_path):
    pixels = noise(4, 7)
    decoded = decode(save(tmp_path / "a.png", pixels), size=4, resize="box", channels=1)[0]
    assert any(np.array_equal(decoded, pixels[:, left : left + 4]) for left in (1, 2))


def test_without_a_rule_nothing_is_cut(tmp_path):
    assert decode(save(tmp_path / "a.png", noise(6, 9, 3))).shape == (3, 6, 9)


# Channels -----------------------------------------------------------------------------------------


def test_one_channel_of_colour_is_luma(tmp_path):
    pixels = noise(16, 16, 3)
    luma = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R 601
    decoded = decode(save(tmp_path / "a.png", pixels), channels=1)
    assert decoded.shape == (1, 16, 16)
    assert np.abs(decoded[0] - luma).max() <= 0.51
    small = decode(tmp_path / "a.png", channels=1, size=8, resize="box")[0]
    means = luma.reshape(8, 2, 8, 2).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 1.02


def test_grey_files_are_replicated_over_three_channels(tmp_path):
    pixels = noise(6, 6)
    decoded = decode(save(tmp_path / "a.png", pixels))
    for channel in decoded:
        np.testing.assert_array_equal(channel, pixels)
    np.testing.assert_array_equal(decode(tmp_path / "a.png", channels=1), pixels[None])


def test_alpha_is_ignored_whatever_it_is(tmp_path):
    colour, alpha = noise(6, 6, 3), noise(6, 6, 1, seed=1)
    path = save(tmp_path / "rgba.png", np.concatenate([colour, alpha], -1))
    np.testing.assert_array_equal(decode(path), colour.transpose(2, 0, 1))
    grey = save(tmp_path / "la.png", np.concatenate([colour[:, :, :1], alpha], -1))
    np.testing.assert_array_equal(decode(grey, channels=1)[0], colour[:, :, 0])


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("transparency", [None, 0, bytes([0, 128, 255, 7])])
def test_a_palette_is_looked_up(tmp_path, transparency):
    table = [(10, 20, 30), (200, 100, 50), (0, 255, 0), (7, 7, 7)]
    indices = noise(6, 6) % 4
    image = Image.frombytes("P", (6, 6), indices.tobytes())
    image.putpalette([level for colour in table for level in colour])
    path = tmp_path / "p.png"
    image.save(path, **({} if transparency is None else {"transparency": transparency}))
    assert Image.open(path).mode == "P"
    np.testing.assert_array_equal(decode(path), np.array(table)[indices].transpose(2, 0, 1))


def test_two_levels(tmp_path):
    bits = noise(8, 8) % 2
    path = tmp_path / "bits.png"
    Image.fromarray(bits * 255).convert("1").save(path)
    np.testing.assert_array_equal(decode(path, channels=1)[0], bits * 255)


def test_cmyk_as_pil_converts_it(tmp_path):
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(noise(8, 8, 3)).convert("CMYK").save(path)
    np.testing.assert_array_equal(
        decode(path), np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
    )


def test_sixteen_bits_are_refused_not_clipped(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray((np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)).save(path)
    user_error(lambda: decode(path), path, "8 bits")


# Greyscale kept or dropped ------------------------------------------------------------------------


def grey_files(folder):
    grey = noise(8, 8)
    alpha = np.full((8, 8), 200, dtype=np.uint8)
    Image.fromarray((grey > 127).astype(np.uint8) * 255).convert("1").save(folder / "bits.png")
    return {
        "L": save(folder / "grey.png", grey),
        "LA": save(folder / "grey_alpha.png", np.stack([grey, alpha], -1)),
        "1": folder / "bits.png",
        "L jpeg": save(folder / "grey.jpg", grey),
    }


def test_files_of_one_channel(tmp_path):
    for path in grey_files(tmp_path).values():
        assert decode(path, greyscale="keep").shape == (3, 8, 8)
        assert decode(path, greyscale="drop") is None
        assert decode(path, greyscale="drop_grey") is None
        assert decode(path, greyscale="drop", channels=1) is None


def test_colour_files_of_equal_channels(tmp_path):
    grey = noise(8, 8)
    path = save(tmp_path / "rgb.png", np.stack([grey] * 3, -1))
    assert Image.open(path).mode == "RGB"
    assert decode(path, greyscale="keep") is not None
    assert decode(path, greyscale="drop") is not None
    assert decode(path, greyscale="drop_grey") is None
    almost = np.stack([grey] * 3, -1)
    almost[3, 4, 2] ^= 1
    assert decode(save(tmp_path / "almost.png", almost), greyscale="drop_grey") is not None


def test_colour_is_kept_by_every_rule(tmp_path):
    path = save(tmp_path / "a.png", noise(8, 8, 3))
    for rule in ("keep", "drop", "drop_grey"):
        np.testing.assert_array_equal(decode(path, greyscale=rule), decode(path))


@pytest.mark.parametrize(
    "place",
    ["outside the central square", "averaged away"],
    ids=lambda place: place.replace(" ", "_"),
)
def test_drop_grey_looks_at_the_file_not_at_what_is_left_of_it(tmp_path, place):
    """The rule is about files whose channels are all equal; one coloured pixel anywhere makes a
    file colour."""
    pixels = np.stack([noise(8, 12)] * 3, -1)
    if place == "averaged away":
        pixels = np.ascontiguousarray(pixels[:, 2:10])
        pixels[0, 0] = (100, 101, 100)
        pixels[0, 1] = pixels[1, 0] = pixels[1, 1] = 100
    else:
        pixels[0, 0] = (255, 0, 0)
    path = save(tmp_path / "a.png", pixels)
    assert decode(path, greyscale="drop_grey", size=4, resize="box") is not None


# Sides and values that are not offered ------------------------------------------------------------


def test_only_the_accepted_sides(tmp_path):
    for height, width, good in (
        (32, 32, True),
        (64, 64, True),
        (32, 64, False),
        (48, 48, False),
        (31, 31, False),
    ):
        path = save(tmp_path / f"{height}x{width}.png", noise(height, width, 3))
        rule = ImageRule(size=32, resize="box", sides=(32, 64))
        if good:
            assert decode_image(path, rule).shape == (3, 32, 32)
        else:
            user_error(
                lambda path=path, rule=rule: decode_image(path, rule), path, f"{width}x{height}"
            )


@pytest.mark.parametrize(
    ("fields", "needle"),
    [
        ({"resize": "nearest"}, "resize"),
        ({"resize": None}, "resize"),
        ({"resize": "box"}, "size"),
        ({"resize": "box", "size": 0}, "size"),
        ({"size": -4}, "size"),
        ({"size": 31.5}, "size"),
        ({"size": "32"}, "size"),
        ({"size": True}, "size"),
        ({"channels": 2}, "channels"),
        ({"channels": 4}, "channels"),
        ({"channels": None}, "channels"),
        ({"greyscale": "maybe"}, "greyscale"),
        ({"greyscale": False}, "greyscale"),
        ({"greyscale": "drop_grey", "channels": 1}, "greyscale"),
        ({"fit": "squeeze", "size": 8, "resize": "box"}, "fit"),
        ({"fit": True, "size": 8, "resize": "box"}, "fit"),
        ({"fit": "stretch"}, "resize"),
    ],
)
def test_bad_rules(fields, needle):
    user_error(ImageRule(**fields).validate, needle)


@pytest.mark.parametrize("fields", [{"resize": "nearest"}, {"greyscale": "maybe"}])
def test_an_unknown_choice_lists_the_choices(fields):
    message = user_error(ImageRule(**fields).validate)
    offered = (
        ("none", "box", "bilinear", "bicubic", "lanczos")
        if "resize" in fields
        else ("keep", "drop", "drop_grey")
    )
    for choice in offered:
        assert choice in message


# Damaged files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "webp", "tif"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_file_is_named(tmp_path, suffix, kept):
    path = save(tmp_path / f"cut.{suffix}", noise(64, 64, 3))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    user_error(lambda: decode(path), path)


@pytest.mark.parametrize(
    "content",
    [b"no image at all", b"\xff\xd8\xff\xe0 then nothing", b"\x89PNG\r\n\x1a\n", b"\0" * 99],
)
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    user_error(lambda: decode(path), path, "replace or remove")


def test_a_png_with_one_altered_byte_is_named(tmp_path):
    path = save(tmp_path / "a.png", noise(16, 16, 3))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    user_error(lambda: decode(path), path)


def test_a_missing_file_is_named(tmp_path):
    user_error(lambda: decode(tmp_path / "gone.png"), tmp_path / "gone.png")


def test_a_message_of_many_lines_becomes_one(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", noise(4, 4, 3))

    def fail(*args, **kwargs):
        raise ValueError("first line\nsecond line\r\nthird")

    monkeypatch.setattr(Image, "open", fail)
    message = user_error(lambda: decode(path), path, "first line", "second line")
    assert len(message.splitlines()) == 1
