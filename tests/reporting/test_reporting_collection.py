"""Reading, refusing and collecting records."""

from __future__ import annotations

import json
import re

import pytest

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.records.versions import VERSION
from gan_lab.reporting import collect, read_records
from gan_lab.reporting.collection import file_name, studied_data, without_places
from helpers.made_up import labelled, record, run_dirs, write

DIRTY = {"sha": "5" * 40, "dirty": True}
NO_GIT = {"sha": None, "dirty": None}


def test_good_records_are_read_in_the_order_of_their_names(tmp_path):
    folder = write(tmp_path, record(seed=0), record(seed=1, status="diverged"))
    assert [one["seed"] for one in read_records(folder)] == [0, 1]


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"version": VERSION + 1}, "newer gan_lab.*update gan_lab"),
        ({"git": DIRTY}, "dirty checkout"),
        ({"git": NO_GIT}, "outside a git checkout"),
        ({"git": {"sha": "5" * 40, "dirty": None}}, "dirty checkout"),
        ({"status": "running"}, "unfinished.*'running'"),
        ({"status": "interrupted"}, "unfinished"),
        ({"status": "failed"}, "unfinished"),
    ],
)
def test_what_cannot_be_reported_is_refused_by_name(tmp_path, replaced, words):
    folder = write(tmp_path, record(), record(seed=1, **replaced))
    with pytest.raises(UserError, match=f"1.json.*{words}") as caught:
        read_records(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"version": 0}, "damaged: its version is 0"),
        ({"version": None}, "damaged"),
        ({"status": "done"}, "no status 'done'"),
        ({"choices": {"loss": "exp"}}, "has no choices.penalty"),
        ({"run_id": None}, "run_id is null, and must be a text"),
        ({"dataset__content_hash": None}, "dataset.content_hash is null"),
        ({"scores": [1]}, "scores is a list of 1"),
        ({"config": "abc"}, 'config is "abc"'),
        ({"config__n_critic": 1.5}, "config.n_critic is 1.5"),
        (
            {"config__penalty__weight": "x" * 999},
            "config.penalty.weight is .{60,99}must be a number",
        ),
    ],
)
def test_a_damaged_record_is_passed_over_by_name_and_the_rest_of_the_table_stands(
    tmp_path, replaced, words, capsys
):
    folder = write(tmp_path, record(), record(seed=1, **replaced))
    assert [one["seed"] for one in read_records(folder)] == [0]
    said = capsys.readouterr().err
    assert re.search(f"^warning: passed over: .*1.json.*{words}", said)
    assert said.count("\n") == 1
    (folder / "0.json").unlink()
    with pytest.raises(UserError, match=words):
        read_records(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": "1"}', '{"schema": 2}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=r"x\.json"):
        read_records(tmp_path)


def test_allow_lets_through_what_it_names_and_no_more(tmp_path):
    folder = write(tmp_path, record(git=DIRTY), record(seed=1, status="running"))
    with pytest.raises(UserError, match=r"1.json: unfinished"):
        read_records(folder, allow=["dirty"])
    assert len(read_records(folder, allow=["dirty", "unfinished"])) == 2
    with pytest.raises(UserError, match="allow=everything: choose from dirty, commits, unfinished"):
        read_records(folder, allow=["everything"])


ONE, OTHER = ({"sha": letter * 40, "dirty": False} for letter in "ab")


def in_parts(*gits, **replaced):
    """A record of a run that was resumed, each part by its own code."""
    parts = [{"from_step": 100 * i, "git": git} for i, git in enumerate(gits)]
    return record(git=gits[0], parts=parts, **replaced)


def test_every_part_of_a_run_is_asked_for_its_code(tmp_path):
    """The code it began with was a clean commit: that says nothing of what came after a resume."""
    for second, words in (
        (DIRTY, "from generator step 100 on from a dirty checkout"),
        (NO_GIT, "step 100 on outside"),
    ):
        with pytest.raises(UserError, match=f"dirty: it ran {words}" if second is DIRTY else words):
            read_records(write(tmp_path, in_parts(ONE, second)))
    assert len(read_records(write(tmp_path, in_parts(ONE, ONE)))) == 1


def test_parts_of_two_commits_are_named_and_refused_unless_allowed(tmp_path):
    folder = write(tmp_path, in_parts(ONE, OTHER))
    with pytest.raises(UserError, match=r"commits: .*aaaaaaaaa and bbbbbbbbb.*allow=\[commits\]"):
        read_records(folder)
    assert len(read_records(folder, allow=["commits"])) == 1


def test_a_score_has_code_of_its_own_that_must_be_clean(tmp_path):
    name = next(iter(record()["scores"]))
    by_other, by_dirty = record(), record()
    by_other["scores"][name]["git"] = OTHER
    by_dirty["scores"][name]["git"] = DIRTY
    assert len(read_records(write(tmp_path / "other", by_other))) == 1
    with pytest.raises(
        UserError, match=f"dirty: {name} was scored from a dirty checkout; score it again"
    ):
        read_records(write(tmp_path / "dirty", by_dirty))
    curve = record(history_about={name: {"git": DIRTY}})
    with pytest.raises(UserError, match=f"dirty: {name} was scored from a dirty checkout"):
        read_records(write(tmp_path / "curve", curve))


def test_a_missing_folder_is_named_and_an_empty_one_has_no_records(tmp_path):
    assert read_records(tmp_path) == []
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        read_records(tmp_path / "nowhere")


def test_select_takes_dotted_fields_values_and_lists(tmp_path):
    folder = write(
        tmp_path,
        *(record(seed=s, config__max_generator_steps=n) for s in (0, 1) for n in (1000, 1500)),
    )
    assert len(read_records(folder, {"config.max_generator_steps": 1500})) == 2
    assert len(read_records(folder, {"config.max_generator_steps": 1500.0, "seed": 1})) == 1
    assert len(read_records(folder, {"seed": [0, 1]})) == 4
    assert (
        len(read_records(folder, {"git.sha": int("5" * 40)})) == 4
    )  # Hydra reads such a hash as a number
    with pytest.raises(UserError, match=r"config.max_generator_steps=7; there are: 1000, 1500"):
        read_records(folder, {"config.max_generator_steps": 7})
    with pytest.raises(UserError, match="no record has the field 'max_steps'"):
        read_records(folder, {"max_steps": 7})
    for wrong in (1, [1], "seed"):
        with pytest.raises(UserError, match=r"select=.*: name fields and values"):
            read_records(folder, wrong)


def test_the_content_type_has_every_field_that_reporting_reads():
    known = records.Content.__annotations__.keys()
    assert record().keys() <= known
    assert "history" in known


# Collecting ---------------------------------------------------------------------------------------


def test_collect_copies_what_is_citable_and_reports_the_rest(tmp_path):
    runs = run_dirs(
        tmp_path / "runs",
        record(loss="exp", weight=0.1, run_id="aaaa"),
        record(loss="hinge", weight=1.0, run_id="bbbb", status="diverged"),
        record(loss="sqrt", run_id="cccc", git=DIRTY),
        record(loss="sqrt", run_id="dddd", status="interrupted"),
    )
    said = []
    written = collect([runs], tmp_path / "records", report=said.append)
    assert [path.name for path in written] == [
        "digits_exp_maxgp0.1_seed0_aaaa.json",
        "digits_hinge_maxgp1_seed0_bbbb.json",
    ]
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == [
        path.name for path in written
    ]
    refused = [line for line in said if line.startswith("refused: ")]
    assert len(refused) == 2
    assert "cccc" in refused[0]
    assert "dirty" in refused[0]
    assert "dddd" in refused[1]
    assert "unfinished" in refused[1]
    assert len(read_records(tmp_path / "records")) == 2
    assert len(collect([runs], tmp_path / "all", ["dirty", "unfinished"], said.append)) == 4


def test_a_folder_name_that_is_collected_writes_no_escape_to_the_terminal(tmp_path, capsys):
    """Of a record that is taken, and of one that is refused."""
    runs = tmp_path / "\x1b[31mruns"
    run_dirs(runs, record(run_id="aaaa"), record(run_id="bbbb", status="interrupted"))
    collect([runs], tmp_path / "records")
    said = capsys.readouterr().out
    assert said.count("\\x1b[31mruns") == 2
    assert "\x1b" not in said


def test_collecting_again_replaces_the_same_files(tmp_path):
    runs = run_dirs(tmp_path / "runs", record())
    first, second = (collect([runs], tmp_path / "records", report=list) for _ in range(2))
    assert first == second
    assert len(list((tmp_path / "records").iterdir())) == 1


def test_a_study_that_was_run_again_takes_the_place_of_the_old_one_where_asked(tmp_path):
    out = tmp_path / "records"

    def collected(run_id, replace, **choices):
        made = record(run_id=run_id)
        made["choices"] |= choices
        return collect([run_dirs(tmp_path / run_id, made)], out, report=list, replace=replace)[0]

    first = collected("aaaa0001", False)
    other = collected("aaaa0002", False, experiment="another")
    second = collected("aaaa0003", False)
    assert {path.name for path in out.iterdir()} == {first.name, other.name, second.name}
    third = collected("aaaa0004", True)
    assert {path.name for path in out.iterdir()} == {other.name, third.name}
    write(out, record(run_id="aaaa0005", seed=10))
    assert len(read_records(out)) == 3
    collected("aaaa0006", True)
    assert len(read_records(out)) == 3  # seed 10 is not seed 1 or 0


def test_cells_that_one_name_covers_do_not_replace_each_other(tmp_path):
    """As of experiment=exp_penalties, which sweeps a field that stands in no file's name; where a
    run lies, and how long it is, makes no other cell."""
    out = tmp_path / "records"

    def collected(run_id, *overrides):
        made = record(run_id=run_id)
        made["command"] = ["train.py", *overrides]
        return collect([run_dirs(tmp_path / run_id, made)], out, report=list, replace=True)[0]

    collected("aaaa0001", "penalty.target=0", "run_dir=a")
    second = collected("aaaa0002", "penalty.target=1")
    third = collected("aaaa0003", "penalty.target=0", "run_dir=b", "max_generator_steps=9")
    assert {path.name for path in out.iterdir()} == {second.name, third.name}


def test_another_part_by_default_or_typed_is_another_cell(tmp_path):
    """As of experiment=systems_small with and without optimizer=optimistic_adam."""
    out = tmp_path / "records"

    def collected(run_id, *overrides, **choices):
        made = record(run_id=run_id)
        made["command"] = ["train.py", *overrides]
        made["choices"] |= choices
        return collect([run_dirs(tmp_path / run_id, made)], out, report=list, replace=True)[0]

    first = collected("aaaa0001", optimizer="adam")
    second = collected("aaaa0002", "optimizer=optimistic_adam", optimizer="optimistic_adam")
    third = collected("aaaa0003", "architecture=sagan", architecture="sagan", optimizer="adam")
    assert {path.name for path in out.iterdir()} == {first.name, second.name, third.name}


def test_a_record_whose_names_are_too_long_for_a_file_has_a_shorter_one(tmp_path):
    runs = run_dirs(tmp_path / "runs", record(run_id="a"), record(run_id="b"))
    path = runs / "a/record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": "x" * 5000}))
    first, second = collect([runs], tmp_path / "out", report=list)
    assert second.name == "digits_exp_maxgp0.1_seed0_b.json"
    assert len(first.name) < 200


