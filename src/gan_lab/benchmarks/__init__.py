"""The costs of gan_lab, beside other ways to write the same: the parts of scripts/benchmark.py."""
