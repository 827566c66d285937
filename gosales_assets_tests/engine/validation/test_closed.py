from datetime import date

import polars as pl
import pytest

from gosales_assets.engine import metrics as m
from gosales_assets.engine.validation.closed import closed_calibration
from gosales_assets.engine.validation.schema import ClosedCalibration
from gosales_assets.settings import ValidationSettings
from gosales_assets_tests.engine.validation.world import TARGET, inputs, run

LATER = date(2024, 12, 31)


def evidence(tables, cutoff=LATER, population="whitespace"):
    document = closed_calibration(
        tables, target=TARGET, cutoff=cutoff, population=population, validation=ValidationSettings()
    )
    ClosedCalibration.model_validate(document)
    return document


def bins(*rows, population="whitespace"):
    """Bins (mean prediction, count, positives)."""
    return pl.DataFrame(
        {
            "population": [population] * len(rows),
            "mean_predicted": [r[0] for r in rows],
            "fraction_positives": [r[2] / r[1] for r in rows],
            "count": [r[1] for r in rows],
            "positives": [r[2] for r in rows],
        },
        schema={
            "population": pl.String,
            "mean_predicted": pl.Float64,
            "fraction_positives": pl.Float64,
            "count": pl.Int64,
            "positives": pl.Int64,
        },
    )


def test_no_validation_had_closed():
    document = evidence({})
    assert document["status"] == "none"
    assert document["evidence_cutoff"] is document["ratio"] is document["n"] is None


def test_expected_and_observed_come_from_the_bins():
    # Expected .1 * 100 + .5 * 50 = 35; observed 15 + 35 = 50; error (100 * |.1 - .15| + 50 * |.5 - .7|) / 150.
    document = evidence({"2024-06-30": bins((0.1, 100, 15), (0.5, 50, 35))})
    assert (document["status"], document["evidence_cutoff"]) == ("ok", "2024-06-30")
    assert (document["n"], document["positives"], document["expected"], document["observed"]) == (150, 50, 35.0, 50.0)
    assert document["ratio"] == pytest.approx(0.7)
    assert document["mae"] == pytest.approx(0.1)
    assert document["ratio_lo"] < 0.7 < document["ratio_hi"] < 1


def test_it_agrees_with_the_validation_it_reduces():
    result = run(inputs())
    for population in m.POPULATIONS:
        document, final = (
            evidence({"2024-06-30": result.calibration}, population=population),
            result.metrics["final"][population],
        )
        for name, source in (
            ("ratio", "ratio"),
            ("mae", "cal_mae"),
            ("expected", "expected"),
            ("ratio_hi", "ratio_hi"),
        ):
            assert document[name] == pytest.approx(final[source], abs=1e-9)
        assert document["positives"] == final["positives"]


@pytest.mark.parametrize(
    "positives, status, ratio, interval",
    [(9, "insufficient_data", False, False), (10, "ok", True, False), (30, "ok", True, True)],
)
def test_few_positives(positives, status, ratio, interval):
    document = evidence({"2024-06-30": bins((0.2, 100, positives))})
    assert document["status"] == status
    assert (document["ratio"] is not None, document["ratio_lo"] is not None) == (ratio, interval)
    assert (document["expected"], document["observed"]) == (20.0, positives)


def test_an_open_window_is_no_evidence():
    frames = inputs()
    frames["labels"] = frames["labels"].with_columns(pl.lit(1, pl.Int8).alias("censored_flag"))
    document = evidence({"2024-06-30": run(frames).calibration})
    assert (document["status"], document["n"], document["ratio"]) == ("insufficient_data", 0, None)


def test_only_the_past_is_evidence_and_the_newest_of_it():
    table = bins((0.2, 100, 20))
    assert evidence({"2024-03-31": table, "2024-06-30": table})["evidence_cutoff"] == "2024-06-30"
    with pytest.raises(ValueError, match="only earlier validations"):
        evidence({"2024-06-30": table}, cutoff=date(2024, 6, 30))


def test_the_other_population_is_not_read():
    table = pl.concat([bins((0.2, 100, 20)), bins((0.9, 100, 90), population="all")])
    assert evidence({"2024-06-30": table})["ratio"] == pytest.approx(1.0)
