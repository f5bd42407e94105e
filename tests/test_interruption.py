"""Ctrl-C and SIGTERM while libraries are imported."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading

import pytest

from gan_lab.interrupts import waits_for_imports
from helpers.registry import CONF


def test_ctrl_c_comes_after_the_imports():
    done = []

    def work():
        with waits_for_imports():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("imported")
        done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["imported"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_an_import_is_told_all_the_same():
    with pytest.raises(ImportError), waits_for_imports():
        raise ImportError("no such library")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_changes_no_handler():
    seen = []

    def work():
        with waits_for_imports():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


PROGRAM = """
import os, signal, sys
from gan_lab import interrupts
original = signal.raise_signal
class Interrupt:  # Ctrl-C as numpy, the first large library, is half imported
    def find_spec(self, name, path=None, target=None):
        if name == "numpy.exceptions":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = ["train.py", "max_generator_steps=1", "evaluation=off", "run_dir=run"]
import runpy
runpy.run_path({program!r}, run_name="__main__")
"""


def test_train_ends_at_ctrl_c_amid_its_imports_with_its_code(tmp_path):
    program = PROGRAM.replace("{program!r}", repr(str(CONF.parent / "train.py")))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 130, done
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name", ["train.py", "scripts/evaluate.py", "scripts/sample.py", "scripts/classifier.py"]
)
def test_every_program_imports_its_large_libraries_so(name):
    """The imports within its functions, which are late since they take seconds."""
    tree = ast.parse((CONF.parent / name).read_text())
    late = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.col_offset > 0
    ]
    waiting = [one for node in ast.walk(tree) if isinstance(node, ast.With) for one in node.body]
    assert late
    assert all(node in waiting for node in late)
