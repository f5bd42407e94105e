"""A resumed run ends with the bytes of one that was never stopped; and what a resume refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch
from filelock import FileLock

from gan_lab import callbacks, config, records
from gan_lab.errors import Interrupted, UserError
from gan_lab.files import is_intact
from gan_lab.records import provenance
from gan_lab.runs import outcome
from helpers.gan_runs import (
    CHANNELS,
    N_CRITIC,
    SMALL,
    checkpoint,
    command,
    compose,
    finish,
    is_refusal,
    metrics,
    record,
    resume,
    start,
    steps_of,
    train,
    wait_for,
    weights,
)

KINDS = ["adam", "adashift"]
MEMORY = ("penalty=maxgp", "penalty.memory=4")


class Stop(Exception):
    """What these tests end a run with, as a kill would."""


@pytest.fixture
def kill_after(monkeypatch):
    """kill_after(n): the next run ends abruptly once n generator steps are done and logged, with no
    clean-up."""

    def arm(step: int, action=None) -> None:
        original = (
            callbacks.ProgressBar.on_train_batch_end
        )  # after metrics, samples and checkpoint of this step

        def hook(self, trainer: pl.Trainer, module: pl.LightningModule, *rest):
            original(self, trainer, module, *rest)
            if module.generator_steps == step:
                monkeypatch.setattr(callbacks.ProgressBar, "on_train_batch_end", original)
                if action is None:
                    raise Stop
                action()

        monkeypatch.setattr(callbacks.ProgressBar, "on_train_batch_end", hook)

    return arm


@pytest.mark.parametrize("option", KINDS)
def test_a_run_that_died_resumes_exactly(option, tmp_path, kill_after):
    """12 steps at once; and 9, of which the last 2 are lost with the checkpoint of step 7, then the
    rest. What was measured after step 9 is measured again."""
    recipe = (
        f"optimizer={option}",
        *MEMORY,
        "diagnostics=stationarity",
        "diagnostics.every=3",
        "diagnostics.samples=16",
        "max_generator_steps=12",
        "checkpoint_every=7",
        "log_every=2",
    )
    straight = train(tmp_path / "straight", *recipe)
    kill_after(9)
    with pytest.raises(Stop):
        train(tmp_path / "killed", *recipe)
    with (tmp_path / "killed/metrics.jsonl").open("a") as file:
        file.write('{"generator_step": 10, "critic_lo')  # torn by the kill
    resume(tmp_path / "killed")
    assert weights(tmp_path / "killed") == weights(straight)
    assert metrics(tmp_path / "killed") == metrics(straight)
    assert [line["generator_step"] for line in metrics(straight)] == [2, 3, 4, 6, 8, 9, 10, 12]
    kept = record(tmp_path / "killed")
    assert (kept["status"], kept["resumed_from_step"]) == ("finished", 7)
    assert (kept["generator_steps"], kept["critic_steps"]) == (12, 12 * N_CRITIC)
    assert kept["images_seen"] == 12 * N_CRITIC * 16
    assert kept["last_metrics"] == record(straight)["last_metrics"]
    assert kept["diagnostics"] == record(straight)["diagnostics"]
    assert [step for step, _ in kept["diagnostics"]["stationarity"]] == [3, 6, 9, 12]
    mine, its = checkpoint(tmp_path / "killed", 12), checkpoint(straight, 12)
    assert all(torch.equal(mine["module"][key], its["module"][key]) for key in its["module"])
    assert len(mine["module"]["penalty.s_max"]) == 4


@pytest.mark.parametrize(
    "option",
    [
        "penalty=spectral",
        "penalty=spectral penalty.exact=true",
        "loss=fisher",
        "optimizer=nadam",
        "trainer.precision=bf16-mixed",
    ],
)
def test_other_states_resume_exactly(option, tmp_path, kill_after):
    """Power iterations, a multiplier, a product of momenta, bf16."""
    recipe = (*option.split(), "max_generator_steps=6", "checkpoint_every=3", "log_every=1")
    straight = train(tmp_path / "straight", *recipe)
    kill_after(3)
    with pytest.raises(Stop):
        train(tmp_path / "killed", *recipe)
    resume(tmp_path / "killed")
    assert weights(tmp_path / "killed") == weights(straight)
    assert metrics(tmp_path / "killed") == metrics(straight)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_checkpoint_at_the_very_step(number, tmp_path, kill_after):
    recipe = ("max_generator_steps=8", "checkpoint_every=100", "log_every=3")
    straight = train(tmp_path / "straight", *recipe)
    kill_after(4, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path / "stopped", *recipe)
    assert stopped.value.exit_code == 128 + number
    kept = record(tmp_path / "stopped")
    assert (kept["status"], kept["generator_steps"]) == ("interrupted", 4)
    assert signal.Signals(number).name in kept["reason"]
    assert steps_of(tmp_path / "stopped", "checkpoints", ".ckpt") == [4]
    resume(tmp_path / "stopped")
    assert weights(tmp_path / "stopped") == weights(straight)
    assert metrics(tmp_path / "stopped") == metrics(straight)
    kept = record(tmp_path / "stopped")
    assert (kept["status"], kept["reason"], kept["resumed_from_step"]) == ("finished", None, 4)


def test_a_run_that_died_after_its_last_step_is_finished_by_a_resume(tmp_path, kill_after):
    straight = train(tmp_path / "straight", "max_generator_steps=4", "checkpoint_every=2")
    kill_after(4)
    with pytest.raises(Stop):
        train(tmp_path / "killed", "max_generator_steps=4", "checkpoint_every=2")
    resume(tmp_path / "killed")
    assert weights(tmp_path / "killed") == weights(straight)
    kept = record(tmp_path / "killed")
    assert (kept["status"], kept["generator_steps"]) == ("finished", 4)
    assert kept["critic_steps"] == 4 * N_CRITIC


# A longer run -------------------------------------------------------------------------------------


def test_a_larger_max_generator_steps_extends_a_finished_run(tmp_path):
    train(tmp_path / "run", "max_generator_steps=3", "log_every=2", "schedule=constant")
    straight = train(
        tmp_path / "straight", "max_generator_steps=6", "log_every=2", "schedule=constant"
    )
    resume(tmp_path / "run", "max_generator_steps=6")
    kept = record(tmp_path / "run")
    assert (kept["status"], kept["generator_steps"], kept["resumed_from_step"]) == (
        "finished",
        6,
        3,
    )
    assert weights(tmp_path / "run") == weights(straight)
    assert [line["generator_step"] for line in metrics(tmp_path / "run")] == [2, 3, 4, 6]


def test_an_extended_run_is_recorded_as_what_it_became(tmp_path):
    """Else the record of a long run carries the hash of a short one, and lands in the wrong cell of
    a table."""
    train(tmp_path / "run", "max_generator_steps=2")
    straight = record(train(tmp_path / "straight", "max_generator_steps=4"))
    resume(tmp_path / "run", "max_generator_steps=4")
    kept = record(tmp_path / "run")
    assert kept["config"]["max_generator_steps"] == 4
    assert kept["config_hash"] == straight["config_hash"]


def test_a_part_by_other_code_is_recorded_and_no_table_takes_the_run(tmp_path, monkeypatch):
    states = [{"sha": letter * 40, "dirty": False} for letter in "ab"]
    for state, go in zip(states, (train, resume), strict=True):
        monkeypatch.setattr(provenance, "git_state", lambda state=state: state)
        go(tmp_path, f"max_generator_steps={'2' if go is train else '4'}")
    told = record(tmp_path)
    assert told["git"] == states[0]
    assert [(part["from_step"], part["git"]) for part in told["parts"]] == [
        (0, states[0]),
        (2, states[1]),
    ]
    assert all({"created", "packages", "hardware"} <= part.keys() for part in told["parts"])
    with pytest.raises(UserError, match="aaaaaaaaa and bbbbbbbbb"):
        records.check_citable(told)


def test_a_part_of_which_no_step_is_left_is_no_part_of_the_run(tmp_path, monkeypatch, kill_after):
    """A run dies before its first checkpoint, its code is mended and committed: the mended code
    trains all of it."""
    broken, mended = ({"sha": letter * 40, "dirty": letter == "a"} for letter in "ab")
    monkeypatch.setattr(provenance, "git_state", lambda: broken)
    kill_after(2)
    with pytest.raises(Stop):
        train(tmp_path, "max_generator_steps=4", "checkpoint_every=3")
    assert [part["git"] for part in record(tmp_path)["parts"]] == [broken]
    monkeypatch.setattr(provenance, "git_state", lambda: mended)
    resume(tmp_path)
    told = record(tmp_path)
    assert [(part["from_step"], part["git"]) for part in told["parts"]] == [(0, mended)]
    records.check_citable(told)


@pytest.mark.parametrize("more", [(), ("max_generator_steps=6",)], ids=["as long", "longer"])
def test_scores_and_diagnostics_of_every_step_stand_once(more, tmp_path, kill_after, data_cache):
    """A run scores and measures in every step, and dies in its third with a checkpoint of the
    second."""
    every_step = (
        *("evaluation=classifier", "evaluation.scores=[is,fid]", "evaluation.splits=1"),
        *("evaluation.samples=40", "evaluation.samples_in_training=40", "evaluate_every=1"),
        *("diagnostics=critic_outputs", "diagnostics.every=1", "checkpoint_every=2"),
        *("max_generator_steps=4", "schedule=constant", f"data_cache={data_cache}"),
    )
    straight = record(train(tmp_path / "straight", *every_step, *more))
    kill_after(3)
    with pytest.raises(Stop):
        train(tmp_path / "killed", *every_step)
    before = record(tmp_path / "killed")
    resume(tmp_path / "killed", *more)
    told = record(tmp_path / "killed")
    for curves in ("history", "diagnostics"):
        assert {points[-1][0] for points in before[curves].values()} == {3}
        assert told[curves] == straight[curves]
        last = told["generator_steps"] + 1
        for points in told[curves].values():
            assert [step for step, _ in points] == list(range(1, last))


def test_what_was_measured_after_the_checkpoint_is_no_part_of_the_run(tmp_path, kill_after):
    """The resumed run measures nothing of the kind: the points of steps that were done again go."""
    kill_after(3)
    measured = ("diagnostics=critic_outputs", "diagnostics.every=1", "checkpoint_every=2")
    with pytest.raises(Stop):
        train(tmp_path, "max_generator_steps=4", *measured)
    scored = {"fid_made_10k_train": [[2, 3.0], [3, 2.0]], "is_made_10k_10x": [[3, 1.0]]}
    about = {"n_samples": 10_000, "splits": 1, "git": {"sha": "a" * 40, "dirty": False}}
    records.read(tmp_path).update(history=scored, history_about=dict.fromkeys(scored, about))
    resume(tmp_path, "diagnostics=none")
    told = record(tmp_path)
    assert {name: [step for step, _ in points] for name, points in told["diagnostics"].items()} == {
        "output_real": [1, 2],
        "output_fake": [1, 2],
    }
    assert told["history"] == {"fid_made_10k_train": [[2, 3.0]]}
    assert list(told["history_about"]) == ["fid_made_10k_train"]


def test_a_part_on_another_machine_has_hardware_of_its_own(tmp_path, monkeypatch):
    machines = [{"cpu": "A", "cores": 2}, {"cpu": "B", "cores": 64}]
    for machine, go in zip(machines, (train, resume), strict=True):
        monkeypatch.setattr(provenance, "hardware", lambda machine=machine: machine)
        go(tmp_path, f"max_generator_steps={'2' if go is train else '4'}", "trainer=cpu")
    told, on = record(tmp_path), [machine | {"device": "cpu"} for machine in machines]
    assert [part["hardware"] for part in told["parts"]] == on
    assert told["hardware"] == on[1]


def test_a_part_that_ends_before_its_first_step_takes_no_steps_away(tmp_path, monkeypatch):
    train(tmp_path, "max_generator_steps=2")

    def refuse(self, plain):
        raise UserError("no such project")

    monkeypatch.setattr("gan_lab.loggers.MetricsFile.log_hyperparams", refuse)
    with pytest.raises(UserError, match="no such project"):
        resume(tmp_path, "max_generator_steps=4")
    told = record(tmp_path)
    assert (told["status"], told["generator_steps"]) == ("failed", 2)
    assert (told["critic_steps"], told["images_seen"]) == (2 * N_CRITIC, 2 * N_CRITIC * 16)


def test_the_device_is_that_of_the_training(tmp_path):
    """When a run diverges, Lightning moves its networks to the CPU before the record is closed."""
    record = records.RunRecord(tmp_path, {"parts": [{"hardware": {"cores": 2}}]})
    gan = SimpleNamespace(
        critic_steps=0, generator_steps=0, device=torch.device("cpu"),
        settings=SimpleNamespace(batch_size=16),
    )  # fmt: skip
    session = SimpleNamespace(
        record=record, gan=gan, seconds=lambda: 0.0, reader=SimpleNamespace(last={}),
        machine=SimpleNamespace(device=torch.device("meta")),
    )  # fmt: skip
    outcome.end_record(session, "diverged", "critic_loss is not finite")
    assert record["hardware"] == {"cores": 2, "device": "meta"}


def test_the_code_is_asked_for_its_commit_before_the_data_are_read(tmp_path, monkeypatch):
    """Hours may pass until a record, or a score, is written: what is edited meanwhile is not what
    runs."""
    order = []

    def load(*_):
        order.append("data")
        raise Stop

    monkeypatch.setattr(provenance, "git_state", lambda: order.append("code"))
    monkeypatch.setattr("gan_lab.build.load", load)
    with pytest.raises(Stop):
        train(tmp_path, "max_generator_steps=2")
    assert order == ["code", "data"]


def test_an_extension_that_was_interrupted_resumes(tmp_path, kill_after):
    train(tmp_path / "run", "max_generator_steps=2")
    kill_after(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted):
        resume(tmp_path / "run", "max_generator_steps=5")
    resume(tmp_path / "run")  # as the printed line says
    kept = record(tmp_path / "run")
    assert (kept["status"], kept["generator_steps"], kept["resumed_from_step"]) == (
        "finished",
        5,
        3,
    )


# Refusals -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(tmp_path_factory.mktemp("finished") / "run", "max_generator_steps=4", "checkpoint_every=1",
                 "optimizer_critic.lr=1e-4")  # fmt: skip


@pytest.fixture
def stopped(finished, tmp_path):
    """A copy of the run, as if it had been interrupted after step 3."""
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    for path in (copy / "checkpoints").glob("step_4*"):
        path.unlink()
    content = record(copy) | {
        "status": "interrupted",
        "generator_steps": 3,
        "critic_steps": 3 * N_CRITIC,
    }
    (copy / "record.json").write_text(json.dumps(content))
    return copy


def is_untouched(action, run_dir, *words):
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as refused:
        action()
    assert before == {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    for word in words:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("seed=3", "seed"),
        ("loss=wasserstein", "loss"),
        ("penalty.weight=3", "penalty.weight"),
        ("optimizer.lr=1", "optimizer.lr"),
        ("optimizer_critic.lr=1", "optimizer_critic.lr"),
        ("optimizer@optimizer_critic=adashift", "optimizer_critic"),
        ("batch_size=8", "batch_size"),
        ("architecture.channels=16", "architecture.channels"),
        ("dataset=mnist", "dataset"),
        ("experiment=wgan", "experiment"),
        ("~penalty.memory", "penalty.memory"),
        ("max_generator_steps=2", "max_generator_steps"),
        ("trainer.precision=bf16-mixed", "precision"),
    ],
)
def test_other_overrides_are_refused_by_name(override, field, stopped):
    is_untouched(lambda: resume(stopped, override), stopped, field)


def test_what_repeats_the_saved_value_is_accepted(stopped):
    resume(
        stopped,
        "seed=0",
        CHANNELS,
        *SMALL,
        "optimizer_critic.lr=1e-4",
        "trainer=cpu",
        "logger=none",
    )
    assert record(stopped)["status"] == "finished"


def test_precision_is_kept_by_a_resume_that_only_names_the_device(tmp_path, kill_after):
    """trainer=cpu brings 32-true along; a run in bf16 must go on in bf16, or be refused by name."""
    kill_after(2)
    with pytest.raises(Stop):
        train(
            tmp_path / "run",
            "max_generator_steps=3",
            "checkpoint_every=1",
            "trainer.precision=bf16-mixed",
        )
    is_untouched(
        lambda: resume(tmp_path / "run", "trainer=cpu"), tmp_path / "run", "precision", "bf16-mixed"
    )
    resume(tmp_path / "run", "trainer=cpu", "trainer.precision=bf16-mixed")
    assert record(tmp_path / "run")["precision"] == "bf16-mixed"


def test_a_finished_run_is_refused(finished):
    is_untouched(lambda: resume(finished), finished, "finished", "max_generator_steps=")


def test_a_truncated_checkpoint_falls_back_to_the_one_before_and_says_so(stopped, finished, capsys):
    path = stopped / "checkpoints/step_3.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    resume(stopped)
    told = capsys.readouterr().out
    assert "step_3.ckpt" in told
    assert "damaged" in told
    assert record(stopped)["resumed_from_step"] == 2
    assert weights(stopped) == weights(finished)
    assert all(is_intact(path) for path in (stopped / "checkpoints").glob("*.ckpt")), (
        "the damaged one was kept"
    )


def test_a_run_directory_has_one_process_that_trains(stopped, finished):
    other = FileLock(stopped / ".lock")
    with other:
        is_untouched(lambda: resume(stopped), stopped, "another process")
    resume(stopped)
    assert weights(stopped) == weights(finished)
    assert not (stopped / ".lock").exists()


def test_a_checkpoint_without_its_checksum_is_not_trusted(stopped, capsys):
    (stopped / "checkpoints/step_3.ckpt.sha256").unlink()
    resume(stopped)
    assert "step_3.ckpt" in capsys.readouterr().out
    assert record(stopped)["resumed_from_step"] == 2


def test_all_checkpoints_truncated_is_refused(stopped):
    for path in (stopped / "checkpoints").glob("*.ckpt"):
        path.write_bytes(path.read_bytes()[:1000])
    is_untouched(lambda: resume(stopped), stopped, str(stopped), "intact")


def test_a_run_stopped_before_its_first_checkpoint_begins_again(stopped, finished, capsys):
    shutil.rmtree(stopped / "checkpoints")
    resume(stopped)
    assert "no checkpoint" in capsys.readouterr().out
    assert record(stopped)["resumed_from_step"] == 0
    assert record(stopped)["generator_steps"] == record(finished)["generator_steps"]
    assert weights(stopped) == weights(finished)
    assert metrics(stopped) == metrics(finished)


@pytest.mark.parametrize(
    ("before", "after"), [("channels: 8", "channels: 16"), ("latent_dim: 128", "latent_dim: 64")]
)
def test_a_checkpoint_of_another_architecture_is_refused(before, after, stopped):
    text = (stopped / "config.yaml").read_text()
    assert before in text
    (stopped / "config.yaml").write_text(text.replace(before, after))
    is_untouched(lambda: resume(stopped), stopped, "architecture", "config.yaml")


def signed(path):
    """The checksum that makes a written file an intact one."""
    path.with_name(path.name + ".sha256").write_text(
        hashlib.sha256(path.read_bytes()).hexdigest() + "\n"
    )


class Malice:
    """Runs a command when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_checkpoint_is_refused_and_not_run(protocol, stopped, tmp_path):
    path = stopped / "checkpoints/step_9.ckpt"
    torch.save({"generator_steps": Malice(tmp_path / "pwned")}, path, pickle_protocol=protocol)
    signed(path)
    is_untouched(lambda: resume(stopped), stopped, "step_9.ckpt")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "state", [{"generator_steps": 9}, [1, 2]], ids=["fields missing", "no dict"]
)
def test_a_checkpoint_of_something_else_is_refused(state, stopped):
    path = stopped / "checkpoints/step_9.ckpt"
    torch.save(state, path)
    signed(path)
    is_untouched(lambda: resume(stopped), stopped, "step_9.ckpt")


