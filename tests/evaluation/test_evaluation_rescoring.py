"""Finished runs scored again by one protocol: many at once, and at their checkpoints."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from gan_lab import build, records
from gan_lab.build import evaluator
from gan_lab.callbacks.evaluate import add_to_history
from gan_lab.records import ScoreName, provenance
from gan_lab.records.record import RunRecord
from gan_lab.runs.saved import load_generator
from gan_lab.scoring.evaluator import Evaluator
from helpers.evaluation_runs import SMALL_RUN, save_images, script
from helpers.gan_runs import train

SCORES = ("evaluation.scores=[is,fid]", "evaluation.samples=50", "evaluation.samples_in_training=30",
          "evaluation.splits=1", "evaluation.batch_size=25")  # fmt: skip
FINAL = {"is_classifier_50", "fid_classifier_50_train", "fid_classifier_50_test"}
CURVES = {name.replace("50", "30") for name in FINAL}
STEPS = [2, 4]
AM = ScoreName("am", "classifier", 30)
TRAINING = [field for field in SMALL_RUN if not field.startswith("evaluat")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two finished runs, scored in training and after it by another protocol; each keeps two
    checkpoints."""
    folder = tmp_path_factory.mktemp("trained")
    for seed in (0, 1):
        train(
            folder / f"seed{seed}",
            *SMALL_RUN,
            f"seed={seed}",
            f"data_cache={folder / 'cache'}",
            "checkpoint_every=2",
        )
    return folder


@pytest.fixture
def sweep(trained, tmp_path):
    """A copy of both, and one that was stopped."""
    for name in ("seed0", "seed1"):
        shutil.copytree(trained / name, tmp_path / "sweep" / name)
    shutil.copytree(trained / "seed0", tmp_path / "sweep" / "deep" / "stopped")
    change(tmp_path / "sweep" / "deep" / "stopped", status="interrupted")
    return tmp_path / "sweep"


@pytest.fixture
def protocols(monkeypatch):
    """The protocols that are made, in their order."""
    made = []

    def spied(group, node, *facts, make=build.make, **named_facts):
        result = make(group, node, *facts, **named_facts)
        if group == "evaluation":
            made.append(result)
        return result

    monkeypatch.setattr(build, "make", spied)
    return made


def told(run_dir):
    return json.loads((run_dir / "record.json").read_text())


def change(run_dir, **fields):
    (run_dir / "record.json").write_text(json.dumps(told(run_dir) | fields))


@pytest.fixture
def evaluate(trained, tmp_path, capsys):
    """scripts/evaluate.py with the cache of the runs."""

    def go(*arguments):
        return script(capsys, "evaluate", f"data_cache={trained / 'cache'}", *SCORES, *arguments)

    return go


def test_runs_that_are_scored_by_one_protocol_share_it(sweep, evaluate, protocols):
    """To make one hashes the file of its weights, 95 MB of Inception's."""
    assert evaluate(f"runs={sweep}").code == 0
    assert len(protocols) == 1


@pytest.mark.parametrize("task", ["self_test=true", "data_statistics=true"])
def test_a_protocol_is_made_once_for_the_data_set(task, evaluate, protocols, tmp_path):
    ended = evaluate(task, f"out={tmp_path}")
    assert ended.code == 0, ended
    assert len(protocols) == 1


def test_every_finished_run_is_scored_and_a_second_time_none(sweep, evaluate):
    before = {name: told(sweep / name)["scores"] for name in ("seed0", "seed1")}
    ended = evaluate(f"runs={sweep}")
    assert ended.code == 0, ended
    assert "stopped: passed over, it is interrupted" in ended.out
    for name, scores in before.items():
        found = told(sweep / name)["scores"]
        assert set(found) == set(scores) | FINAL
        assert all(found[one]["git"].keys() == {"sha", "dirty"} for one in FINAL)
        assert {one: found[one] for one in scores} == scores
    assert not FINAL & told(sweep / "deep" / "stopped")["scores"].keys()

    whole = {name: (sweep / name / "record.json").read_bytes() for name in before}
    again = evaluate(f"runs={sweep}").out
    assert "scoring" not in again
    assert again.count("\n") == 1  # what is passed over, and no table
    assert {name: (sweep / name / "record.json").read_bytes() for name in before} == whole
    assert evaluate(f"runs={sweep}", "rescore=true").out.count("scoring 50 samples") == 2


