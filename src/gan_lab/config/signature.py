"""The parameters of a `_target_`, read from its source. Torch-free: nothing is imported.

A misspelt key must be refused within 0.3 s, before torch is imported, so the signature is parsed,
not inspected.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
import re
from pathlib import Path

from gan_lab.errors import UserError


@functools.cache
def parameters(target: str) -> frozenset[str]:
    """Find the names of the parameters of a function or class.

    Args:
        target: "package.module.name".

    Raises:
        UserError: there is no such target.
    """
    # a function, or a class with an __init__ of its own
    module, node = _find(target)
    if isinstance(node, ast.FunctionDef):
        return frozenset(_arguments(node))
    functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    for function in functions:
        if function.name == "__init__":
            return frozenset(_arguments(function)) - {"self"}

    # those of its base classes, as far as they are of the same package or of gan_lab, whose parts a
    # class of the user's inherits from; of a dataclass its fields
    inherited: frozenset[str] = frozenset()
    for base in node.bases:
        origin = _origin_of_dotted(module, ast.unparse(base))
        if origin is not None and origin.split(".")[0] in (module.split(".")[0], "gan_lab"):
            inherited |= parameters(origin)

    if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return inherited
    return inherited | {item.target.id for item in node.body if _is_field(item)}  # type: ignore[attr-defined]


def definition(target: str) -> str:
    """Follow the re-exports of a target to its "package.module.name".

    Raises:
        UserError: there is no such target.
    """
    module, node = _find(target)
    return f"{module}.{node.name}"


def is_importable(package: str) -> bool:
    """Whether Python finds a top-level package or module of this name."""
    return _path(package) is not None


def forget() -> None:
    """Forget all that was read: sys.path has changed."""
    for function in (parameters, _module_body, _path):
        function.cache_clear()


def _is_field(item: ast.stmt) -> bool:
    """Whether a statement of a dataclass's body makes a parameter of its __init__."""
    if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
        return False
    no_init = item.value is not None and "init=False" in ast.unparse(item.value).replace(" ", "")
    return "ClassVar" not in ast.unparse(item.annotation) and not no_init


def _arguments(function: ast.FunctionDef) -> list[str]:
    parts = function.args
    return [argument.arg for argument in (*parts.posonlyargs, *parts.args, *parts.kwonlyargs)]


def _find(target: str) -> tuple[str, ast.FunctionDef | ast.ClassDef]:
    """The module that defines `target`, and the definition."""
    module, _, name = target.rpartition(".")
    for _ in range(8):  # re-exports to follow
        for node in _module_body(module):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                return module, node
        origin = _origin(module, name)
        if origin is None:
            break
        module, _, name = origin.rpartition(".")
    raise UserError(f"_target_: {target}: there is no such class or function: {_missing(target)}")


def _missing(target: str) -> str:
    """Which part of a target is not there, and where it was searched."""
    module, _, name = target.rpartition(".")
    if not module:
        return "a module comes before its name, as in my_losses.my_loss"

    # the innermost module that there is
    if (path := _path(module)) is not None:
        return f"{path} defines no {name!r}; correct the name, or add it there"
    package = module
    while package and _path(package) is None:
        package = package.rpartition(".")[0]
    if package:
        return f"{package} has no module {module.removeprefix(package + '.')!r}; correct the name"

    # `train.py` does not stand in the folder of the user's own module
    first = module.split(".")[0]
    return (
        f"no module {first!r} was found, neither {first}.py nor {first}/__init__.py in the current "
        f"folder ({Path.cwd()}), nor an installed package; start the program in the folder of "
        f"{first}.py, or correct the name"
    )


def _origin(module: str, name: str) -> str | None:
    """The origin of a name in a module: itself, or the source of its `from ... import`."""
    for node in _module_body(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return f"{module}.{name}"
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return f"{_absolute(node, module)}.{alias.name}"
    return None


def _origin_of_dotted(module: str, text: str) -> str | None:
    """The origin of what a module calls `text`: a name of its own, or one of a module that it
    imports, as penalties.GradientPenalty. None for another expression."""
    first, dot, rest = text.partition(".")
    if not re.fullmatch(r"[\w.]+", text):
        return None
    if origin := _origin(module, first):
        return f"{origin}{dot}{rest}"

    # `import gan_lab.penalties` binds the first part, `import gan_lab.penalties as p` the whole
    for node in _module_body(module):
        for alias in node.names if isinstance(node, ast.Import) else ():
            if alias.asname == first:
                return f"{alias.name}{dot}{rest}"
            if alias.asname is None and alias.name.split(".")[0] == first:
                return text
    return None


def _absolute(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""

    # a package's own __init__ counts its dots from itself, a module from its package
    path = _path(module)
    is_package = path is not None and path.name == "__init__.py"
    package = module.split(".") if is_package else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


@functools.cache
def _module_body(module: str) -> tuple[ast.stmt, ...]:
    """The statements of a module, those of `if` and `try` blocks at its top level included."""
    path = _path(module)
    if path is None:
        return ()
    statements = list(ast.parse(path.read_text(encoding="utf-8")).body)
    nested = [
        item for node in statements if isinstance(node, ast.If | ast.Try) for item in node.body
    ]
    return (*statements, *nested)


@functools.cache
def _path(module: str) -> Path | None:
    """The file of a module; nothing is imported to find it."""
    # Python itself would import the parents of what it looks up: only the top is looked up
    first, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None

    # a module of one file
    if spec.submodule_search_locations is None:
        origin = Path(spec.origin or "")
        return origin if not rest and origin.suffix == ".py" else None

    # a package, of one folder or, without an __init__, of several
    for root in spec.submodule_search_locations:
        stem = Path(root, *rest)
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if os.path.isfile(path):  # pathlib raises for a name that no file can have
                return path
    return None
