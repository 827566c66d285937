"""Files as people export them: encodings, separators, headers, globs, broken lines."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from gosales_assets.sources import SourceError, files
from gosales_assets.sources.files import digest, read_tables, resolve

NAMES = "id,name\n1,Müller €\n2,Łódź\n"


@pytest.fixture(autouse=True, params=[True, False], ids=["kept", "scanned again"])
def kept(request, monkeypatch):
    """Files are read the same, whether their records are kept in memory or not."""
    if not request.param:
        monkeypatch.setattr(files, "_KEPT_BYTES", 0)


def _write(folder: Path, content: bytes, name: str = "log.csv") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def _rows(path: str, **options) -> list[tuple]:
    return read_tables([path], **options).records.drop("_source_file").collect().rows()


@pytest.mark.parametrize(
    ("content", "asked", "used", "name"),
    [
        ("Müller €".encode(), None, "utf-8", "Müller €"),
        (b"\xef\xbb\xbf" + b"id,name\n1," + "Müller €".encode() + b"\n", None, "utf-8", "Müller €"),
        ("Müller €".encode("cp1252"), None, "cp1252", "Müller €"),
        ("Müller".encode("latin-1"), "latin-1", "iso8859-1", "Müller"),
        # 0x81 is a control character in latin-1 and undefined in cp1252.
        (b"M\x81ller", "latin-1", "iso8859-1", "M\x81ller"),
        ("id,name\r\n1,Müller €\r\n".encode("utf-16"), None, "utf-16", "Müller €"),
        ("id,name\n1,Müller €\n".encode("utf-16-be"), "utf-16-be", "utf-16-be", "Müller €"),
        (b"Muller", "UTF8", "utf-8", "Muller"),
    ],
)
def test_encodings(tmp_path, content, asked, used, name):
    whole = content if b"\n" in content else b"id,name\n1," + content + b"\n"
    tables = read_tables([_write(tmp_path, whole)], encoding=asked)
    assert tables.records.collect().rows() == [("1", name, "log.csv")]
    assert tables.description[0]["encoding"] == used


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "is empty"),
        (b" \n\n", {}, "is empty"),
        (b"id,id\n1,2\n", {}, "'id' occurs twice"),
        (b"id, id \n1,2\n", {}, "'id' occurs twice"),
        (b",,\n1,2,3\n", {}, "no headers"),
        (b"id,_source_file\n1,2\n", {}, "'_source_file' is reserved"),
        (b"id;name\n1;2\n", {}, "separated by ';'"),
        (b'id,name\n1,"open\n2,x\n', {}, "quotation mark"),
        (b"id,name\n1,\xe9\n", {"encoding": "utf-8"}, "is not utf-8: byte 10"),
        (b"id,name\n1,2\n", {"encoding": "utf-99"}, "'utf-99' is unknown"),
        (b"id,name\n1,M\x81ller\xff\n", {}, "unknown encoding"),
        ("id,name\n1,2\n".encode("utf-16-le"), {}, "NUL bytes"),
        (b"PK\x03\x04rest", {}, "spreadsheet"),
        (b"\x1f\x8brest", {}, "compressed"),
        (b"PAR1broken", {}, "as Parquet"),
    ],
)
def test_what_cannot_be_read_says_why_and_where(tmp_path, content, options, message):
    path = _write(tmp_path, content)
    with pytest.raises(SourceError, match=message) as raised:
        read_tables([path], **options)
    assert "encoding 'utf-99'" in str(raised.value) or path in str(raised.value)


def test_a_header_without_a_line_is_a_log_of_no_records(tmp_path):
    tables = read_tables([_write(tmp_path, b"id,name")])
    assert tables.records.collect_schema().names() == ["id", "name", "_source_file"]
    assert tables.description[0]["records"] == 0


def test_all_columns_of_csv_are_text_and_blanks_are_told_from_nothing(tmp_path):
    path = _write(tmp_path, b'id,name,gp\n00123,"",\n1e5,NaN,"$1,000"\n')
    assert _rows(path) == [("00123", "", None), ("1e5", "NaN", "$1,000")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_quotes_separators_and_line_breaks_inside_a_name_survive(tmp_path, end):
    lines = [b' id ,"na,me"', b'1,"A ""B"", C' + end + b'D"', b"2,x", b""]
    tables = read_tables([_write(tmp_path, end.join(lines))])
    assert tables.records.collect_schema().names()[:2] == ["id", "na,me"]
    assert tables.records.collect()["na,me"].to_list() == ['A "B", C' + end.decode() + "D", "x"]


def test_a_short_line_keeps_what_it_has(tmp_path):
    assert _rows(_write(tmp_path, b"a,b,c\n1,2,3\n4,5\n")) == [("1", "2", "3"), ("4", "5", None)]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b,c\n1,2,3\n4,5", [("1", "2", "3", None), (None, None, None, "4,5")]),
        (b"a,b,c\n4", [(None, None, None, "4")]),
        (b'a,b,c\r\n1,2,3\r\n"x,y",5', [("1", "2", "3", None), (None, None, None, '"x,y",5')]),
        ("a,b,c\n1,2,ü\n4,ü".encode("cp1252"), [("1", "2", "ü", None), (None, None, None, "4,ü")]),
        (b"a,b,c\n1,2,3,4\n4,5", [(None, None, None, "1,2,3,4"), (None, None, None, "4,5")]),
    ],
)
def test_a_last_line_that_breaks_off_is_kept_but_not_trusted(tmp_path, content, rows):
    tables = read_tables([_write(tmp_path, content)])
    assert tables.records.drop("_source_file").collect().rows() == rows
    assert tables.description[0]["unreadable"] == sum(r[-1] is not None for r in rows)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a,b,c\n1,2,3\n4,5,6", [("1", "2", "3"), ("4", "5", "6")]),  # no line end, and nothing missing
        (b"a,b,c\n1,2\n4,5", [("1", "2", None), ("4", "5", None)]),  # this exporter leaves out trailing blanks
        (b'a,b,c\n1,2,"x\ny"', [("1", "2", "x\ny")]),  # the last line is the end of a quoted field
        (b"a,b,c", []),
    ],
)
def test_a_last_line_without_a_line_end_is_not_always_broken_off(tmp_path, content, rows):
    assert _rows(_write(tmp_path, content)) == rows


def test_a_trailing_separator_is_no_field(tmp_path):
    tables = read_tables([_write(tmp_path, b"a,b\n1,2,\n3,4,\n")])
    assert tables.records.drop("_source_file").collect().rows() == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_line_with_too_many_fields_is_kept_but_not_trusted(tmp_path, bom):
    tables = read_tables([_write(tmp_path, bom + b'"a\nx",b\n1,2\n3,4,5\n6,7\n')])
    records = tables.records.drop("_source_file").collect()
    assert records.columns == ["a\nx", "b", "_unreadable"]
    assert records.rows() == [("1", "2", None), (None, None, "3,4,5"), ("6", "7", None)]
    assert tables.description[0]["unreadable"] == 1
    # Looking at one column only must show the same records.
    assert tables.records.select("b").collect()["b"].to_list() == ["2", None, "7"]


def test_several_files_are_united_by_name_in_order_of_their_names(tmp_path):
    _write(tmp_path, b"id,gp\n3,30\n", "b.csv")
    _write(tmp_path, b"id,name\n1,x\n", "a.csv")
    pl.DataFrame({"id": ["9"], "gp": ["90"]}).write_parquet(tmp_path / "c.parquet")
    tables = read_tables([str(tmp_path / "*.csv"), str(tmp_path / "c.parquet"), str(tmp_path / "a.csv")])
    assert tables.records.collect().rows(named=True) == [
        {"id": "1", "name": "x", "_source_file": "a.csv", "gp": None},
        {"id": "3", "name": None, "_source_file": "b.csv", "gp": "30"},
        {"id": "9", "name": None, "_source_file": "c.parquet", "gp": "90"},
    ]
    assert [d["records"] for d in tables.description] == [1, 1, 1]


def test_parquet_keeps_its_types_and_trims_its_headers(tmp_path):
    frame = pl.DataFrame({" id ": [1], "day": [date(2024, 1, 31)], "gp": [1.5]})
    frame.write_parquet(tmp_path / "log.parquet")
    records = read_tables([str(tmp_path / "log.parquet")]).records
    assert dict(records.drop("_source_file").collect_schema()) == {"id": pl.Int64, "day": pl.Date, "gp": pl.Float64}


def test_a_column_files_disagree_on_becomes_text(tmp_path):
    pl.DataFrame({"id": [7], "day": [date(2024, 1, 31)], "gp": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"id": ["007"], "day": ["2/1/2024"], "gp": [2.5]}).write_parquet(tmp_path / "b.parquet")
    records = read_tables([str(tmp_path / "*.parquet")]).records.drop("_source_file").collect()
    assert records.rows() == [("7", "2024-01-31", 1.0), ("007", "2/1/2024", 2.5)]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "is empty"),
        (["nothing.csv"], "nothing.csv does not exist"),
        (["nothing-*.csv"], "matches no file"),
        (["."], "is a folder"),
    ],
)
def test_files_that_are_not_there(tmp_path, monkeypatch, paths, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message) as raised:
        resolve(paths, what="sources.sales_log.path")
    assert "sources.sales_log.path" in str(raised.value)


def test_glob_characters_in_a_file_name_are_taken_as_they_are(tmp_path):
    path = _write(tmp_path, b"id\n1\n", "log[1].csv")
    _write(tmp_path, b"id\n2\n", "log1.csv")
    assert _rows(path) == [("1",)]


def test_the_digest_follows_bytes_names_and_nothing_else(tmp_path):
    a, b = Path(_write(tmp_path, b"id\n1\n", "a.csv")), Path(_write(tmp_path, b"id\n2\n", "b.csv"))
    before = digest([a, b])
    assert before == hashlib.sha256(b"a.csv\x005\x00id\n1\nb.csv\x005\x00id\n2\n").hexdigest()
    a.touch()
    assert digest([a, b]) == before
    b.write_bytes(b"id\n3\n")
    assert digest([a, b]) != before


def test_a_changed_file_in_another_encoding_is_read_again(tmp_path):
    path = _write(tmp_path, "id,name\n1,é\n".encode("cp1252"))
    assert _rows(path) == [("1", "é")]
    Path(path).write_bytes("id,name\n1,éé\n".encode("cp1252"))
    assert _rows(path) == [("1", "éé")]
