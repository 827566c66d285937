"""What must hold of a raw log and of the star made from it.

Belongs here: the rules a record can break and what breaking them means, the checks of a build and their severity, the
file of violations. Does not belong here: column types and ranges of the curated tables (`schema`), parsing.

Every check is judged in every build, so that what passed is on record too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from gosales_assets.engine.findings import Finding, Severity, refuse_unknown
from gosales_assets.engine.star.coding import as_texts
from gosales_assets.engine.star.headers import Headers, Missing
from gosales_assets.engine.star.parsing import whole_cents
from gosales_assets.engine.star.records import ROW
from gosales_assets.taxonomy import Target, Taxonomy

if TYPE_CHECKING:
    from gosales_assets.engine.star.currency import Currencies
    from gosales_assets.engine.star.parsing import DateOrder
    from gosales_assets.settings import EtlSettings

Effect = Literal["quarantine", "keep", "duplicate"]

#: What a record can break, and what becomes of it. `unparseable_*` quarantines only a record that says nothing else.
RECORD_RULES: dict[str, Effect] = {
    "missing_customer_id": "quarantine",
    "missing_date": "quarantine",
    "invalid_date": "quarantine",
    "date_before_min": "quarantine",
    "date_after_max": "quarantine",
    "conflicting_alias": "quarantine",
    "conflicting_record_id": "quarantine",
    "superseded_record": "quarantine",
    "unknown_division": "quarantine",
    "unreadable_record": "quarantine",
    "foreign_currency": "quarantine",
    "missing_currency_rate": "quarantine",
    "implausible_currency_rate": "quarantine",
    "missing_currency": "keep",
    "unparseable_amount": "keep",
    "unparseable_quantity": "keep",
    "unparseable_revenue": "keep",
    "invalid_invoice_date": "keep",
    "unknown_sku": "keep",
    "missing_sku": "keep",
    "empty_line": "keep",
    "probable_duplicate": "keep",
    "exact_duplicate": "duplicate",
}

#: Rules about columns and side tables, which no record breaks.
OTHER_RULES = (
    "missing_column",
    "unmapped_column",
    "enrichment_conflict",
    "asset_without_customer",
    "unparseable_asset_date",
    "shared_customer_name",
    "similar_customer_id",
    "side_ambiguous_customer",
    "side_conflicting_row",
    "side_implausible_date",
    "side_missing_key",
    "side_unknown_customer",
    "side_unknown_division",
    "side_unknown_name",
    "side_unmapped_product",
    "side_unparseable_value",
)

#: Check that judges a missing column, by its kind; a `note` is recorded only.
_COLUMN_CHECKS = {"field": "contract_raw_columns", "product": "contract_product_columns"}

#: Checks of a build: artifact -> check -> severity unless the settings say otherwise.
_CHECKS: dict[str, dict[str, Severity]] = {
    "fact_transactions": {
        "contract_raw_columns": "ERROR",
        "contract_product_columns": "ERROR",
        "contract_quarantine": "ERROR",
        "contract_conservation": "ERROR",
        "contract_references": "ERROR",
        "contract_schema_drift": "ERROR",
        "contract_column_types": "WARN",
        "contract_unmapped_columns": "WARN",
        "contract_currency": "WARN",
        "contract_as_of": "WARN",
        "contract_date_order": "WARN",
        "contract_overlap": "WARN",
    },
    "dim_customer": {
        "contract_references": "ERROR",
        "contract_side_tables": "ERROR",
        "contract_customer_names": "WARN",
        "contract_one_id": "WARN",
    },
    "fact_events": {"contract_references": "ERROR"},
}

TRUNCATED = "_truncated"

#: Headers of quantities, whose totals are no money.
_QUANTITY_HEADER = r"(?i)[ _.-](qty|quantity|units)$"

#: Sums of quantities in different orders differ by less than this.
_SUM_TOLERANCE = 0.01

#: Examples shown with a finding.
_SHOWN = 20


def declared_checks(etl: EtlSettings) -> dict[str, dict[str, Severity]]:
    """Every check `build_star` judges, with the severity in force: artifact -> check -> severity.

    Parameters
    ----------
    etl
        ``severity`` by check or rule, and ``allow_unknown_columns``.

    Raises
    ------
    ValueError
        When ``etl.severity`` names neither a check nor a rule; the message suggests the nearest.
    """
    checks = {check for mine in _CHECKS.values() for check in mine}
    refuse_unknown("etl.severity", etl.severity, checks | set(RECORD_RULES) | set(OTHER_RULES), "rule")
    own = dict(etl.severity)
    if not etl.allow_unknown_columns:
        own.setdefault("contract_unmapped_columns", "ERROR")
    return {table: {check: own.get(check, s) for check, s in mine.items()} for table, mine in _CHECKS.items()}


@dataclass(frozen=True)
class Judge:
    """Makes findings with the severity in force."""

    etl: EtlSettings

    def finding(self, table: str, check: str, problem: str, metadata: Mapping[str, Any] | None = None) -> Finding:
        """A finding that passes when there is no problem."""
        severity = declared_checks(self.etl)[table][check]
        return Finding(table, check, not problem, severity, problem, dict(metadata or {}))

    def rule_severity(self, rule: str) -> Severity:
        """Severity of a rule about records or side tables: WARN unless the settings say otherwise."""
        return self.etl.severity.get(rule, "WARN")

    def column_severity(self, rule: str, kind: str = "") -> Severity:
        """Severity of a rule about columns: as set, else that of the check that judges it."""
        check = "contract_unmapped_columns" if rule == "unmapped_column" else _COLUMN_CHECKS.get(kind)
        by_check: Severity = declared_checks(self.etl)["fact_transactions"][check] if check else "WARN"
        return self.etl.severity.get(rule, by_check)

    # --- columns ------------------------------------------------------------------------------------------------------

    def columns(self, headers: Headers) -> list[Finding]:
        """Judge the columns of the raw log."""

        def problem(missing: Sequence[Missing]) -> str:
            return "; ".join(f"sales_log: column {m.column!r} is missing: {m.details}" for m in missing[:3]) + (
                f"; and {len(missing) - 3} more (contract_violations.csv)" if len(missing) > 3 else ""
            )

        fields = [m for m in headers.missing if m.kind == "field"]
        products = [m for m in headers.missing if m.kind == "product"]
        return [
            self.finding(
                "fact_transactions",
                "contract_raw_columns",
                problem(fields),
                {"missing": [m.column for m in fields], "read_as": headers.fields},
            ),
            self.finding(
                "fact_transactions",
                "contract_product_columns",
                problem(products),
                {"missing": [m.column for m in products], "products_read": len(headers.products)},
            ),
        ]

    def unmapped(self, unmapped: pl.DataFrame) -> Finding:
        """Judge the product-like columns nobody reads: ``column``, ``records``, ``total``."""
        amounts = unmapped.filter(~pl.col("column").str.contains(_QUANTITY_HEADER))
        named = ", ".join(f"{c} ({total:,.2f} in {n} records)" for c, n, total in amounts.head(5).iter_rows())
        total = float(amounts["total"].sum())
        problem = (
            f"sales_log: {unmapped.height} column(s) look like products and are not in the taxonomy, so nobody reads "
            f"{total:,.2f} of gross profit: {named}; add them to taxonomy.path as products or aliases"
            if unmapped.height
            else ""
        )
        return self.finding(
            "fact_transactions",
            "contract_unmapped_columns",
            problem,
            {"gross_profit_not_read": total, "columns": unmapped.head(_SHOWN).to_dicts()},
        )

    # --- records ------------------------------------------------------------------------------------------------------

    def quarantine(
        self, breaches: pl.DataFrame, *, raw: int, quarantined: int, written: int, unreadable: str = ""
    ) -> Finding:
        """Judge how many records are bad, and whether any is left.

        Parameters
        ----------
        breaches
            All breaches of record rules.
        raw, quarantined, written
            Records read, records quarantined, and fact lines written.
        unreadable
            Why no record could be read at all; empty when they could.
        """
        reasons = (
            breaches.group_by("violation_type")
            .agg(records=pl.col(ROW).n_unique(), example=pl.col("observed_value").drop_nulls().min())
            .sort("records", "violation_type", descending=[True, False])
        )
        largest = ", ".join(f"{r} {n}" for r, n, _ in reasons.iter_rows() if RECORD_RULES[r] != "duplicate")
        stopping = [r for r in reasons["violation_type"] if self.rule_severity(r) == "ERROR"]
        limit = self.etl.max_quarantined_share
        if raw == 0:
            problem = "the sales log has no records; check sources.sales_log.path"
        elif unreadable:
            problem = f"none of the {raw} records can be read: {unreadable}"
        elif written == 0:
            problem = f"none of the {raw} records gives a line; {quarantined} are quarantined: {largest or 'no reason'}"
        elif quarantined > limit * raw:
            problem = (
                f"{quarantined} of {raw} records are quarantined, more than etl.max_quarantined_share {limit:.0%}; "
                f"largest reasons: {largest}"
            )
        elif stopping:
            problem = f"records break {', '.join(stopping)}, which etl.severity makes an error"
        else:
            problem = ""
        metadata = {"raw": raw, "quarantined": quarantined, "reasons": reasons.to_dicts()}
        return self.finding("fact_transactions", "contract_quarantine", problem, metadata)

    def as_of(self, declared: bool, as_of: Any, later: int) -> Finding:
        """Say so when the last complete day was inferred."""
        problem = (
            ""
            if declared or as_of is None
            else (
                f"sources.sales_log.as_of is not declared; {as_of} is taken for the last day the log is complete for, "
                f"and {later} later record(s) are quarantined; declare it"
            )
        )
        return self.finding(
            "fact_transactions",
            "contract_as_of",
            problem,
            {"as_of": str(as_of) if as_of else None, "declared": declared, "later_records": later},
        )

    def date_order(self, order: DateOrder, day_first: bool) -> Finding:
        """Say so when dates that could be read both ways stand beside dates that can only be read the other way."""
        read, other = ("day", "month") if day_first else ("month", "day")
        problem = (
            f"{order.ambiguous} date(s) such as {order.example!r} are read {read} first, and {order.contrary} such as "
            f"{order.contrary_example!r} can only be {other} first; set sources.sales_log.day_first, or write one form"
            if order.ambiguous and order.contrary
            else ""
        )
        return self.finding("fact_transactions", "contract_date_order", problem, asdict(order))

    def currency(self, found: Currencies) -> Finding:
        """Say which amounts were converted, which could not be, and which currency was assumed."""
        account = self.etl.currency
        lost = found.foreign.filter(pl.col("converted") < pl.col("records"))
        problems = [
            f"{records - converted} of {records} record(s) in {code} cannot be stated in {account} and are quarantined"
            for code, records, converted, *_ in lost.iter_rows()
        ]
        if found.blank:
            problems.append(f"{found.blank} record(s) name no currency and are taken for {account}")
        if problems:
            problems.append("see contract_violations, etl.foreign_currency and etl.currency_rate")
        if found.header is None:
            how = f"the log has no column of currencies: every amount is taken for {account}"
        elif self.etl.foreign_currency == "as_is":
            how = f"every amount is taken for {account}, whatever {found.header!r} says (etl.foreign_currency: as_is)"
        else:
            how = f"amounts are in the currency {found.header!r} names, and stated in {account}"
        return self.finding(
            "fact_transactions",
            "contract_currency",
            "; ".join(problems),
            {
                "account_currency": account,
                "assumption": how,
                "quoted_as": self.etl.currency_rate.quoted_as,
                "foreign": found.foreign.to_dicts(),
                "blank": found.blank,
                "lines_without_amount": found.unknown,
            },
        )

    # --- balances -----------------------------------------------------------------------------------------------------

    def conservation(self, row_counts: pl.DataFrame) -> Finding:
        """Judge that every record and every cent is somewhere."""
        rows = {(t, s): n for t, s, n, _ in row_counts.iter_rows()}
        money = {(t, s): round((g or 0.0) * 100) for t, s, _, g in row_counts.iter_rows()}
        log, fact = "sales_log", "fact_transactions"
        balances = [
            (log, "raw", [(log, s) for s in ("accepted", "quarantined", "exact_duplicate", "unread")]),
            (fact, "accepted_lines", [(fact, "excluded_division"), (fact, "zero_line"), (fact, "written")]),
        ]
        problems = []
        for table, whole, parts in balances:
            if (found := sum(rows[p] for p in parts)) != rows[table, whole]:
                problems.append(f"{table}: {whole} is {rows[table, whole]} rows, its parts {found}")
            if (total := sum(money[p] for p in parts)) != money[table, whole]:
                worth = f"{money[table, whole] / 100:.2f}, of its parts {total / 100:.2f}"
                problems.append(f"{table}: gross profit of {whole} is {worth}")
        if money[log, "accepted"] != money[fact, "accepted_lines"]:
            problems.append("gross profit of the accepted records differs from that of their lines")
        unknown = rows[log, "unknown_gross_profit"]
        return self.finding(
            fact,
            "contract_conservation",
            "; ".join(problems),
            {
                "raw_records": rows[log, "raw"],
                "raw_gross_profit": money[log, "raw"] / 100,
                "cells_of_unknown_gross_profit": unknown,
                "note": f"{unknown} cell(s) cannot be read as an amount, or not be stated in account currency; their "
                "gross profit is in no total",
                "currency": self.etl.currency,
            },
        )

    def references(
        self, facts: pl.DataFrame, dim: pl.DataFrame, events: pl.DataFrame, taxonomy: Taxonomy
    ) -> list[Finding]:
        """Judge that divisions of facts are in the taxonomy and their customers in the dimension, and that events add
        up to facts, target by target."""
        known = {d.strip() for d in taxonomy.divisions}
        nowhere = sorted(set(facts["product_division"].unique()) - known)
        homeless = f"fact_transactions: the taxonomy has no division {', '.join(map(repr, nowhere[:5]))}"
        orphans = as_texts(facts.select("customer_id").unique()).join(dim, on="customer_id", how="anti")
        shown = orphans.sort("customer_id")["customer_id"].head(_SHOWN).to_list()
        strangers = f"fact_transactions: {orphans.height} customer(s) are not in dim_customer, such as {shown[:1]}"
        differences = _event_differences(facts, events, taxonomy.targets)
        return [
            self.finding("fact_transactions", "contract_references", homeless if nowhere else "", {"unknown": nowhere}),
            self.finding("dim_customer", "contract_references", strangers if shown else "", {"customers": shown}),
            self.finding("fact_events", "contract_references", "; ".join(differences), {"documents": events.height}),
        ]

    def drift(self, changes: Mapping[str, list[str]], known: bool) -> Finding:
        """Judge what changed since the previous build: a column that was read and is gone stops the build."""
        gone = changes["removed"]
        named = ", ".join(gone[:5]) + (" …" if len(gone) > 5 else "")
        problem = (
            f"{named} was there in the previous build and is gone; restore it, or accept the change once with "
            "etl.severity.contract_schema_drift: WARN"
            if gone
            else ""
        )
        return self.finding(
            "fact_transactions",
            "contract_schema_drift",
            problem,
            {"compared": known, **{k: v for k, v in changes.items() if v}},
        )

    def column_types(self, changes: Mapping[str, list[str]]) -> Finding:
        """Judge the columns that are read and hold another type than in the previous build.

        Every type is read, so that nothing is lost here; but what made numbers of the ids has taken their zeros.
        """
        retyped = changes["retyped"]
        problem = (
            f"{'; '.join(retyped[:5])}{' …' if len(retyped) > 5 else ''}: another type than in the previous build; "
            "an id that was stored as a number has lost its leading zeros: check that customers are still the same"
            if retyped
            else ""
        )
        return self.finding("fact_transactions", "contract_column_types", problem, {"retyped": retyped})

    # --- what may be one ----------------------------------------------------------------------------------------------

    def one_id(self, twins: pl.DataFrame, dim: pl.DataFrame) -> Finding:
        """Say which customers may be one customer under several ids; they are never merged.

        Parameters
        ----------
        twins
            Violations of `gosales_assets.engine.star.twins`.
        dim
            dim_customer.
        """
        named, distinct = dim["customer_name"].count(), dim["customer_name_norm"].drop_nulls().n_unique()
        shared = twins.filter(violation_type="shared_customer_name")
        by_id = twins.filter(violation_type="similar_customer_id")
        problems = []
        if shared.height:
            problems.append(f"{shared.height} customers have the name of another, such as {shared['row_key'][0]!r}")
        if by_id.height:
            problems.append(f"{by_id.height} ids differ from another in case or leading zeros only, such as "
                            f"{by_id['row_key'][0]!r}")  # fmt: skip
        if problems:
            problems.append("none are merged: correct the ids at the source where they are one customer")
        if distinct * 2 < named:
            problems.append(
                f"{named} customers have {distinct} names: is sources.sales_log.columns.customer_name right?"
            )
        columns = ["row_key", "violation_type", "observed_value", "details"]
        return self.finding(
            "dim_customer",
            "contract_one_id",
            "; ".join(problems),
            {"customers": named, "names": distinct, "suspects": twins.select(columns).head(_SHOWN).to_dicts()},
        )

    def overlap(self, breaches: pl.DataFrame) -> Finding:
        """Say which records of one file repeat another file's in everything that is read."""
        found = breaches.filter(violation_type="probable_duplicate")[ROW].n_unique()
        problem = (
            f"{found} record(s) say what a record of an earlier file says, and differ only in columns nobody reads or "
            "in spelling; all are counted: name the id of records in sources.sales_log.columns.record_id, or take the "
            "overlap out of the export"
            if found
            else ""
        )
        return self.finding("fact_transactions", "contract_overlap", problem, {"records": found})