def test_scores_that_another_protocol_took_the_place_of_are_made_again(sweep, evaluate):
    """The number of images passed at once is no part of a name."""
    assert evaluate(f"runs={sweep}").code == 0
    assert (
        evaluate(f"runs={sweep}", "evaluation.scores=[fid]", "evaluation.batch_size=10").code == 0
    )
    assert evaluate(f"runs={sweep}").out.count("scoring 50 samples") == 2
    assert {told(sweep / "seed0")["scores"][name]["batch_size"] for name in FINAL} == {25}


@pytest.fixture
def meanwhile(monkeypatch):
    """meanwhile(act): while the next run is scored, another process acts."""

    def arm(act):
        original = Evaluator.scores

        def scores(self, gan, protocol):
            monkeypatch.setattr(Evaluator, "scores", original)
            act()
            return original(self, gan, protocol)

        monkeypatch.setattr(Evaluator, "scores", scores)

    return arm


def test_what_another_evaluation_wrote_meanwhile_stays(sweep, evaluate, meanwhile):
    before = told(sweep / "seed0")["scores"]
    other = before | {"fid_other_50_train": next(iter(before.values()))}
    point = {"fid_other_50_train": [[1, 2.0]]}
    meanwhile(lambda: change(sweep / "seed0", scores=other, history=point))
    assert evaluate(f"run_dir={sweep / 'seed0'}").code == 0
    found = told(sweep / "seed0")
    assert found["scores"].keys() == other.keys() | FINAL
    assert found["history"] == point


@pytest.mark.parametrize("fields", [{"generator_steps": 9}, {"status": "running"}], ids=str)
def test_a_run_that_was_trained_on_meanwhile_keeps_its_record(fields, sweep, evaluate, meanwhile):
    meanwhile(lambda: change(sweep / "seed0", **fields))
    ended = evaluate(f"run_dir={sweep / 'seed0'}")
    assert ended.code == 1
    assert "was trained on meanwhile: score it again\n" in ended.err
    found = told(sweep / "seed0")
    assert {name: found[name] for name in fields} == fields
    assert not FINAL & found["scores"].keys()


def test_a_run_that_is_being_trained_keeps_its_record(sweep, evaluate):
    before = (sweep / "seed0" / "record.json").read_bytes()
    with records.only_writer(sweep / "seed0"):
        ended = evaluate(f"run_dir={sweep / 'seed0'}")
    assert ended.code == 1
    assert "is being trained by another process" in ended.err
    assert (sweep / "seed0" / "record.json").read_bytes() == before


def test_many_runs_score_as_each_alone(sweep, evaluate):
    assert evaluate(f"runs={sweep}").code == 0
    together = told(sweep / "seed1")["scores"]
    assert evaluate(f"run_dir={sweep / 'seed1'}").code == 0
    assert told(sweep / "seed1")["scores"] == together
    assert (
        together["fid_classifier_50_train"]
        != told(sweep / "seed0")["scores"]["fid_classifier_50_train"]
    )


def test_a_run_that_cannot_be_scored_does_not_stop_the_others(sweep, evaluate):
    (sweep / "seed0" / "generator.safetensors").unlink()
    ended = evaluate(f"runs={sweep}")
    assert ended.code == 1
    assert "1 of 3 runs could not be scored" in ended.err
    assert "seed0" in ended.err
    assert "Traceback" not in ended.err
    assert set(told(sweep / "seed1")["scores"]) >= FINAL
    assert not FINAL & told(sweep / "seed0")["scores"].keys()


@pytest.mark.parametrize("damage", [{"dataset": None}, {"dataset": {}}, {"scores": None}])
def test_a_damaged_record_does_not_stop_the_others(damage, sweep, evaluate):
    change(sweep / "seed0", **damage)
    ended = evaluate(f"runs={sweep}")
    assert ended.code == 1
    assert "1 of 3 runs could not be scored" in ended.err
    assert "Traceback" not in ended.err
    assert set(told(sweep / "seed1")["scores"]) >= FINAL


