"""A campaign carried to a machine without a network, stopped by the clock, brought home and
continued."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from gan_lab.bundles import bundle, campaign
from gan_lab.errors import UserError
from helpers.registry import CONF

ROOT = CONF.parent


# The list -----------------------------------------------------------------------------------------


def test_cells_take_every_value_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "campaign.yaml"
    each = {"seed": [0, 1], "loss": ["exp", "sqrt"], "penalty.weight": [0.1, 1]}
    path.write_text(
        yaml.safe_dump(
            [{"overrides": ["a=1"], "each": each}, {"each": {"loss": ["hinge"]}}], sort_keys=False
        )
    )
    cells = campaign.read_campaign(path)
    names = [
        f"seed{seed}_{loss}_weight{weight}"
        for seed in (0, 1)
        for loss in ("exp", "sqrt")
        for weight in (0.1, 1)
    ]
    assert [cell.name for cell in cells] == [*names, "hinge"]
    assert cells[1].overrides == ("a=1", "seed=0", "loss=exp", "penalty.weight=1")
    assert cells[-1].overrides == ("loss=hinge",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1", "must be a list of entries"),
        ("- overrides: [a]\n  eech: {}", "an entry has overrides and each"),
        ("- each: {loss: [exp]}\n- each: {loss: [exp]}", "has two cells exp"),
        ("- [", r"campaign\.yaml cannot be read .* correct it"),
        ("- each: {loss: &a [*a]}", "an anchor within itself"),
        ("- each: {loss: [exp]}\n  each: {loss: [sqrt]}", "a key twice"),
        ("- overrides: [" + "a=1, " * 20_000 + "]", "at most 100,000"),
        (
            "- &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"- &{to} [{f'*{of}, ' * 9}]\n" for of, to in itertools.pairwise("abcdefgh")),
            "more than 10,000 values",
        ),
        ("- each: {seed: 3}", "entry.each.seed is 3, and must be a list"),
        ("- each: {loss: exp}", 'each.loss is "exp", and must be a list'),
        ("- each: [seed]", "each is a list of 1, and must be a mapping"),
        ("- overrides:", "overrides is null, and must be a list"),
        ("- overrides: loss=exp", 'overrides is "loss=exp", and must be a list'),
        ("- overrides: [3]", "is 3, and must be a text"),
    ],
)
def test_a_list_that_is_none_is_one_line(text, words, tmp_path):
    (tmp_path / "campaign.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        campaign.read_campaign(tmp_path / "campaign.yaml")


@pytest.mark.slow
def test_the_campaign_of_the_repository_composes():
    """Every cell is a run of train.py, and no two have one name."""
    from hydra import compose, initialize_config_dir

    from gan_lab import config

    config.register()
    cells = campaign.read_campaign(ROOT / "campaign.yaml")
    assert len(cells) == 6 * 3 * 3 + 3 + 1 + 3
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for cell in cells:
            config.check(compose("train", [*cell.overrides, "dataset.root=elsewhere"]))


def test_values_are_written_as_hydra_reads_them(tmp_path):
    path = tmp_path / "campaign.yaml"
    path.write_text("- each: {optimizer.m: [null, 10], penalty.one_sided: [true], loss: [exp]}")
    assert [cell.overrides for cell in campaign.read_campaign(path)] == [
        ("optimizer.m=null", "penalty.one_sided=true", "loss=exp"),
        ("optimizer.m=10", "penalty.one_sided=true", "loss=exp"),
    ]


def test_values_are_read_as_a_command_line_has_them(tmp_path):
    """1e-3 is a number, off the name of an option, and a part may be repeated by its anchor."""
    path = tmp_path / "campaign.yaml"
    path.write_text(
        "- overrides: &small [batch_size=8]\n"
        "  each: {optimizer.lr: [1e-3, 2.5e-5], evaluation: [off, classifier]}\n"
        "- overrides: *small\n"
        "  each: {loss: [exp]}\n"
    )
    cells = campaign.read_campaign(path)
    assert [(cell.name, cell.overrides[1:]) for cell in cells] == [
        ("lr0.001_off", ("optimizer.lr=0.001", "evaluation=off")),
        ("lr0.001_classifier", ("optimizer.lr=0.001", "evaluation=classifier")),
        ("lr2.5e-05_off", ("optimizer.lr=2.5e-05", "evaluation=off")),
        ("lr2.5e-05_classifier", ("optimizer.lr=2.5e-05", "evaluation=classifier")),
        ("exp", ("loss=exp",)),
    ]
    assert {cell.overrides[0] for cell in cells} == {"batch_size=8"}


# What comes home ----------------------------------------------------------------------------------


def made_run(folder: Path, status: str, steps: int, size: int = 1000) -> None:
    record = {"schema": 1, "status": status, "generator_steps": steps}
    files = {
        "config.yaml": "a: 1\n",
        "record.json": json.dumps(record),
        "metrics.jsonl": "",
        "samples/step_5.png": "x",
    }
    if status == "finished":
        files |= {"generator.safetensors": "g" * size, "generator.json": "{}"}
    else:
        files |= {f"checkpoints/step_{step}.ckpt": "c" * size for step in (steps - 1, steps)}
        files |= {f"checkpoints/step_{step}.ckpt.sha256": "s" for step in (steps - 1, steps)}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_what_was_trained_comes_home_in_parts_and_what_is_too_large_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "PART_BYTES", 40_000)
    monkeypatch.setattr(bundle, "RESULT_BYTES", 150_000)
    there, out = tmp_path / "there", tmp_path / "out"
    (there / "told").mkdir(parents=True)
    (there / "told" / "cells.json").write_text("{}")
    made_run(there / "runs" / "ended", "finished", 20, size=30_000)
    made_run(there / "runs" / "begun", "interrupted", 12, size=60_000)
    made_run(there / "runs" / "large", "finished", 20, size=90_000)
    cells = [campaign.CampaignRun(name, ()) for name in ("ended", "begun", "large", "not_begun")]
    left_out = bundle.pack_results(there / "told", there / "runs", cells, out)
    exported = ("generator.json", "generator.safetensors")
    assert left_out == [f"runs/large/{name}" for name in exported]
    parts = sorted(out.iterdir())
    assert [part.name for part in parts] == [
        f"results.tar.{number:02}" for number in range(len(parts))
    ]
    assert all(part.stat().st_size <= 40_000 for part in parts)
    assert sum(part.stat().st_size for part in parts) <= 150_000

    # at home an older part of the run gives way; the newest checkpoint alone has come
    made_run(tmp_path / "home" / "begun", "interrupted", 5)
    assert bundle.unpack(out, tmp_path / "home") == ["begun", "ended", "large"]
    checkpoints = sorted(
        path.name for path in (tmp_path / "home" / "begun" / "checkpoints").iterdir()
    )
    assert checkpoints == ["step_12.ckpt", "step_12.ckpt.sha256"]
    assert (
        json.loads((tmp_path / "home" / "begun" / "record.json").read_text())["generator_steps"]
        == 12
    )
    assert (tmp_path / "home" / "ended" / "generator.safetensors").stat().st_size == 30_000
    assert (tmp_path / "home" / "told" / "cells.json").exists()


def test_a_record_comes_home_without_metrics_for_which_there_is_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "RESULT_BYTES", 50_000)
    made_run(tmp_path / "there" / "runs" / "one", "interrupted", 12)
    (tmp_path / "there" / "runs" / "one" / "metrics.jsonl").write_text("m" * 60_000)
    (tmp_path / "there" / "told").mkdir()
    cells = [campaign.CampaignRun("one", ())]
    left_out = bundle.pack_results(
        tmp_path / "there" / "told", tmp_path / "there" / "runs", cells, tmp_path / "out"
    )
    assert left_out == ["runs/one/metrics.jsonl"]
    bundle.unpack(tmp_path / "out", tmp_path / "home")
    assert (tmp_path / "home" / "one" / "record.json").exists()


def test_a_checkpoint_for_which_there_was_no_room_stays_at_home(tmp_path, monkeypatch):
    """Its checksum alone must not take its place."""
    monkeypatch.setattr(bundle, "RESULT_BYTES", 150_000)
    cells = [campaign.CampaignRun(name, ()) for name in ("one", "two")]
    for cell in cells:
        made_run(tmp_path / "there" / "runs" / cell.name, "interrupted", 12, size=100_000)
        made_run(tmp_path / "home" / cell.name, "interrupted", 5)
    (tmp_path / "there" / "told").mkdir()
    left_out = bundle.pack_results(
        tmp_path / "there" / "told", tmp_path / "there" / "runs", cells, tmp_path / "out"
    )
    newest = "runs/one/checkpoints/step_12.ckpt"
    assert left_out == [newest, f"{newest}.sha256"]

    bundle.unpack(tmp_path / "out", tmp_path / "home")
    names = {
        cell.name: sorted(path.name for path in (tmp_path / "home" / cell.name).glob("check*/*"))
        for cell in cells
    }
    kept = [f"step_{step}.ckpt{end}" for step in (4, 5) for end in ("", ".sha256")]
    assert names == {"one": kept, "two": ["step_12.ckpt", "step_12.ckpt.sha256"]}


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "runs/../../outside"])
def test_an_archive_writes_nowhere_else(name, tmp_path):
    archive, home = tmp_path / "archive", tmp_path / "a" / "b" / "home"
    archive.mkdir()
    (tmp_path / "payload").write_text("x")
    with tarfile.open(archive / "results.tar.00", "w") as tar:
        info = tar.gettarinfo(tmp_path / "payload")
        info.name = name
        with (tmp_path / "payload").open("rb") as file:
            tar.addfile(info, file)
    before = sorted(tmp_path.rglob("*"))
    with suppress(UserError):
        bundle.unpack(archive, home)
    assert [
        path for path in sorted(tmp_path.rglob("*")) if home not in (path, *path.parents)
    ] == before


def added(tar, name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, 0o755
    tar.addfile(info)


def link_within(tar, outside):
    added(tar, "runs/a/f")
    added(tar, "runs/a/l", tarfile.SYMTYPE, "f")


def link_to_itself(tar, outside):
    added(tar, "runs/a/l", tarfile.SYMTYPE, ".")


def hard_link(tar, outside):
    added(tar, "told/f")
    added(tar, "runs/a/l", tarfile.LNKTYPE, "told/f")


def link_elsewhere(tar, outside):
    added(tar, "runs/a/l", tarfile.SYMTYPE, str(outside.parent))
    added(tar, "runs/a/l/outside")


def link_behind_a_long_path(tar, outside):
    """Where it leads is not found out within the longest path that there is: Python takes it for
    one within."""
    path, letters = "", "abcdefghijklmnop"
    for letter in letters:
        deeper = os.path.join(path, "d" * 247)
        added(tar, deeper, tarfile.DIRTYPE)
        added(tar, os.path.join(path, letter), tarfile.SYMTYPE, "d" * 247)
        path = deeper
    long = "/".join([*letters, "l" * 254])
    added(tar, long, tarfile.SYMTYPE, "../" * len(letters))
    added(tar, "l", tarfile.SYMTYPE, f"{long}/../..")
    added(tar, "l/outside")


def pipe(tar, outside):
    added(tar, "runs/a/l", tarfile.FIFOTYPE)


def device(tar, outside):
    added(tar, "runs/a/l", tarfile.CHRTYPE)


def sparse(tar, outside):
    """A few bytes that unpack to any size."""
    added(tar, "runs/a/l", tarfile.GNUTYPE_SPARSE)


@pytest.mark.parametrize(
    "made",
    [
        sparse,
        link_within,
        link_to_itself,
        hard_link,
        link_elsewhere,
        link_behind_a_long_path,
        pipe,
        device,
    ],
)
def test_an_archive_holds_files_and_folders_alone(made, tmp_path, monkeypatch):
    """A link could lead what is unpacked after it elsewhere."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "archive").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with tarfile.open(tmp_path / "archive/results.tar.00", "w") as tar:
        made(tar, tmp_path / "outside")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"cannot be unpacked .* is neither a file nor a folder"):
        bundle.unpack(tmp_path / "archive", tmp_path / "home")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: endless(path)]
)
def test_a_part_and_a_list_that_are_no_files_are_refused_at_once(make, tmp_path):
    make(tmp_path / "results.tar.00")
    with pytest.raises(
        UserError, match=r"results\.tar\.00 (is no regular file|has 17,179,869,184 bytes)"
    ):
        bundle.unpack(tmp_path, tmp_path / "home")
    if not (tmp_path / "results.tar.00").is_file():
        with pytest.raises(UserError, match="is no regular file"):
            campaign.read_campaign(tmp_path / "results.tar.00")


