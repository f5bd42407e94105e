"""Tables and figures from recorded runs. Torch-free."""

from gan_lab.reporting.collection import collect, read_records
from gan_lab.reporting.figures.draw import FIGURES, draw
from gan_lab.reporting.figures.drawing import NothingRecorded, Request
from gan_lab.reporting.tables.render import to_csv, to_latex, to_markdown
from gan_lab.reporting.thesis.sheets import sheet
from gan_lab.reporting.thesis.table import TABLES, Table, table

__all__ = [
    "FIGURES",
    "TABLES",
    "NothingRecorded",
    "Request",
    "Table",
    "collect",
    "draw",
    "read_records",
    "sheet",
    "table",
    "to_csv",
    "to_latex",
    "to_markdown",
]