def test_a_damaged_record_among_the_collected_stays_where_it_is(tmp_path):
    out = tmp_path / "records"
    (first,) = collect([run_dirs(tmp_path / "a", record(run_id="aaaa0001"))], out, report=list)
    first.write_text("[" * 10_000)
    (second,) = collect(
        [run_dirs(tmp_path / "b", record(run_id="aaaa0002"))], out, report=list, replace=True
    )
    assert {path.name for path in out.iterdir()} == {first.name, second.name}


def test_collect_says_when_there_is_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: there is no record.json below it"):
        collect([tmp_path / "empty"], tmp_path / "out")
    runs = run_dirs(tmp_path / "runs", record(status="running"))
    with pytest.raises(UserError, match="every record was refused"):
        collect([runs], tmp_path / "out", report=list)
    assert not (tmp_path / "out").exists()


def test_collect_removes_the_places_of_the_machine():
    content = record(
        reason="the data at '/home/someone/data/x' have changed; see https://example.org/a/b",
        command=[
            "/home/someone/gan_lab/train.py",
            "loss=exp",
            "dataset.root=/mnt/disk/cifar/",
            "+x={a:/srv/a.pt,b:[/srv/deep/b.pt]}",
            "data_cache=~/cache",
            "run_dir=outputs/relative",
        ],
    )
    content["config"]["logger"] = {"csv": {"save_dir": "/home/someone/logs"}}
    before = json.dumps(content)
    found = without_places(content)
    assert json.dumps(content) == before  # a copy
    for name in ("run_dir", "resume", "data_cache"):
        assert name not in found["config"]
    assert found["config"]["dataset"] == {"_target_": "x", "name": "digits"}
    assert found["config"]["evaluation"] == {"extractor": {"_target_": "y"}}
    assert found["config"]["logger"] == {"csv": {"save_dir": "logs"}}
    assert found["command"] == [
        "train.py",
        "loss=exp",
        "dataset.root=cifar",
        "+x={a:a.pt,b:[b.pt]}",
        "data_cache=cache",
        "run_dir=outputs/relative",
    ]
    assert found["reason"] == "the data at 'x' have changed; see https://example.org/a/b"
    text = json.dumps(found)
    for place in ("/home", "/mnt", "/srv", "/tmp", "someone"):
        assert place not in text