@pytest.mark.parametrize(
    "content", [b"", b"hello world", b'{"a": 1}', bytes(100), b"PK\x03\x04" + bytes(30)]
)
def test_a_file_that_is_no_checkpoint_is_refused(content, stopped):
    path = stopped / "checkpoints/step_9.ckpt"
    path.write_bytes(content)
    signed(path)
    is_untouched(lambda: resume(stopped), stopped, "step_9.ckpt", "no checkpoint of gan_lab")


def cut(module):
    """Seven outputs in place of one."""
    module["critic.output.weight"], module["critic.output.bias"] = torch.zeros(7, 8), torch.zeros(7)


def without(module):
    del module["ema.average.norm.bias"]


def beside(module):
    module["critic.extra"] = torch.zeros(3)


def emptied(module):
    for name in list(module):
        del module[name]


OTHER_NETWORKS = [
    (cut, ["critic.output.weight is 7x8 in the file and 1x8 by config.yaml", "and 1 more"]),
    (without, ["ema.average.norm.bias is missing in the file and 8 by config.yaml"]),
    (beside, ["critic.extra is 3 in the file and missing by config.yaml"]),
    (emptied, ["generator.", "is missing in the file"]),
]


@pytest.mark.parametrize(
    ("change", "words"), OTHER_NETWORKS, ids=[change.__name__ for change, _ in OTHER_NETWORKS]
)
@pytest.mark.parametrize("status", ["interrupted", "running"])
def test_a_checkpoint_of_other_networks_is_refused(change, words, status, stopped, capsys):
    """Its config is that of the run: only the tensors say that it is another's. The record stays as
    it was."""
    (stopped / "record.json").write_text(json.dumps(record(stopped) | {"status": status}))
    path = stopped / "checkpoints/step_3.ckpt"
    state = torch.load(path, weights_only=True)
    change(state["module"])
    torch.save(state, path)
    signed(path)
    words = ["checkpoints/step_3.ckpt", *words, "restore the file and config.yaml"]
    is_untouched(lambda: resume(stopped), stopped, *words)
    before = record(stopped)
    is_refusal(command(capsys, f"resume={stopped}"), *words)
    assert record(stopped) == before
    assert before["status"] == status


