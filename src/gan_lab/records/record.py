"""`record.json`: what a run was and what came of it. Torch-free."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypedDict

from gan_lab.errors import DamagedFile, UserError
from gan_lab.files import read_json, refuse_links, write_atomically
from gan_lab.reading.schema import Count, Number, misfit
from gan_lab.records import folder, versions
from gan_lab.records.json_text import to_json

STATUSES = ("running", "finished", "diverged", "failed", "interrupted")
ALLOWANCES = ("dirty", "commits", "unfinished")  # what `check_citable` can be asked to let pass


class Code(TypedDict, total=False):
    """Of which code something is; see gan_lab.records.provenance."""

    sha: str | None  # of the commit; None where it is not known
    dirty: bool | None  # whether a file differed from the commit


class _Part(TypedDict):
    from_step: Count  # generator step
    git: Code  # that ran


class Part(_Part, total=False):
    """A start or a resume of a run."""

    created: str  # UTC time
    packages: dict[str, str]  # versions
    hardware: dict[str, Any]


class _Dataset(TypedDict):
    name: str
    content_hash: str  # SHA-256 over the raw content and the rule that decodes it


class Dataset(_Dataset, total=False):
    """The data that a run was trained on."""

    splits: dict[str, Count]  # samples by split
    label_histogram: dict[str, list[Count]]  # samples of each class, by split
    labelled: Count  # training samples whose label is used
    num_classes: Count  # as trained


class NetworkEntry(TypedDict):
    """An architecture: its name, and its fields beside it."""

    name: str


class Extractor(TypedDict, total=False):
    """What scores are made with."""

    name: str  # as it stands in the names of scores
    architecture: NetworkEntry | str | None
    weights_sha256: str | None
    accuracy: dict[str, Number]  # of a classifier, by split
    calibration: dict[str, dict[str, Number]]  # of a classifier, by split
    origin: str  # of a classifier: file, shipped or trained


class _ScoreEntry(TypedDict):
    value: Number
    std: Number | None  # over splits or chunks of the samples; None where there is one
    n_samples: Count
    step: Count  # generator step
    extractor: Extractor


class ScoreEntry(_ScoreEntry, total=False):
    """A score, with the terms of those that have some; see gan_lab.scoring.protocol.Entry."""

    score: str  # the metric, and further words of its protocol that stand in the name
    parts: Count  # splits or chunks, where the value is a mean over these
    reference: str | None  # split of the real data that the samples were compared with
    splits: Count  # of IS, AM and Mode Score
    chunks: Count  # of FID, KID and PRDC
    git: Code  # that scored
    protocol: str
    batch_size: Count  # of the extractor's passes
    batch_norm_statistics: str  # by which the generator normalised: running, or of batches
    marginal_entropy: Number
    marginal_divergence: Number
    conditional_entropy: Number
    histogram: list[Number]
    per_class: list[Number | None]
    mean: Number
    pairs: Count
    pairs_per_class: list[Count]
    classes: str
    real: Number | None
    real_per_class: list[Number | None]


class About(TypedDict, total=False):
    """How a score over training was taken."""

    extractor: Extractor
    score: str
    n_samples: Count
    parts: Count
    reference: str | None
    splits: Count
    protocol: str | None
    git: Code


class Penalty(TypedDict, total=False):
    """What is read of a config's penalty; as of the other groups,
    before an object is made of it."""

    weight: float | None
    traits: dict[str, Any] | None


class Loss(TypedDict, total=False):
    """What is read of a config's loss."""

    generator_classifier_weight: float
    traits: dict[str, Any] | None


class Labels(TypedDict, total=False):
    """What is read of a config's labels."""

    traits: dict[str, Any] | None


class Architecture(TypedDict, total=False):
    """What is read of a config's architecture."""

    traits: dict[str, Any] | None
    accepts: list[str] | None  # of runs before there were traits of an architecture


class Supervision(TypedDict, total=False):
    """What is read of a config's supervision."""

    labelled_fraction: float
    num_classes: float | None
    reference_distribution: str | None


class Data(Supervision, total=False):
    """What is read of a config's data set: in older files the fields that are of supervision
    today."""


