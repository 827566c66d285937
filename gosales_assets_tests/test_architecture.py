"""The house rules that a reader of one file cannot see: which way imports point, and what no file may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gosales_assets"
FILES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))
ENGINE = [f for f in FILES if f.startswith("engine/")]
SOURCES = [f for f in FILES if f.startswith("sources/")]
ASSETS = [f for f in FILES if f.startswith("defs/assets/") and not f.endswith("__init__.py")]


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((PACKAGE / file).read_text(encoding="utf-8"), filename=file)


def is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def at_runtime(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that can run: not what stands under ``if TYPE_CHECKING``."""
    yield node
    children = node.orelse if is_typing_only(node) else ast.iter_child_nodes(node)
    for child in children:
        yield from at_runtime(child)


def module_name(file: str) -> str:
    return ".".join(["gosales_assets", *file.removesuffix(".py").removesuffix("/__init__").split("/")]).removesuffix(
        ".__init__"
    )


def imported(nodes: Iterator[ast.AST], file: str) -> set[str]:
    """Dotted names that are imported; ``from a import b`` gives ``a.b``, so that modules and names look alike."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module_name(file).split(".")
                package = package if file.endswith("__init__.py") else package[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


@cache
def runtime_imports(file: str) -> frozenset[str]:
    return frozenset(imported(at_runtime(tree(file)), file))


def below(names: frozenset[str] | set[str], *roots: str) -> list[str]:
    """Names that are one of the roots or lie below one."""
    return sorted(n for n in names if any(n == r or n.startswith(r + ".") for r in roots))


def ours(names: frozenset[str] | set[str]) -> set[str]:
    return set(below(names, "gosales_assets"))


# --- arrows


@pytest.mark.parametrize("file", ENGINE)
def test_the_engine_imports_nothing_but_itself_dates_and_products(file: str) -> None:
    inside = ours(runtime_imports(file))
    allowed = below(inside, "gosales_assets.engine", "gosales_assets.taxonomy", "gosales_assets.timeline")
    assert sorted(inside - set(allowed)) == []
    assert below(runtime_imports(file), "dagster", "dagster_shared", "upath", "fsspec", "typer", "rich") == []


@pytest.mark.parametrize("file", SOURCES)
def test_sources_import_nothing_but_themselves_dates_and_products(file: str) -> None:
    inside = ours(runtime_imports(file))
    allowed = below(inside, "gosales_assets.sources", "gosales_assets.taxonomy", "gosales_assets.timeline")
    assert sorted(inside - set(allowed)) == []
    assert below(runtime_imports(file), "dagster", "typer", "rich") == []


@pytest.mark.parametrize("file", ["taxonomy.py", "timeline.py"])
def test_dates_and_products_import_nothing_of_ours(file: str) -> None:
    assert sorted(ours(runtime_imports(file)) - set(below(runtime_imports(file), module_name(file)))) == []


def test_settings_and_catalog_stand_below_the_dagster_layer() -> None:
    assert below(runtime_imports("settings.py"), "gosales_assets.defs", "gosales_assets.engine", "dagster") == []
    assert ours(runtime_imports("catalog.py")) == set()
    assert below(runtime_imports("catalog.py"), "dagster", "pandera", "polars") == []


@pytest.mark.parametrize("file", ASSETS)
def test_asset_modules_never_import_each_other(file: str) -> None:
    everything = imported(ast.walk(tree(file)), file)
    assert below(everything, "gosales_assets.defs.assets", "gosales_assets.defs.checks.gates") == []


def test_nothing_imports_the_command_line_and_only_it_imports_the_runner() -> None:
    for file in FILES:
        everything = imported(ast.walk(tree(file)), file)
        assert below(everything, "gosales_assets.cli") == [], file
        if file not in ("cli.py",):
            assert below(everything, "gosales_assets.runner") == [], file
        if file not in ("cli.py", "runner.py"):
            assert below(everything, "gosales_assets.launch") == [], file


def test_the_front_door_is_imported_by_what_stands_before_it_only() -> None:
    for file in FILES:
        if file != "launch.py":
            assert below(runtime_imports(file), "gosales_assets.definitions") == [], file


# --- what no file holds


@pytest.mark.parametrize("file", FILES)
def test_no_pandas_and_nothing_that_unpickles(file: str) -> None:
    everything = imported(ast.walk(tree(file)), file)
    assert below(everything, "pandas", "pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal") == []
    assert below(everything, "numpy.load") == []


@pytest.mark.parametrize("file", FILES)
def test_nothing_turns_polars_into_pandas(file: str) -> None:
    called = {n.attr for n in ast.walk(tree(file)) if isinstance(n, ast.Attribute)}
    assert called & {"to_pandas", "from_pandas", "read_pickle", "to_pickle"} == set()


#: Where the wall clock is read, and why.
CLOCKS = {
    "defs/storage.py": "the name of a fallback delivery",
    "defs/guard.py": "the expiry of a waiver",
    "runner.py": "one moment at which all partition sets are resolved",
}


def clocks(file: str) -> list[str]:
    return [
        f"{file}:{n.lineno}"
        for n in ast.walk(tree(file))
        if isinstance(n, ast.Attribute)
        and (
            n.attr in ("utcnow", "today", "fromtimestamp", "utcfromtimestamp", "perf_counter", "time_ns")
            or (n.attr == "now")
            or (n.attr in ("time", "localtime", "gmtime") and isinstance(n.value, ast.Name) and n.value.id == "time")
        )
    ]


def test_the_clock_is_read_where_it_is_known_to_be_and_nowhere_else() -> None:
    assert {file for file in FILES if clocks(file)} == set(CLOCKS)


@pytest.mark.parametrize("file", [f for f in FILES if f != "timeline.py"])
def test_dates_are_computed_in_one_module(file: str) -> None:
    nodes = list(ast.walk(tree(file)))
    names = imported(iter(nodes), file)
    assert below(names, "datetime.timedelta", "dateutil", "calendar", "pendulum", "monthrange") == []
    attributes = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    assert (
        attributes & {"offset_by", "timedelta", "relativedelta", "month_end", "monthrange", "add_business_days"}
        == set()
    )


@pytest.mark.parametrize("file", FILES)
def test_no_exception_is_swallowed(file: str) -> None:
    silent = [
        node.lineno
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ExceptHandler) and all(isinstance(s, ast.Pass | ast.Continue) for s in node.body)
    ]
    assert silent == []
    bare = [n.lineno for n in ast.walk(tree(file)) if isinstance(n, ast.ExceptHandler) and n.type is None]
    assert bare == []


@pytest.mark.parametrize("file", ENGINE)
def test_the_engine_opens_no_file(file: str) -> None:
    nodes = [n for n in ast.walk(tree(file)) if isinstance(n, ast.Call)]
    opened = {n.func.id for n in nodes if isinstance(n.func, ast.Name)} & {"open"}
    # Writing to a buffer in memory opens nothing.
    methods = {
        n.func.attr
        for n in nodes
        if isinstance(n.func, ast.Attribute) and not (n.args and ast.unparse(n.args[0]) == "buffer")
    }
    readers = {m for m in methods if m.startswith(("read_", "scan_", "sink_", "write_"))}
    assert (opened, sorted(readers)) == (set(), [])


@pytest.mark.parametrize("file", FILES)
def test_every_module_says_what_belongs_in_it(file: str) -> None:
    assert ast.get_docstring(tree(file)), f"{file} has no docstring"


# --- code versions


def closure(start: set[str]) -> set[str]:
    """Files of ours that the given imports can reach at runtime."""
    by_module = {module_name(f): f for f in FILES}
    todo, seen = list(start), set()
    while todo:
        name = todo.pop()
        # `a.b.c` may be module a.b.c, or name c of module a.b; importing it runs every package on the way too.
        parts = name.split(".")
        for i in range(len(parts), 1, -1):
            file = by_module.get(".".join(parts[:i]))
            if file and file not in seen:
                seen.add(file)
                todo += ours(runtime_imports(file))
    return seen


def staged() -> list[tuple[str, ast.FunctionDef, ast.Call]]:
    return [
        (file, node, decorator)
        for file in ASSETS
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "stage"
    ]


@pytest.mark.parametrize(("file", "body", "decorator"), staged(), ids=lambda v: getattr(v, "name", None))
def test_a_stage_is_stale_when_any_code_it_runs_changes(file: str, body: ast.FunctionDef, decorator: ast.Call) -> None:
    """The code a stage names for its version covers all its function can reach in the engine and the sources."""
    from gosales_assets.defs.stage import _SHARED_CODE
    from gosales_assets.defs.versions import source_files

    named = (*_SHARED_CODE, *code_of(file, decorator))
    hashed = {path.relative_to(PACKAGE).as_posix() for path in source_files(named)}
    inside = imported((n for s in body.body for n in ast.walk(s)), file)
    used = {n.id for s in body.body for n in ast.walk(s) if isinstance(n, ast.Name)}
    inside |= {
        name
        for statement in tree(file).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in imported(iter([statement]), file)
        if name.rpartition(".")[2] in used
    }
    reached = {f for f in closure(ours(inside)) if f.startswith(("engine/", "sources/"))}
    assert sorted(f for f in reached - hashed if not f.endswith("__init__.py")) == []


def code_of(file: str, decorator: ast.Call) -> tuple[str, ...]:
    """The code a stage names; a constant of the module is looked up."""
    (node,) = [k.value for k in decorator.keywords if k.arg == "code"]
    constants = {
        t.id: statement.value
        for statement in tree(file).body
        if isinstance(statement, ast.Assign)
        for t in statement.targets
        if isinstance(t, ast.Name)
    }
    return tuple(ast.literal_eval(constants[node.id] if isinstance(node, ast.Name) else node))


def test_a_code_version_follows_imports_and_refuses_code_that_is_gone() -> None:
    from gosales_assets.defs.versions import source_files

    hashed = {path.relative_to(PACKAGE).as_posix() for path in source_files(("engine/validation",))}
    assert "engine/metrics.py" in hashed
    assert not any(f.startswith(("defs/", "sources/")) or f == "settings.py" for f in hashed)
    with pytest.raises(FileNotFoundError, match="engine/gone"):
        source_files(("engine/gone",))
