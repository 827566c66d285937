"""Amounts of other currencies, stated in the account currency or quarantined with a reason."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from gosales_assets.engine.star.build import Star
from gosales_assets.settings import Settings, SettingsError
from gosales_assets_tests.engine.star.worlds import TIDY, broken, counts, finding, line, lines, sale, star, tidy, wide

CURRENCY, RATE = "InvoiceCurrency", "UsdCadConversionRate"


def wide_log(*cells: tuple[str | None, str | None, str]) -> pl.DataFrame:
    """Currency, rate and gross profit of one record each."""
    return wide(*({**sale(f"C{i}"), CURRENCY: c, RATE: r, "SWX_Core": gp, "SWX_Core_Qty": "1"}
                  for i, (c, r, gp) in enumerate(cells)), extra=(CURRENCY, RATE))  # fmt: skip


def built(currency: str | None, rate: str | None, profit: str, etl: dict[str, Any] | None = None) -> Star:
    return star(wide_log((currency, rate, profit)), etl=etl)


@pytest.mark.parametrize(
    ("currency", "rate", "profit", "expected"),
    [
        ("USD", "1.25", "100", 100.00),  # account currency: the rate is none of its business
        ("USD", None, "100", 100.00),
        ("CAD", "1.25", "100", 80.00),  # one USD costs 1.25 CAD: 100 / 1.25
        ("CAD", "1.25", "-100", -80.00),
        ("CAD", "1,25", "1.234,50", 987.60),  # 1234.50 / 1.25
        ("CAD", "1.6", "0.04", 0.02),  # 2.5 cents: to the even cent
        ("CAD", "1.6", "0.12", 0.08),  # 7.5 cents
        (" cad ", "1.25", "100", 80.00),
        ("Canadian dollar", "1.25", "100", 80.00),
        ("US$", None, "100", 100.00),
        ("CAD", "0.9", "9", 10.00),  # the bounds are believed
        ("CAD", "1.7", "17", 10.00),
    ],
)
def test_cad_per_usd_divides_canadian_amounts(currency: str, rate: str | None, profit: str, expected: float) -> None:
    got = built(currency, rate, profit)
    assert lines(got, "gross_profit", "quantity") == [(expected, 1.0)]
    assert broken(got) == []
    assert counts(got)["raw"] == counts(got)["accepted"] == (1, expected)
    assert finding(got, "contract_currency").passed


@pytest.mark.parametrize(
    ("account", "quoted_as", "currency", "rate", "expected"),
    [
        ("CAD", "CAD per USD", "USD", "1.25", 125.00),  # 100 * 1.25
        ("CAD", "USD per CAD", "USD", "0.8", 125.00),  # 100 / 0.8
        ("USD", "USD per CAD", "CAD", "0.8", 80.00),  # 100 * 0.8
        ("USD", "foreign per account", "JPY", "150", 0.67),  # 100 / 150 = 0.6666…
        ("USD", "account per foreign", "EUR", "1.1", 110.00),
        ("EUR", "Account per Foreign", "GBP", "1.2", 120.00),
    ],
)
def test_the_direction_of_a_rate_is_said_in_the_settings(
    account: str, quoted_as: str, currency: str, rate: str, expected: float
) -> None:
    etl = {"currency": account, "currency_rate": {"quoted_as": quoted_as, "min": 0.1, "max": 1000}}
    assert lines(built(currency, rate, "100", etl), "gross_profit") == [(expected,)]


@pytest.mark.parametrize(
    ("currency", "rate", "rule", "column", "observed"),
    [
        ("CAD", None, "missing_currency_rate", RATE, None),
        ("CAD", " ", "missing_currency_rate", RATE, " "),
        ("CAD", "0", "implausible_currency_rate", RATE, "0"),
        ("CAD", "-1.3", "implausible_currency_rate", RATE, "-1.3"),
        ("CAD", "0.74", "implausible_currency_rate", RATE, "0.74"),  # USD per CAD: the wrong way round
        ("CAD", "13.5", "implausible_currency_rate", RATE, "13.5"),
        ("CAD", "n/a", "implausible_currency_rate", RATE, "n/a"),
        ("EUR", "1.35", "missing_currency_rate", CURRENCY, "EUR"),  # CAD per USD says nothing about it
        ("$", "1.35", "missing_currency_rate", CURRENCY, "$"),  # of one of twenty countries
    ],
)
def test_without_a_rate_to_believe_the_record_is_quarantined(
    currency: str, rate: str | None, rule: str, column: str, observed: str | None
) -> None:
    got = star(wide_log((currency, rate, "100"), ("USD", None, "7")))
    assert broken(got) == [(rule, column, observed)]
    assert lines(got, "gross_profit") == [(7.0,)]
    # 100 of a currency that cannot be stated in USD is in no total, and counted as unknown.
    assert counts(got)["raw"] == (2, 7.0)
    assert counts(got)["quarantined"] == (1, 0.0)
    assert counts(got)["unknown_gross_profit"][0] == 1
    assert finding(got, "contract_conservation").passed
    found = finding(got, "contract_currency")
    assert (found.passed, found.severity) == (False, "WARN")
    assert "1 of 1 record(s) in" in found.reason
    (foreign,) = found.metadata["foreign"]
    assert (foreign["records"], foreign["converted"], foreign["amount"]) == (1, 0, 100.0)


def test_a_log_with_currencies_and_no_rates() -> None:
    got = star(wide_log(("CAD", "1.25", "100"), ("USD", "", "7")).drop(RATE))
    assert broken(got) == [("missing_currency_rate", CURRENCY, "CAD")]
    assert lines(got, "gross_profit") == [(7.0,)]


def test_records_of_other_currencies_can_be_quarantined_altogether() -> None:
    got = star(wide_log(("CAD", "1.25", "100"), ("USD", "1.25", "7")), etl={"foreign_currency": "quarantine"})
    assert broken(got) == [("foreign_currency", CURRENCY, "CAD")]
    assert lines(got, "gross_profit") == [(7.0,)]
    assert finding(got, "contract_conservation").passed


def test_an_export_that_has_converted_its_amounts_says_so_in_the_settings() -> None:
    got = star(wide_log(("CAD", "1.25", "100"), ("EUR", "", "7")), etl={"foreign_currency": "as_is"})
    assert lines(got, "gross_profit") == [(100.0,), (7.0,)]
    assert "as_is" in finding(got, "contract_currency").metadata["assumption"]


def test_a_record_without_a_currency_is_of_the_account_and_listed() -> None:
    got = star(wide_log((None, "1.25", "100"), ("CAD", "1.25", "100")))
    assert lines(got, "gross_profit") == [(100.0,), (80.0,)]
    assert broken(got) == [("missing_currency", CURRENCY, None)]
    assert "1 record(s) name no currency" in finding(got, "contract_currency").reason


def test_a_log_without_currencies_is_assumed_to_be_in_account_currency_and_says_so() -> None:
    got = star(wide({**sale(), "SWX_Core": "100", "SWX_Core_Qty": "1"}), etl={"currency": "EUR"})
    found = finding(got, "contract_currency")
    assert found.passed
    assert found.metadata["account_currency"] == "EUR"
    assert found.metadata["assumption"] == "the log has no column of currencies: every amount is taken for EUR"


def test_amounts_before_and_after_are_on_record() -> None:
    got = star(wide_log(("CAD", "1.25", "100"), ("CAD", "1.6", "16"), ("CAD", "", "5"), ("USD", "", "7")))
    # 100 / 1.25 + 16 / 1.6 = 90; the 5 has no rate.
    assert finding(got, "contract_currency").metadata["foreign"] == [
        {"currency": "CAD", "records": 3, "converted": 2, "amount": 121.0, "account_amount": 90.0}
    ]
    assert counts(got)["raw"][1] == 97.0


def test_tidy_lines_convert_revenue_too() -> None:
    columns = (*TIDY, "revenue", "currency", "exchange_rate")
    log = tidy(
        line(gross_profit="10.10", revenue="50", currency="CAD", exchange_rate="1.25"),
        line(gross_profit="3", revenue="4", currency="usd"),
        columns=columns,
    )
    got = star(log, layout="tidy")
    assert sorted(lines(got, "gross_profit", "revenue")) == [(3.0, 4.0), (8.08, 40.0)]
    other = star(log.rename({"currency": "W", "exchange_rate": "K"}), layout="tidy",
                 columns={"currency": "W", "currency_rate": "K"})  # fmt: skip
    assert lines(other, "gross_profit") == lines(got, "gross_profit")


def test_copies_of_a_foreign_record_are_counted_once() -> None:
    row = ("CAD", "1.25", "100")
    log = wide_log(row, ("USD", "", "1"))
    got = star(pl.concat([log, log[:1]]))
    assert counts(got)["raw"] == (3, 161.0)
    assert counts(got)["exact_duplicate"] == (1, 80.0)
    assert finding(got, "contract_conservation").passed


@pytest.mark.parametrize(
    ("etl", "message"),
    [
        ({"currency": "Dollar"}, "etl.currency"),
        ({"foreign_currency": "guess"}, "etl.foreign_currency"),
        ({"currency_rate": {"quoted_as": "1.35"}}, "write `CAD per USD`"),
        ({"currency_rate": {"quoted_as": "CAD per CAD"}}, "two different currencies"),
        ({"currency_rate": {"quoted_as": "CAD per account"}}, "write `CAD per USD`"),
        ({"currency_rate": {"min": 2, "max": 1}}, "no rate would be believed"),
        ({"currency_rate": {"min": 0}}, "greater than or equal"),
    ],
)
def test_settings_that_say_nothing_clear_are_refused(etl: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.load(environ={"GOSALES_CONFIG": ""}, overrides={"etl": etl})
