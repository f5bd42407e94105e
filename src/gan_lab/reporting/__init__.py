"""Tables and figures from recorded runs. Torch-free."""

from gan_lab.reporting.axes import Axes
from gan_lab.reporting.collection import collect, read_records
from gan_lab.reporting.figures.draw import FIGURES, NEED_RECORDS, NEED_STUDIES, draw
from gan_lab.reporting.figures.drawing import write_figure
from gan_lab.reporting.figures.request import NothingRecorded, Request
from gan_lab.reporting.figures.sweep_curves import draw_curves, sweep_curves
from gan_lab.reporting.outcomes import unplaced
from gan_lab.reporting.report import Asked, gather
from gan_lab.reporting.runs import Found, Run, read_runs
from gan_lab.reporting.tables.render import to_csv, to_latex, to_markdown, write_sheet
from gan_lab.reporting.tables.sweep import SweepTable, sweep_table
from gan_lab.reporting.tables.sweep_sheet import sweep_sheet
from gan_lab.reporting.thesis.reproduction import reproduction
from gan_lab.reporting.thesis.sheets import sheet
from gan_lab.reporting.thesis.table import TABLES, Table, table

__all__ = [
    "FIGURES",
    "NEED_RECORDS",
    "NEED_STUDIES",
    "TABLES",
    "Asked",
    "Axes",
    "Found",
    "NothingRecorded",
    "Request",
    "Run",
    "SweepTable",
    "Table",
    "collect",
    "draw",
    "draw_curves",
    "gather",
    "read_records",
    "read_runs",
    "reproduction",
    "sheet",
    "sweep_curves",
    "sweep_sheet",
    "sweep_table",
    "table",
    "to_csv",
    "to_latex",
    "to_markdown",
    "unplaced",
    "write_figure",
    "write_sheet",
]
