"""Text of a raw log -> typed values: identifiers, names, amounts, dates.

Belongs here: one grammar per kind of value, as Polars expressions. What a grammar does not know becomes null and is
reported by the caller; nothing is guessed. Does not belong here: which column holds what, what happens to a bad record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import product

import polars as pl

#: Texts that mean "no value", in any case; trimmed before they are compared.
NULL_TOKENS = ("", "nan", "none", "null", "nat", "<na>")

# Every spelling written out: looking a text up is several times cheaper than folding its case.
_NULL_TEXTS = sorted({"".join(t) for token in NULL_TOKENS for t in product(*((c, c.upper()) for c in token))})

#: Cents of a unit of currency.
CENTS = 100

#: Fractional digits a quantity keeps. Units are whole, weights and hours are not.
QUANTITY_DECIMALS = 4

#: Amounts beyond this cannot be held to the cent in a 64-bit float.
MAX_AMOUNT = 10.0**13

_GAP = "[ '\u00a0\u202f\u2009\u2019]"
_CURRENCY = "[$€£]"


def text(column: str | pl.Expr) -> pl.Expr:
    """Trimmed text; null tokens become null. Columns of other types are written out first.

    A float is written as an integer when it is one, else with 15 significant digits.
    """
    expr = pl.col(column) if isinstance(column, str) else column
    trimmed = expr.cast(pl.String).str.strip_chars()
    return pl.when(~trimmed.is_in(_NULL_TEXTS)).then(trimmed)


def identifier(column: str | pl.Expr) -> pl.Expr:
    """A key as text: trimmed, ``123.0`` -> ``123``, null tokens -> null. Leading zeros stay. Idempotent.

    Examples
    --------
    >>> pl.DataFrame({"id": [" 00123 ", "123.0", "ACME v2.0", "NaN"]}).select(identifier("id")).to_series().to_list()
    ['00123', '123', 'ACME v2.0', None]
    """
    key = text(column)
    whole = key.str.strip_chars_end("0").str.strip_suffix(".")
    return pl.when(key.str.contains(r"^[0-9]+\.0+$")).then(whole).otherwise(key)


def floats_as_text(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Write float columns with at most 15 significant digits, so that 0.1 + 0.2 is no key of its own."""
    schema = frame.collect_schema()
    floats = [name for name, dtype in schema.items() if dtype.is_float()]
    return frame.with_columns(pl.col(floats).round_sig_figs(15).cast(pl.String)) if floats else frame


def name_key(column: str | pl.Expr) -> pl.Expr:
    """A name for matching: trimmed, lower case, runs of blanks as one blank."""
    return text(column).str.to_lowercase().str.replace_all(r"\s+", " ")


def name_prefix_id(column: str | pl.Expr) -> pl.Expr:
    """Number a name begins with (``497588 Bluepen``), Int64; ``3M Company`` has none."""
    return text(column).str.extract(r"^([0-9]+)(?:\s|$)").cast(pl.Int64, strict=False)


def amount(column: str | pl.Expr) -> pl.Expr:
    """Text of an amount or a count as Float64; null when it is none.

    Understands signs before and after, parentheses, one of ``$ € £``, groups of three by comma, point, blank or
    apostrophe, decimal point and decimal comma. A single comma before exactly three digits separates thousands; words
    (``USD 5``, ``n/a``) are not amounts.

    Examples
    --------
    >>> texts = pl.Series("a", ["$1,234.50", "(2,000)", "1.234,50", "5-", "USD 5"])
    >>> texts.to_frame().select(amount("a")).to_series().to_list()
    [1234.5, -2000.0, 1234.5, -5.0, None]
    """
    expr = pl.col(column) if isinstance(column, str) else column
    return expr.map_batches(_amounts, return_dtype=pl.Float64, is_elementwise=True)


