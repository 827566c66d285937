"""CSV and Parquet files: finding them, decoding them, and handing their records over unjudged.

Belongs here: globs, encodings, separators, headers, files with different columns, lines that do not fit their header.
Does not belong here: what a column means.

What counts as what:

* an **empty** file (no header) is an error; a file with **a header and no line** is a log of 0 records;
* a line with **fewer fields** than headers keeps what it has, the rest is null: exporters leave out trailing blanks;
* a **last line that breaks off** (no line end, fewer fields than headers while the lines before it have all of theirs)
  and a line with **more fields** than headers cannot be trusted in any column, since the last of its fields may be half
  of one: its record is kept with every column null and its text in ``_unreadable``, so that it is quarantined and
  counted, never lost and never guessed; a trailing separator is not such a field;
* quotes that never close make the rest of the file one field: that is an error.
"""

from __future__ import annotations

import codecs
import csv
import glob
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from gosales_assets.sources.errors import SourceError

CHUNK = 1 << 20
SOURCE_COLUMN = "_source_file"
UNREADABLE_COLUMN = "_unreadable"
#: Bytes of a file whose records are kept in memory, so that it is parsed once. A larger one is parsed to see that it
#: can be, and again when it is used.
_KEPT_BYTES = 1 << 31
#: Fields looked at beyond the last header.
_BEYOND = ("_beyond_1", "_beyond_2", "_beyond_3")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = (
    (b"PK\x03\x04", "a spreadsheet or a zip archive; save the sheet as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV (UTF-8)"),
    (b"\x1f\x8b", "compressed; unpack it first"),
)
_PARQUET = b"PAR1"
#: Encodings in which ASCII bytes are ASCII characters.
_ASCII_WITHIN = ("ascii", "utf-8", "cp1252")
_SEPARATORS = (",", ";", "\t", "|")
#: Bytes at the end of a file that are looked at to tell whether its last line breaks off.
_TAIL = 1 << 16


class Tables(NamedTuple):
    """Records of one or several files, and per file: path, format, bytes, encoding, columns, records, unreadable."""

    records: pl.LazyFrame
    description: list[dict[str, Any]]


def resolve(paths: Sequence[str], *, what: str) -> list[Path]:
    """Turn paths and globs into existing files, each once, ordered by base name, then path.

    Parameters
    ----------
    paths
        Paths or globs (``*``, ``?``, ``[…]``, ``**``).
    what
        The setting they come from, for messages.

    Raises
    ------
    SourceError
        When there is none, a path does not exist or is a folder, or a glob matches nothing.
    """
    if not paths:
        raise SourceError(f"{what} is empty; name at least one CSV or Parquet file")
    found: dict[Path, None] = {}
    for text in paths:
        path = Path(text).expanduser()
        if path.is_file():
            found[path] = None
        elif path.is_dir():
            raise SourceError(f"{what}: {text} is a folder; name its files, for example {path / '*.csv'}")
        elif glob.has_magic(text):
            matches = [Path(m) for m in glob.glob(str(path), recursive=True) if Path(m).is_file()]
            if not matches:
                raise SourceError(f"{what}: {text} matches no file in {Path.cwd()}")
            found |= dict.fromkeys(matches)
        else:
            raise SourceError(f"{what}: file {text} does not exist (looked in {Path.cwd()})")
    return sorted(found, key=lambda p: (p.name, str(p)))


def digest(files: Sequence[Path]) -> str:
    """sha256 over names, sizes and bytes of files, in the order given; read in chunks."""
    sha = hashlib.sha256()
    for path in files:
        sha.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                sha.update(chunk)
    return sha.hexdigest()


def read_tables(
    paths: Sequence[str], *, encoding: str | None = None, separator: str = ",", what: str = "path"
) -> Tables:
    """Read CSV and Parquet files as one table, columns united by name.

    Parameters
    ----------
    paths
        Paths or globs.
    encoding
        Encoding of CSV files; unset tries the byte order mark, strict utf-8, then cp1252.
    separator
        CSV field separator.
    what
        The setting the paths come from, for messages.

    Returns
    -------
    Tables
        Trimmed headers; text columns for CSV, the file's own types for Parquet; ``_source_file``; ``_unreadable`` only
        when some line has more fields than its header. A column that files disagree on becomes text.

    Raises
    ------
    SourceError
        Naming the file and what to do.
    """
    tables = [_read(path, encoding, separator) for path in resolve(paths, what=what)]
    frames = _agree([t.records for t in tables])
    records = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
    return Tables(records, [d for t in tables for d in t.description])


def _read(path: Path, encoding: str | None, separator: str) -> Tables:
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head.strip():
        raise SourceError(f"{path} is empty; it needs at least a line of headers")
    for magic, reason in _MAGIC:
        if head.startswith(magic):
            raise SourceError(f"{path} is {reason}")
    described: dict[str, Any] = {"path": str(path), "bytes": path.stat().st_size}
    if head.startswith(_PARQUET):
        frame = _read_parquet(path)
        described |= {"format": "parquet"}
    else:
        used = _encoding(path, head, encoding)
        frame = _read_csv(path, used, separator)
        described |= {"format": "csv", "encoding": used}
    counts = _count(frame, path)
    described |= {"columns": len(frame.collect_schema()), **counts}
    return Tables(frame.with_columns(pl.lit(path.name).alias(SOURCE_COLUMN)), [described])


