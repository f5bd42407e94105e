"""scripts/study.py from its first line: refusals, sweeps, tables, and classes of one's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gan_lab import records
from helpers.gan_runs import ROOT, command, each_without_torch, is_refusal, metrics, record
from helpers.study_runs import NAME, OWN, PROGRAM, TINY, own_study, study

CHOSEN = f"study={NAME}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which programs start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # `trust.reach` adds to it
    return tmp_path


# Before torch -------------------------------------------------------------------------------------

BEFORE_TORCH = [
    ([], ["study is not set", NAME]),
    (["study.layout=covered"], ["study is not set", NAME]),
    (["study=gradient"], ["study=gradient", NAME]),
    (["sweep=gradient"], ["sweep=gradient", NAME]),
    (["studdy=x"], ["studdy", "'study'"]),
    ([CHOSEN, "seeds=1"], ["seeds", "'seed'"]),
    ([CHOSEN, "+seeds=1"], ["seeds", "'seed'"]),
    ([CHOSEN, "study.layuot=covered"], ["study.layuot", "layout"]),
    ([CHOSEN, "+study.foo=1"], ["study.foo", "layout"]),
    ([CHOSEN, "loss=nothing"], ["loss=nothing", "hinge"]),
    ([CHOSEN, "loss.aa=1"], ["loss.aa", "'a'"]),
    (["loss=hinge"], ["loss", "study=NAME"]),
    ([CHOSEN, "penalty=gp"], ["penalty", "omit it"]),
    ([CHOSEN, "+penalty=gp"], ["penalty", "omit it"]),
    ([CHOSEN, "+optimizer=adam"], ["optimizer", "omit it"]),
    ([CHOSEN, "study.loss=hinge"], ["study.loss", "add loss=NAME"]),
    (["study=known_critics", "architecture=resnet"], ["takes no dataset", "architecture=mlp"]),
    (["study=critic_only", "architecture=dcgan"], ["set architecture.extra_layer=VALUE"]),
    (
        ["study=critic_only", "architecture=sagan", "architecture.projection=true"],
        ["a study draws none; set architecture.projection=false"],
    ),
    ([CHOSEN, "seed=-1"], ["seed=-1", "at least 0"]),
    ([CHOSEN, "seed=null"], ["seed=null", "omit it"]),
    ([CHOSEN, "log_every=0"], ["log_every=0", "at least 1"]),
    ([CHOSEN, "checkpoint_every=0"], ["checkpoint_every=0", "at least 1"]),
    ([CHOSEN, "device=foo"], ["device=foo", "auto, cpu, cuda"]),
    ([CHOSEN, "existing_run=foo"], ["existing_run=foo", "resume"]),
    ([CHOSEN, "loss._target_=os.system"], ["loss._target_=os.system"]),
    ([CHOSEN, "study._target_=os.system"], ["study._target_=os.system"]),
    ([CHOSEN, "study._target_=my_study_that_is_not.Mine"], ["my_study_that_is_not.Mine"]),
    ([CHOSEN, "loss=exp", "+loss._args_=[1]"], ["loss._args_"]),
]
EXPERIMENTS = {
    "misspelt_field": ("seeds: 1", ["seeds"]),
    "misspelt_key": ("study: {layuot: covered}", ["study.layuot", "layout"]),
    "class_of_python": ("study: {_target_: os.system}", ["study._target_=os.system"]),
    "class_of_others": (
        "study: {_target_: gan_lab.files.safe_name}",
        ["study._target_=gan_lab.files.safe_name"],
    ),
    "loss_of_others": ("loss: {_target_: subprocess.run}", ["loss._target_=subprocess.run"]),
    "swept_class": (
        "hydra: {mode: MULTIRUN, sweeper: {params: {study._target_: subprocess.run}}}",
        ["study._target_=subprocess.run"],
    ),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """How each of them ended, all in one interpreter without torch."""
    conf = tmp_path_factory.mktemp("extra")
    (conf / "sweep").mkdir()
    for name, (text, _) in EXPERIMENTS.items():
        head = f"# @package _global_\ndefaults:\n  - override /study: {NAME}\n"
        (conf / "sweep" / f"{name}.yaml").write_text(head + text + "\n")
    commands = [typed for typed, _ in BEFORE_TORCH]
    commands += [[f"--config-dir={conf}", f"sweep={name}"] for name in EXPERIMENTS]
    ended = each_without_torch(commands, tmp_path_factory.mktemp("before_torch"), PROGRAM)
    return dict(zip([*map(str, commands[: len(BEFORE_TORCH)]), *EXPERIMENTS], ended, strict=True))


@pytest.mark.parametrize(("typed", "words"), BEFORE_TORCH, ids=lambda value: " ".join(value))
def test_is_refused_in_one_line_before_torch(typed, words, refused):
    ended, left = refused[str(typed)]
    is_refusal(ended, *words)
    assert not [path for path in left if Path(path).suffix], left  # folders of a day at most


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_file_is_refused_before_torch(name, refused):
    ended, _ = refused[name]
    assert ended.code == 1, ended
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    for word in EXPERIMENTS[name][1]:
        assert all(word in line for line in lines[-1:]), ended.err
    assert lines
    assert "Traceback" not in ended.err


# Fields of the study: its constructor's own words, before anything is written
REFUSED_FIELDS = [
    ("study.layout=foo", ["study.layout=foo", "disjoint, covered, overlapping"]),
    ("study.setting=9", ["study.setting=9", "1, 2, 3, 4, 5"]),
    ("study.setting=abc", ["study.setting=abc"]),
    ("study.max_steps=0", ["study.max_steps=0", "at least 1"]),
    ("study.max_steps=1.5", ["study.max_steps=1.5"]),
    ("study.batch_size=-3", ["study.batch_size=-3"]),
]


@pytest.mark.parametrize(("typed", "words"), REFUSED_FIELDS)
def test_a_value_that_the_study_refuses_is_one_line_and_leaves_nothing(typed, words, place, capsys):
    is_refusal(command(capsys, *TINY, typed, "run_dir=run", program=PROGRAM), *words)
    assert not (place / "run").exists()


def test_help_names_the_studies(place, capsys):
    ended = command(capsys, "--help", program=PROGRAM)
    assert ended.code == 0
    assert NAME in ended.out


# Studies of one's own -----------------------------------------------------------------------------


def test_a_typed_class_is_found_in_the_folder_where_the_program_starts(place, capsys):
    typed = own_study(place, "my_study_alone")
    ended = command(capsys, typed, "study.max_steps=5", "run_dir=run", program=PROGRAM)
    assert ended.code == 0, ended
    about = record(place / "run")
    assert about["choices"] == {"study": "my_study_alone.Mine"}
    assert (about["status"], about["steps"]) == ("finished", 5)
    assert about["drawn"] == {"at": [0, 1, 2]}

    # it stands in a table like one with an option
    ended = command(
        capsys, "runs=run", "score=sum", "rows=seed", "allow=[dirty]", program="scripts/table.py"
    )
    assert ended.code == 0, ended
    assert "study my_study_alone.Mine" in ended.out


def test_a_typed_class_in_place_of_an_option_takes_its_own_fields(place, capsys):
    typed = own_study(place, "my_study_instead")
    chosen = (CHOSEN, typed, "run_dir=run")
    ended = command(capsys, *chosen, "study.max_steps=2", program=PROGRAM)
    assert ended.code == 0, ended
    config = record(place / "run")["config"]
    assert config["study"] == {"_target_": "my_study_instead.Mine", "max_steps": 2}
    assert config["loss"] == {}
    is_refusal(command(capsys, *chosen, "study.layout=covered", program=PROGRAM), "study.layout")
    is_refusal(command(capsys, *chosen, "loss=hinge", program=PROGRAM), "loss", "omit it")


def test_a_saved_config_of_a_class_is_data_until_it_is_typed_again(place, capsys):
    typed = own_study(place, "my_study_again")
    assert command(capsys, typed, "run_dir=run", program=PROGRAM).code == 0
    again = (typed, "run_dir=run", "existing_run=resume")
    ended = command(capsys, *again, program=PROGRAM)
    assert ended.code == 0
    assert "finished before" in ended.out
    is_refusal(
        command(capsys, CHOSEN, *again[1:], program=PROGRAM), "another study", "name another folder"
    )


@pytest.mark.parametrize(
    "result",
    [
        "Result({'sum': 1.0}, {'x': torch.zeros(500_000)})",
        "Result({'sum': 1.0}, {'x': 1 + 2j})",
        "Result({'sum': 1.0}, {3: [1]})",
        "Result({'sum': 1.0}, {'x': eval('[' * 60 + ']' * 60)})",
    ],
)
def test_what_no_record_can_hold_is_refused_and_the_record_stays_whole(
    result, place, capsys, request
):
    """Its checkpoint stays: nothing but the result is computed again."""
    text = OWN.replace("""Result({"sum": float(self.sum)}, {"at": torch.arange(3)})""", result)
    typed = own_study(place, f"my_study_of_{abs(hash(result))}", text)
    ended = command(capsys, typed, "checkpoint_every=3", "run_dir=run", program=PROGRAM)
    is_refusal(ended, "cannot be recorded")
    about = records.read(place / "run")
    assert (about["status"], about["drawn"]) == ("failed", {})
    assert (place / "run" / "checkpoints" / "step_3.ckpt").exists()


def test_a_record_says_which_data_a_study_took(tmp_path):
    tiny = ("study=ten_images", "study.depth=1", "study.width=4")
    about = record(study(tmp_path / "images", *tiny))["dataset"]
    assert (about["name"], sum(about["splits"].values())) == ("digits", 1797)
    assert len(about["content_hash"]) == 64
    assert "dataset" not in record(study(tmp_path / "line"))


# Sweeps, tables -----------------------------------------------------------------------------------

SWEPT = (
    *TINY, "study.layout=disjoint,foo,covered", "seed=0,1", "existing_run=resume",
    "hydra.sweep.dir=sweep", "hydra.sweep.subdir=${study.layout}_${seed}",
)  # fmt: skip


@pytest.mark.slow
def test_cells_of_a_study_run_beside_each_other(place, capsys):
    """As `make chapter-2-run` runs them: a study has no trainer whose devices could be counted."""
    ended = command(
        capsys, "-m", *TINY, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1",
        "hydra.sweep.dir=sweep", program=PROGRAM,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert [record(place / "sweep" / cell)["status"] for cell in "01"] == ["finished"] * 2


def test_a_sweep_goes_on_after_a_cell_that_fails_and_is_reported(place, capsys):
    ended = command(capsys, "-m", *SWEPT, program=PROGRAM)
    assert ended.code == 1
    assert "6 cells: 4 finished, 2 failed" in ended.out
    for seed in (0, 1):
        about = record(place / "sweep" / f"foo_{seed}")
        assert about["status"] == "failed"
        assert "study.layout=foo: choose one of" in about["reason"]
        assert record(place / "sweep" / f"covered_{seed}")["status"] == "finished"

    # once more: what finished is passed over, what failed before it began is tried again
    before = (place / "sweep" / "covered_0" / "record.json").read_bytes()
    ended = command(capsys, "-m", *SWEPT, program=PROGRAM)
    assert "6 cells: 4 finished, 2 failed" in ended.out
    assert "study.layout=foo: choose one of" in ended.err
    assert "damaged" not in ended.out + ended.err
    assert (place / "sweep" / "covered_0" / "record.json").read_bytes() == before

    # who looks at it
    ended = command(capsys, "sweep", program="scripts/status.py")
    assert ended.out.count("finished") >= 4
    shown = ("runs=sweep", "allow=[dirty,unfinished]")
    ended = command(
        capsys, *shown, "rows=study.layout", "score=[optimum_error,sign_changes]",
        program="scripts/table.py",
    )  # fmt: skip
    assert ended.code == 0, ended
    assert f"study {NAME}" in ended.out
    assert "| covered |" in ended.out
    ended = command(
        capsys, *shown, "curves=critic_loss", "rows=study.layout", program="scripts/curves.py"
    )
    assert ended.code == 0, ended


def test_a_cell_that_failed_before_it_began_runs_once_it_can(place, capsys):
    """Here the folder's note is of a cell that another call had refused."""
    run_dir = place / "run"
    note = records.RunRecord(run_dir, {"version": 3, "command": ["seed=0"]})
    note.update(status="failed", reason="study.layout=foo: choose one of disjoint, covered")
    study(run_dir)
    about = record(run_dir)
    assert (about["status"], about["reason"]) == ("finished", None)


