"""A row in words: which parts carry its score, and one sentence a representative can say.

Belongs here: the order of contributions, the wording, its length and the filter on sensitive words. Does not belong
here: the contributions themselves and which features move the model, which arrive with the scores.

The sentence names the probability, as a multiple of the division's average because a 4 % chance means nothing by
itself and a lot where the average is 1 %, and then up to two other components in the order of their weighted
contribution. What moves the probability itself is said in a text of its own, one part per reason of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from gosales_assets.engine.modeling.explain import N_REASONS
from gosales_assets.engine.modeling.rows import OWNERSHIP_DESCRIPTIONS

MAX_REASON_CHARS = 150
HIGH_P = 0.80
FALLBACK_REASON = "High likelihood"
#: How the description of a yes-or-no feature begins.
_YES_OR_NO = "1 when "
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


def with_why(frame: pl.DataFrame, descriptions: Mapping[str, str], cutoff: date) -> pl.DataFrame:
    """Add ``why``: the model's reasons in plain words, strongest first.

    Parameters
    ----------
    frame
        ``division_name`` and the columns `explain.REASON_COLUMNS`.
    descriptions
        Feature -> what it says, as the features declare it; a feature without one is called by its name.
    cutoff
        The day the reasons speak of.

    Returns
    -------
    pl.DataFrame
        The frame with ``why``, e.g. "Number of lines of Printers in the 12 months up to 2024-06-30: 4 (raises);
        Customer owns Printers: no (lowers)". A reason that holds a sensitive word is left out; null without any.
    """
    said = _phrases(frame, {**descriptions, **OWNERSHIP_DESCRIPTIONS}, cutoff)
    parts = []
    for n in range(1, N_REASONS + 1):
        key = ["division_name", f"reason_{n}"]
        mine = frame.select(*key, value=f"reason_{n}_value", contribution=f"reason_{n}_contribution")
        known = mine.join(said, left_on=key, right_on=["division_name", "feature"], how="left", maintain_order="left")
        effect = pl.when(pl.col("contribution") > 0).then(pl.lit("raises")).otherwise(pl.lit("lowers"))
        parts.append(known.select(pl.format("{}: {} ({})", "phrase", _shown(), effect).alias(f"part_{n}")))
    text = pl.concat_str(pl.all(), separator=_SEPARATOR, ignore_nulls=True)
    return frame.with_columns(pl.concat(parts, how="horizontal").select(why=pl.when(text != "").then(text)))


def _phrases(frame: pl.DataFrame, descriptions: Mapping[str, str], cutoff: date) -> pl.DataFrame:
    """What each feature that is a reason is called, per division: phrase, and whether it says yes or no."""
    pairs = pl.concat(
        [frame.select("division_name", feature=f"reason_{n}") for n in range(1, N_REASONS + 1)], how="vertical"
    ).unique()
    found = {
        (division, feature): descriptions.get(feature, feature)
        for division, feature in pairs.drop_nulls().sort(pl.all()).iter_rows()
    }
    return pl.DataFrame(
        {
            "division_name": [division for division, _ in found],
            "feature": [feature for _, feature in found],
            "phrase": [_phrase(text, division, cutoff) for (division, _), text in found.items()],
            "yes_or_no": [text.startswith(_YES_OR_NO) for text in found.values()],
        },
        schema={"division_name": pl.String, "feature": pl.String, "phrase": pl.String, "yes_or_no": pl.Boolean},
    ).filter(~is_sensitive("phrase"))


def _phrase(description: str, division: str, cutoff: date) -> str:
    """The first clause of a description, about this division and day."""
    clause = description.partition(";")[0].removesuffix(".")
    if clause.startswith(_YES_OR_NO):
        clause = clause.removeprefix(_YES_OR_NO).removeprefix("the ")
        clause = clause[:1].upper() + clause[1:]
    return clause.replace("the target", division).replace("the cutoff", cutoff.isoformat())


def _shown() -> pl.Expr:
    """``value`` as a person writes it: three digits or more without decimals, else at most two, no trailing zeros."""
    value = pl.col("value")
    size = value.abs()
    whole = size.round().cast(pl.Int64).cast(pl.String)
    short = _fixed(size, 2).str.strip_chars_end("0").str.strip_chars_end(".")
    number = pl.when(size >= 99.995).then(whole).otherwise(short)
    signed = pl.when((value < 0) & (number != "0")).then(pl.concat_str(pl.lit("-"), number)).otherwise(number)
    return (
        pl.when(value.is_null())
        .then(pl.lit("unknown"))
        .when(pl.col("yes_or_no"))
        .then(pl.when(value == 0).then(pl.lit("no")).otherwise(pl.lit("yes")))
        .when((size > 0) & (number == "0"))
        .then(pl.lit("almost 0"))
        .otherwise(signed)
    )