def shorter(states):
    states[0]["exp_avg"] = states[0]["exp_avg"].flatten()[:1]


def without_a_moment(states):
    del states[0]["exp_avg_sq"]


def of_one_more(states):
    states[10**6] = states[0]


@pytest.mark.parametrize("change", [shorter, without_a_moment, of_one_more])
def test_a_checkpoint_of_another_optimizer_is_refused(change, stopped):
    """torch loads it; its steps wrote past the end of the shorter tensor."""
    path = stopped / "checkpoints/step_3.ckpt"
    state = torch.load(path, weights_only=True)
    change(state["optimizers"][1]["state"])
    torch.save(state, path)
    signed(path)
    is_untouched(lambda: resume(stopped), stopped, "checkpoints/step_3.ckpt holds other optimizers")


def test_the_checkpoint_before_one_of_other_networks_goes_on(stopped, finished):
    """What the line says: with the exchanged file restored, or removed, the run ends as it would
    have."""
    path = stopped / "checkpoints/step_3.ckpt"
    torch.save({**torch.load(path, weights_only=True), "module": {}}, path)
    signed(path)
    is_untouched(lambda: resume(stopped), stopped, "step_3.ckpt")
    path.unlink()
    resume(stopped)
    assert record(stopped)["resumed_from_step"] == 2
    assert weights(stopped) == weights(finished)