def test_what_fails_before_the_record_leaves_the_folder_to_the_same_command(place, monkeypatch):
    """Memory that is full while networks are made, for example."""
    begin = "gan_lab.studies.gradient_uninformativeness.GradientUninformativeness.begin"

    def full(self, seed):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(begin, full)
        with pytest.raises(RuntimeError, match="out of memory"):
            study(place / "run")
    assert list((place / "run").iterdir()) == []
    assert record(study(place / "run"))["status"] == "finished"


def collected(capsys, folder: str, *more: str) -> list[Path]:
    ended = command(
        capsys,
        f"runs={folder}",
        "out=records",
        "allow=[dirty]",
        *more,
        program="scripts/collect.py",
    )
    assert ended.code == 0, ended
    return sorted(Path("records").glob("*.json"))


def test_collect_replaces_the_record_of_a_cell_alone(place, capsys):
    for name, more in [("one", "seed=0"), ("two", "seed=1"), ("three", "study.layout=covered")]:
        study(place / "first" / name, more)
    study(place / "second" / "one", "seed=0")
    before = collected(capsys, "first")
    assert len(before) == 3
    assert all(path.name.startswith(f"study_{NAME}_") for path in before)
    kept = {path.name: path.read_bytes() for path in before}

    assert len(collected(capsys, "second")) == 4
    after = collected(capsys, "second", "replace=true")
    assert len(after) == 3
    mine = record(place / "second" / "one")["run_id"]
    assert [path.name for path in after if path.name not in kept] == [
        path.name for path in after if mine in path.name
    ]
    assert sum(path.read_bytes() == kept.get(path.name) for path in after) == 2
    assert "run_dir" not in json.loads(after[0].read_text())["config"]


