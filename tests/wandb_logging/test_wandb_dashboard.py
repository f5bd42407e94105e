"""scripts/wandb_dashboard.py: the panels of made-up records, without a network; its refusals."""

from __future__ import annotations

import json
import socket
import sys

import pytest

from helpers.gan_runs import command, is_refusal

PROGRAM = "scripts/wandb_dashboard.py"
SCORES = {
    "fid_classifier_10k_test": {
        "value": 3.0,
        "std": None,
        "step": 6,
        "n_samples": 10000,
        "extractor": {},
    },
    "is_classifier_10k_10x": {
        "value": 7.0,
        "std": 0.1,
        "step": 6,
        "n_samples": 10000,
        "extractor": {},
    },
}
HISTORY = {"is_classifier_2k_10x": [[3, 5.0]], "is_classifier_2k_10x.marginal_entropy": [[3, 2.0]]}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two records, and a network whose use is an error."""
    for name, content in {
        "a": {"scores": SCORES, "history": HISTORY},
        "b": {"scores": {}, "history": {}},
    }.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "record.json").write_text(json.dumps({"schema": 1, **content}))

    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def sections(path):
    spec = json.loads(path.read_text())
    return {
        section["name"]: section["panels"]
        for section in spec["section"]["panelBankConfig"]["sections"]
    }


def test_panels(runs, capsys, tmp_path):
    ended = command(capsys, f"runs={runs}", "entity=somebody", program=PROGRAM)
    assert ended.code == 0, ended.err
    found = sections(tmp_path / "outputs/wandb_dashboard.json")
    curves = [panel["config"] for panel in found["Scores over training, by loss"]]
    assert [curve["metrics"] for curve in curves] == [
        ["is_classifier_2k_10x"],
        ["is_classifier_2k_10x/marginal_entropy"],
    ]
    assert {(curve["xAxis"], curve["groupBy"]) for curve in curves} == {
        ("generator_step", "choices.value.loss")
    }
    cells = [panel["config"] for panel in found["Scores by cell"]]
    assert [cell["metrics"] for cell in cells] == [[f"final/{name}"] for name in sorted(SCORES)]
    assert {cell["groupBy"] for cell in cells} == {"cell.value"}
    grids = [panel["config"]["mediaKeys"] for panel in found["Samples"]]
    assert grids == [["samples"], ["samples_by_class"]]
    losses = [
        panel["config"]["metrics"][0] for panel in found["Losses and gradient norms, by loss"]
    ]
    assert {"critic_loss", "generator_loss", "gradient_norm"} <= set(losses)


def test_no_runs_are_named(runs, capsys):
    is_refusal(command(capsys, program=PROGRAM), "runs is not set", "runs=outputs")


def test_no_scores(runs, capsys):
    is_refusal(
        command(capsys, f"runs={runs / 'b'}", program=PROGRAM), str(runs / "b"), "finished runs"
    )


def test_a_misspelt_field(runs, capsys):
    is_refusal(command(capsys, f"runs={runs}", "sned=true", program=PROGRAM), "sned", "send")


def test_the_library_is_not_installed(runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    is_refusal(
        command(capsys, f"runs={runs}", program=PROGRAM),
        "wandb-workspaces",
        "pip install",
        "[dashboard]",
    )


def test_nobody_is_logged_in(runs, capsys, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "login", lambda prompt: False)
    is_refusal(
        command(capsys, f"runs={runs}", "send=true", program=PROGRAM), "wandb login", "send=false"
    )
