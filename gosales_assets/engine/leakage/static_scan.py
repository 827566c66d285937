"""Scan of source text for clocks, unseeded chance and unpickling: the coding patterns that let leaks in.

Belongs here: what is banned, what is allowed and why, and the scan itself. Does not belong here: reading the files.
The engine opens none, so the caller hands over the texts of `SCOPE`.

The scan reads the syntax tree, not lines: a comment or a docstring that names a banned call is no finding, and an
alias (``from datetime import datetime as d``) hides nothing. It flags a banned function where it is *named*, called or
not, because ``default_factory=datetime.now`` reads the clock as surely as a call does. Code it cannot judge (text that
does not parse, ``eval``, a star import of a module with banned members) counts as a finding, never as clean.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from typing import Any

#: What must be scanned before a model may be trusted, relative to the package: everything a feature, a label, a fold or
#: a score is made of.
SCOPE: tuple[str, ...] = ("engine/", "timeline.py", "taxonomy.py")

CLOCK, SQL_CLOCK, RANDOM, UNPICKLING, OPAQUE = "clock", "sql_clock", "random", "unpickling", "opaque"

_CLOCKS = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "pandas.Timestamp.now",
        "pandas.Timestamp.utcnow",
        "pandas.Timestamp.today",
        *(
            f"time.{name}"
            for name in (
                "time",
                "time_ns",
                "localtime",
                "gmtime",
                "ctime",
                "asctime",
                "strftime",
                "monotonic",
                "monotonic_ns",
                "perf_counter",
                "perf_counter_ns",
                "process_time",
                "process_time_ns",
                "clock_gettime",
                "clock_gettime_ns",
            )
        ),
    }
)

#: Methods that read the clock on whatever object carries them, so that a receiver the scan cannot name hides nothing.
_CLOCK_METHODS = frozenset({"now", "utcnow", "today"})

#: Constructors for which the text "now" or "today" is the clock.
_PARSES_NOW = frozenset({"numpy.datetime64", "pandas.Timestamp", "pandas.to_datetime", "pandas.Period"})

#: Sources of chance without any seed.
_UNSEEDABLE = frozenset({"os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "random.SystemRandom"})

#: Generators that are deterministic exactly when they are given a seed.
_SEEDABLE = frozenset(
    {
        "random.Random",
        *(
            f"numpy.random.{name}"
            for name in (
                "default_rng",
                "RandomState",
                "SeedSequence",
                "PCG64",
                "PCG64DXSM",
                "MT19937",
                "Philox",
                "SFC64",
            )
        ),
    }
)
#: Names of the random modules that are types, not draws from the global state.
_RANDOM_TYPES = frozenset({"numpy.random.Generator", "numpy.random.BitGenerator"})

_PICKLE_MODULES = ("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal")
_UNPICKLERS = frozenset(
    {
        *(f"{module}.{name}" for module in _PICKLE_MODULES for name in ("load", "loads", "Unpickler")),
        "joblib.load",
        "pandas.read_pickle",
        "shelve.open",
        "torch.load",
    }
)

#: Builtins whose effect cannot be read from the text, and `hash`, whose value for text differs in every process.
_BUILTINS = {"eval": OPAQUE, "exec": OPAQUE, "hash": RANDOM}

#: Modules of which a star import brings in banned names unseen.
_STAR_MODULES = frozenset({"datetime", "time", "random", "numpy.random", "pickle", "joblib", "pandas", "numpy"})

_SQL_CLOCK = re.compile(
    r"\b(CURRENT_(?:DATE|TIME|TIMESTAMP)|LOCAL(?:TIMESTAMP))\b"
    r"|\b(GETDATE|GETUTCDATE|SYSDATETIME|SYSUTCDATETIME|NOW)\s*\(\s*\)"
    r"|\b(DATE|DATETIME|TIME|JULIANDAY|STRFTIME)\s*\([^()]*'now'",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Allowance:
    """A use of something banned that is harmless, with the reason.

    Attributes
    ----------
    file
        Pattern of the file names it holds for (``*/engine/star/build.py``).
    call
        The call, spelled as in a finding (``uuid.uuid4``).
    reason
        Why it cannot move a number.
    """

    file: str
    call: str
    reason: str


#: Nothing in the engine needs an exception today. Whoever adds one gives the reason here, where a reviewer reads it.
ALLOWED: tuple[Allowance, ...] = ()


@dataclass(frozen=True, order=True)
class _Hit:
    line: int
    column: int
    call: str
    rule: str


def scan(
    sources: Mapping[str, str],
    *,
    scope: Sequence[str] = (),
    allowed: Sequence[Allowance] = ALLOWED,
) -> dict[str, Any]:
    """Scan source texts for banned calls.

    Parameters
    ----------
    sources
        File name -> its text. The names are those of the findings; give them relative to the package, with ``/``.
    scope
        Prefixes of file names that must be covered by at least one file each (`SCOPE` for the whole engine). A scan
        that misses a part of its scope fails: nothing found in nothing is no evidence.
    allowed
        Uses of banned calls that are harmless, with the reason of each.

    Returns
    -------
    dict
        Document `StaticScan`: ``status`` (PASS or FAIL), ``reason``, ``findings`` (file, line, code, call, rule),
        ``allowed`` (the same plus the reason), ``scanned_files``, ``scanned_count``, ``missing_scope``.

    Examples
    --------
    >>> scan({"a.py": "from datetime import datetime as d\\nx = d.now()"})["findings"][0]["call"]
    'datetime.datetime.now'
    >>> scan({})["status"]
    'FAIL'
    """
    findings: list[dict[str, Any]] = []
    excused: list[dict[str, Any]] = []
    for file in sorted(sources):
        lines = sources[file].splitlines()
        for hit in _hits(sources[file]):
            code = lines[hit.line - 1].strip() if 0 < hit.line <= len(lines) else ""
            found = {"file": file, "line": hit.line, "code": code, "call": hit.call, "rule": hit.rule}
            reason = next((a.reason for a in allowed if a.call == hit.call and fnmatch(file, a.file)), None)
            if reason is None:
                findings.append(found)
            else:
                excused.append({**found, "reason": reason})
    missing = [prefix for prefix in scope if not any(file.startswith(prefix) for file in sources)]
    passed = bool(sources) and not missing and not findings
    return {
        "status": "PASS" if passed else "FAIL",
        "reason": _reason(len(sources), missing, findings),
        "findings": findings,
        "allowed": excused,
        "scanned_files": sorted(sources),
        "scanned_count": len(sources),
        "missing_scope": missing,
    }


def _reason(n_files: int, missing: Sequence[str], findings: Sequence[Mapping[str, Any]]) -> str:
    if not n_files:
        return "no file was scanned; hand over the texts of the engine's source files"
    if missing:
        return f"no file of {', '.join(missing)} was scanned; hand over their texts"
    if findings:
        first = findings[0]
        return (
            f"{len(findings)} banned use(s), the first {first['call']} in {first['file']}:{first['line']}; "
            "take the date from the cutoff and the seed from the settings"
        )
    return f"{n_files} files scanned, nothing banned in them"


@lru_cache(maxsize=1024)
def _hits(text: str) -> tuple[_Hit, ...]:
    # The same for every partition of a process: a file is parsed once.
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        return (_Hit(line, 0, "<source that does not parse>", OPAQUE),)
    return tuple(sorted(set(_Scanner(tree).hits())))


class _Scanner:
    """One module: what its names stand for, and where something banned is named."""

    def __init__(self, tree: ast.Module) -> None:
        # Every rule looks at every node; walking the tree takes longer than looking.
        self.nodes = list(ast.walk(tree))
        self.origins: dict[str, set[str]] = _imports(self.nodes)
        self.bound: set[str] = _defined(self.nodes) | set(self.origins)
        self._follow_assignments()

    def _follow_assignments(self) -> None:
        """``clock = datetime.datetime`` makes ``clock.now`` the clock; repeated until nothing new is learned."""
        assignments = list(_assignments(self.nodes))
        learned = True
        while learned:
            learned = False
            for name, value in assignments:
                known = self.origins.setdefault(name, set())
                new = self.resolve(value) - known
                # A name assigned from itself (`x = x.y`) would grow without end; depth of a dotted name is bounded.
                new = {origin for origin in new if origin.count(".") < 8}
                if new:
                    known |= new
                    learned = True

    def resolve(self, node: ast.expr) -> set[str]:
        """The dotted names an expression can stand for; empty when it is not a known module member."""
        if isinstance(node, ast.Name):
            return self.origins.get(node.id, set())
        if isinstance(node, ast.Attribute):
            return {f"{base}.{node.attr}" for base in self.resolve(node.value)}
        if isinstance(node, ast.Call):
            return self._resolve_call(node)
        return set()

    def _resolve_call(self, call: ast.Call) -> set[str]:
        """Dynamic spellings with constant text: ``getattr(datetime, "now")``, ``import_module("time")``."""
        texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if isinstance(call.func, ast.Name) and call.func.id == "getattr" and len(call.args) >= 2 and texts:
            return {f"{base}.{texts[0]}" for base in self.resolve(call.args[0])}
        imports = isinstance(call.func, ast.Name) and call.func.id == "__import__"
        if texts and (imports or "importlib.import_module" in self.resolve(call.func)):
            return {texts[0]}
        return set()

    def hits(self) -> Iterator[_Hit]:
        yield from self._star_imports()
        docstrings = _docstrings(self.nodes)
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield from self._call(node)
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                yield from self._reference(node)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield from _sql_clock(node)

    def _star_imports(self) -> Iterator[_Hit]:
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and node.module in _STAR_MODULES and node.names[0].name == "*":
                yield _at(node, f"{node.module}.*", OPAQUE)

    def _reference(self, node: ast.Name | ast.Attribute) -> Iterator[_Hit]:
        for origin in self.resolve(node):
            if rule := _banned(origin):
                yield _at(node, origin, rule)
        if isinstance(node, ast.Name) and node.id in _BUILTINS and node.id not in self.bound:
            yield _at(node, node.id, _BUILTINS[node.id])

    def _call(self, call: ast.Call) -> Iterator[_Hit]:
        origins = self.resolve(call.func)
        for origin in origins | self.resolve(call):
            # Resolving the call itself catches `getattr(datetime, "now")`, which names the clock without an attribute.
            if origin not in origins and (rule := _banned(origin)):
                yield _at(call, origin, rule)
        for origin in origins & _SEEDABLE:
            if not _is_seeded(call):
                yield _at(call, f"{origin}()", RANDOM)
        for origin in origins & _PARSES_NOW:
            if any(isinstance(a, ast.Constant) and a.value in ("now", "today") for a in _arguments(call)):
                yield _at(call, f"{origin}('now')", CLOCK)
        if "numpy.load" in origins and _keyword(call, "allow_pickle", True):
            yield _at(call, "numpy.load(allow_pickle=True)", UNPICKLING)
        if isinstance(call.func, ast.Attribute):
            yield from self._method(call, call.func, origins)
        yield from self._unseeded_shuffle(call, origins)

    def _method(self, call: ast.Call, func: ast.Attribute, origins: set[str]) -> Iterator[_Hit]:
        if func.attr in _CLOCK_METHODS and not any(_banned(o) for o in origins):
            yield _at(func, f"?.{func.attr}", CLOCK)
        if func.attr == "shuffle" and not call.args and not _has_seed(call) and not origins:
            yield _at(func, "?.shuffle()", RANDOM)
        # Frames and expressions sample with one size; `random.Random.sample` takes the population as well.
        if func.attr == "sample" and len(call.args) < 2 and not _has_seed(call) and not origins:
            yield _at(func, "?.sample()", RANDOM)

    def _unseeded_shuffle(self, call: ast.Call, origins: set[str]) -> Iterator[_Hit]:
        """Estimators and splitters that shuffle draw from the global state unless they get a seed."""
        splits = any(o.startswith("sklearn.") and o.endswith(".train_test_split") for o in origins)
        sampled = isinstance(call.func, ast.Attribute) and call.func.attr == "sample"
        if (splits or _keyword(call, "shuffle", True)) and not sampled and not _has_seed(call):
            yield _at(call, f"{min(origins, default='?')}(shuffle)", RANDOM)


def _banned(origin: str) -> str | None:
    """The rule a dotted name breaks by being named, or None."""
    if origin in _CLOCKS:
        return CLOCK
    if origin in _UNPICKLERS:
        return UNPICKLING
    if origin in _UNSEEDABLE or origin.startswith("secrets."):
        return RANDOM
    if origin in _SEEDABLE or origin in _RANDOM_TYPES:
        return None
    # What is left of the two modules draws from, or seeds, state that the whole process shares.
    module, _, name = origin.rpartition(".")
    if module in ("random", "numpy.random") and name:
        return RANDOM
    return None


def _sql_clock(node: ast.Constant) -> Iterator[_Hit]:
    for match in _SQL_CLOCK.finditer(str(node.value)):
        name = next(group for group in match.groups() if group)
        yield _at(node, f"SQL {name.upper()}", SQL_CLOCK)


def _at(node: ast.expr | ast.stmt, call: str, rule: str) -> _Hit:
    return _Hit(node.lineno, node.col_offset, call, rule)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _keyword(call: ast.Call, name: str, value: Any) -> bool:
    return any(k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is value for k in call.keywords)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_seeded(call: ast.Call) -> bool:
    """Whether a generator's constructor gets anything but nothing or a literal None."""
    return any(not _is_none(a) for a in _arguments(call))


def _has_seed(call: ast.Call) -> bool:
    """Whether a seed arrives by keyword; ``**options`` may hold one and is given the benefit of the doubt."""
    return any(k.arg is None or (k.arg in ("seed", "random_state") and not _is_none(k.value)) for k in call.keywords)


def _docstrings(nodes: Iterable[ast.AST]) -> set[int]:
    """Identities of the texts that stand alone as statements: docstrings, and prose that nothing reads."""
    return {id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}


def _imports(nodes: Iterable[ast.AST]) -> dict[str, set[str]]:
    """Name -> the dotted names it was imported as, anywhere in the module (a function's import counts)."""
    origins: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name, origin = (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
                origins.setdefault(name, set()).add(origin)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                origins.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")
    return origins


def _assignments(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        targets: Iterable[ast.expr] = ()
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            targets = [node.target]
        value = getattr(node, "value", None)
        if value is not None:
            yield from ((t.id, value) for t in targets if isinstance(t, ast.Name))


def _defined(nodes: Iterable[ast.AST]) -> set[str]:
    """Names the module defines itself, which therefore, like those it imports, are not builtins."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names
