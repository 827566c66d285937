"""Is the log long enough for what the features ask?"""

from datetime import date

import polars as pl
import pytest

from gosales_assets.engine.features.history import history_finding


@pytest.mark.parametrize(
    ("begins", "passed"),
    [
        (date(2022, 6, 30), True),  # 24 months before 2024-06-30, to the day
        (date(2022, 7, 1), False),
    ],
)
def test_a_log_that_begins_too_late_warns(begins, passed):
    facts = pl.LazyFrame({"order_date": [date(2024, 1, 1), begins]})
    finding = history_finding(facts, date(2024, 6, 30), 24)
    assert (finding.passed, finding.severity) == (passed, "WARN")
    assert passed or "2022-06-30" in finding.reason


def test_an_empty_log_has_no_history():
    facts = pl.LazyFrame(schema={"order_date": pl.Date})
    assert not history_finding(facts, date(2024, 6, 30), 24).passed