def _amounts(written: pl.Series) -> pl.Series:
    """`amount`, step by step: as one expression every use of a step repeats the whole tree below it."""
    bare, inner, body, value = pl.col("bare"), pl.col("inner"), pl.col("body"), pl.col("value")
    compact = pl.when(body.str.contains(rf"^[0-9]{{1,3}}({_GAP}[0-9]{{3}})+([.,][0-9]*)?$")).then(
        body.str.replace_all(_GAP, "").str.replace(",", ".", literal=True)
    )
    plain = pl.when(body.str.contains(r"^([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$")).then(body)
    by_comma = pl.when(body.str.contains(r"^[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$")).then(
        body.str.replace_all(",", "", literal=True)
    )
    by_point = pl.when(body.str.contains(r"^[0-9]{1,3}(\.[0-9]{3})+,[0-9]*$|^[0-9]{1,3}(\.[0-9]{3}){2,}$")).then(
        body.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    )
    decimal_comma = pl.when(body.str.contains(r"^[0-9]+,[0-9]{1,2}$|^[0-9]{4,},[0-9]+$")).then(
        body.str.replace(",", ".", literal=True)
    )
    # "5--", "-5-" and "(-5)" say two things about the sign: no number.
    twice = (
        (pl.col("parenthesised") & inner.str.contains(r"^[+-]|-$"))
        | inner.str.contains(r"^[+-].*-$")
        | body.str.contains(r"^[+-]|-$")
    )
    negative = pl.col("parenthesised") | inner.str.contains(r"^-|-$")
    read = (
        written.to_frame("raw")
        .select(bare=text("raw").str.replace(_CURRENCY, "").str.strip_chars())
        .with_columns(parenthesised=bare.str.contains(r"^\(.*\)$"))
        .with_columns(inner=pl.when("parenthesised").then(bare.str.slice(1, bare.str.len_chars() - 2)).otherwise(bare))
        .with_columns(inner.str.strip_chars())
        .with_columns(body=inner.str.replace(r"^[+-]\s*", "").str.replace(r"\s*-$", "").str.strip_chars())
        .with_columns(
            value=pl.coalesce(plain, by_comma, by_point, decimal_comma, compact).cast(pl.Float64, strict=False)
        )
        .select(pl.when(~twice & (value.abs() < MAX_AMOUNT)).then(pl.when(negative).then(-value).otherwise(value)))
    )
    return read.to_series()


