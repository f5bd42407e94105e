"""What gan_lab costs, beside other ways to write the same: the programs behind
scripts/benchmark.py."""
