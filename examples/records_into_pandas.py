"""Recorded runs as a table: `python examples/records_into_pandas.py results/records`.

With pandas the table is a DataFrame. Without it (gan_lab does not depend on pandas) the same rows
are written as CSV.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Any

CHOICES = ("dataset", "loss", "penalty", "labels", "optimizer")


def row(record: dict[str, Any]) -> dict[str, Any]:
    """One run: its choices, its seed, its speed and the value of each score; see docs/record.md."""
    choices = record.get("choices", {})
    facts = {name: choices.get(name) for name in CHOICES}
    facts |= {
        "penalty.weight": record["config"]["penalty"].get("weight"),
        "seed": record.get("seed"),
    }
    facts |= {"status": record["status"], "images_per_second": record.get("images_per_second")}
    scores = record.get("scores", {})
    return facts | {
        name: float(score["value"]) for name, score in scores.items()
    }  # "nan" and "inf" are strings


def rows(folder: Path) -> list[dict[str, Any]]:
    """Every record below a folder: results/records, or a sweep's directory."""
    paths = sorted(
        path
        for path in folder.rglob("*.json")
        if path.name == "record.json" or path.parent == folder
    )
    return [row(json.loads(path.read_text())) for path in paths]


def main() -> None:
    """Print the mean of each score by loss with pandas, or write CSV without it."""
    table = rows(Path(sys.argv[1]))
    try:
        import pandas as pd
    except ImportError:
        columns = list(dict.fromkeys(name for one in table for name in one))
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
        return
    frame = pd.DataFrame(table)
    print(frame.groupby(["dataset", "loss", "labels"]).mean(numeric_only=True).to_string())


if __name__ == "__main__":
    main()
