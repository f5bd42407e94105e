"""What a run leaves behind, and what makes two runs the same one. Torch-free."""

from gan_lab.records.identity import (
    TF32,
    canonical,
    check_same_run,
    config_hash,
    determining,
    differing,
    identity,
)
from gan_lab.records.json_text import to_json
from gan_lab.records.record import (
    STATUSES,
    Config,
    Content,
    NetworkEntry,
    RunRecord,
    check_allowances,
    check_citable,
    is_commit,
    parts_of,
    read,
    read_content,
    updated,
    version,
)
from gan_lab.records.score_name import ScoreName
from gan_lab.records.writer import has_writer, only_writer

__all__ = [
    "STATUSES",
    "TF32",
    "Config",
    "Content",
    "NetworkEntry",
    "RunRecord",
    "ScoreName",
    "canonical",
    "check_allowances",
    "check_citable",
    "check_same_run",
    "config_hash",
    "determining",
    "differing",
    "has_writer",
    "identity",
    "is_commit",
    "only_writer",
    "parts_of",
    "read",
    "read_content",
    "to_json",
    "updated",
    "version",
]
