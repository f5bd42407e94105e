"""Tables and figures from recorded runs. Torch-free."""

from gan_lab.reporting.collection import collect, read_records
from gan_lab.reporting.drawing import NothingRecorded, Request
from gan_lab.reporting.figures import FIGURES, draw
from gan_lab.reporting.render import to_csv, to_latex, to_markdown
from gan_lab.reporting.tables import Table, table_2_2

__all__ = [
    "FIGURES",
    "NothingRecorded",
    "Request",
    "Table",
    "collect",
    "draw",
    "read_records",
    "table_2_2",
    "to_csv",
    "to_latex",
    "to_markdown",
]
