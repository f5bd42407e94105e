"""The reproduction page: every table and figure of the thesis in its order, with its state.

`items.py` lists them, `scores.py` and `studies.py` hold our records against the thesis, and
`page.py` joins them to a `reporting.report.model.Reproduction`.
"""

from gan_lab.reporting.thesis.reproduction.page import reproduction

__all__ = ["reproduction"]