class Config(TypedDict, total=False):
    """The fields of config.TrainConfig as a record holds them; a group holds its option."""

    loss: Loss
    labels: Labels
    penalty: Penalty
    optimizer: dict[str, Any]
    optimizer_critic: dict[str, Any]
    schedule: dict[str, Any]
    architecture: Architecture
    dataset: Data
    supervision: Supervision
    evaluation: dict[str, Any]
    trainer: dict[str, Any]
    logger: dict[str, Any]
    diagnostics: dict[str, Any]
    seed: Count
    n_critic: Count
    max_generator_steps: Count
    batch_size: Count
    generator_batch_size: Count
    ema_decay: float
    log_every: Count
    sample_every: Count
    checkpoint_every: Count
    evaluate_every: Count
    keep_checkpoints: Count
    data_cache: str
    run_dir: str
    resume: str | None
    existing_run: str


class Content(TypedDict, total=False):
    """The fields of a record. Counts and times are over all parts of a resumed run."""

    version: int  # of this table and of the config; version 1 wrote `schema` instead
    status: str  # one of STATUSES
    reason: str | None  # why it is neither running nor finished
    run_id: str  # survives a resume
    created: str  # UTC time of the first start
    config: Config  # resolved
    config_hash: str  # of what identifies a sweep cell
    choices: dict[str, str]  # group: option
    command: list[str]  # the program and what was typed
    git: Code  # that the run began with
    parts: list[Part]  # of which steps are left
    packages: dict[str, str]  # versions of Python and of what can change a result
    hardware: dict[str, Any]  # processor, cores, device of the last part
    precision: str
    seed: Count
    dataset: Dataset  # what it was trained on
    extractor: Extractor | None  # of the scores; None before there is one
    parameters: dict[str, Count]  # generator, critic: trainable values
    generator_steps: Count  # done
    critic_steps: Count  # done
    resumed_from_step: Count  # generator step at which the last resume began
    images_seen: Count  # real images
    seconds: float  # of training
    images_per_second: float | None  # real images
    # of the last part of the run; on the accelerator where there is one
    peak_memory_bytes: Count | None
    last_metrics: dict[str, Number]  # of the last logged step
    scores: dict[str, ScoreEntry]  # by the name that says the protocol
    history: dict[str, list[tuple[Count, Number]]]  # over training: [generator step, value], ...
    history_about: dict[str, About]  # of its scores
    # over training: [generator step, value], ... of what `diagnostics` of the config measures
    diagnostics: dict[str, list[tuple[Count, Number]]]
    steps: Count  # done, of a study
    drawn: dict[str, Any]  # of a study: what its figure is drawn from


class Logged(TypedDict):
    """A line of metrics.jsonl; its metrics stand beside the step."""

    generator_step: Count


class RunRecord:
    """A record on disk that is rewritten whole, atomically, with every update.

    Args:
        run_dir: the run's directory.
        content: its fields, see Content.
        writes: False keeps it in memory: of the processes of a run one writes.
    """

    def __init__(self, run_dir: Path, content: dict[str, Any], *, writes: bool = True) -> None:
        self.path = run_dir / folder.RECORD
        self.content = content
        self.writes = writes
        self.lock = threading.Lock()  # a thread tells of a lost process

    def update(self, **fields: Any) -> None:
        """Set fields and write.

        Raises:
            KeyError: for a field that Content does not have, or a status that there is not.
        """
        # mistakes of ours, found where they are made
        unknown = fields.keys() - Content.__annotations__.keys()
        if unknown:
            raise KeyError(f"record.json has no field {sorted(unknown)}")
        if fields.get("status", "running") not in STATUSES:
            raise KeyError(f"no status {fields['status']!r}; there are {STATUSES}")

        # one file at a time: the thread that watches other processes writes, too
        with self.lock:
            if "version" in fields:
                self.content.pop("schema", None)  # of version 1
            self.content.update(fields)
            if self.writes:
                write_atomically(self.path, to_json(self.content, indent=2) + "\n")

    def read_again(self) -> None:
        """Take over what another process has written since.

        Raises:
            UserError: as `read`.
        """
        self.content = read_content(self.path)

    def __getitem__(self, field: str) -> Any:
        """The value of a field.

        Raises:
            DamagedFile: where this record does not have it.
        """
        if field not in self.content:
            raise DamagedFile(f"{self.path} is damaged: it has no {field}; restore it")
        return self.content[field]


def read(run_dir: Path, *, writes: bool = True) -> RunRecord:
    """The record of a run directory.

    Args:
        run_dir: where it stands.
        writes: as in RunRecord.

    Raises:
        UserError: where it is missing or damaged, and for a link in the run directory.
    """
    refuse_links(run_dir)
    path = run_dir / folder.RECORD
    if not path.exists():
        raise UserError(f"{run_dir} is no run directory: it has no {folder.RECORD}")
    return RunRecord(run_dir, read_content(path), writes=writes)


