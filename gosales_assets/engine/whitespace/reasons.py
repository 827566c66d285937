"""A row in words: which parts carry its score, and one sentence a representative can say.

Belongs here: the order of contributions, the wording, its length and the filter on sensitive words. Does not belong
here: the contributions themselves and the model's own reasons, which arrive with the scores.

The sentence names the probability, as a multiple of the division's average because a 4 % chance means nothing by
itself and a lot where the average is 1 %, and then up to two other components in the order of their weighted
contribution.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

MAX_REASON_CHARS = 150
HIGH_P = 0.80
FALLBACK_REASON = "High likelihood"
_SEPARATOR, _JOINER, _ELLIPSIS = "; ", " + ", "..."

#: What the other components are called in a sentence, by the column of their contribution.
DRIVERS: Mapping[str, str] = {"contribution_lift": "affinity", "contribution_als": "ALS", "contribution_ev": "EV"}

SENSITIVE_WORDS = (
    "race",
    "gender",
    "religion",
    "ssn",
    "social security",
    "age",
    "ethnicity",
    "disability",
    "veteran",
    "pregnan[a-z]*",
)
#: Whole words only ("average" and "engagement" are not about age); an underscore ends a word, as in column names.
SENSITIVE_PATTERN = rf"(?i)(^|[^a-z])({'|'.join(SENSITIVE_WORDS)})($|[^a-z])"


def top_two(frame: pl.DataFrame, names: Mapping[str, str], prefix: str) -> pl.DataFrame:
    """Add the two largest positive columns of each row, by name and value.

    Parameters
    ----------
    frame
        Rows with the columns of ``names``, none null.
    names
        Column -> what to call it; on ties the earlier one wins.
    prefix
        Of the new columns ``<prefix>_1``, ``<prefix>_1_value``, ``<prefix>_2``, ``<prefix>_2_value``; null where
        fewer than two are positive.
    """
    first, second = f"{prefix}_1", f"{prefix}_2"

    def largest(rank: str, taken: str | None) -> tuple[pl.Expr, pl.Expr]:
        free = {
            column: pl.when((pl.col(column) > 0) & (pl.lit(True) if taken is None else pl.col(taken) != name)).then(
                pl.col(column)
            )
            for column, name in names.items()
        }
        value = pl.max_horizontal(free.values())
        called = pl.coalesce(pl.when(expr == value).then(pl.lit(names[column])) for column, expr in free.items())
        return called.alias(rank), value.alias(f"{rank}_value")

    return frame.with_columns(*largest(first, None)).with_columns(*largest(second, first))


def is_sensitive(text: str | pl.Expr) -> pl.Expr:
    """Boolean expression: the text holds a word a recommendation must not be based on."""
    return (pl.col(text) if isinstance(text, str) else text).str.contains(SENSITIVE_PATTERN)


def finish(text: pl.Expr) -> pl.Expr:
    """Make a sentence deliverable: replaced when it holds a sensitive word, cut to `MAX_REASON_CHARS`."""
    safe = pl.when(is_sensitive(text)).then(pl.lit(FALLBACK_REASON)).otherwise(text)
    cut = pl.concat_str(safe.str.head(MAX_REASON_CHARS - len(_ELLIPSIS)), pl.lit(_ELLIPSIS))
    return pl.when(safe.str.len_chars() > MAX_REASON_CHARS).then(cut).otherwise(safe)


def _fixed(values: pl.Expr, decimals: int) -> pl.Expr:
    """A number with exactly this many decimals; rounding and formatting in integers, so that 0.8 reads 0.80."""
    unit = 10**decimals
    scaled = (values * unit).round().cast(pl.Int64)
    return pl.concat_str(
        (scaled // unit).cast(pl.String), pl.lit("."), (scaled % unit).cast(pl.String).str.zfill(decimals)
    )


def chance() -> pl.Expr:
    """The probability in words, from ``p_icp`` and ``p_multiple``: "High p=0.83", "4.1x average", or "p=0.03"."""
    p, multiple = pl.col("p_icp"), pl.col("p_multiple")
    return (
        pl.when(p >= HIGH_P)
        .then(pl.concat_str(pl.lit("High p="), _fixed(p, 2)))
        .when(multiple.is_null())
        .then(pl.concat_str(pl.lit("p="), _fixed(p, 2)))
        .when(multiple < 0.05)
        .then(pl.lit("under 0.1x average"))
        .otherwise(pl.concat_str(_fixed(multiple, 1), pl.lit("x average")))
    )


def with_reason(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``nba_reason``, one sentence per row.

    Parameters
    ----------
    frame
        ``p_icp`` (probability), ``p_multiple`` (probability / base rate of the division, null when unknown) and the
        contribution columns of `DRIVERS`.

    Returns
    -------
    pl.DataFrame
        The frame with ``nba_reason``, e.g. "4.1x average; affinity + EV"; at most `MAX_REASON_CHARS` characters and
        free of sensitive words.
    """
    drivers = pl.concat_str("driver_1", "driver_2", separator=_JOINER, ignore_nulls=True)
    sentence = (
        pl.when(pl.col("driver_1").is_null())
        .then(chance())
        .otherwise(pl.concat_str(chance(), drivers, separator=_SEPARATOR))
    )
    return (
        top_two(frame, DRIVERS, "driver")
        .with_columns(nba_reason=finish(sentence))
        .drop("driver_1", "driver_1_value", "driver_2", "driver_2_value")
    )