def test_data_that_changed_are_refused(stopped):
    content = record(stopped)
    content["dataset"]["content_hash"] = "0" * 64
    (stopped / "record.json").write_text(json.dumps(content))
    is_untouched(lambda: resume(stopped), stopped, "data")


def test_the_config_of_a_run_reproduces_it(finished, tmp_path):
    """config.yaml, read back, trains the same generator."""
    from gan_lab.runs.train import train as train_run

    compose()  # Hydra's own config
    again = config.saved_config(finished, "run_dir")
    again.run_dir = str(tmp_path / "again")
    config.check(again)
    train_run(again, tmp_path / "again")
    assert weights(tmp_path / "again") == weights(finished)
    assert record(tmp_path / "again")["config_hash"] == record(finished)["config_hash"]


# As programs of their own -------------------------------------------------------------------------


def killed_and_resumed(tmp_path, straight_steps, at, recipe):
    recipe = (
        CHANNELS,
        *recipe,
        f"max_generator_steps={straight_steps}",
        f"checkpoint_every={at}",
        "log_every=5",
    )
    run_dir = tmp_path / "killed"
    process = start(*recipe, f"run_dir={run_dir}", cwd=tmp_path)
    wait_for(run_dir / f"checkpoints/step_{at}.ckpt", process)
    process.kill()
    assert finish(process).code == -signal.SIGKILL
    assert record(run_dir)["status"] == "running"
    ended = finish(start(f"resume={run_dir}", cwd=tmp_path), 600)
    assert ended.code == 0, ended
    return run_dir, recipe