def _read_parquet(path: Path) -> pl.LazyFrame:
    try:
        frame = pl.scan_parquet(path)
        headers = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {error}; write it again") from error
    trimmed = _headers(headers, path)
    return frame.rename({old: new for old, new in zip(headers, trimmed, strict=True) if old != new})


def _headers(headers: Sequence[str], path: Path) -> list[str]:
    """Trimmed headers; blank ones get a name of their own.

    Raises
    ------
    SourceError
        When a header occurs twice, or is a name this package adds.
    """
    named = [h.strip() or f"_unnamed_{i + 1}" for i, h in enumerate(headers)]
    if not named or all(h.startswith("_unnamed_") for h in named):
        raise SourceError(f"{path} has no headers; its first line must name the columns")
    if twice := sorted({h for h in named if named.count(h) > 1}):
        raise SourceError(f"{path}: header {', '.join(map(repr, twice))} occurs twice; rename or remove one")
    if taken := sorted({SOURCE_COLUMN, UNREADABLE_COLUMN, *_BEYOND} & set(named)):
        raise SourceError(f"{path}: header {taken[0]!r} is reserved; rename it")
    return named


def _encoding(path: Path, head: bytes, wanted: str | None) -> str:
    """The encoding a CSV file is read with.

    Raises
    ------
    SourceError
        When the wanted one is unknown or does not fit, or none fits.
    """
    if wanted is not None:
        try:
            name = codecs.lookup(wanted).name
        except LookupError:
            raise SourceError(f"encoding {wanted!r} is unknown; use utf-8, cp1252, latin-1 or utf-16") from None
        name = "utf-8" if name == "utf-8-sig" else name
        if (problem := _decoding_problem(path, name)) is not None:
            raise SourceError(f"{path} is not {wanted}: {problem}; leave the encoding unset or name the right one")
        return name
    for mark, name in _BOMS:
        if head.startswith(mark):
            if (problem := _decoding_problem(path, name)) is not None:
                raise SourceError(f"{path} begins with the mark of {name} but is not: {problem}; save it again")
            return name
    if b"\0" in head:
        raise SourceError(
            f"{path} holds NUL bytes; it is binary, or utf-16 without its mark: set encoding to utf-16-le or utf-16-be"
        )
    problems = []
    for name in ("utf-8", "cp1252"):
        problem = _decoding_problem(path, name)
        if problem is None:
            return name
        problems.append(f"{name}: {problem}")
    raise SourceError(f"{path} has an unknown encoding ({'; '.join(problems)}); name it in the settings")


