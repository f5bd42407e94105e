"""Records of runs that never ran, with the fields that reporting reads, and a small scale that can
be turned up."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from gan_lab.records.versions import VERSION

WEIGHTS = "ab" * 32
HASHES = {"digits": "d1" * 32, "cifar10": "c1" * 32}
IS, FID = "is_classifier_10k_10x", "fid_classifier_10k_train"
SMALL_FID = "fid_classifier_2k_train"


def record(
    loss: str = "exp",
    weight: float | None = 0.1,
    seed: int = 0,
    fid: float | None = 2.0,
    inception_score: float = 8.0,
    std: float | None = 0.25,
    penalty: str = "maxgp",
    dataset: str = "digits",
    status: str = "finished",
    **replaced: Any,
) -> dict[str, Any]:
    """A record; `replaced` sets dotted fields written with two underscores:
    config__max_generator_steps=1500."""
    run_id = replaced.pop("run_id", f"{loss[:3]}{penalty}{weight}s{seed}")
    content: dict[str, Any] = {
        "version": VERSION,
        "status": status,
        "reason": None,
        "run_id": run_id,
        "config": {
            "loss": {"_target_": f"gan_lab.losses.{loss}", "generator_objective": "linear"},
            "penalty": {"_target_": f"gan_lab.penalties.{penalty}"}
            | ({} if weight is None else {"weight": weight}),
            "architecture": {"_target_": "gan_lab.architectures.resnet", "channels": 32},
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 2e-4},
            "optimizer_critic": {},
            "dataset": {"_target_": "x", "name": dataset, "root": "/home/someone/data"},
            "evaluation": {"extractor": {"_target_": "y", "weights": "/home/someone/weights.pth"}},
            "trainer": {"accelerator": "cpu", "precision": "32-true"},
            "seed": seed,
            "n_critic": 5,
            "max_generator_steps": 1000,
            "data_cache": "/home/someone/cache",
            "run_dir": "/home/someone/outputs/x",
            "resume": None,
            "logger": {},
        },
        "config_hash": "0" * 16,
        "choices": {"loss": loss, "penalty": penalty, "dataset": dataset},
        "command": ["/home/someone/gan_lab/train.py", f"loss={loss}", f"seed={seed}"],
        "git": {"sha": "5" * 40, "dirty": False},
        "seed": seed,
        "dataset": {
            "name": dataset,
            "splits": {"train": 1437, "test": 360},
            "content_hash": HASHES.get(dataset, "ee"),
        },
        "extractor": {
            "name": "classifier",
            "architecture": {"name": "SmallCNN", "width": 8},
            "weights_sha256": WEIGHTS,
        },
        "scores": {},
        "history": {SMALL_FID: [], "is_classifier_2k_10x": []},
    }
    if status != "diverged" and fid is not None:
        content["scores"] = {
            name: entry | {"extractor": dict(content["extractor"])}
            for name, entry in {
                IS: {
                    "value": inception_score,
                    "std": std,
                    "n_samples": 10000,
                    "splits": 10,
                    "step": 1000,
                },
                FID: {"value": fid, "std": None, "n_samples": 10000, "chunks": 1, "step": 1000},
                "fid_classifier_10k_test": {
                    "value": fid + 1,
                    "std": None,
                    "n_samples": 10000,
                    "chunks": 1,
                    "step": 1000,
                },
            }.items()
        }
        content["history"] = {
            SMALL_FID: [[500, fid + 2], [1000, fid]],
            "is_classifier_2k_10x": [[500, inception_score / 2], [1000, inception_score]],
        }
    return replace_fields(content, replaced)


def replace_fields(content: dict[str, Any], replaced: dict[str, Any]) -> dict[str, Any]:
    """The record with dotted fields set, their dots written with two underscores."""
    for name, value in replaced.items():
        *parents, last = name.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    return content


def write(folder: Path, *contents: dict[str, Any]) -> Path:
    """The records as folder/<n>.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, content in enumerate(contents):
        (folder / f"{index}.json").write_text(json.dumps(content))
    return folder


