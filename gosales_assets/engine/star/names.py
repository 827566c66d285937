"""Names that are nearly the same.

Belongs here: the likeness of two names, and the best match of many names among many. Does not belong here: when
matching runs, what a match brings (`customers`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from rapidfuzz import fuzz, process

#: Likeness (0 to 100) from which two names are taken for one: the first pass is all but certain, the second likely.
FIRST_PASS, SECOND_PASS = 97.0, 94.0

#: Pairs scored at a time: bounds the memory of the score matrix, 8 bytes each.
_CELLS = 4_000_000


def unprefixed(norm: str | pl.Expr) -> pl.Expr:
    """A name for matching without the number in front: ``497588 bluepen`` -> ``bluepen``; ``123`` stays."""
    expr = pl.col(norm) if isinstance(norm, str) else norm
    return expr.str.replace(r"^[0-9]+ +", "")


def similar_names(names: pl.Series, choices: pl.Series, *, least: float = SECOND_PASS) -> pl.DataFrame:
    """The most alike choice of each name.

    Likeness is that of the words in alphabetical order: 100 less the share of letters to insert or delete (rapidfuzz
    ``token_sort_ratio``). Only choices whose length allows the likeness are scored, so nothing alike is missed.

    Parameters
    ----------
    names, choices
        Names for matching; nulls and repetitions count once or not at all.
    least
        Likeness a match needs, 0 to 100.

    Returns
    -------
    DataFrame
        ``name, match, score``, sorted by name; names without a match are absent. Of equally alike choices the smallest
        by its text.

    Examples
    --------
    >>> similar_names(pl.Series(["acme industrial supply"]), pl.Series(["industrial supply acme"])).row(0)
    ('acme industrial supply', 'industrial supply acme', 100.0)
    """
    wanted, offered = _by_length(names), _by_length(choices)
    lengths = offered["length"].to_numpy()
    found = []
    for (length,), group in wanted.group_by("length", maintain_order=True):
        assert isinstance(length, int)
        # The likeness of lengths m and n is at most 200 * min(m, n) / (m + n).
        shortest, longest = length * least / (200 - least), length * (200 - least) / least
        begin, end = np.searchsorted(lengths, [shortest - 1e-9, longest + 1e-9])
        near = offered.slice(int(begin), int(end - begin)).sort("name")
        if near.is_empty():
            continue
        for part in group.iter_slices(max(1, _CELLS // near.height)):
            found.append(_best(part, near, least))
    schema = {"name": pl.String, "match": pl.String, "score": pl.Float64}
    return pl.concat([pl.DataFrame(schema=schema), *found]).sort("name")


def _by_length(names: pl.Series) -> pl.DataFrame:
    """Distinct names with their words in order and the length of that, shortest first."""
    words = pl.col("name").str.split(" ").list.sort().list.join(" ")
    return (
        names.alias("name")
        .to_frame()
        .filter(pl.col("name").str.strip_chars() != "")
        .unique()
        .with_columns(words=words)
        .with_columns(length=pl.col("words").str.len_chars().cast(pl.Int64))
        .sort("length", "name")
    )


def _best(names: pl.DataFrame, choices: pl.DataFrame, least: float) -> pl.DataFrame:
    scores = process.cdist(
        names["words"].to_list(), choices["words"].to_list(), scorer=fuzz.ratio, score_cutoff=least, dtype=np.float64
    )
    best = scores.argmax(axis=1)  # the first of equals, and choices stand in the order of their names
    return pl.DataFrame(
        {"name": names["name"], "match": choices["name"].gather(best), "score": scores[np.arange(len(best)), best]}
    ).filter(pl.col("score") >= least)
