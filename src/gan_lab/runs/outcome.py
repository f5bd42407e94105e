"""What of a run goes into its record."""

from __future__ import annotations

import resource
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig

from gan_lab import records
from gan_lab.data import LoadedData
from gan_lab.data.labelled import count_labelled
from gan_lab.records import provenance, versions
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.training import GAN


def start_record(
    config: dict[str, Any],
    run_dir: Path,
    data: LoadedData,
    fed: LoadedData,
    gan: GAN,
    evaluator: Evaluator | None,
    writes: bool,
) -> records.RunRecord:
    """Write the record of a run that begins: everything that is known before the first step.

    fed: what training sees of the data. writes: see RunRecord.
    """
    hydra = HydraConfig.get()
    part = begin_part(0)
    record = records.RunRecord(run_dir, {}, writes)
    record.update(
        version=versions.VERSION,
        status="running",
        reason=None,
        run_id=secrets.token_hex(4),
        created=part["created"],
        config=config,
        config_hash=records.config_hash(config),
        choices={key: value for key, value in hydra.runtime.choices.items() if value and not key.startswith("hydra/")},
        command=[sys.argv[0], *hydra.overrides.task],
        git=part["git"],
        packages=part["packages"],
        hardware=part["hardware"],
        parts=[part],
        precision=config["trainer"]["precision"],
        seed=config["seed"],
        dataset={
            "name": data.spec.name,
            "splits": {name: len(split) for name, split in data.splits.items()},
            "content_hash": data.content_hash,
            "label_histogram": data.label_histogram,
            "labelled": count_labelled(fed),
            "num_classes": fed.spec.num_classes,
        },
        extractor=evaluator.extractor.identity if evaluator else None,
        parameters={"generator": count_parameters(gan.generator), "critic": count_parameters(gan.critic)},
        generator_steps=0,
        critic_steps=0,
        resumed_from_step=0,
        images_seen=0,
        seconds=0.0,
        images_per_second=None,
        peak_memory_bytes=None,
        last_metrics={},
        scores={},
        history={},
        history_about={},
    )
    return record


def begin_part(from_step: int) -> dict[str, Any]:
    """Code, versions and machine of a start or a resume, as `parts` of a record keeps them."""
    return {
        "from_step": from_step,
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "git": provenance.git_state(),
        "packages": provenance.package_versions(),
        "hardware": provenance.hardware(),
    }


def end_record(
    record: records.RunRecord, status: str, reason: str | None, gan: GAN, seconds: float, last_metrics: dict[str, float]
) -> None:
    """Write how a run, or a part of it, ended."""
    images = gan.critic_steps * gan.recipe.batch_size
    on_gpu = gan.device.type == "cuda"
    device = torch.cuda.get_device_name(gan.device) if on_gpu else gan.device.type
    record.update(
        status=status,
        reason=reason,
        hardware=record["hardware"] | {"device": device},
        generator_steps=gan.generator_steps,
        critic_steps=gan.critic_steps,
        images_seen=images,
        seconds=seconds,
        images_per_second=images / seconds if seconds else None,
        peak_memory_bytes=torch.cuda.max_memory_allocated(gan.device) if on_gpu else _peak_resident_bytes(),
        last_metrics=last_metrics,
    )


def count_parameters(module: torch.nn.Module) -> int:
    """Trainable values."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def _peak_resident_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