def _decoding_problem(path: Path, encoding: str) -> str | None:
    """Why a file cannot be decoded, or None; reads it in chunks."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    narrow = encoding in _ASCII_WITHIN
    done = 0
    with path.open("rb") as stream:
        try:
            while chunk := stream.read(CHUNK):
                # Plain ASCII means the same in every encoding but the wide ones, and looking is cheaper than decoding.
                if not (narrow and chunk.isascii() and not decoder.getstate()[0]):
                    decoder.decode(chunk)
                done += len(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            at = done + getattr(error, "start", 0)
            return f"byte {at} ({getattr(error, 'reason', error)})"
    return None


def _read_csv(path: Path, encoding: str, separator: str) -> pl.LazyFrame:
    source = path if encoding in ("utf-8", "ascii") else _transcoded(path, encoding)
    raw = _first_line(source, separator, path)
    headers = _headers(raw, path)
    others = [s for s in _SEPARATORS if s != separator and s in raw[0]]
    if len(headers) == 1 and others:
        raise SourceError(
            f"{path} has the single header {raw[0]!r}; its fields seem to be separated by {others[0]!r}: "
            f"set sources.sales_log.separator"
        )
    broken_off = _broken_off(source, len(headers), separator)
    if broken_off:
        source = _without_end(source, len(broken_off))
        lost = pl.LazyFrame({UNREADABLE_COLUMN: [broken_off.decode()]})
        return pl.concat([_whole_lines(source, headers, separator, path), lost], how="diagonal")
    return _whole_lines(source, headers, separator, path)


def _first_line(source: Path, separator: str, path: Path) -> list[str]:
    """The cells of the first line of a utf-8 file; a reader of tables would take in megabytes for it."""
    with source.open(encoding="utf-8-sig", newline="") as stream:
        try:
            return next(csv.reader(stream, delimiter=separator), [])
        except csv.Error as error:
            raise SourceError(_explained(path, error)) from error


def _broken_off(source: Path, fields: int, separator: str) -> bytes | None:
    """The last line of a utf-8 file, when it breaks off; see the module docstring."""
    with source.open("rb") as stream:
        stream.seek(max(0, source.stat().st_size - _TAIL))
        *before, last = stream.read().split(b"\n")
    whole = [line for line in before[1:] if line.strip() and _fields(line, separator) is not None]
    ends = _fields(last, separator)
    if not before or not last.strip() or ends is None or ends >= fields:
        return None
    return None if any((_fields(line, separator) or 0) < fields for line in whole) else last


def _fields(line: bytes, separator: str) -> int | None:
    """Fields of a line; None when it may be the inside of a quoted one."""
    if line.count(b'"') % 2:
        return None
    return len(next(csv.reader([line.decode(errors="replace").strip("\r")], delimiter=separator), []))


def _without_end(path: Path, length: int) -> Path:
    """A copy of a file without its last bytes."""

    def write(target: BinaryIO) -> None:
        left = path.stat().st_size - length
        with path.open("rb") as source:
            while left and (chunk := source.read(min(CHUNK, left))):
                target.write(chunk)
                left -= len(chunk)

    return _copy(_key(path, "without end", str(length)), write)


def _whole_lines(source: Path, headers: list[str], separator: str, path: Path) -> pl.LazyFrame:
    """The records of a file whose headers are known; see the module docstring for lines that do not fit them."""
    written = _scan(source, separator, has_header=True, path=path).collect_schema().names()
    places = dict.fromkeys([*written, *_BEYOND], pl.String)
    options = {"schema": places, "missing_columns": "insert", "truncate_ragged_lines": True}
    frame = _scan(source, separator, has_header=True, path=path, **options)
    frame = frame.rename(dict(zip(places, [*headers, *_BEYOND], strict=True)))
    surplus = pl.any_horizontal(pl.col(c).is_not_null() for c in _BEYOND)
    # Every column is parsed: a reader that wants a few of them only would not notice a line it cannot trust.
    kept = source.stat().st_size <= _KEPT_BYTES
    flag = surplus.alias(_BEYOND[0])
    seen = _collect(frame.select(*headers, flag) if kept else frame.select(pl.col(headers).count(), flag.any()), path)
    if not seen.drop_in_place(_BEYOND[0]).any():
        return seen.lazy() if kept else frame.select(headers)
    text = pl.concat_str([*headers, *_BEYOND], separator=separator, ignore_nulls=True)
    whole = frame.select(
        *(pl.when(~surplus).then(pl.col(h)).alias(h) for h in headers),
        pl.when(surplus).then(text).alias(UNREADABLE_COLUMN),
    )
    return _collect(whole, path).lazy() if kept else whole


def _scan(source: Path, separator: str, *, path: Path, **options: Any) -> pl.LazyFrame:
    # A file's own name may hold glob characters; they must not be expanded.
    try:
        frame = pl.scan_csv(source, separator=separator, infer_schema=False, glob=False, **options)
        frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SourceError(_explained(path, error)) from error
    return frame


def _explained(path: Path, error: Exception) -> str:
    reason = str(error).partition("\n")[0]
    return f"{path} cannot be read: {reason}; look for a quotation mark that never closes, or a wrong separator"


def _collect(frame: pl.LazyFrame, path: Path) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise SourceError(_explained(path, error)) from error


def _count(frame: pl.LazyFrame, path: Path) -> dict[str, int]:
    """Records, and those of them that are unreadable."""
    has = UNREADABLE_COLUMN in frame.collect_schema()
    unreadable = pl.col(UNREADABLE_COLUMN).count() if has else pl.lit(0)
    counted = _collect(frame.select(pl.len().alias("records"), unreadable.alias("unreadable")), path)
    return {name: int(value) for name, value in counted.row(0, named=True).items()}


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Folder of transcoded copies; removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="gosales_")


def _copy(key: str, write: Callable[[BinaryIO], None]) -> Path:
    """A file in the scratch folder, written once per key."""
    copy = Path(_scratch().name) / f"{hashlib.sha256(key.encode()).hexdigest()}.csv"
    if not copy.exists():
        handle, partial = tempfile.mkstemp(dir=copy.parent)
        with os.fdopen(handle, "wb") as target:
            write(target)
        Path(partial).replace(copy)
    return copy


def _key(path: Path, *more: str) -> str:
    stat = path.stat()
    return "\0".join([str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns), *more])


def _transcoded(path: Path, encoding: str) -> Path:
    """A utf-8 copy of a file, made chunk by chunk; reused while the file is unchanged."""

    def write(target: BinaryIO) -> None:
        with path.open(encoding=encoding, newline="") as source:
            while chunk := source.read(CHUNK):
                target.write(chunk.encode())

    return _copy(_key(path, encoding), write)


def _agree(frames: list[pl.LazyFrame]) -> list[pl.LazyFrame]:
    """Cast columns that files disagree on to text; numbers of different width are left to the union."""
    types: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, dtype in frame.collect_schema().items():
            types.setdefault(name, set()).add(dtype)
    mixed = [name for name, seen in types.items() if len(seen) > 1 and not all(dtype.is_numeric() for dtype in seen)]
    if not mixed:
        return frames
    return [
        frame.with_columns(pl.col(c).cast(pl.String) for c in mixed if c in frame.collect_schema()) for frame in frames
    ]