def test_studies_stand_beside_runs_in_the_records_of_the_thesis(place, capsys):
    """Tables and figures of GANs look at the records of a folder; a study is of none of them."""
    study(place / "run")
    collected(capsys, "run")
    for table in ("2-2", "4-1"):
        ended = command(
            capsys,
            f"table={table}",
            "records=records",
            "allow=[dirty]",
            program="scripts/tables.py",
        )
        assert "Traceback" not in ended.err, ended
        assert ended.code == 0, ended
    for figure in ("2-13", "4-8"):
        ended = command(
            capsys, f"figure={figure}", "records=records", "allow=[dirty]",
            program="scripts/figures.py",
        )  # fmt: skip
        assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("program", "typed"),
    [
        ("train.py", ["resume=run"]),
        ("scripts/sample.py", ["run_dir=run"]),
        ("scripts/evaluate.py", ["run_dir=run"]),
    ],
)
def test_programs_for_generators_say_that_it_is_a_study(program, typed, place, capsys):
    study(place / "run")
    ended = command(capsys, *typed, program=program)
    is_refusal(ended, "holds a study", "no GAN")


ODD = [("drawn", 3), ("drawn", [1]), ("steps", -1), ("steps", "1"), ("steps", 1.5), ("scores", [])]


def test_records_with_odd_fields_are_said_and_passed_over(place, capsys):
    content = record(study(place / "runs" / "whole"))
    for number, (field, value) in enumerate(ODD):
        (place / "runs" / str(number)).mkdir()
        path = place / "runs" / str(number) / "record.json"
        path.write_text(json.dumps(content | {field: value}))
    ended = command(
        capsys, "runs=runs", "rows=seed", "score=optimum_error", "allow=[dirty]",
        program="scripts/table.py",
    )  # fmt: skip
    assert ended.code == 0, ended
    for number, (field, _) in enumerate(ODD):
        assert f"{number}/record.json is damaged: {field} is" in ended.err
    assert "| 0 |" in ended.out


def test_metrics_are_lines_of_steps(place):
    study(place / "run", "log_every=5")
    assert [sorted(line) for line in metrics(place / "run")] == [
        ["critic_loss", "generator_step", "penalty"]
    ] * 3
    assert (ROOT / PROGRAM).exists()