def same(run_dir, straight, at):
    assert weights(run_dir) == weights(straight)
    assert metrics(run_dir) == metrics(straight)
    kept = record(run_dir)
    assert (kept["status"], kept["resumed_from_step"]) == ("finished", at)


@pytest.mark.slow
def test_kill_9_and_resume_in_programs_of_their_own(tmp_path):
    run_dir, recipe = killed_and_resumed(tmp_path, 60, 8, ("optimizer=adashift", *MEMORY, *SMALL))
    straight = tmp_path / "straight"
    ended = finish(start(*recipe, f"run_dir={straight}", cwd=tmp_path))
    assert ended.code == 0, ended
    kept = record(run_dir)
    assert kept["resumed_from_step"] % 8 == 0
    same(run_dir, straight, max(8, kept["resumed_from_step"]))


@pytest.mark.slow
@pytest.mark.parametrize("option", KINDS)
def test_200_steps_at_once_and_100_with_kill_9_and_resume(option, tmp_path):
    run_dir, recipe = killed_and_resumed(tmp_path, 200, 100, (f"optimizer={option}", *MEMORY))
    straight = tmp_path / "straight"
    assert finish(start(*recipe, f"run_dir={straight}", cwd=tmp_path), 600).code == 0
    same(run_dir, straight, 100)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_a_signal_to_the_program_ends_it_with_its_code(number, tmp_path):
    run_dir = tmp_path / "run"
    process = start(CHANNELS, *SMALL, "max_generator_steps=100000", "checkpoint_every=100000", "log_every=1",
                    f"run_dir={run_dir}", cwd=tmp_path)  # fmt: skip
    wait_for(run_dir / "metrics.jsonl", process)
    process.send_signal(number)
    ended = finish(process)
    assert ended.code == 128 + number, ended
    assert "Traceback" not in ended.err
    assert "python train.py resume=run" in ended.out
    kept = record(run_dir)
    assert kept["status"] == "interrupted"
    assert steps_of(run_dir, "checkpoints", ".ckpt") == [kept["generator_steps"]]