def test_a_file_name_has_no_weight_where_the_penalty_has_none_and_no_slash():
    assert (
        file_name(record(penalty="clip", weight=None, run_id="ab"))
        == "digits_exp_clip_seed0_ab.json"
    )
    assert file_name(record(dataset="my/set", run_id="ab")) == "my-set_exp_maxgp0.1_seed0_ab.json"


def test_a_file_name_of_a_label_model_says_its_cell():
    names = [
        file_name(one)
        for one in (
            labelled("am_gan", "dynamic", run_id="ab"),
            labelled("am_gan", "predefined", seed=1, run_id="ab"),
            labelled("gan", "dynamic", run_id="ab"),
            labelled("gan", "predefined", run_id="ab"),
            labelled("ac_gan", "dynamic", original=True, run_id="ab"),
            labelled("ac_gan", "predefined", generator_classifier_weight=0.1, run_id="ab"),
        )
    ]
    assert names == [
        "digits_am_gan_none_dynamic_seed0_ab.json",
        "digits_am_gan_none_predefined_extra-layer_seed1_ab.json",
        "digits_gan_none_seed0_ab.json",
        "digits_gan_none_extra-layer_seed0_ab.json",
        "digits_ac_gan_none_original_dynamic_seed0_ab.json",
        "digits_ac_gan_none_classifier0.1_predefined_extra-layer_seed0_ab.json",
    ]


def test_names_of_chapter_2_stay_with_the_fields_of_chapter_4():
    content = record(run_id="ab")
    content["choices"]["labels"] = "none"
    assert (
        file_name(content) == file_name(record(run_id="ab")) == "digits_exp_maxgp0.1_seed0_ab.json"
    )


@pytest.mark.parametrize(
    ("its", "name"),
    [({"dataset": {"name": "photos", "content_hash": "c" * 64}}, "photos"), ({}, "image_folder")],
)
def test_a_studys_data_are_called_as_a_runs_are(its, name):
    """A folder without a name in the config has one; records of before it was kept have not."""
    choices = {"study": "critic_only", "dataset": "image_folder"}
    assert studied_data({"choices": choices, "config": {"dataset": {"name": ""}}} | its) == name
