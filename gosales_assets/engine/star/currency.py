"""Amounts in the currency of their record -> amounts in the account currency.

Belongs here: which currency a record is in, the direction of its rate, which rates are believed, and the account of
what was converted. Does not belong here: parsing of amounts, and rates from anywhere but the record: its own is the one
it was booked with.

A document is in whole cents of its own currency. They are converted and rounded once more, halves to the even cent, so
that every later sum is of whole cents of the account currency. An amount that cannot be stated in it is null: unknown,
in no total, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from gosales_assets.engine.star.headers import Headers
from gosales_assets.engine.star.lines import breach
from gosales_assets.engine.star.parsing import cents, from_cents, parse_amounts, text
from gosales_assets.engine.star.records import ROW

if TYPE_CHECKING:
    from gosales_assets.settings import EtlSettings

#: Spellings that mean one currency and no other. "$" and "Dollar" mean many, and are none.
_SPELLINGS = {
    "US$": "USD",
    "US DOLLAR": "USD",
    "C$": "CAD",
    "CA$": "CAD",
    "CANADIAN DOLLAR": "CAD",
    "€": "EUR",
    "EURO": "EUR",
    "£": "GBP",
}

_FOREIGN = {
    "currency": pl.String,
    "records": pl.Int64,
    "converted": pl.Int64,
    "amount": pl.Float64,
    "account_amount": pl.Float64,
}


@dataclass(frozen=True)
class Currencies:
    """What a log says about currencies.

    Attributes
    ----------
    header
        Column of the record's currency; None when the log has none.
    foreign
        By currency other than the account's: ``records``, ``converted`` of them, their gross profit in their own
        currency (``amount``), and in account currency as far as it was converted (``account_amount``).
    blank
        Records that name no currency in a log whose others do; taken for account currency.
    unknown
        Lines whose gross profit cannot be stated in account currency.
    """

    header: str | None = None
    foreign: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_FOREIGN))
    blank: int = 0
    unknown: int = 0


def to_account_currency(
    lines: pl.DataFrame, raw: pl.DataFrame, headers: Headers, etl: EtlSettings
) -> tuple[pl.DataFrame, list[pl.DataFrame], Currencies]:
    """State the amounts of all lines in the account currency.

    Parameters
    ----------
    lines
        ``_row``, ``gp_cents`` and perhaps ``revenue``, in the currency of their record.
    raw
        The records, numbered by ``_row`` from 0 in their order.
    headers
        Where the currency and its rate are.
    etl
        ``currency``, ``foreign_currency``, ``currency_rate``.

    Returns
    -------
    (lines, breaches, currencies)
        The same lines with ``gp_cents`` and ``revenue`` in account currency, null where that is unknown; what the
        records broke; the account of it.
    """
    header = headers.fields.get("currency")
    if header is None or (raw[header] == etl.currency).all(ignore_nulls=False):
        return lines, [], Currencies(header)
    code = raw.select(_code(header)).to_series()
    blank = code.is_null()
    foreign = (code != etl.currency).fill_null(False)
    breaches = [
        breach(
            raw.filter(blank).select(ROW, observed=pl.col(header)),
            header,
            "missing_currency",
            "observed",
            f"blank: taken for {etl.currency}",
        )
    ]
    factor = pl.repeat(1.0, raw.height, dtype=pl.Float64, eager=True)
    if etl.foreign_currency == "convert":
        factor, broken = _factors(code, foreign, raw, headers, etl)
        breaches += broken
    elif etl.foreign_currency == "quarantine":
        factor = pl.DataFrame({"foreign": foreign}).select(pl.when(~pl.col("foreign")).then(1.0)).to_series()
        rows = raw.filter(foreign).select(ROW, observed=pl.col(header))
        breaches.append(breach(rows, header, "foreign_currency", "observed", f"not in {etl.currency}: quarantined"))
    stated = _stated(lines, factor)
    found = Currencies(
        header=header,
        foreign=_account(lines, stated, code, foreign, factor),
        blank=int(blank.sum()),
        unknown=int((lines["gp_cents"].is_not_null() & stated["gp_cents"].is_null()).sum()),
    )
    return stated, breaches, found


def _code(header: str) -> pl.Expr:
    """ISO code of a currency cell: trimmed, upper case, unambiguous spellings resolved."""
    return text(header).str.to_uppercase().replace(_SPELLINGS)


def _factors(
    code: pl.Series, foreign: pl.Series, raw: pl.DataFrame, headers: Headers, etl: EtlSettings
) -> tuple[pl.Series, list[pl.DataFrame]]:
    """What each record's amounts are multiplied by, null where no rate is to be believed; and why."""
    believed = etl.currency_rate
    currency, column = headers.fields["currency"], headers.fields.get("currency_rate")
    rate, unread = parse_amounts(raw[column]) if column else parse_amounts(pl.repeat("", raw.height, eager=True))
    records = raw.select(
        ROW,
        code=code,
        rate=rate,
        blank=rate.is_null() & ~unread,
        currency=pl.col(currency).cast(pl.String),
        written=pl.col(column).cast(pl.String) if column else pl.lit(None, pl.String),
    )
    partner, factor = _direction(believed.quoted_as, etl.currency)
    quoted = pl.lit(True) if partner == "FOREIGN" else (pl.col("code") == pl.lit(partner, pl.String)).fill_null(False)
    fine = pl.col("rate").is_between(believed.min, believed.max).fill_null(False)
    where = (
        f"{column!r} is read as {believed.quoted_as} (etl.currency_rate.quoted_as)"
        if column
        else "the log has no rates"
    )
    bounds = f"not within {believed.min:g} and {believed.max:g} {believed.quoted_as} (etl.currency_rate): quarantined"
    abroad = records.filter(foreign)
    broken = [
        breach(abroad.filter(~quoted), currency, "missing_currency_rate", "currency", f"{where}: no rate, quarantined"),
        breach(
            abroad.filter(quoted & pl.col("blank")),
            column or currency,
            "missing_currency_rate",
            "written" if column else "currency",
            f"{where}: blank, quarantined",
        ),
        breach(
            abroad.filter(quoted & ~pl.col("blank") & ~fine),
            column or currency,
            "implausible_currency_rate",
            "written",
            bounds,
        ),
    ]
    at_home = ~pl.lit(foreign)
    factors = records.select(factor=pl.when(at_home).then(1.0).when(quoted & fine).then(factor))
    return factors.to_series(), broken