def _event_differences(facts: pl.DataFrame, events: pl.DataFrame, targets: Sequence[Target]) -> list[str]:
    """Documents, gross profit and quantity of each target, in the facts (in their order) and in the events."""
    keys = ("customer_id", "invoice_id", "order_date")
    changed = pl.any_horizontal((pl.col(k) != pl.col(k).shift(1)).fill_null(True) for k in keys)
    documents = int(facts.select(changed.sum()).item()) if facts.height else 0
    differences = [] if documents == events.height else [f"{documents} documents in the facts, {events.height} events"]
    products = as_texts(
        facts.lazy()
        .group_by("product_sku", "product_division")
        .agg(whole_cents("gross_profit").sum(), pl.col("quantity").sum())
        .collect()
    )
    of_facts = products.select(
        *(pl.col("gross_profit").filter(t.lines()).sum().alias(f"gross profit of {t.slug}") for t in targets),
        *(pl.col("quantity").filter(t.lines()).sum().alias(f"quantity of {t.slug}") for t in targets),
    ).row(0, named=True)
    of_events = events.select(
        # Most are zero, which costs less to leave out than to add.
        *(
            whole_cents(pl.col(f"gp_{t.slug}").filter(pl.col(f"gp_{t.slug}") != 0))
            .sum()
            .alias(f"gross profit of {t.slug}")
            for t in targets
        ),
        *(pl.col(f"qty_{t.slug}").sum().alias(f"quantity of {t.slug}") for t in targets),
    ).row(0, named=True)
    return differences + [
        f"{what} is {float(of_facts[what])} in the facts, {of_events[what]} in the events (cents, units)"
        for what in of_facts
        if abs(of_facts[what] - of_events[what]) > _SUM_TOLERANCE
    ]