def test_an_error_of_the_device_does_not_stop_the_others(sweep, evaluate, monkeypatch):
    def load(gan, run):
        if run.folder.name == "seed0":
            raise RuntimeError("out of memory")
        load_generator(gan, run)

    monkeypatch.setattr("gan_lab.commands.rescore.load_generator", load)
    ended = evaluate(f"runs={sweep}")
    assert ended.code == 1
    assert "seed0: not scored: RuntimeError: out of memory" in ended.out
    assert set(told(sweep / "seed1")["scores"]) >= FINAL


def test_runs_on_the_same_data_share_one_evaluator(sweep, evaluate, monkeypatch):
    made = []

    def make(*arguments):
        made.append(arguments)
        return evaluator(*arguments)

    monkeypatch.setattr("gan_lab.build.evaluator", make)
    assert evaluate(f"runs={sweep}").out.count("scoring 50 samples") == 2
    assert len(made) == 1


def test_a_run_without_checkpoints_says_that_its_history_stays(sweep, evaluate):
    run = sweep / "seed0"
    shutil.rmtree(run / "checkpoints")
    before = told(run)["history"]
    ended = evaluate(f"run_dir={run}", "history=true")
    assert ended.code == 0, ended
    assert "keeps no checkpoints" in ended.out
    assert told(run)["history"] == before


def test_the_history_of_a_second_protocol_stands_beside_the_first(sweep, evaluate):
    run = sweep / "seed0"
    before = told(run)["history"]
    assert evaluate(f"run_dir={run}", "history=true").code == 0
    found = told(run)
    assert {name: found["history"][name] for name in before} == before
    assert {name for name in found["history"] if "." not in name} == {
        name for name in before if "." not in name
    } | CURVES
    for name in CURVES:
        assert [point[0] for point in found["history"][name]] == STEPS
        about = found["history_about"][name]
        assert (about["n_samples"], about["splits"]) == (30, 1)
        its = {key: about[key] for key in ("score", "parts", "reference")}
        score, *_, last = name.split("_")
        reference = last if score == "fid" else None
        assert its == {"score": score, "parts": 1, "reference": reference}
        assert (
            about["extractor"]["weights_sha256"]
            == found["scores"]["fid_classifier_50_train"]["extractor"]["weights_sha256"]
        )
        assert about["git"].keys() == {"sha", "dirty"}

    # what is there is passed over; a damaged checkpoint is said
    assert "ckpt: scoring" not in evaluate(f"run_dir={run}", "history=true").out
    (run / "checkpoints" / "step_2.ckpt").write_bytes(b"half")
    ended = evaluate(f"run_dir={run}", "history=true", "evaluation.samples_in_training=20")
    assert ended.code == 0, ended
    assert "step_2.ckpt is damaged" in ended.out
    assert [point[0] for point in told(run)["history"]["is_classifier_20"]] == [4]


def test_the_last_point_is_the_score_of_the_exported_generator(sweep, evaluate):
    """The checkpoint of the last step holds the generator that was exported."""
    run = sweep / "seed0"
    assert evaluate(f"run_dir={run}", "history=true", "evaluation.samples_in_training=50").code == 0
    found = told(run)
    for name in FINAL:
        assert found["history"][name][-1] == [4, found["scores"][name]["value"]]


def test_a_curve_is_of_one_extractor(sweep, evaluate):
    run = sweep / "seed0"
    about = {name: {"extractor": {"weights_sha256": "0" * 64}} for name in CURVES}
    change(run, history={name: [[2, 1.0]] for name in CURVES}, history_about=about)
    ended = evaluate(f"run_dir={run}", "history=true")
    assert ended.code == 1
    assert "over training by another extractor" in ended.err
    assert told(run)["history"] == {name: [[2, 1.0]] for name in CURVES}


def test_a_run_that_goes_on_with_another_extractor_begins_its_curve_anew(tmp_path):
    """As an old run does that trains its classifier again on another machine: points of two do not
    mix."""

    def entry(value, weights):
        about = {**AM.fields, "splits": 1, "protocol": "p", "git": {}}
        return {
            "am": {
                "value": value,
                "conditional_entropy": 2 * value,
                "extractor": {"weights_sha256": weights},
                **about,
            }
        }

    record = RunRecord(
        tmp_path,
        {"extractor": {"weights_sha256": "a"}, "history": {"am": [[1, 9.0]]}},
        writes=False,
    )
    add_to_history(record, 2, entry(0.5, "a"))
    add_to_history(record, 2, entry(0.25, "a"))
    assert record["history"] == {"am": [[1, 9.0], [2, 0.25]], "am.conditional_entropy": [[2, 0.5]]}
    add_to_history(record, 3, entry(0.125, "b"))
    assert record["history"] == {"am": [[3, 0.125]], "am.conditional_entropy": [[3, 0.25]]}
    assert record["history_about"]["am"]["extractor"] == {"weights_sha256": "b"}


