"""Train the classifier of a data set once.

`python scripts/classifier.py dataset=digits`
"""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from gan_lab import config, terminal
from gan_lab.commands import entry
from gan_lab.interrupts import waits_for_imports

config.register(config.ClassifierConfig)


@hydra.main(version_base="1.3", config_path="../conf", config_name="classifier")
def main(cfg: DictConfig) -> None:
    """Load the data, train or find the classifier, print its record."""
    with entry.refusing():
        config.check_fields(cfg, config.ClassifierConfig)
        config.check_device(cfg.device)
        with waits_for_imports():
            from gan_lab import build
            from gan_lab.classifier.exchange import export_classifier
            from gan_lab.classifier.store import classifier_of, weights_of
            from gan_lab.scoring.extractors import CLASSIFIERS  # torch: 3 s

        # where an evaluation looks for it
        console = terminal.console()
        recipe = build.make("classifier", cfg.classifier)
        data = build.loaded(cfg.dataset, cfg.data_cache)
        folder = Path(cfg.data_cache) / CLASSIFIERS
        record = classifier_of(data, recipe, folder, build.device(cfg.device), console).record
        if cfg.export is not None:
            export_classifier(weights_of(data, recipe, folder), Path(cfg.export).expanduser())

    # the data, how the network was trained, and how well it does
    console.print(data.summary())
    facts = ("architecture", "weights_sha256", "precision", "seconds")
    console.print_json(data={key: record[key] for key in facts})
    for split, accuracy in record["accuracy"].items():
        values = record["calibration"][split].items()
        calibration = ", ".join(f"{name} {value:.4f}" for name, value in values)
        console.print(f"{split}: accuracy {accuracy:.4f}, {calibration}")


if __name__ == "__main__":
    entry.run(main, config.ClassifierConfig)
