"""What no line of this repository may do: run text, unpickle, start a shell, load YAML or arrays or
tensors unsafely."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    [ROOT / "train.py", *(ROOT / "src").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
)

FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "breakpoint", "input",
    "os.system", "os.popen", "os.execv", "os.execvp", "os.spawnv", "pty.spawn", "tempfile.mktemp",
    "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load", "yaml.unsafe_load_all",
    "torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.jit.load", "torch.package.PackageImporter",
    "hydra.utils.call", "hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object",
    "runpy.run_module", "joblib.load",
}  # fmt: skip
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "shelve",
    "marshal",
    "telnetlib",
}
NEEDED_ARGUMENTS = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}
ONLY_IN = {
    "hydra.utils.instantiate": "src/gan_lab/build.py",  # its `make` checks first
    # this project's own programs, by a fixed table
    "runpy.run_path": "src/gan_lab/commands/programs.py",
    # this project's own metrics, by the names of their files
    "importlib.import_module": "src/gan_lab/scoring/meters.py",
}


def findings(source: str, path: str = "src/gan_lab/somewhere.py") -> list[str]:
    """What is wrong with a module, one word each."""
    tree = ast.parse(source)
    names = imported(tree)
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
            wrong += [module for module in modules if module.split(".")[0] in FORBIDDEN_MODULES]
        if not isinstance(node, ast.Call | ast.Name | ast.Attribute):
            continue
        called = full_name(node.func if isinstance(node, ast.Call) else node, names)
        if called in FORBIDDEN_CALLS and (isinstance(node, ast.Call) or "." in called):
            wrong.append(called)  # named is as bad as called: it may be handed on
        if called in ONLY_IN and path != ONLY_IN[called]:
            wrong.append(called)
        if isinstance(node, ast.Call):
            given = {word.arg: word.value for word in node.keywords}
            if called in NEEDED_ARGUMENTS:
                name, value = NEEDED_ARGUMENTS[called]
                if not (isinstance(given.get(name), ast.Constant) and given[name].value is value):
                    wrong.append(called)
            shell = given.get("shell")
            if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
                wrong.append("shell")
            if isinstance(node.func, ast.Attribute) and node.func.attr == "load_from_checkpoint":
                wrong.append("load_from_checkpoint")
            if called.endswith(".fit") and "ckpt_path" in given:
                wrong.append("ckpt_path")
    return wrong


def imported(tree: ast.AST) -> dict[str, str]:
    """{name in this module: what it stands for}."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    return names


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """ "numpy.load" of `np.load`; the last part with a dot before it where the rest is no name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{full_name(node.value, names)}.{node.attr}"
    return ""


@pytest.mark.thorough
def test_the_source_holds_none_of_it():
    assert len(FILES) > 100
    names = {str(path.relative_to(ROOT)): path for path in FILES}
    found = {name: findings(path.read_text(), name) for name, path in names.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec(text)",
        "import os\nos.system('ls')",
        "from os import system as run\nrun('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess as s\ns.Popen('ls', shell=flag)",
        "import yaml\nyaml.load(text, yaml.SafeLoader)",
        "from yaml import unsafe_load\nunsafe_load(text)",
        "import pickle",
        "from joblib import load\nload(path)",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=flag)",
        "from torch import load\nload(path)",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "from hydra.utils import instantiate\ninstantiate(node)",
        "import hydra\nhydra.utils.get_class(name)",
        "import runpy\nrunpy.run_path(path)",
        "import importlib\nimportlib.import_module(name)",
        "GAN.load_from_checkpoint(path)",
        "trainer.fit(module, ckpt_path=path)",
        "import os\nhanded_on = os.system",
    ],
)
def test_it_would_be_found(source):
    assert findings(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "network.eval()",
        "import re\nre.compile('x')",
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import subprocess\nsubprocess.run(['git', 'status'], check=True)",
        "import yaml\nyaml.safe_load(text)",
    ],
)
def test_what_is_harmless_is_not(source):
    assert findings(source) == []
