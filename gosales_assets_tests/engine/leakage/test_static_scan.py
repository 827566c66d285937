"""The scan of source text: what it finds, what it leaves alone, and what it refuses to call clean."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

import gosales_assets
from gosales_assets.engine.leakage.schema import StaticScan
from gosales_assets.engine.leakage.static_scan import SCOPE, Allowance, scan


def calls(text: str) -> list[str]:
    return [f["call"] for f in scan({"module.py": dedent(text)})["findings"]]


def test_two_clock_reads_one_behind_an_alias_are_two_findings() -> None:
    text = """
        import datetime
        from datetime import datetime as d
        x = datetime.datetime.utcnow()
        y = d.now()
    """
    document = scan({"features/a.py": dedent(text).lstrip()})
    StaticScan.model_validate(document)
    assert document["status"] == "FAIL"
    assert document["scanned_count"] == 1
    assert [(f["line"], f["call"], f["code"]) for f in document["findings"]] == [
        (3, "datetime.datetime.utcnow", "x = datetime.datetime.utcnow()"),
        (4, "datetime.datetime.now", "y = d.now()"),
    ]


def test_the_same_text_in_docstring_and_comment_is_none() -> None:
    document = scan(
        {
            "features/a.py": dedent(
                '''
                """datetime.utcnow() and SELECT CURRENT_DATE are banned here."""
                # from datetime import datetime as d; d.now()
                def f():
                    """d.now(), np.random.rand(3), date('now')."""
                    return 1
                '''
            )
        }
    )
    StaticScan.model_validate(document)
    assert (document["status"], document["findings"]) == ("PASS", [])


def test_nothing_scanned_fails() -> None:
    document = scan({})
    StaticScan.model_validate(document)
    assert (document["status"], document["scanned_count"]) == ("FAIL", 0)
    assert "no file was scanned" in document["reason"]


def test_a_part_of_the_scope_without_files_fails() -> None:
    document = scan({"engine/a.py": "x = 1"}, scope=SCOPE)
    StaticScan.model_validate(document)
    assert document["status"] == "FAIL"
    assert document["missing_scope"] == ["timeline.py", "taxonomy.py"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("import datetime as dt\ndt.date.today()", ["datetime.date.today"]),
        ("from datetime import date as day\nday.today()", ["datetime.date.today"]),
        ("import pandas as pd\npd.Timestamp.now()", ["pandas.Timestamp.now"]),
        ("from pandas import Timestamp as T\nT.utcnow()", ["pandas.Timestamp.utcnow"]),
        ("from time import time as clock\nclock()", ["time.time"]),
        ("import time\ntime.time_ns()", ["time.time_ns"]),
        ("def f():\n    import time\n    return time.gmtime()", ["time.gmtime"]),
        # passed on, not called: the clock is read all the same
        ("from datetime import datetime\nfield(default_factory=datetime.now)", ["datetime.datetime.now"]),
        # through a name
        ("import datetime\nclock = datetime.datetime\nclock.now()", ["datetime.datetime.now"]),
        # on something the scan cannot name
        ("def f(clock):\n    return clock.now()", ["?.now"]),
        ("import datetime\ngetattr(datetime.datetime, 'now')()", ["datetime.datetime.now"]),
        ("import importlib\nimportlib.import_module('time').time()", ["time.time"]),
        ("__import__('time').time()", ["time.time"]),
        ("import pandas as pd\npd.to_datetime('now')", ["pandas.to_datetime('now')"]),
    ],
)
def test_clocks(text: str, expected: list[str]) -> None:
    assert calls(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("import numpy as np\nnp.random.rand(3)", ["numpy.random.rand"]),
        ("import numpy as np\nnp.random.seed(1)", ["numpy.random.seed"]),
        ("from numpy import random as r\nr.choice([1])", ["numpy.random.choice"]),
        ("import random\nrandom.shuffle(x)", ["random.shuffle"]),
        ("from random import choice\nchoice(x)", ["random.choice"]),
        ("import numpy as np\nnp.random.default_rng()", ["numpy.random.default_rng()"]),
        ("import numpy as np\nnp.random.default_rng(None)", ["numpy.random.default_rng()"]),
        ("import numpy as np\nnp.random.default_rng(seed=7)", []),
        ("import numpy as np\ndef f(rng: np.random.Generator): return rng.normal()", []),
        ("import random\nrandom.Random()", ["random.Random()"]),
        ("import random\nrandom.Random(3).sample(range(9), 2)", []),
        ("frame.sample(fraction=0.5)", ["?.sample()"]),
        ("frame.sample(n=5, seed=1)", []),
        ("frame.sample(n=5, seed=None)", ["?.sample()"]),
        ("KFold(5, shuffle=True)", ["?(shuffle)"]),
        ("KFold(5, shuffle=True, random_state=1)", []),
        ("import uuid\nuuid.uuid4()", ["uuid.uuid4"]),
        ("hash('a')", ["hash"]),
        ("import polars as pl\npl.col('a').hash(0)", []),
    ],
)
def test_chance(text: str, expected: list[str]) -> None:
    assert calls(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("import pickle\npickle.loads(b)", ["pickle.loads"]),
        ("from joblib import load\nload(p)", ["joblib.load"]),
        ("import numpy as np\nnp.load(p, allow_pickle=True)", ["numpy.load(allow_pickle=True)"]),
        ("import numpy as np\nnp.load(p)", []),
        ("import json\njson.loads(t)", []),
        ("eval('1')", ["eval"]),
        ("import polars as pl\npl.col('a').list.eval(pl.element())", []),
        ("from datetime import *\nnow", ["datetime.*"]),
        ("def broken(:", ["<source that does not parse>"]),
    ],
)
def test_unpickling_and_what_cannot_be_judged(text: str, expected: list[str]) -> None:
    assert calls(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("con.execute('SELECT CURRENT_DATE')", ["SQL CURRENT_DATE"]),
        ("con.execute('select current_timestamp')", ["SQL CURRENT_TIMESTAMP"]),
        ("con.execute('WHERE d <= GETDATE()')", ["SQL GETDATE"]),
        ("""con.execute("SELECT date('now', '-1 day')")""", ["SQL DATE"]),
        ("con.execute(f'WHERE {column} < CURRENT_DATE')", ["SQL CURRENT_DATE"]),
        ("QUERY = 'SELECT NOW()'\ncon.execute(QUERY)", ["SQL NOW"]),
        ("raise ValueError('know the date, now')", []),
        ("date(2024, 1, 1)", []),
    ],
)
def test_clocks_inside_sql(text: str, expected: list[str]) -> None:
    assert calls(text) == expected


def test_an_allowance_excuses_one_call_in_one_file_and_says_why() -> None:
    sources = {"a/one.py": "import uuid\nuuid.uuid4()", "a/two.py": "import uuid\nuuid.uuid4()"}
    document = scan(sources, allowed=[Allowance("*/one.py", "uuid.uuid4", "names a temporary file")])
    StaticScan.model_validate(document)
    assert [f["file"] for f in document["findings"]] == ["a/two.py"]
    assert [(f["file"], f["reason"]) for f in document["allowed"]] == [("a/one.py", "names a temporary file")]


def test_the_order_of_the_sources_does_not_matter() -> None:
    sources = {"b.py": "hash(1)", "a.py": "hash(2)"}
    assert scan(sources) == scan(dict(reversed(sources.items())))


def test_the_engine_itself_is_clean() -> None:
    root = Path(gosales_assets.__file__).parent
    files = [*root.glob("engine/**/*.py"), root / "timeline.py", root / "taxonomy.py"]
    sources = {f.relative_to(root).as_posix(): f.read_text(encoding="utf-8") for f in files}
    document = scan(sources, scope=SCOPE)
    assert document["status"] == "PASS", document["findings"]
    assert document["scanned_count"] == len(files) > 10