def parse_amounts(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Amounts of a column and where the text was none.

    Numbers and plain decimal text, which is nearly everything, are cast; only the rest goes through `amount`.

    Parameters
    ----------
    values
        Column of any type.

    Returns
    -------
    (Float64, Boolean)
        The values (null where blank or not a number), and True where something stood there that is no number.
    """
    frame = values.alias("raw").to_frame()
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        number = pl.col("raw").cast(pl.Float64)
        fine = number.is_finite() & (number.abs() < MAX_AMOUNT)
        out = frame.select(
            value=pl.when(fine).then(number), bad=number.is_not_null() & ~number.is_nan() & ~fine.fill_null(False)
        )
        return out["value"], out["bad"].fill_null(False)
    number = pl.col("raw").cast(pl.Float64, strict=False)
    value = frame.select(pl.when(number.abs() < MAX_AMOUNT).then(number)).to_series()
    left = _written(values, value)
    bad = pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    if left.is_empty():
        return value, bad
    # Few spellings are left, and many cells may share one.
    spelled = left.select("raw").unique().with_columns(value=amount("raw"))
    slow = left.join(spelled, on="raw", how="left", maintain_order="left")
    return value.scatter(slow["row"], slow["value"]), bad.scatter(slow["row"], slow["value"].is_null())


def _written(values: pl.Series, parsed: pl.Series) -> pl.DataFrame:
    """Cells that say something and are not parsed yet: ``row``, ``raw``."""
    row = (parsed.is_null() & values.is_not_null()).arg_true()
    return pl.DataFrame({"row": row, "raw": values.gather(row)}).filter(text("raw").is_not_null())


def cents(column: str | pl.Expr) -> pl.Expr:
    """An amount in whole cents, Int64; halves go to the even cent.

    A float cannot hold most halves (12.345 is 12.34500000000000064), so what lies within the float's own error of a
    half counts as one: the result is that of decimal arithmetic on the shortest text of the number. Sums of cents are
    exact, whatever their order.

    Examples
    --------
    >>> pl.DataFrame({"x": [12.345, 12.355, 0.004, -0.015]}).select(cents("x")).to_series().to_list()
    [1234, 1236, 0, -2]
    """
    expr = pl.col(column) if isinstance(column, str) else column
    scaled = expr.cast(pl.Float64).abs() * CENTS
    floor = scaled.floor()
    half = ((scaled - floor) - 0.5).abs() <= 1e-7 + scaled * 2.0**-51
    whole = pl.when(half).then(floor + floor % 2).otherwise((scaled + 0.5).floor())
    return (whole * expr.cast(pl.Float64).sign()).cast(pl.Int64)


def whole_cents(column: str | pl.Expr) -> pl.Expr:
    """Cents, Int64, of an amount that is whole cents already, as `from_cents` writes it: rounding restores them."""
    expr = pl.col(column) if isinstance(column, str) else column
    return (expr * CENTS).round().cast(pl.Int64)


def from_cents(column: str | pl.Expr) -> pl.Expr:
    """Cents as an amount, Float64: the number nearest to its two decimals, below ten billion.

    Examples
    --------
    >>> pl.DataFrame({"x": [35, -41]}).select(from_cents("x")).to_series().to_list()
    [0.35, -0.41]
    """
    expr = pl.col(column) if isinstance(column, str) else column
    # Polars divides by a constant by multiplying with its reciprocal, which is one bit off in every seventh amount.
    return (expr.cast(pl.Float64) / CENTS).round(2)


#: Date texts in the order they are tried: the first that fits wins. The two with slashes change places when the log
#: writes the day first, which matters only where both numbers could be a month.
_FORMATS_BEFORE = ("%Y-%m-%d", "%Y/%m/%d")
_SLASHES = ("%m/%d/%Y", "%d/%m/%Y")
_FORMATS_AFTER = ("%d.%m.%Y", "%Y%m%d", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%m-%d-%Y")

_CLOCK = r"[T ]+[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?$"
_FOUR_DIGIT_YEARS = (date(1000, 1, 1), date(9999, 12, 31))
_FOUR_DIGIT_YEAR = r"^[0-9]{4}([-/])[0-9]{1,2}[-/][0-9]{1,2}$|^[0-9]{8}$|[0-9]{4}$"


def date_formats(day_first: bool) -> tuple[str, ...]:
    """Date formats in the order they are tried.

    Parameters
    ----------
    day_first
        Whether 3/4/2024 is 3 April.
    """
    return (*_FORMATS_BEFORE, *(reversed(_SLASHES) if day_first else _SLASHES), *_FORMATS_AFTER)


def _date_token(column: str | pl.Expr) -> pl.Expr:
    """The day of a date text: the time of day is cut off, a two-digit year after slashes is of this century."""
    token = text(column).str.replace(_CLOCK, "").str.replace(r"^([0-9]{1,2}/[0-9]{1,2}/)([0-9]{2})$", "${1}20${2}")
    return pl.when(token.str.contains(_FOUR_DIGIT_YEAR)).then(token)


def calendar_date(column: str | pl.Expr, day_first: bool = False) -> pl.Expr:
    """Text of a date, with or without a time of day, as Date; null when no format of `date_formats` fits.

    Examples
    --------
    >>> pl.DataFrame({"d": ["2/3/2024 14:30", "13/2/2024", "bad"]}).select(calendar_date("d")).to_series().to_list()
    [datetime.date(2024, 2, 3), datetime.date(2024, 2, 13), None]
    """
    token = _date_token(column)
    return pl.coalesce(token.str.to_date(f, strict=False) for f in date_formats(day_first))


@dataclass(frozen=True)
class DateOrder:
    """What a column says about the order of days and months in its dates with slashes.

    Attributes
    ----------
    ambiguous, example
        Dates both of whose numbers could be a month, and differ.
    contrary, contrary_example
        Dates that can only be read the other way than ambiguous ones are.
    """

    ambiguous: int = 0
    example: str | None = None
    contrary: int = 0
    contrary_example: str | None = None


def date_order(values: pl.Series, day_first: bool = False) -> DateOrder:
    """Look for dates that contradict the order in which ambiguous ones are read.

    Parameters
    ----------
    values
        Column of any type; only text can be ambiguous.
    day_first
        Whether 3/4/2024 is 3 April.
    """
    if values.dtype != pl.String:
        return DateOrder()
    slashed = pl.col("raw").str.extract_groups(r"^\s*([0-9]{1,2})/([0-9]{1,2})/[0-9]{2}").struct
    sides = (
        values.alias("raw")
        .to_frame()
        .filter(pl.col("raw").str.contains("/", literal=True))
        .select("raw", a=slashed["1"].cast(pl.Int32), b=slashed["2"].cast(pl.Int32))
    )
    month, day = ("b", "a") if day_first else ("a", "b")
    contrary = sides.filter((pl.col(month) > 12) & (pl.col(day) <= 12))["raw"]
    ambiguous = sides.filter((pl.col("a") <= 12) & (pl.col("b") <= 12) & (pl.col("a") != pl.col("b")))["raw"]
    return DateOrder(
        len(ambiguous),
        ambiguous.min(),  # type: ignore[arg-type]
        len(contrary),
        contrary.min(),  # type: ignore[arg-type]
    )


def parse_dates(values: pl.Series, day_first: bool = False) -> tuple[pl.Series, pl.Series]:
    """Dates of a column and where the text was none.

    Dates and datetimes pass through (the time of day is dropped: a cutoff includes its whole day). Text is parsed once
    per distinct day, since a log has few of them.

    Parameters
    ----------
    values
        Column of type Date, Datetime or text.
    day_first
        Whether 3/4/2024 is 3 April.

    Returns
    -------
    (Date, Boolean)
        The dates (null where blank or not a date), and True where something stood there that is no date.
    """
    if values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        return values.cast(pl.Date), pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    day = pl.repeat(None, len(values), dtype=pl.Date, eager=True)
    if values.dtype == pl.String:
        # The common case costs one pass; the bounds keep "24-01-15" from becoming the year 24.
        day = values.str.to_date("%Y-%m-%d", strict=False)
        day = day.to_frame("day").select(pl.when(pl.col("day").is_between(*_FOUR_DIGIT_YEARS)).then("day")).to_series()
    left = _written(values, day)
    bad = pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    if left.is_empty():
        return day, bad
    left = left.select("row", token=_date_token("raw"))
    days = left.lazy().select("token").drop_nulls().unique().with_columns(day=calendar_date("token", day_first))
    slow = left.join(days.collect(), on="token", how="left", maintain_order="left")
    return day.scatter(slow["row"], slow["day"]), bad.scatter(slow["row"], slow["day"].is_null())
