"""`gosales init`: from somebody's file to settings it can be run with."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from gosales_assets.settings import SampleWorld, Settings
from gosales_assets.sources import SourceError, read_sales_log, read_side
from gosales_assets.sources.sample import write_world
from gosales_assets.sources.scaffold import plan, propose, render
from gosales_assets.taxonomy import Taxonomy

WIDE = {
    "CustomerId": "Client No",
    "Rec Date": "Booked On",
    "Division": "Line of Business",
    "Customer": "Client",
    "InvoiceId": "Document",
    "Invoice_Date": "Billed On",
    "Revenue": "Net Sales",
}
TIDY = {
    "customer_id": "Client No",
    "customer_name": "Client",
    "order_date": "Booked On",
    "invoice_id": "Document",
    "product_sku": "Article",
    "product_division": "Line of Business",
    "quantity": "Units",
    "revenue": "Net Sales",
    "gross_profit": "Margin USD",
    "rep": "Sold By",
    "branch": "Office",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    spec = SampleWorld(customers=600, seed=11)
    return {k: write_world(spec, Taxonomy.reference(), folder / k, k)[0] for k in ("wide", "tidy")}


def _load(folder, text: str) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gosales.yaml").write_text(text, encoding="utf-8")
    return Settings.load(folder / "gosales.yaml", environ={})


def _questions(text: str) -> list[str]:
    return [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("# QUESTION:")]


def _read(settings: Settings) -> pl.DataFrame:
    return read_sales_log(settings.sources.sales_log, settings.products).records.collect()


def test_wide_csv_with_renamed_headers(tmp_path, world):
    log = tmp_path / "export" / "log 2024.csv"
    log.parent.mkdir()
    frame = pl.read_csv(world["wide"], infer_schema=False).rename(WIDE)
    log.write_bytes(frame.write_csv(separator=";").encode("cp1252"))
    (log.parent / "our assets.csv").write_bytes((world["wide"].parent / "customer_assets.csv").read_bytes())

    text = render(propose([log]), tmp_path / "conf")
    settings = _load(tmp_path / "conf", text)

    assert {f: WIDE.get(h, h) for f, h in {
        "customer_id": "CustomerId", "order_date": "Rec Date", "product_division": "Division",
        "customer_name": "Customer", "invoice_id": "InvoiceId", "invoice_date": "Invoice_Date", "revenue": "Revenue",
        "rep": "Rep", "branch": "Branch",
    }.items()} == {k: v for k, v in settings.sources.sales_log.columns if v}  # fmt: skip
    assert settings.sources.sales_log.layout == "wide"
    assert settings.sources.sales_log.as_of == date(2024, 12, 31)
    assert _read(settings).height == frame.height
    assert _questions(text) == ["as_of"]
    assert read_side(settings.sources, "customer_assets", settings.products).height > 0
    assert settings.calendar.last_cutoff == date(2024, 12, 31)
    # Ordered to invoiced takes up to about ten days in this world: the estimate becomes the embargo.
    assert 5 <= settings.timeline.embargo_days <= 20
    assert "DraftSight" in text
    assert {t.slug for t in settings.targets} == {t.slug for t in Taxonomy.reference().default_targets}


def test_tidy_parquet_with_renamed_headers(tmp_path, world):
    log = tmp_path / "log.parquet"
    pl.read_parquet(world["tidy"]).rename(TIDY).write_parquet(log)
    text = render(propose([log]), tmp_path)
    settings = _load(tmp_path, text)
    assert {k: v for k, v in settings.sources.sales_log.columns if v} == TIDY
    assert settings.sources.sales_log.layout == "tidy"
    assert settings.taxonomy.divisions[0] == "Hardware"
    assert len(settings.targets) == 12
    assert _read(settings).height == pl.read_parquet(log).height
    assert _questions(text) == ["as_of"]


def test_headers_the_platform_knows_need_no_guess(tmp_path, world):
    text = render(propose([world["wide"]]), tmp_path)
    columns = _load(tmp_path, text).sources.sales_log.columns
    assert (columns.customer_id, columns.order_date) == ("CustomerId", "Rec Date")
    assert columns.record_id is None


def _typed(months: int = 12, **more) -> pl.DataFrame:
    """A small typed log: 40 customers, one line each per month and division."""
    days = [date(2023 + m // 12, m % 12 + 1, 20) for m in range(months)]
    rows = [(f"K{c}", d, v, f"{v[:3]}-{c % 4}", 10.0 + c) for c in range(40) for d in days for v in ("Tools", "Paint")]
    frame = pl.DataFrame(rows, schema=["account_id", "sale_date", "department", "sku", "amount"], orient="row")
    return frame.with_columns(pl.lit(2).alias("qty"), **more)


def _propose(tmp_path, frame: pl.DataFrame, name: str = "log.parquet"):
    path = tmp_path / name
    frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    return propose([path])


def test_without_gross_profit_a_share_is_assumed_and_asked(tmp_path):
    proposal = _propose(tmp_path, _typed())
    text = render(proposal, tmp_path)
    settings = _load(tmp_path, text)
    assert settings.sources.sales_log.gross_profit_share == 0.3
    assert _questions(text) == ["as_of", "gross_profit_share"]
    assert proposal.columns["revenue"] == "amount"
    assert proposal.divisions == {"Paint": 480, "Tools": 480}


def test_the_end_of_an_unfinished_month_is_not_taken_for_its_end(tmp_path):
    proposal = _propose(tmp_path, _typed())
    assert (proposal.as_of, proposal.calendar.last_cutoff) == (date(2023, 12, 20), date(2023, 11, 30))


def test_small_divisions_are_left_out_by_name_and_spellings_are_one(tmp_path):
    frame = _typed()
    extra = frame.head(9).with_columns(pl.lit("Gifts, etc.").alias("department"))
    loud = frame.head(7).with_columns(pl.lit(" TOOLS").alias("department"))
    blank = frame.head(3).with_columns(pl.lit(None, dtype=pl.String).alias("department"))
    proposal = _propose(tmp_path, pl.concat([frame, extra, loud, blank]))
    assert proposal.divisions == {"Tools": 487, "Paint": 480}
    assert proposal.left_out == {"Gifts, etc.": 9}
    settings = _load(tmp_path, text := render(proposal, tmp_path))
    assert settings.sources.sales_log.exclude_divisions == ("Gifts, etc.",)
    assert "3 lines name no division" in text


@pytest.mark.parametrize(
    ("days", "day_first", "asked"),
    [
        (["2023-01-15", "3/4/2023", "14/2/2023"], True, False),
        (["3/4/2023", "2/14/2023"], False, False),
        (["3/4/2023", "5/6/2023"], False, True),
        (["14/2/2023", "2/14/2023", "15/2/2023"], True, True),
        (["2023-01-15", "13/45/2023"], False, False),
    ],
)
def test_the_order_of_day_and_month(tmp_path, days, day_first, asked):
    frame = _typed().with_columns(pl.col("sale_date").dt.to_string("%Y-%m-%d"))
    odd = frame.head(len(days)).with_columns(pl.Series("sale_date", days))
    proposal = _propose(tmp_path, pl.concat([frame, odd]), "log.csv")
    assert proposal.day_first is day_first
    assert ("day_first" in proposal.questions) is asked


def test_what_only_the_content_suggests_is_asked(tmp_path):
    frame = _typed().rename({"sale_date": "x1", "account_id": "who_code_of_party"})
    proposal = _propose(tmp_path, frame)
    assert proposal.columns["order_date"] == "x1"
    assert "order_date" in proposal.questions
    assert "customer_id" not in proposal.columns
    text = render(proposal, tmp_path)
    assert {"order_date", "customer_id"} <= set(_questions(text))
    assert _load(tmp_path, text).sources.sales_log.columns.customer_id is None


def test_a_percentage_is_no_gross_profit_and_a_unique_id_is_no_customer(tmp_path):
    frame = _typed().with_row_index("id").with_columns((pl.col("amount") / 1000).alias("Margin %"))
    proposal = _propose(tmp_path, frame)
    assert "gross_profit" not in proposal.columns
    assert proposal.columns["record_id"] == "id"
    assert proposal.columns["customer_id"] == "account_id"


def test_without_a_date_there_is_no_proposal(tmp_path):
    with pytest.raises(SourceError, match="without an order date"):
        _propose(tmp_path, _typed().drop("sale_date"))


def test_a_log_without_records_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no record"):
        _propose(tmp_path, _typed().head(0))


@pytest.mark.parametrize(
    ("start", "as_of", "embargo", "first", "last", "cadence", "window", "history"),
    [
        # Six years: half years, two years of history before the first, nine cutoffs.
        (date(2019, 1, 1), date(2024, 12, 31), 0, date(2020, 12, 31), date(2024, 12, 31), 6, 6, 24),
        # The calendar's own half years, whatever the last month.
        (date(2019, 1, 1), date(2024, 11, 30), 0, date(2020, 12, 31), date(2024, 6, 30), 6, 6, 24),
        # Ten years: no more than ten cutoffs, so the history grows.
        (date(2015, 1, 1), date(2024, 12, 31), 0, date(2020, 6, 30), date(2024, 12, 31), 6, 6, 66),
        # One year: monthly cutoffs and quarters ahead, as long as two can be checked.
        (date(2017, 1, 1), date(2017, 12, 31), 0, date(2017, 3, 31), date(2017, 12, 31), 1, 3, 3),
        # Five months: months ahead.
        (date(2024, 1, 3), date(2024, 5, 31), 0, date(2024, 1, 31), date(2024, 5, 31), 1, 1, 1),
    ],
)  # fmt: skip
def test_cutoffs_fit_the_span(start, as_of, embargo, first, last, cadence, window, history):
    calendar, behind = plan(start, as_of, embargo)
    assert (calendar.first_cutoff, calendar.last_cutoff) == (first, last)
    assert (calendar.cadence_months, calendar.label_window_months, behind) == (cadence, window, history)
    assert len(calendar.validation_cutoffs()) >= 2


def test_a_span_too_short_is_refused():
    with pytest.raises(SourceError, match="too short"):
        plan(date(2024, 1, 1), date(2024, 2, 20), 0)


def test_one_division_column_can_serve_as_product_too(tmp_path):
    proposal = _propose(tmp_path, _typed().drop("sku"))
    assert proposal.columns["product_sku"] == proposal.columns["product_division"] == "department"
    assert "product_sku" in proposal.questions