def endless(path):
    with path.open("wb") as file:
        file.truncate(2**34)


def test_it_comes_home_below_the_folder_of_the_campaign(tmp_path):
    """By default, whatever the runs in it are called."""
    (tmp_path / "archive").mkdir()
    with tarfile.open(tmp_path / "archive/results.tar.00", "w") as tar:
        for name in (
            "told/gpu_tests.txt",
            "runs/a/config.yaml",
            "runs/a.txt",
            "runs/.b/x",
            "src/gan_lab/x.py",
            "x",
        ):
            added(tar, name)
    command = [sys.executable, str(ROOT / "scripts/bundle.py"), "unpack", "archive"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    home = {
        f"outputs/campaign/{name}"
        for name in ("told/gpu_tests.txt", "a/config.yaml", "a.txt", ".b/x")
    }
    assert made == {"archive/results.tar.00", *home}


def test_an_archive_that_is_none_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"holds no results\.tar\.00"):
        bundle.unpack(tmp_path, tmp_path / "home")
    (tmp_path / "results.tar.00").write_bytes(b"half")
    with pytest.raises(UserError, match="cannot be unpacked"):
        bundle.unpack(tmp_path, tmp_path / "home")


# The whole way ------------------------------------------------------------------------------------

SMALL = ["evaluation=off", "architecture.channels=8", "batch_size=16", "generator_batch_size=16", "n_critic=1",
         "max_generator_steps=300", "checkpoint_every=5", "log_every=1", "trainer=cpu"]  # fmt: skip


