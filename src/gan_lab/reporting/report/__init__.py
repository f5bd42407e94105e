"""A report as one HTML file: what was run, its tables, curves and samples, and every record.

`gather.py` makes a `model.Report` of runs, `page.py` writes it, `serve.py` shows it while a sweep
runs. The file needs no network and no other file.
"""

from gan_lab.reporting.report.gather import Asked, gather

__all__ = ["Asked", "gather"]
