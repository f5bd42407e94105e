"""What several tests share: `from helpers.gan_runs import train`. tests/README.md lists the modules."""

import os

# before NumPy and Torch are imported, which read it once; also of the processes that tests start:
# two jobs with two threads each crawl
os.environ.setdefault("OMP_NUM_THREADS", "1")