@pytest.mark.slow
def test_a_campaign_stopped_in_the_middle_goes_on_with_the_next_bundle(tmp_path, monkeypatch):
    """Source, data and runs as `pack` writes them; no wheels, since the environment of the tests
    has all packages."""
    monkeypatch.setattr(bundle, "_build_wheels", lambda folder: None)
    monkeypatch.setattr(bundle.provenance, "git_state", lambda: {"sha": "x", "dirty": False})
    data, runs, listed = tmp_path / "some", tmp_path / "home", tmp_path / "campaign.yaml"
    data.mkdir()
    (data / "nothing.txt").write_text("digits need no files")
    listed.write_text(
        yaml.safe_dump([{"overrides": SMALL, "each": {"loss": ["exp", "wasserstein"]}}])
    )

    def begin(name: str) -> subprocess.Popen[bytes]:
        bundle.pack(data, listed, runs, tmp_path / name)
        script = (
            (tmp_path / name / "run.sh").read_text().replace('"$python" -m pip', ":")
        )  # there are no wheels
        (tmp_path / name / "run.sh").write_text(script)
        (tmp_path / f"{name}_work").mkdir()
        command = [
            str(tmp_path / name / "run.sh"),
            "8",
            str(tmp_path / f"{name}_out"),
            "--only",
            "cells",
        ]
        there = os.environ | {"PYTHON": sys.executable, "TMPDIR": str(tmp_path / f"{name}_work")}
        return subprocess.Popen(command, env=there)

    def come_home(name: str) -> dict[str, str | None]:
        bundle.unpack(tmp_path / f"{name}_out", runs)
        return {cell: campaign.status_of(runs / cell) for cell in ("exp", "wasserstein")}

    # stopped once the first cell has done some steps
    process = begin("first")
    while not any(
        path.read_text().count("\n") > 10
        for path in (tmp_path / "first_work").glob("*/gan_lab/runs/exp/metrics.jsonl")
    ):
        assert process.poll() is None
        time.sleep(0.1)
    process.terminate()
    assert process.wait(120) == 0
    assert come_home("first") == {"exp": "interrupted", "wasserstein": None}
    stopped = json.loads((runs / "exp" / "record.json").read_text())["generator_steps"]
    assert 10 < stopped < 300

    # continued, and both in one state by one commit
    assert begin("second").wait(400) == 0
    assert come_home("second") == {"exp": "finished", "wasserstein": "finished"}
    told = [
        json.loads((runs / cell / "record.json").read_text()) for cell in ("exp", "wasserstein")
    ]
    assert [record["generator_steps"] for record in told] == [300, 300]
    assert [part["from_step"] for part in told[0]["parts"]] == [0, stopped]
    assert told[0]["git"] == told[1]["git"]
    assert (runs / "exp" / "generator.safetensors").exists()
    assert len((runs / "exp" / "metrics.jsonl").read_text().splitlines()) == 300
