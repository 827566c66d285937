"""Code versions: which source a stage depends on, as one hash.

Belongs here: following the imports of the code a stage names, so that no module it runs is forgotten. Does not belong
here: which code a stage names, and the settings (`Settings.digest`).
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import gosales_assets

_ROOT = Path(gosales_assets.__file__).parent
_PACKAGE = gosales_assets.__name__


def source_hash(names: Sequence[str]) -> str:
    """sha256 of the source below the package that the named files and folders hold or import.

    Parameters
    ----------
    names
        Files and folders, relative to the package.
    """
    digest = hashlib.sha256()
    for file in source_files(tuple(names)):
        digest.update(file.relative_to(_ROOT).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@functools.cache
def source_files(names: tuple[str, ...]) -> tuple[Path, ...]:
    """Every file of the engine and the sources that the named code can reach, and the named files themselves."""
    todo: list[Path] = []
    for name in names:
        path = _ROOT / name
        if not path.exists():
            raise FileNotFoundError(f"a stage names the code {name!r}, which does not exist in {_ROOT}")
        todo += path.rglob("*.py") if path.is_dir() else [path]
    found: set[Path] = set()
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo += _imported(file)
    return tuple(sorted(found))


@functools.cache
def _imported(file: Path) -> tuple[Path, ...]:
    """Modules of the engine and the sources that a file imports, at its top or inside a function."""
    found: set[Path] = set()
    for dotted in _imports(ast.parse(file.read_text(encoding="utf-8"))):
        parts = dotted.split(".")
        if parts[0] != _PACKAGE or len(parts) < 2 or parts[1] not in ("engine", "sources"):
            continue
        # `engine.a.b` may be module b, or a name in module a.
        for depth in range(2, len(parts) + 1):
            base = _ROOT.joinpath(*parts[1:depth])
            found |= {f for f in (base.with_suffix(".py"), base / "__init__.py") if f.exists()}
    return tuple(found)


def _imports(node: ast.AST) -> Iterator[str]:
    """Dotted names imported at runtime; imports for type checkers alone do not run."""
    if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING":
        for statement in node.orelse:
            yield from _imports(statement)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)
