"""Dirt with an account: spoil a known share of a log's records in known ways.

Belongs here: the kinds of dirt, how a record gets one, and the account of what was planted. Does not belong here: how
dirt is found (contracts of the star schema).

Every spoiled record carries exactly one kind, so that counts add up. Kinds by their effect on an honest reader:

========================================================  ==============================================================
effect                                                    kinds
========================================================  ==============================================================
``quarantined``: the record cannot be used                ``bad_date``, ``blank_date``, ``future_date``,
                                                          ``ancient_date``, ``missing_id``
``value_lost``: one amount cannot be read                 ``unparseable_amount``
``unknown``: the product is on no list (tidy only)        ``unknown_sku``
``duplicate``: a byte-identical copy of a clean record    ``exact_duplicate``
``repaired``: unusual but readable; nothing may be lost   ``currency_string``, ``date_format``, ``id_padding``,
                                                          ``missing_invoice``
========================================================  ==============================================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

#: kind -> (effect, weight). Weights are relative.
KINDS: dict[str, tuple[str, int]] = {
    "bad_date": ("quarantined", 12),
    "blank_date": ("quarantined", 10),
    "future_date": ("quarantined", 4),
    "ancient_date": ("quarantined", 3),
    "missing_id": ("quarantined", 12),
    "unparseable_amount": ("value_lost", 10),
    "unknown_sku": ("unknown", 8),
    "exact_duplicate": ("duplicate", 8),
    "currency_string": ("repaired", 16),
    "date_format": ("repaired", 14),
    "id_padding": ("repaired", 8),
    "missing_invoice": ("repaired", 5),
}
PLANTED_SCHEMA = {"kind": pl.String, "effect": pl.String, "records": pl.Int64, "cents": pl.Int64}


class Fields(NamedTuple):
    """The columns dirt lands in; ``sku`` and ``division`` are None where records have no product of their own."""

    customer_id: str
    order_date: str
    invoice_id: str
    money: tuple[str, ...]
    sku: str | None
    division: str | None


class Spoiled(NamedTuple):
    """A spoiled log and the account of it.

    ``planted`` has ``kind, effect, records, cents``: how many, and the gross profit of those records when clean.
    """

    records: pl.DataFrame
    planted: pl.DataFrame


def plant(clean: pl.DataFrame, fields: Fields, share: float, g: np.random.Generator) -> Spoiled:
    """Spoil a share of the records.

    Parameters
    ----------
    clean
        The log, all columns text, dates ISO, amounts plain decimals.
    fields
        Its columns.
    share
        Share of the records, 0 to 1; the count is rounded.
    g
        Source of randomness.

    Returns
    -------
    Spoiled
        Records in their order, copies next to their originals.
    """
    kinds = [k for k in KINDS if k != "unknown_sku" or fields.sku is not None]
    total = round(share * clean.height)
    weights = np.array([KINDS[k][1] for k in kinds], dtype=np.float64)
    upto = np.floor(np.cumsum(weights) / weights.sum() * total + 1e-9).astype(np.int64)
    counts = np.diff(upto, prepend=0)
    chosen = g.permutation(clean.height)[:total]
    kind_of = np.full(clean.height, "", dtype=object)
    kind_of[chosen] = np.repeat(np.array(kinds, dtype=object), counts)
    picks = g.integers(0, 1_000, clean.height)
    rows = np.sort(chosen)
    dirty = clean[rows].with_columns(
        pl.Series("_kind", kind_of[rows], dtype=pl.String), pl.Series("_pick", picks[rows])
    )
    planted = _account(dirty, fields, kinds)
    spoiled = dirty.with_columns(_spoil(fields)).drop("_kind", "_pick")
    # One gather per column over (clean, spoiled): every record once, copies right after their originals.
    source = np.arange(clean.height)
    source[rows] = clean.height + np.arange(len(rows))
    copies = np.flatnonzero(kind_of == "exact_duplicate")
    source = np.insert(source, copies + 1, source[copies])
    return Spoiled(
        pl.DataFrame([pl.concat([clean[name], spoiled[name]]).gather(source) for name in clean.columns]), planted
    )


def _account(dirty: pl.DataFrame, fields: Fields, kinds: list[str]) -> pl.DataFrame:
    cents = pl.sum_horizontal(
        (pl.col(c).cast(pl.Float64).fill_null(0.0) * 100).round(0).cast(pl.Int64) for c in fields.money
    )
    found = dirty.group_by("_kind").agg(pl.len().cast(pl.Int64).alias("records"), cents.sum().alias("cents"))
    order = pl.DataFrame({"kind": kinds, "effect": [KINDS[k][0] for k in kinds]})
    return (
        order.join(found, left_on="kind", right_on="_kind", how="left", maintain_order="left")
        .with_columns(pl.col("records", "cents").fill_null(0))
        .cast(PLANTED_SCHEMA)  # type: ignore[arg-type]
    )


def _one_of(*texts: str) -> pl.Expr:
    picked = pl.lit(texts[-1])
    for i, text in enumerate(texts[:-1]):
        picked = pl.when(pl.col("_pick") % len(texts) == i).then(pl.lit(text)).otherwise(picked)
    return picked


def _spoil(fields: Fields) -> list[pl.Expr]:
    kind = pl.col("_kind")
    day, who = pl.col(fields.order_date), pl.col(fields.customer_id)
    parsed = day.str.to_date("%Y-%m-%d")
    written = (
        pl.when(pl.col("_pick") % 2 == 0)
        .then(parsed.dt.to_string("%-m/%-d/%Y"))
        .otherwise(parsed.dt.to_string("%m/%d/%Y 14:30"))
    )
    exprs = [
        pl.when(kind == "bad_date")
        .then(_one_of("13/45/2021", "not a date", "TBD", "2021-02-30"))
        .when(kind == "blank_date")
        .then(None)
        .when(kind == "future_date")
        .then(_one_of("2150-01-01", "2050-03-31", "2202-06-01", "2109-11-05", "2099-12-31", "2077-07-07"))
        .when(kind == "ancient_date")
        .then(_one_of("1900-01-01", "1899-12-30", "1970-01-01", "0201-05-04"))
        .when(kind == "date_format")
        .then(written)
        .otherwise(day)
        .alias(fields.order_date),
        pl.when(kind == "missing_id")
        .then(_one_of("", "  ", "NaN"))
        .when(kind == "id_padding")
        .then(pl.format("  {} ", who))
        .otherwise(who)
        .alias(fields.customer_id),
        pl.when(kind != "missing_invoice").then(fields.invoice_id).alias(fields.invoice_id),
        *_money(fields.money),
    ]
    if fields.sku is not None and fields.division is not None:
        unknown = kind == "unknown_sku"
        exprs += [
            pl.when(unknown).then(pl.lit("ZZ-") + pl.col(fields.sku)).otherwise(fields.sku).alias(fields.sku),
            pl.when(~unknown).then(fields.division).alias(fields.division),
        ]
    return exprs


def _money(columns: tuple[str, ...]) -> list[pl.Expr]:
    """Amounts written as currency; the first amount of a record made unreadable."""
    kind = pl.col("_kind")
    exprs = []
    seen: pl.Expr = pl.lit(False)
    for name in columns:
        value = pl.col(name)
        bare = value.str.strip_prefix("-")
        whole, cents = bare.str.slice(0, bare.str.len_chars() - 3), bare.str.tail(3)
        grouped = whole.str.replace(r"^(\d+)(\d{3})$", "${1},${2}").str.replace(r"^(\d+)(\d{3}),", "${1},${2},")
        text = pl.lit("$") + grouped + cents
        currency = pl.when(value.str.starts_with("-")).then(pl.format("({})", grouped + cents)).otherwise(text)
        first = value.is_not_null() & ~seen
        seen = seen | value.is_not_null()
        exprs.append(
            pl.when((kind == "currency_string") & value.is_not_null())
            .then(currency)
            .when((kind == "unparseable_amount") & first)
            .then(_one_of("n/a", "USD 5", "see note"))
            .otherwise(value)
            .alias(name)
        )
    return exprs
