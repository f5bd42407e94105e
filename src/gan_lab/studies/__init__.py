"""Studies in which no GAN is trained: critics between fixed laws, optimizers on other problems,
and what theory computes. `python scripts/study.py study=NAME`."""

from gan_lab.studies.contract import Result, Study

__all__ = ["Result", "Study"]
