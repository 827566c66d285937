"""Names that are nearly the same: what counts as one, and that nothing alike is missed."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from gosales_assets.engine.star.names import similar_names, unprefixed


@pytest.mark.parametrize(
    ("name", "choice", "score"),
    [
        # Likeness is 100 (1 - letters to insert or delete / letters of both), words in alphabetical order.
        ("acme industrial supply", "industrial supply acme", 100.0),
        ("acme engineering services", "acme engineering service", 97.96),  # 1 - 1 / (25 + 24)
        ("acme tooling inc", "acme tooling inc.", 96.97),  # 1 - 1 / (16 + 17)
        ("general robotics corporation", "general robotics corporatoin", 96.43),  # 1 - 2 / (28 + 28)
        ("precision machining company", "precision machining companies", None),  # 92.86 = 1 - 4 / (27 + 29)
        ("acme tool inc", "acme tool llc", None),  # 84.62 = 1 - 4 / (13 + 13)
        ("497588 bluepen", "bluepen", None),  # 66.67 with the number
    ],
)
def test_the_likeness_of_the_oracle(name: str, choice: str, score: float | None) -> None:
    got = similar_names(pl.Series([name]), pl.Series([choice]))
    assert [(n, m, round(s, 2)) for n, m, s in got.iter_rows()] == ([] if score is None else [(name, choice, score)])


def test_a_number_in_front_is_no_part_of_the_name() -> None:
    names = pl.DataFrame({"n": ["497588 bluepen", "123", "3m company", "12 34 acme", None]})
    assert names.select(unprefixed("n"))["n"].to_list() == ["bluepen", "123", "3m company", "34 acme", None]


def test_of_equally_alike_choices_the_smallest_wins() -> None:
    choices = ["acme works b", "acme works c", "b acme works"]
    for order in (choices, choices[::-1]):
        got = similar_names(pl.Series(["works acme b"]), pl.Series(order))
        assert got["match"].to_list() == ["acme works b"]


def test_blanks_nulls_and_repetitions_match_nothing_twice() -> None:
    names = pl.Series(["acme works", "acme works", "", " ", None])
    assert similar_names(names, names).rows() == [("acme works", "acme works", 100.0)]
    assert similar_names(names, pl.Series([], dtype=pl.String)).is_empty()


_word = st.text("abc", min_size=1, max_size=6)
_names = st.lists(st.lists(_word, min_size=1, max_size=4).map(" ".join), max_size=12)


@given(names=_names, choices=_names, least=st.sampled_from([50.0, 80.0, 94.0]))
@settings(max_examples=60)
def test_nothing_alike_is_missed_whatever_the_lengths(names: list[str], choices: list[str], least: float) -> None:
    got = similar_names(pl.Series(names, dtype=pl.String), pl.Series(choices, dtype=pl.String), least=least)
    expected = {}
    for name in names:
        scored = sorted((-fuzz.token_sort_ratio(name, c), c) for c in set(choices))
        if scored and -scored[0][0] >= least:
            expected[name] = (scored[0][1], -scored[0][0])
    assert {n: (m, s) for n, m, s in got.iter_rows()} == expected
