"""The names of everything in a run directory. Torch-free."""

CONFIG = "config.yaml"  # resolved, as it is resumed
RECORD = "record.json"
METRICS = "metrics.jsonl"  # one object for each logged generator step
SAMPLES = "samples"  # step_N.png, classes_N.png
CHECKPOINTS = "checkpoints"  # step_N.ckpt, each with its checksum
WEIGHTS = "generator.safetensors"  # of the EMA generator
DESCRIPTION = "generator.json"  # how to build it
OUTPUT = "output.log"  # what a sweep's cell printed
LOCK = ".lock"  # while a process trains there