def test_a_curve_by_another_protocol_is_made_again_at_every_checkpoint(sweep, evaluate):
    """One that was stopped on the way goes on where it was; the size of a batch is no part of a
    name."""
    run = sweep / "seed0"
    assert evaluate(f"run_dir={run}", "history=true").code == 0
    by_25 = told(run)["history"]
    other = (f"runs={sweep}", "history=true", "evaluation.batch_size=10")
    (run / "checkpoints" / "step_2.ckpt").rename(run / "step_2.ckpt")
    assert evaluate(*other).code == 0
    assert [point[0] for point in told(run)["history"]["is_classifier_30"]] == [4]
    (run / "step_2.ckpt").rename(run / "checkpoints" / "step_2.ckpt")
    ended = evaluate(*other)
    assert (
        ended.out.count("seed0/checkpoints/step_2.ckpt: scoring"),
        ended.out.count("step_4"),
    ) == (1, 0)
    for name in CURVES:
        assert [point[0] for point in told(run)["history"][name]] == STEPS
        assert all(
            new != old for new, old in zip(told(run)["history"][name], by_25[name], strict=True)
        )


def test_a_curve_of_an_old_record_is_made_again_at_every_checkpoint(sweep, evaluate):
    """Older records told no protocol of their curves."""
    run = sweep / "seed0"
    assert evaluate(f"run_dir={run}", "history=true").code == 0
    about = {
        name: {"extractor": its["extractor"]} for name, its in told(run)["history_about"].items()
    }
    change(run, history={name: [[2, 9.0], [3, 9.0]] for name in CURVES}, history_about=about)
    assert evaluate(f"run_dir={run}", "history=true").out.count("ckpt: scoring") == len(STEPS)
    found = told(run)["history"]
    assert all([point[0] for point in found[name]] == STEPS for name in CURVES)
    assert all(point[1] != 9.0 for name in CURVES for point in found[name])


def test_a_curve_is_as_clean_as_its_dirtiest_point(tmp_path):
    def entry(protocol, **git):
        about = {"extractor": {"weights_sha256": "a"}, **AM.fields, "splits": 1}
        return {"am": {"value": 1.0, **about, "protocol": protocol, "git": git}}

    dirty, clean = {"sha": "1", "dirty": True}, {"sha": "2", "dirty": False}
    record = RunRecord(tmp_path, {"history": {}}, writes=False)
    add_to_history(record, 1, entry("p", **dirty))
    add_to_history(record, 2, entry("p", **clean))
    assert record["history_about"]["am"]["git"] == dirty
    add_to_history(record, 1, entry("q", **clean))
    add_to_history(record, 2, entry("q", **clean))
    assert record["history_about"]["am"]["git"] == clean
    assert record["history"]["am"] == [[1, 1.0], [2, 1.0]]


def test_a_resumed_old_run_keeps_its_curve_and_tells_no_protocol_of_it(tmp_path):
    entry = {
        "value": 1.0,
        "extractor": {"weights_sha256": "a"},
        **AM.fields,
        "splits": 1,
        "git": {},
    }
    record = RunRecord(
        tmp_path,
        {"extractor": {"weights_sha256": "a"}, "history": {"am": [[1, 9.0]]}},
        writes=False,
    )
    for step in (2, 3):
        add_to_history(record, step, {"am": {**entry, "protocol": "p"}})
    assert record["history"]["am"] == [[1, 9.0], [2, 1.0], [3, 1.0]]
    assert record["history_about"]["am"]["protocol"] is None


def test_a_run_alone_has_its_checkpoints_scored_again(sweep, evaluate):
    history = (f"run_dir={sweep / 'seed0'}", "history=true")
    scored = f"{sweep / 'seed0' / 'checkpoints'}"
    assert evaluate(*history).out.count(scored) == len(STEPS)
    assert evaluate(*history).out.count(scored) == 0
    assert evaluate(*history, "rescore=true").out.count(scored) == len(STEPS)


