"""scripts/sample.py as it is typed: the pixels by hand from the run's files, the same by seed, one
line for errors."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gan_lab import build
from gan_lab.errors import UserError
from gan_lab.runs import saved
from gan_lab.training import sampling
from gan_lab.types import DataSpec
from helpers.evaluation_runs import script
from helpers.gan_runs import DCGAN, checkpoint, is_refusal, record, train, weights

K, LATENT, STEPS = 10, 8, 2
RESNET = (
    "architecture=resnet",
    "architecture.channels=4",
    f"architecture.latent_dim={LATENT}",
    "penalty=none",
)
SHORT = ("n_critic=1", f"max_generator_steps={STEPS}", "checkpoint_every=1", "ema_decay=0.5")
RUNS = {
    "drawn": ("loss=am_gan", "labels=predefined", *RESNET),
    "seen": ("loss=am_gan", "labels=dynamic", *RESNET),
    "plain": ("loss=hinge", *RESNET),
    "batches": ("loss=hinge", *DCGAN, f"architecture.latent_dim={LATENT}", "penalty=none"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Short runs of the digits by their labels, trained once; no test changes them."""
    folder = tmp_path_factory.mktemp("sampled")
    return {name: train(folder / name, *SHORT, *overrides) for name, overrides in RUNS.items()}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def copied(runs, place):
    """copied(name): a copy of a run, in ./run, to be damaged."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(runs[name], place / "run"))

    return copy


def sample(capsys, run, *arguments):
    return script(capsys, "sample", *([f"run_dir={run}"] if run else []), *arguments)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# By hand ------------------------------------------------------------------------------------------


@dataclass
class Networks:
    """What a run's files hold, put into networks without gan_lab.runs.saved."""

    generator: nn.Module
    critic: nn.Module

    @torch.no_grad()
    def images(self, inputs: Tensor) -> Tensor:
        return self.generator(inputs)

    @torch.no_grad()
    def classes(self, images: Tensor) -> Tensor:
        return self.critic(images)[:, :K].argmax(1)


def networks(run: Path, conditions: int = 0) -> Networks:
    cfg = OmegaConf.load(run / "config.yaml")
    architecture, loss = (build.make(group, cfg[group]) for group in ("architecture", "loss"))
    spec = DataSpec("digits", "images", (1, 8, 8), K, tuple("0123456789"))
    made = Networks(
        architecture.generator(spec, conditions).eval(),
        architecture.critic(spec, loss.outputs(K)).eval(),
    )
    made.generator.load_state_dict(load_file(run / "generator.safetensors"))
    state = checkpoint(run, STEPS)["module"]
    made.critic.load_state_dict(
        {name[7:]: value for name, value in state.items() if name.startswith("critic.")}
    )
    return made