def _direction(quoted_as: str, account: str) -> tuple[str | None, pl.Expr]:
    """The currency a rate converts, and the factor it makes of ``rate``.

    One unit of the second currency costs ``rate`` of the first: an amount in the first is divided by it, one in the
    second multiplied. Neither, when the account currency is not one of the two.
    """
    priced, unit = (account if side == "ACCOUNT" else side for side in quoted_as.upper().split()[::2])
    if unit == account:
        return priced, 1.0 / pl.col("rate")
    if priced == account:
        return unit, pl.col("rate")
    return None, pl.lit(None, pl.Float64)


def _stated(lines: pl.DataFrame, factor: pl.Series) -> pl.DataFrame:
    """Lines with their amounts multiplied, cents rounded once."""
    by = pl.col("_factor")
    stated = [cents(from_cents("gp_cents") * by).alias("gp_cents")]
    if "revenue" in lines.columns:
        stated.append(from_cents(cents(pl.col("revenue") * by)).alias("revenue"))
    return lines.with_columns(_factor=factor.gather(lines[ROW])).with_columns(stated).drop("_factor")


def _account(
    lines: pl.DataFrame, stated: pl.DataFrame, code: pl.Series, foreign: pl.Series, factor: pl.Series
) -> pl.DataFrame:
    """Records and gross profit of each foreign currency, before and after."""
    money = (
        pl.DataFrame({ROW: lines[ROW], "own": lines["gp_cents"], "stated": stated["gp_cents"]})
        .group_by(ROW)
        .agg(pl.col("own", "stated").sum())
    )
    return (
        pl.DataFrame({"currency": code, "foreign": foreign, "converted": factor.is_not_null()})
        .with_row_index(ROW)
        .filter("foreign")
        .join(money, on=ROW, how="left")
        .group_by("currency")
        .agg(
            records=pl.len().cast(pl.Int64),
            converted=pl.col("converted").sum().cast(pl.Int64),
            amount=from_cents(pl.col("own").sum()),
            account_amount=from_cents(pl.col("stated").sum()),
        )
        .sort("currency")
        .select(list(_FOREIGN))
    )