def test_own_classes_are_those_of_the_critic_of_each_checkpoint(trained, tmp_path, evaluate):
    labels = ("experiment=am_gan", "architecture.generator_channels=8", "architecture.critic_channels=4",
              "evaluation.scores=[is]", f"data_cache={trained / 'cache'}", "checkpoint_every=2")  # fmt: skip
    run = train(tmp_path / "run", "architecture=dcgan", *SMALL_RUN, *labels)
    ended = evaluate(f"run_dir={run}", "history=true", "evaluation.scores=[msssim]")
    assert ended.code == 0, ended
    names = [name for name in told(run)["history"] if name.startswith("msssim") and "_own_" in name]
    assert len(names) == 1
    assert [point[0] for point in told(run)["history"][names[0]]] == STEPS


@pytest.mark.parametrize(("task", "option"), [("run_dir", ["dataset=image_folder"]), ("runs", [])])
def test_runs_are_scored_where_their_data_have_moved(task, option, tmp_path, evaluate):
    images = np.random.default_rng(0).integers(0, 256, (2, 60, 3, 16, 16), dtype=np.uint8)
    for name, pixels in zip("ab", images, strict=True):
        save_images(tmp_path / "images" / name, pixels)
    data = ("dataset=image_folder", f"dataset.root={tmp_path / 'images'}", "dataset.size=16",
            "dataset.splits={train: ., test: null}", f"data_cache={tmp_path / 'cache'}")  # fmt: skip
    run = train(
        tmp_path / "sweep" / "run", *TRAINING, *data, "evaluation=off", "checkpoint_every=2"
    )
    (tmp_path / "images").rename(tmp_path / "moved")

    asked = (f"{task}={run if task == 'run_dir' else run.parent}", "history=true", "evaluation.scores=[is]",
             f"data_cache={tmp_path / 'fresh'}")  # fmt: skip
    assert evaluate(*asked).code == 1
    other = evaluate(*asked, "dataset=digits")
    assert other.code == 1
    assert "was trained on dataset=image_folder; omit dataset" in other.out + other.err
    ended = evaluate(*asked, *option, f"dataset.root={tmp_path / 'moved'}")
    assert ended.code == 0, ended
    assert set(told(run)["scores"]) == {"is_classifier_50"}
    assert [point[0] for point in told(run)["history"]["is_classifier_30"]] == STEPS


def test_a_root_that_a_run_has_no_use_for_is_said(sweep, evaluate):
    ended = evaluate(f"runs={sweep}", "dataset.root=elsewhere")
    assert ended.code == 0, ended
    assert ended.out.count("dataset.root has no effect") == 2
    assert set(told(sweep / "seed0")["scores"]) >= FINAL


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs=nowhere"], "there is no run directory below it"),
        (["runs=.", "run_dir=x"], "name one thing to score"),
        (["runs=.", "dataset.test_fraction=0.3"], "only dataset.root may have moved"),
        (
            ["self_test=true", "history=true"],
            "history=true has an effect only with run_dir or runs",
        ),
        (["self_test=true", "rescore=true"], "rescore=true has an effect only with run_dir or"),
        (["run_dir=x", "reference=photos"], "reference=photos has an effect only with samples"),
        (["runs=.", "size=32"], "size=32 has an effect only with samples"),
        (["self_test=true", "resize=box"], "resize=box has an effect only with samples"),
        (["run_dir=x", "name=mine"], "name=mine has an effect only with samples or self_test or"),
    ],
)
def test_bad_requests_are_one_line(arguments, words, evaluate, sweep, monkeypatch):
    monkeypatch.chdir(sweep)
    ended = evaluate(*arguments)
    assert ended.code == 1
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_the_code_is_asked_for_its_commit_before_anything_is_scored(sweep, evaluate, monkeypatch):
    """Hours may pass until a score is written: what is edited meanwhile is not what runs."""
    order = []

    def score(*_):
        order.append("scoring")
        return {}

    monkeypatch.setattr(provenance, "git_state", lambda: order.append("code"))
    monkeypatch.setattr("gan_lab.scoring.evaluator.Evaluator.scores", score)
    evaluate(f"run_dir={sweep / 'seed0'}")
    assert order == ["code", "scoring"]