def random(seed: int) -> torch.Generator:
    """The program's seed for (seed, purpose, step 0)."""
    digest = hashlib.blake2b(f"{seed}/scripts/sample.py/0".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def pixels(images: Tensor) -> np.ndarray:
    """round(128 x + 127.5) in [0, 255], as generator.json says."""
    return np.clip(np.rint(128 * images.double().numpy() + 127.5), 0, 255)


def read(folder: Path) -> np.ndarray:
    """The images of a folder in the order of their names, (n, 1, H, W)."""
    return np.stack(
        [np.asarray(Image.open(path))[None] for path in sorted(folder.iterdir())]
    ).astype(float)


def same(found: np.ndarray, expected: Tensor) -> None:
    """To one grey level: passes of other sizes round otherwise."""
    assert found.shape == tuple(expected.shape)
    assert np.abs(found - pixels(expected)).max() <= 1
    assert (found == pixels(expected)).mean() > 0.99


def tiles(path: Path, columns: int) -> np.ndarray:
    """The images of a grid of digits: every pixel is 6 x 6, and two white pixels stand around every
    image."""
    grid = np.asarray(Image.open(path).convert("L")).astype(float)
    rows = (grid.shape[0] - 2) // 50
    assert grid.shape == (rows * 50 + 2, columns * 50 + 2)
    assert (grid[::50] == 255).all()
    assert (grid[:, 1::50] == 255).all()
    found = []
    for row in range(rows):
        for column in range(columns):
            tile = grid[row * 50 + 2 : row * 50 + 50, column * 50 + 2 : column * 50 + 50]
            small = tile[::6, ::6]
            assert (np.kron(small, np.ones((6, 6))) == tile).all()
            found.append(small[None])
    return np.stack(found)


# What is drawn ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "columns"), [(8, 8), (64, 8), (65, 9), (600, 25)])
def test_a_grid_of_many_is_no_strip(count, columns, runs, capsys, place):
    assert sample(capsys, runs["plain"], f"n={count}", "out=grid.png").code == 0
    width, height = Image.open(place / "grid.png").size
    assert ((width - 2) // 50, (height - 2) // 50) == (columns, -(-count // columns))


def test_samples_of_all_classes_are_the_exported_generators(runs, capsys, place):
    ended = sample(capsys, runs["plain"], "n=13", "seed=4", "out=grid.png", "images=single")
    assert ended.code == 0, ended
    expected = networks(runs["plain"]).images(torch.randn(13, LATENT, generator=random(4)))
    same(read(place / "single"), expected)
    shown = tiles(place / "grid.png", 8)
    assert (shown[:13] == read(place / "single")).all()
    assert "grid: grid.png" in ended.out
    assert "images: 13 in single" in ended.out


def test_with_batch_statistics_a_sample_does_not_depend_on_how_many_are_asked(runs, capsys, place):
    """Whole batches of 16 are drawn, as in training."""
    for count in (5, 20):
        assert (
            sample(capsys, runs["batches"], f"n={count}", "out=g.png", f"images=of{count}").code
            == 0
        )
    draw, made = random(0), networks(runs["batches"])
    expected = torch.cat([made.images(torch.randn(16, LATENT, generator=draw)) for _ in range(2)])
    same(read(place / "of20"), expected[:20])
    assert (read(place / "of5") == read(place / "of20")[:5]).all()


@pytest.mark.parametrize("which", [3, 7])
def test_predefined_labels_feed_the_class_to_the_generator(which, runs, capsys, place):
    """Batches of 100 inputs, z and a one-hot class; those of the class, in the order of drawing."""
    ended = sample(
        capsys, runs["drawn"], f"class={which}", "n=25", "seed=1", "out=g.png", "images=single"
    )
    assert ended.code == 0, ended
    draw, inputs = random(1), []
    while sum(map(len, inputs)) < 25:
        z = torch.randn(100, LATENT, generator=draw)
        drawn = torch.randint(K, (100,), generator=draw)
        inputs.append(z[drawn == which])
    z = torch.cat(inputs)[:25]
    condition = torch.zeros(25, K)
    condition[:, which] = 1
    made = networks(runs["drawn"], conditions=K)
    same(read(place / "single"), made.images(torch.cat([z, condition], 1)))
    assert not np.array_equal(
        read(place / "single"), pixels(made.images(torch.cat([z, condition.roll(1, 1)], 1)))
    )
    assert f"class {which}: 25 samples, the class drawn with them (labels=predefined)" in ended.out


def test_without_them_the_critic_of_the_last_checkpoint_sorts(runs, capsys, place):
    made, draw = networks(runs["seen"]), random(2)
    images = torch.cat([made.images(torch.randn(100, LATENT, generator=draw)) for _ in range(40)])
    seen = made.classes(images)
    which = int(seen.bincount().argmax())
    count = min(10, int((seen == which).sum()))
    ended = sample(
        capsys, runs["seen"], f"class={which}", f"n={count}", "seed=2", "out=g.png", "images=single"
    )
    assert ended.code == 0, ended
    same(read(place / "single"), images[seen == which][:count])
    assert f"class {which}: {count} samples" in ended.out
    assert "by the critic's own label" in ended.out


def biased(run: Path, **logits: float) -> None:
    """Give the last checkpoint's critic these biases of its class logits, and a checksum."""
    path = run / f"checkpoints/step_{STEPS}.ckpt"
    state = torch.load(path, weights_only=True)
    for name, value in logits.items():
        state["module"]["critic.output.bias"][int(name[1:])] = value
    torch.save(state, path)
    path.with_name(path.name + ".sha256").write_text(
        hashlib.sha256(path.read_bytes()).hexdigest() + "\n"
    )


def test_a_class_that_the_critic_never_sees_is_refused(copied, capsys, place):
    run = copied("seen")
    biased(run, c6=1e6)
    before = files(place)
    is_refusal(sample(capsys, run, "class=2"), "class=2", "does not draw that class")
    is_refusal(
        sample(capsys, run, "between=[6,2]", "n=1"), "class 2 came up 0 times among 4000 samples"
    )
    assert files(place) == before
    ended = sample(capsys, run, "class=6", "n=3", "out=g.png", "images=single")
    assert ended.code == 0, ended
    z = torch.randn(100, LATENT, generator=random(0))
    same(read(place / "single"), networks(run).images(z)[:3])


def test_fewer_than_asked_are_told(runs, capsys, place, monkeypatch):
    monkeypatch.setattr(sampling, "MOST_BATCHES", 1)
    drawn = random(0)
    torch.randn(100, LATENT, generator=drawn)
    there = int((torch.randint(K, (100,), generator=drawn) == 4).sum())
    ended = sample(capsys, runs["drawn"], "class=4", "n=50", "out=g.png", "images=single")
    assert ended.code == 0, ended
    assert len(read(place / "single")) == there
    assert f"warning: it came up only {there} times; asked were 50" in ended.out


def test_a_class_may_be_named(copied, capsys, place):
    """A name goes before a number: folders may be called 1, 2, 3."""
    run = copied("drawn")
    about = json.loads((run / "generator.json").read_text())
    about["data"]["class_names"] = [*(f"kind {k}" for k in range(8)), "3", "owl"]
    (run / "generator.json").write_text(json.dumps(about))
    for asked, number in (("owl", 9), ("kind 2", 2), ("3", 8), ("4", 4)):
        assert (
            sample(capsys, run, f"class={asked}", "n=2", "out=g.png", f"images={number}").code == 0
        )
    for number in (9, 2, 8, 4):
        assert (
            sample(
                capsys,
                "",
                f"run_dir={run}",
                "n=2",
                f"class={number}",
                "out=g.png",
                f"images=b{number}",
            ).code
            == 0
        )
    assert all((read(place / f"{k}") == read(place / f"b{k}")).all() for k in (9, 2, 8, 4))
    is_refusal(sample(capsys, run, "class=cat"), "class=cat", "0 to 9", "kind 0, kind 1", "owl")


@pytest.mark.parametrize("name", ["drawn", "seen"])
def test_a_line_between_two_classes_ends_at_their_samples(name, runs, capsys, place):
    """Its ends are what class= draws by the same seed; between them the input moves in equal
    steps."""
    made = networks(runs[name], conditions=K if name == "drawn" else 0)
    draw, inputs, classes = random(3), [], []
    for _ in range(40):
        z = torch.randn(100, LATENT, generator=draw)
        if name == "drawn":
            drawn = torch.randint(K, (100,), generator=draw)
            z = torch.cat([z, torch.eye(K)[drawn]], 1)
        inputs.append(z)
        classes.append(drawn if name == "drawn" else made.classes(made.images(z)))
    z, of = torch.cat(inputs), torch.cat(classes)
    first, second = of.bincount(minlength=K).topk(2).indices.tolist()
    assert (of == second).sum() >= 2, (
        "the critic sees one class alone: take another seed of the run"
    )
    ended = sample(
        capsys,
        runs[name],
        f"between=[{first},{second}]",
        "n=2",
        "steps=5",
        "seed=3",
        "out=l.png",
        "images=l",
    )
    assert ended.code == 0, ended
    assert f"between {first} and {second}" in ended.out
    lines = read(place / "l").reshape(2, 5, 1, 8, 8)
    assert (tiles(place / "l.png", 5) == lines.reshape(10, 1, 8, 8)).all()
    for column, which in ((0, first), (4, second)):
        assert (
            sample(
                capsys,
                runs[name],
                f"class={which}",
                "n=2",
                "seed=3",
                "out=c.png",
                f"images=c{which}",
            ).code
            == 0
        )
        assert np.abs(read(place / f"c{which}") - lines[:, column]).max() <= 1
    starts, ends = z[of == first][:2], z[of == second][:2]
    for column in range(5):
        same(lines[:, column], made.images(starts + (ends - starts) * column / 4))


# Seeds and files ----------------------------------------------------------------------------------

ASKED = {
    "n64_seed0.png": ("plain", []),
    "n9_seed2.png": ("drawn", ["n=9", "seed=2"]),
    "class_3_n6_seed0.png": ("drawn", ["class=3", "n=6"]),
    "lines_n2_steps3_seed7.png": ("plain", ["interpolate=true", "n=2", "steps=3", "seed=7"]),
    "lines_class_3_n2_steps3_seed7.png": (
        "drawn",
        ["interpolate=true", "class=3", "n=2", "steps=3", "seed=7"],
    ),
    "between_3_5_n2_steps4_seed7.png": ("drawn", ["between=[3,5]", "n=2", "steps=4", "seed=7"]),
}


@pytest.mark.parametrize("name", ASKED)
def test_the_picture_joins_the_samples_and_nothing_else_changes(name, copied, capsys, place):
    """The same bytes by the same seed, whatever the state of the global one; other bytes by
    another."""
    which, arguments = ASKED[name]
    run = copied(which)
    before = files(place)
    ended = sample(capsys, run, *arguments)
    assert ended.code == 0, ended
    after = files(place)
    assert after.keys() - before.keys() == {f"run/samples/{name}"}
    assert {path: after[path] for path in before} == before
    torch.manual_seed(99)
    assert sample(capsys, run, *arguments, "out=again.png").code == 0
    assert (place / "again.png").read_bytes() == after[f"run/samples/{name}"]
    assert sample(capsys, run, *arguments, "seed=8", "out=other.png").code == 0
    assert (place / "other.png").read_bytes() != after[f"run/samples/{name}"]
    assert files(place).keys() == {*after, "again.png", "other.png"}


def test_out_and_images_are_all_that_is_written(runs, capsys, place):
    before = files(runs["drawn"])
    assert (
        sample(capsys, runs["drawn"], "class=3", "n=3", "out=a/b/grid.png", "images=c/d").code == 0
    )
    assert files(runs["drawn"]) == before
    assert files(place).keys() == {
        "a/b/grid.png",
        *(f"c/d/class_3_n3_{i:06}.png" for i in range(3)),
    }


def test_a_folder_may_be_called_by_a_number(copied, capsys, place):
    copied("plain").rename(place / "7")
    assert sample(capsys, "7", "n=2", "out=8", "images=9").code == 0
    assert (place / "8").is_file()
    assert len(read(place / "9")) == 2


# Refusals: what is asked --------------------------------------------------------------------------

ASKED_WRONGLY = [
    ("", [], ["run_dir is not set", "run_dir=RUN"]),
    ("nowhere", [], ["run_dir=nowhere", "no run directory"]),
    (".", [], ["run_dir=.", "no run directory"]),
    ("plain", ["nn=3"], ["nn", "no such field"]),
    ("plain", ["+foo=3"], ["foo", "no such field", "between, class, device"]),
    ("plain", ["+clas=3"], ["clas", "no such field; did you mean 'class'?"]),
    ("plain", ["device=tpu"], ["device=tpu", "cuda"]),
    *(("plain", [f"{field}={value}"], [f"{field}=", "whole number", f"at least {least}"])
      for field, value, least in (("n", "0", 1), ("n", "true", 1), ("seed", "-1", 0), ("steps", "1", 2))),
    ("drawn", ["class=10"], ["class=10", "0 to 9", "0, 1, 2"]),
    ("seen", ["class=10"], ["class=10", "0 to 9"]),
    ("drawn", ["class=-1"], ["class=-1", "0 to 9"]),
    ("drawn", ["class=1.5"], ["class=1.5", "0 to 9"]),
    ("drawn", ["class=true"], ["class=True", "0 to 9"]),
    ("plain", ["class=3"], ["no classes", "loss=hinge", "omit class and between"]),
    ("plain", ["between=[3,5]"], ["no classes", "omit class and between"]),
    ("drawn", ["between=[3,10]"], ["between=10", "0 to 9"]),
    ("drawn", ["between=[3,3]"], ["between 3 and 3", "two different"]),
    ("drawn", ["between=[3]"], ["between=[3]", "between=[3,5]"]),
    ("drawn", ["between=[1,2,3]"], ["between=[1, 2, 3]", "between=[3,5]"]),
    ("drawn", ["between=3"], ["between=3", "between=[3,5]"]),
    ("drawn", ["between=3-5"], ["between=3-5", "between=[3,5]"]),
    ("drawn", ["between=true"], ["between=True", "between=[3,5]"]),
    ("drawn", ["between=[3,5]", "class=3"], ["class and between", "one of them"]),
    ("plain", ["interpolate=maybe"], ["interpolate=maybe", "true or false"]),
    ("drawn", ["between=[3,5]", "interpolate=true"], ["interpolate and between", "one of them"]),
    ("drawn", ["between=[3,5]", "steps=101"], ["steps=101", "steps=100"]),
    ("drawn", ["between=[3,5]", "n=3000"], ["class ", "too few"]),
    ("plain", ["out=taken"], ["out=taken"]),
    ("plain", ["images=file"], ["images=file"]),
    ("plain", ["out=file/grid.png"], ["out=file/grid.png"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    ASKED_WRONGLY,
    ids=[" ".join([n or "nothing", *a]) for n, a, _ in ASKED_WRONGLY],
)
def test_what_is_asked_wrongly_is_refused(name, arguments, words, runs, capsys, place):
    (place / "taken").mkdir()
    (place / "file").write_text("keep me")
    run = runs.get(name, name)
    before = files(place), files(run) if name in runs else {}
    is_refusal(sample(capsys, run, *arguments), *words)
    now = files(place), files(run) if name in runs else {}
    if "images=file" not in arguments:  # the picture may stand already
        assert now == before
    assert (place / "file").read_text() == "keep me"


# Refusals: what the run holds ---------------------------------------------------------------------


def unlink(name):
    def change(run):
        (run / name).unlink()

    return change


def cut(name, size=200):
    def change(run):
        (run / name).write_bytes((run / name).read_bytes()[:size])

    return change


def write(name, content):
    def change(run):
        (run / name).write_bytes(content)

    return change


def ended(status):
    def change(run):
        (run / "record.json").write_text(json.dumps(record(run) | {"status": status}))

    return change


def resaved(change_tensors):
    def change(run):
        tensors = load_file(run / "generator.safetensors")
        change_tensors(tensors)
        save_file(tensors, run / "generator.safetensors")

    return change


def wider(tensors):
    tensors["linear.weight"] = torch.zeros(64, LATENT + 3)


def folder(name):
    def change(run):
        (run / name).unlink()
        (run / name).mkdir()

    return change


def described(change_data):
    def change(run):
        about = json.loads((run / "generator.json").read_text())
        change_data(about)
        (run / "generator.json").write_text(json.dumps(about))

    return change


W, J = "generator.safetensors", "generator.json"
DAMAGED = {
    "config missing": (unlink("config.yaml"), ["config.yaml", "no run directory"]),
    "config torn": (write("config.yaml", b"a: [1"), ["config.yaml", "restore it"]),
    "record missing": (unlink("record.json"), ["record.json", "no run directory"]),
    "record torn": (cut("record.json"), ["record.json", "cannot be read"]),
    "record of others": (write("record.json", b'{"schema": 0}'), ["record.json", "schema"]),
    "status left out": (
        lambda run: (run / "record.json").write_text(
            json.dumps({key: value for key, value in record(run).items() if key != "status"})
        ),
        ["record.json"],
    ),
    **{
        status: (ended(status), [status, "train.py resume="])
        for status in ("running", "interrupted", "failed")
    },
    "diverged": (ended("diverged"), ["diverged", "train another"]),
    "weights missing": (unlink(W), [W, "cannot be used", "restore it"]),
    "weights torn": (cut(W), [W, "cannot be used", "restore it"]),
    "weights short": (cut(W, -100), [W, "cannot be used", "restore it"]),
    "weights empty": (write(W, b""), [W, "cannot be used", "restore it"]),
    "weights a text": (
        write(W, b"hello world, this is a text"),
        [W, "cannot be used", "restore it"],
    ),
    "weights a folder": (folder(W), [W, "cannot be used", "restore it"]),
    "weights of another network": (
        resaved(wider),
        [W, "linear.weight is 64x11 in the file", "restore"],
    ),
    "a tensor left out": (
        resaved(lambda t: t.pop("norm.bias")),
        [W, "norm.bias is missing in the file"],
    ),
    "description missing": (unlink(J), [J, "train the run again"]),
    "description torn": (cut(J, 60), [J, "train the run again"]),
    "description a list": (write(J, b"[1]"), [J, "train the run again"]),
    "description of other data": (
        described(lambda a: a["data"].update(shape=[3, 8, 8])),
        ["in the file"],
    ),
    "description of no shape": (described(lambda a: a["data"].update(shape="square")), [J]),
    "description of points": (
        described(lambda a: a["data"].update(kind="points", shape=[2])),
        ["points", "images"],
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_run_that_cannot_be_sampled_is_refused(case, copied, capsys, place):
    change, words = DAMAGED[case]
    run = copied("plain")
    change(run)
    before = files(place)
    is_refusal(sample(capsys, run, "n=2"), *words)
    assert files(place) == before


def last(run):
    return run / f"checkpoints/step_{STEPS}.ckpt"


def no_checkpoints(run):
    shutil.rmtree(run / "checkpoints")


def of_the_step_before(run):
    last(run).unlink()


def exchanged(change):
    def act(run):
        path = last(run)
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)
        path.with_name(path.name + ".sha256").write_text(
            hashlib.sha256(path.read_bytes()).hexdigest() + "\n"
        )

    return act


no_classes = exchanged(
    lambda state: state["module"].update({"critic.output.weight": torch.zeros(7, 4)})
)


CHECKPOINTS = {
    "none": (no_checkpoints, ["no checkpoint", "the critic's labels are needed", "restore"]),
    "of the step before": (of_the_step_before, ["its last step, 2", "restore"]),
    "torn": (
        lambda run: cut(last(run).relative_to(run))(run),
        ["step_2.ckpt is damaged", "restore"],
    ),
    "of another run": (
        exchanged(lambda state: state["identity"].update(seed=7)),
        ["step_2.ckpt", "another seed (7)", "(0)", "restore"],
    ),
    "of another network": (
        no_classes,
        ["step_2.ckpt", "critic.output.weight is 7x4 in the file and 10x4", "restore"],
    ),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_critic_that_cannot_sort_is_refused_and_the_others_need_none(case, copied, capsys, place):
    change, words = CHECKPOINTS[case]
    run = copied("seen")
    change(run)
    before = files(place)
    is_refusal(sample(capsys, run, "class=3", "n=2"), *words)
    is_refusal(sample(capsys, run, "between=[3,5]", "n=2"), *words)
    assert files(place) == before
    assert sample(capsys, run, "n=2").code == 0


def test_drawn_classes_need_no_checkpoint(copied, capsys):
    run = copied("drawn")
    no_checkpoints(run)
    assert sample(capsys, run, "class=3", "n=2").code == 0


# The parts ----------------------------------------------------------------------------------------


def made_for(run: Path):
    opened = saved.open_run(run)
    spec = DataSpec("digits", "images", (1, 8, 8), K, tuple("0123456789"))
    return opened, build.gan(opened.config, spec)


@pytest.mark.parametrize("name", RUNS)
def test_a_saved_run_gives_back_its_networks(name, runs):
    opened, gan = made_for(runs[name])
    assert (opened.folder, opened.record["status"], opened.config.seed) == (
        runs[name],
        "finished",
        0,
    )
    state = checkpoint(runs[name], STEPS)["module"]
    untouched = {key: value.clone() for key, value in gan.generator.state_dict().items()}
    saved.load_generator(gan, opened)
    assert gan.generator_steps == STEPS
    for key, value in gan.ema.average.state_dict().items():
        assert torch.equal(value, state[f"ema.average.{key}"]), key
    saved.load_critic(gan, opened)
    for key, value in gan.critic.state_dict().items():
        assert torch.equal(value, state[f"critic.{key}"]), key
    assert all(
        torch.equal(value, untouched[key]) for key, value in gan.generator.state_dict().items()
    )


def test_what_is_refused_is_not_half_loaded(copied):
    run = copied("seen")
    opened, gan = made_for(run)
    resaved(wider)(run)
    no_classes(run)
    before = {key: value.clone() for key, value in gan.state_dict().items()}
    for load in (saved.load_generator, saved.load_critic):
        with pytest.raises(UserError, match="holds other networks"):
            load(gan, opened)
    assert all(torch.equal(value, before[key]) for key, value in gan.state_dict().items())
    assert gan.generator_steps == 0
    assert weights(run)