def read_content(path: Path) -> dict[str, Any]:
    """The content of a record's file, wherever it stands and as it is there;
    `version` says how to read its config.

    Raises:
        DamagedFile: where it cannot be read, or a field is not what Content says.
        UserError: where a newer gan_lab wrote it.
    """
    # who reads many records goes on after a damaged one, whatever is wrong with it
    try:
        content = read_json(path)
    except UserError as error:
        raise DamagedFile(str(error)) from None
    except (OSError, ValueError) as error:
        raise DamagedFile(f"{path} cannot be read ({error}): restore it") from None

    # the version first: a newer one may have fields of other types
    if not isinstance(content, dict) or ("version" not in content and content.get("schema") != 1):
        raise DamagedFile(
            f"{path} has no version and not schema 1: it is damaged, or no record of gan_lab; "
            "restore it"
        )
    versions.check_version(version(content), path)
    if wrong := misfit(content, Content):
        raise DamagedFile(f"{path} is damaged: {wrong}; restore it")
    return content


def version(content: Mapping[str, Any]) -> Any:
    """The version of a record; version 1 called it `schema`."""
    return content.get("version", content.get("schema"))


def updated(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record of an older version with its config, its choices and the names of its scores as of
    today; the rest as it is."""
    named = {
        field: versions.renamed(content[field])
        for field in ("scores", "history")
        if content.get(field)
    }
    if content.get("choices"):
        named["choices"] = {**versions.IMPLIED_CHOICES, **content["choices"]}
    return {**content, **named, "config": versions.updated(content["config"], version(content))}


def check_allowances(allow: Collection[str]) -> None:
    """Refuse an exception that is none of ALLOWANCES.

    Raises:
        UserError: names those that there are.
    """
    if unknown := set(allow) - set(ALLOWANCES):
        raise UserError(f"allow={', '.join(sorted(unknown))}: choose from {', '.join(ALLOWANCES)}")


def check_citable(content: Mapping[str, Any], allow: Collection[str] = ()) -> None:
    """Refuse a record that no published number may rest on.

    Args:
        content: of a record.
        allow: exceptions out of ALLOWANCES. "dirty": the code of a part of the run, or of a score,
            was no commit; "commits": parts of the run are of different commits; "unfinished": the
            run neither finished nor diverged (that a run diverged is a result).

    Raises:
        UserError: says what is wrong and how to let it pass.
    """
    check_allowances(allow)
    parts = parts_of(content)

    # the code of every part and of every score is a commit
    if "dirty" not in allow:
        for part in parts:
            since = f" from generator step {part['from_step']} on" if part["from_step"] else ""
            _check_clean(part["git"], f"it ran{since}", "run it again")
        for kind in ("scores", "history_about"):
            for name, entry in (content.get(kind) or {}).items():
                _check_clean(
                    entry.get("git") or parts[0]["git"], f"{name} was scored", "score it again"
                )

    # and that of the training is one commit
    commits = list(dict.fromkeys(str(part["git"].get("sha"))[:9] for part in parts))
    if "commits" not in allow and len(commits) > 1:
        raise UserError(
            f"commits: its parts were trained by the code of {' and '.join(commits)}; "
            "train it again, or add allow=[commits]"
        )

    # a run that diverged is a result, one that was killed is none
    if "unfinished" not in allow and content.get("status") not in ("finished", "diverged"):
        raise UserError(
            f"unfinished: its status is {content.get('status')!r}; "
            "resume it, or add allow=[unfinished]"
        )


def _check_clean(git: Mapping[str, Any], what: str, remedy: str) -> None:
    """Raises UserError where code was no commit; `what` and `remedy` are parts of its sentence."""
    if not is_commit(git):
        state = "outside a git checkout" if git.get("sha") is None else "from a dirty checkout"
        raise UserError(f"dirty: {what} {state}; {remedy} from a commit, or add allow=[dirty]")


def is_commit(git: Mapping[str, Any]) -> bool:
    """Whether code, as `git` of a part of a run or of a score tells
    it, was a commit and nothing else."""
    return git.get("sha") is not None and git.get("dirty") is False


def parts_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a run; a record that has none of its own is of one part."""
    whole = {"from_step": 0, "git": content.get("git") or {}}
    whole |= {
        name: content[name] for name in ("created", "packages", "hardware") if name in content
    }
    return content.get("parts") or [whole]
