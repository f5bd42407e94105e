"""One of two gloo processes saves every case's result.

`python -m helpers.metrics_worker RANK WORLD RENDEZVOUS OUT`
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from helpers import gloo

# name -> for each rank the part (start, stop) of every stream that it gets, in the order of the
# ranks
SHARES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "unequal shards": ((0.0, 0.7), (0.7, 1.0)),
    "second rank empty": ((0.0, 1.0), (1.0, 1.0)),
    "first rank empty": ((0.0, 0.0), (0.0, 1.0)),
}
BETWEEN = "a result asked for half-way"
SIDES = "real on one rank, fake on the other"


def main(rank: int, world: int, rendezvous: str, out: Path) -> None:
    from helpers.metrics_cases import (
        CASES,
        flat,
    )  # here, so that the parent can read the names above without the rest

    rooms = sorted(
        {".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("gan_lab")}
    )
    packages = sorted({name.split(".")[0] for name in sys.modules})
    results: dict[str, object] = {"rooms": rooms, "packages": packages}
    with gloo.joined(rank, world, rendezvous, seconds=30):
        try:
            for name, case in CASES.items():
                results[name] = found = {}
                for share, parts in SHARES.items():
                    metric = case.feed(case.make(), *parts[rank], batch=11)
                    found[share] = flat(metric.compute())
                (start, stop), metric = SHARES["unequal shards"][rank], case.make()
                middle = (start + stop) / 2
                case.feed(metric, start, middle, batch=11).compute()
                found[BETWEEN] = flat(case.feed(metric, middle, stop, batch=11).compute())
                if len(case.streams) == 2:
                    metric = case.make()
                    for arguments in case.streams[rank].batches(11):
                        metric.update(**arguments)
                    found[SIDES] = flat(metric.compute())
        finally:
            torch.save(results, out)


if __name__ == "__main__":
    main(*gloo.arguments())