# --- violations -------------------------------------------------------------------------------------------------------

_VIOLATION = {
    "table_name": pl.String,
    "row_key": pl.String,
    "column_name": pl.String,
    "violation_type": pl.String,
    "observed_value": pl.String,
    "details": pl.String,
    "severity": pl.String,
}


def violations(
    breaches: pl.DataFrame,
    row_key: pl.Series,
    columns: Iterable[tuple[str, str, str | None, str, Severity]],
    others: Iterable[pl.DataFrame],
    judge: Judge,
) -> pl.DataFrame:
    """The file of violations: one line per breach, sorted, at most ``violations_cap`` lines per rule.

    Parameters
    ----------
    breaches
        Breaches of record rules, with ``_row``.
    row_key
        Id of each record, by number.
    columns
        Breaches of column rules: column, rule, observed value, details, severity.
    others
        Breaches of side tables, in the columns of the file but severity.
    judge
        Gives severities and the cap.
    """
    records = breaches.select(
        table_name=pl.lit("sales_log"),
        row_key=row_key.gather(breaches[ROW]).cast(pl.String) if breaches.height else pl.lit(None, pl.String),
        column_name="column_name",
        violation_type="violation_type",
        observed_value="observed_value",
        details="details",
    )
    about_columns = pl.DataFrame([("sales_log", "", *c) for c in columns], _VIOLATION, orient="row")
    of_rows = pl.concat([records, *others])
    severities = {rule: judge.rule_severity(rule) for rule in of_rows["violation_type"].unique()}
    severity = pl.col("violation_type").replace_strict(severities, default="WARN", return_dtype=pl.String)
    every = pl.concat([of_rows.with_columns(severity=severity), about_columns]).sort(
        "table_name", "violation_type", "row_key", "column_name", "observed_value", "details", nulls_last=True
    )
    rule = ["table_name", "violation_type"]
    cap = judge.etl.violations_cap
    shown = every.filter(pl.int_range(pl.len()).over(rule) < cap)
    beyond = (
        every.group_by(rule, maintain_order=True)
        .agg(pl.len().alias("n"), pl.col("severity").first())
        .filter(pl.col("n") > cap)
        .select(
            "table_name",
            pl.lit(TRUNCATED).alias("row_key"),
            pl.lit("").alias("column_name"),
            "violation_type",
            pl.col("n").cast(pl.String).alias("observed_value"),
            pl.format("{} of {} lines shown (etl.violations_cap)", pl.lit(cap), "n").alias("details"),
            "severity",
        )
    )
    return pl.concat([shown, beyond]).sort("table_name", "violation_type", maintain_order=True)
