"""The lines of one scope as known at a cutoff, addressed by customer and by day.

Belongs here: reading the facts once, cutting them at the cutoff, and the exact sums and counts families are written
in. Does not belong here: what a feature means (`families`), null policies, column names.

Why numbers come out the same on every machine and in every order of the input: money is counted in whole cents, so
sums are exact and no order of addition can change them. Why it is fast: one histogram over (interval, customer)
answers every window, because all windows are differences of running totals over the same edges.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from gosales_assets.engine.features.holdings import Holdings
from gosales_assets.engine.features.spec import LIFE, Plan, Span
from gosales_assets.engine.keys import changes, in_order
from gosales_assets.engine.star.parsing import CENTS
from gosales_assets.taxonomy import match_key
from gosales_assets.timeline import Window, add_days, days_between, days_since, trailing_months, until

if TYPE_CHECKING:
    from gosales_assets.taxonomy import Target

T = TypeVar("T")

QUARTERS = 4
_EPOCH = date(1970, 1, 1)
_DAY_BITS = 22
"""Room for a day number in a sortable key: 2**22 days reach past the year 9999."""
_DAY_MASK = (1 << _DAY_BITS) - 1

LINE_COLUMNS = ("customer_id", "order_date", "product_sku", "product_division", "gross_profit")


def _day(day: date) -> int:
    """A date as the integer Polars stores: days since 1970-01-01."""
    return days_between(_EPOCH, day)


@dataclass(frozen=True, eq=False)
class Ledger:
    """Lines known at a cutoff; arrays run over lines, results over the active customers, those with a line.

    Most customers have no line of a given target. What a feature is for them its null policy says, so that families
    neither compute nor decide it; `spread` puts the active customers back among all.

    Attributes
    ----------
    cutoff
        Last day the features speak of.
    plan
        Windows and divisions.
    customers
        All customers, one row each, sorted by ``customer_id``, with what is known about them beside the lines.
    active
        Positions in ``customers`` of those with a line, ascending.
    lines
        One row per line: ``order_date``, ``product_sku`` and ``product_division`` (categorical), ``gross_profit``,
        ``revenue``.
    row
        Position of the line's customer in ``active``.
    target
        Whose lines they are; None when they are all there are.
    holdings
        Assets of the same scope and customers; None when no feature is made of them.
    """

    cutoff: date
    plan: Plan
    customers: pl.DataFrame
    active: np.ndarray
    lines: pl.DataFrame
    row: np.ndarray
    target: Target | None = None
    holdings: Holdings | None = None
    _memo: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(
        cls,
        facts: pl.LazyFrame,
        customers: pl.DataFrame,
        cutoff: date,
        plan: Plan,
        *,
        target: Target | None = None,
        further: Sequence[str] = (),
        mask_tail_days: int = 0,
        holdings: Holdings | None = None,
    ) -> Ledger:
        """Read what is known at the cutoff about the given customers.

        Parameters
        ----------
        facts
            fact_transactions, whole or already narrowed to a scope.
        customers
            One row per customer, sorted by ``customer_id``.
        cutoff
            Last day included.
        plan
            Windows and divisions.
        target
            Whose lines the facts were narrowed to.
        further
            Columns of the lines to read besides those every scope needs.
        mask_tail_days
            Newest days hidden from every family alike, for tests of leakage.
        holdings
            Assets of the same scope, for the features made of them.

        Returns
        -------
        Ledger
            Lines of other customers are left out.
        """
        known = facts.filter(until(add_days(cutoff, -mask_tail_days)))
        priced = "revenue" in known.collect_schema()
        lines = known.select(
            "customer_id",
            "order_date",
            # Names are compared often and read never: as codes, which the query works out side by side.
            pl.col("product_sku", "product_division").cast(pl.Categorical),
            pl.col("gross_profit").cast(pl.Float64),
            pl.col("revenue").cast(pl.Float64) if priced else pl.lit(None, pl.Float64).alias("revenue"),
            *further,
        ).collect()
        # Facts are sorted by customer: as many runs as customers. Any other order gives the same, only slower.
        runs = lines["customer_id"].rle().struct.unnest()
        positions = customers.select("customer_id", row=pl.int_range(pl.len(), dtype=pl.Int64))
        found = runs.join(positions, left_on="value", right_on="customer_id", how="left", maintain_order="left")
        position = found["row"].fill_null(-1).to_numpy()
        present = np.zeros(customers.height + 1, dtype=bool)  # the last place takes the strangers, at -1
        present[position] = True
        active = np.flatnonzero(present[:-1])
        slot = np.full(customers.height + 1, -1)
        slot[active] = np.arange(len(active))
        row = np.repeat(slot[position], runs["len"].to_numpy())
        if present[-1]:
            lines, row = lines.filter(pl.Series(row >= 0)), row[row >= 0]
        return cls(cutoff, plan, customers, active, lines.drop("customer_id"), row, target, holdings)

    @property
    def size(self) -> int:
        """Number of active customers."""
        return len(self.active)

    @property
    def held(self) -> Holdings:
        """The assets.

        Raises
        ------
        ValueError
            When features of assets are asked for and there are none: that nobody holds anything is not known.
        """
        if self.holdings is None:
            raise ValueError(
                "features.use_assets or features.use_assets_als is on, but no assets were given; give fact_assets, or "
                "switch it off"
            )
        return self.holdings

    def spread(self, values: np.ndarray, fill: float) -> np.ndarray:
        """Values of the active customers among all, with ``fill`` for the others."""
        if self.size == self.customers.height:
            return values
        everyone = np.full(self.customers.height, fill, dtype=np.result_type(values.dtype, type(fill)))
        everyone[self.active] = values
        return everyone

    def known(self, column: str) -> np.ndarray:
        """What is known of all customers beside the lines."""
        return self.customers[column].to_numpy()

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Several features rest on the same totals: work them out once, and keep them under a key."""
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]

    # -- lines ---------------------------------------------------------------------------------------------------

    @cached_property
    def day(self) -> np.ndarray:
        """Day number of each line."""
        return self.lines["order_date"].to_physical().to_numpy()

    @cached_property
    def cents(self) -> np.ndarray:
        """Gross profit of each line in whole cents, as floats: sums below 2**53 are exact in any order."""
        return self._cents("gross_profit")

    def _cents(self, column: str) -> np.ndarray:
        # The facts hold whole cents already; this only finds the integer next to their float.
        return np.rint(self.lines[column].fill_null(0).to_numpy() * CENTS)

    def within(self, span: Span) -> np.ndarray:
        """Positions of the lines that fall into a span."""
        return self.once(("within", span), lambda: np.flatnonzero(_inside(self.day, span.window(self.cutoff))))

    # -- per active customer and span------------------------------------------------------------------------------

    def lines_in(self, span: Span) -> np.ndarray:
        """Number of lines per customer in a span."""
        return self._difference(self._line_totals, span)

    def cents_in(self, span: Span) -> np.ndarray:
        """Gross profit per customer in a span, cents."""
        return self._difference(self._cent_totals, span)

    def returns_in(self, span: Span) -> np.ndarray:
        """Number of lines with negative gross profit per customer in a span."""

        def count() -> np.ndarray:
            lines = self.within(span)
            return np.bincount(self.row[lines[self.cents[lines] < 0]], minlength=self.size)

        return self.once(("returns", span), count)

    def margin_in(self, span: Span) -> tuple[np.ndarray, np.ndarray] | None:
        """Gross profit and revenue per customer of the lines whose revenue is known, cents; None when none is."""
        if self._margin_totals is None:
            return None
        profit, revenue = self._margin_totals
        return self._difference(profit, span), self._difference(revenue, span)

    def skus_in(self, span: Span) -> np.ndarray:
        """Number of distinct SKUs per customer in a span that ends at the cutoff."""
        if span.lag_days:
            raise ValueError(f"distinct SKUs are known for spans that end at the cutoff, not for {span.label}")
        return self._difference(self._sku_totals, span)

    def lines_by_division(self, span: Span) -> np.ndarray:
        """Number of lines in a span per division of the plan (first axis) and customer."""
        return self._by_division(span)[0]

    def cents_by_division(self, span: Span) -> np.ndarray:
        """Gross profit in a span per division of the plan (first axis) and customer, cents."""
        return self._by_division(span)[1]

    def _by_division(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        def count() -> tuple[np.ndarray, np.ndarray]:
            chosen = slice(None) if span == LIFE else self.within(span)
            cell, groups = self._division_cell[chosen], len(self.plan.divisions) + 1
            lines = np.bincount(cell, minlength=groups * self.size).reshape(groups, self.size)
            cents = np.bincount(cell, self.cents[chosen], minlength=groups * self.size).reshape(groups, self.size)
            return lines[1:], cents[1:]

        return self.once(("division", span), count)

    @cached_property
    def _division_cell(self) -> np.ndarray:
        """Cell of each line among (division, customer); group 0 takes the divisions that are not the plan's."""
        planned = _folded(pl.Series([name for name, _ in self.plan.divisions], dtype=pl.String))
        group = {key: i + 1 for i, key in enumerate(planned)}
        groups = groups_of(self.lines["product_division"], lambda names: [group.get(k, 0) for k in _folded(names)])
        return groups * self.size + self.row

    def lines_by_quarter(self, span: Span) -> np.ndarray:
        """Number of lines in a span per calendar quarter (first axis) and customer."""

        def count() -> np.ndarray:
            lines = self.within(span)
            quarter = self._of_day(pl.col("day").dt.quarter(), self.day[lines]).astype(np.int64) - 1
            cells = np.bincount(quarter * self.size + self.row[lines], minlength=QUARTERS * self.size)
            return cells.reshape(QUARTERS, self.size)

        return self.once(("quarter", span), count)

    def monthly_lines(self, months: int) -> np.ndarray:
        """Number of lines per one-month window that ends at the cutoff (first axis, oldest first) and customer."""
        return self._monthly(months)[0]

    def monthly_cents(self, months: int) -> np.ndarray:
        """Gross profit per one-month window that ends at the cutoff (first axis, oldest first) and customer, cents."""
        return self._monthly(months)[1]

    def _monthly(self, months: int) -> tuple[np.ndarray, np.ndarray]:
        def count() -> tuple[np.ndarray, np.ndarray]:
            windows = trailing_months(self.cutoff, months)
            lines = np.flatnonzero(_inside(self.day, Window(windows[0].after, windows[-1].until)))
            month = np.searchsorted([_day(w.until) for w in windows], self.day[lines], side="left")
            cell = month * self.size + self.row[lines]
            shape = (months, self.size)
            counts = np.bincount(cell, minlength=months * self.size).reshape(shape)
            return counts, np.bincount(cell, self.cents[lines], minlength=months * self.size).reshape(shape)

        return self.once(("monthly", months), count)

    # -- running totals ------------------------------------------------------------------------------------------

    @cached_property
    def _edges(self) -> np.ndarray:
        windows = [span.window(self.cutoff) for span in self.plan.spans]
        return np.unique([_day(edge) for w in windows for edge in (w.after, w.until)])

    def _edge(self, day: date) -> int:
        """Position, among the running totals, of everything up to and including an edge."""
        at = int(np.searchsorted(self._edges, _day(day)))
        if at == len(self._edges) or self._edges[at] != _day(day):
            raise ValueError(f"{day} is not an edge of the planned windows; add its span to Plan.spans")
        return at + 1

    def _intervals(self, day: np.ndarray) -> np.ndarray:
        """Index of the interval between edges each day lies in: the number of edges before it."""
        if not len(day):
            return np.empty(0, dtype=np.int64)
        first = int(day.min())
        return np.searchsorted(self._edges, np.arange(first, int(day.max()) + 1), side="left")[day - first]

    def _running(self, cell: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Totals up to each edge (first axis; 0 comes first, everything last) per customer."""
        intervals = len(self._edges) + 1
        cells = np.bincount(cell, weights, minlength=intervals * self.size)
        running = np.zeros((intervals + 1, self.size), dtype=cells.dtype)
        np.cumsum(cells.reshape(intervals, self.size), axis=0, out=running[1:])
        return running

    def _difference(self, running: np.ndarray, span: Span) -> np.ndarray:
        if span == LIFE:
            return running[-1]
        window = span.window(self.cutoff)
        return running[self._edge(window.until)] - running[self._edge(window.after)]

    @cached_property
    def _cell(self) -> np.ndarray:
        return self._intervals(self.day) * self.size + self.row

    @cached_property
    def _line_totals(self) -> np.ndarray:
        return self._running(self._cell)

    @cached_property
    def _cent_totals(self) -> np.ndarray:
        return self._running(self._cell, self.cents)

    @cached_property
    def _margin_totals(self) -> tuple[np.ndarray, np.ndarray] | None:
        revenue = self.lines["revenue"]
        if revenue.null_count() == len(revenue):
            return None
        profit = np.where(revenue.is_not_null().to_numpy(), self.cents, 0.0)
        return self._running(self._cell, profit), self._running(self._cell, self._cents("revenue"))

    @cached_property
    def _sku_totals(self) -> np.ndarray:
        # A SKU occurs in a window that ends at the cutoff exactly when its last line lies in it.
        sku = _codes(self.lines["product_sku"])
        known = np.flatnonzero(sku >= 0)
        if not len(known):
            return self._running(known)
        width = int(sku.max()) + 1
        ordered = in_order(((self.row * width + sku)[known] << _DAY_BITS) + (self.day[known] - self._first))
        pair = ordered >> _DAY_BITS
        last = np.flatnonzero(np.append(pair[1:] != pair[:-1], True))
        interval = self._intervals((ordered[last] & _DAY_MASK) + self._first)
        return self._running(interval * self.size + pair[last] // width)

    # -- order dates ---------------------------------------------------------------------------------------------

    @cached_property
    def _first(self) -> int:
        return int(self.day.min()) if len(self.day) else 0

    def _of_day(self, part: pl.Expr, day: np.ndarray) -> np.ndarray:
        """A part of each date, as an expression over the column ``day``, worked out once per distinct day."""
        last = int(self.day.max()) if len(self.day) else 0
        days = pl.Series("day", np.arange(self._first, last + 1, dtype=np.int32)).cast(pl.Date)
        return days.to_frame().select(part).to_series().to_numpy()[day - self._first]

    @cached_property
    def orders(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct (customer, day) pairs, sorted: the order dates. A document with many lines is one."""
        key = in_order((self.row << _DAY_BITS) + (self.day - self._first))
        key = key[changes(key)]
        return key >> _DAY_BITS, (key & _DAY_MASK) + self._first

    @cached_property
    def order_days(self) -> np.ndarray:
        """Number of distinct order dates per customer."""
        return np.bincount(self.orders[0], minlength=self.size)

    @cached_property
    def first_and_last(self) -> pl.DataFrame:
        """Columns ``first`` and ``last``: dates of the first and last line per customer."""
        ends = np.cumsum(self.order_days)
        day = self.orders[1].astype(np.int32)
        return pl.DataFrame({"first": day[ends - self.order_days], "last": day[ends - 1]}).cast(pl.Date)

    @cached_property
    def days_since_first(self) -> np.ndarray:
        """Days from the first line to the cutoff."""
        return self._days_since("first")

    @cached_property
    def days_since_last(self) -> np.ndarray:
        """Days from the last line to the cutoff."""
        return self._days_since("last")

    def _days_since(self, column: str) -> np.ndarray:
        return self.first_and_last.select(days_since(self.cutoff, pl.col(column))).to_series().to_numpy()

    def active_months(self, span: Span) -> np.ndarray:
        """Number of distinct calendar months with a line per customer in a span."""
        row, day = self.orders
        inside = _inside(day, span.window(self.cutoff))
        row, day = row[inside], day[inside]
        month = self._of_day(pl.col("day").dt.year().cast(pl.Int32) * 12 + pl.col("day").dt.month(), day)
        return np.bincount(row[changes(row * (1 << _DAY_BITS) + month)], minlength=self.size)

    def median_gap(self) -> np.ndarray:
        """Median days between consecutive order dates per customer; NaN with fewer than two."""
        row, day = self.orders
        same = row[1:] == row[:-1]
        row, gap = row[1:][same], np.diff(day)[same]
        gap = in_order((row << _DAY_BITS) + gap) & _DAY_MASK
        count = np.bincount(row, minlength=self.size)
        start = np.cumsum(count) - count
        some = count > 0
        low, high = (start + (count - 1) // 2)[some], (start + count // 2)[some]
        out = np.full(self.size, np.nan)
        out[some] = (gap[low] + gap[high]) / 2
        return out


def _inside(day: np.ndarray, window: Window) -> np.ndarray:
    return (day > _day(window.after)) & (day <= _day(window.until))


def _codes(column: pl.Series) -> np.ndarray:
    """Codes of a categorical column, -1 where null."""
    return column.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()


def groups_of(column: pl.Series, group: Callable[[pl.Series], Sequence[int] | np.ndarray]) -> np.ndarray:
    """Group of each value of a categorical column, worked out once per distinct name; 0 where null.

    Parameters
    ----------
    column
        Categorical.
    group
        Gets distinct names (String), returns their groups.
    """
    names = column.drop_nulls().unique()
    codes = _codes(names)
    # The last place is for what has no name: its code is -1.
    groups = np.zeros(int(codes.max(initial=0)) + 2, dtype=np.int64)
    groups[codes] = group(names.cast(pl.String))
    return groups[_codes(column)]


def _folded(names: pl.Series) -> list[str]:
    return names.to_frame("name").select(match_key("name")).to_series().to_list()


def ratio(numerator: np.ndarray, denominator: np.ndarray | float) -> np.ndarray:
    """Quotient where the denominator is positive, NaN elsewhere: a share of nothing, or of a loss, is unknown."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def money(cents: np.ndarray) -> np.ndarray:
    """Cents as account currency."""
    return cents / CENTS