def run_dirs(folder: Path, *contents: dict[str, Any]) -> Path:
    """The records as folder/<run_id>/record.json."""
    for content in contents:
        place = folder / content["run_id"]
        place.mkdir(parents=True)
        (place / "record.json").write_text(json.dumps(copy.deepcopy(content)))
    return folder


# Chapter 4 ----------------------------------------------------------------------------------------

AM, ENTROPY, MSSSIM = (
    "am_classifier_10k",
    "entropy_classifier_10k",
    "msssim_3level_50pairs_classifier_10k",
)
SMALL_IS, SMALL_AM = "is_classifier_2k_10x", "am_classifier_2k"


def labelled(
    loss: str = "am_gan",
    column: str = "dynamic",
    seed: int = 0,
    inception_score: float = 8.0,
    am: float = 0.5,
    entropy: float = 0.3,
    msssim: float = 0.4,
    dataset: str = "digits",
    status: str = "finished",
    original: bool = False,
    generator_classifier_weight: float = 1.0,
    **replaced: Any,
) -> dict[str, Any]:
    """A record of chapter 4 in a column of Table 4-1; `replaced` as in record()."""
    has_targets = loss not in ("gan", "gan_star", "label_gan")
    labels = column if has_targets else "none"
    tag = f"{loss}{'O' * original}{'' if generator_classifier_weight == 1 else generator_classifier_weight}"
    content = record(
        loss,
        None,
        seed,
        None,
        penalty="none",
        dataset=dataset,
        status=status,
        run_id=f"{tag}-{column}-s{seed}",
    )
    of_loss: dict[str, Any] = {"_target_": f"gan_lab.losses.{loss}", "learned_fake_logit": False}
    if loss == "ac_gan":
        of_loss |= {
            "original": original,
            "generator_classifier_weight": generator_classifier_weight,
        }
    if loss == "ac_gan_plus":
        of_loss |= {"generator_classifier_weight": generator_classifier_weight}
    content["choices"] |= {"labels": labels, "architecture": "dcgan"}
    content["config"] |= {
        "loss": of_loss,
        "labels": {
            "_target_": f"gan_lab.losses.targets.{'NoTargets' if labels == 'none' else labels.title()}",
            "traits": {"targets": has_targets},
        },
        "architecture": {
            "_target_": "gan_lab.architectures.DCGAN",
            "generator_channels": 48,
            "critic_channels": 32,
            "extra_layer": column == "predefined",
        },
        "n_critic": 1,
    }
    made = {"n_samples": 10000, "splits": 10, "step": 1000, "extractor": dict(content["extractor"])}
    if status != "diverged":
        content["scores"] = {
            IS: made
            | {
                "value": inception_score,
                "std": 0.25,
                "marginal_entropy": 2.0,
                "conditional_entropy": 0.1,
            },
            AM: made
            | {"value": am, "std": 0.0625, "marginal_divergence": 0.2, "conditional_entropy": 0.1},
            ENTROPY: made
            | {"value": entropy, "std": None, "splits": 1, "per_class": ["nan", entropy]},
            MSSSIM: made | {"value": msssim, "std": None, "splits": 1, "mean": 0.2},
        }
    content["history"] = {
        SMALL_IS: [[500, inception_score / 2], [1000, inception_score]],
        f"{SMALL_IS}.marginal_entropy": [[500, 2.2], [1000, 2.0 + seed]],
        f"{SMALL_IS}.conditional_entropy": [[500, 1.0], [1000, 0.1]],
        SMALL_AM: [[500, 2 * am], [1000, am]],
        f"{SMALL_AM}.marginal_divergence": [[500, 0.4], [1000, 0.2]],
        f"{SMALL_AM}.conditional_entropy": [[500, 1.0], [1000, 0.1 + seed]],
    }
    return replace_fields(content, replaced)
