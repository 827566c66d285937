"""The pictures of a model: of its tables, the same bytes anywhere, in a moment, and words where there is nothing."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from typing import get_args

import polars as pl
import pytest
from PIL import Image

from gosales_assets.defs import cards
from gosales_assets.defs.pictures import BLUE, INK, ORANGE, PALE, Picture
from gosales_assets.engine.modeling.schema import Reason

WHO = "Printers at 2024-06-30"

CALIBRATION = pl.DataFrame(
    {
        "population": ["all"] * 3 + ["whitespace"] * 2,
        "bin": [1, 2, 3, 1, 2],
        "mean_predicted": [0.01, 0.05, 0.4, 0.005, 0.05],
        "fraction_positives": [0.0, 0.06, 0.35, 0.01, 0.04],
        "count": [100, 100, 100, 100, 100],
        "positives": [0, 6, 35, 1, 4],
    }
)
GAINS = pl.DataFrame(
    {
        "population": ["all"] * 2 + ["whitespace"] * 2,
        "decile": [1, 2, 1, 2],
        "n": [50, 50, 40, 40],
        "positives": [20, 5, 8, 4],
        "cum_capture": [0.8, 1.0, 8 / 12, 1.0],
        "lift": [1.6, 0.4, 4 / 3, 2 / 3],
    }
)
SHAP = pl.DataFrame(
    {
        "rank": range(1, 14),
        "feature": [f"family__all__metric_{i}__12m" for i in range(13)],
        "family": ["family"] * 13,
        "mean_abs_shap": [0.5 / i for i in range(1, 14)],
        "mean_shap": [-0.1] * 13,
    }
)

DRAWN: list[tuple[Callable[[str, pl.DataFrame], Picture], pl.DataFrame]] = [
    (cards.reliability, CALIBRATION),
    (cards.captured, GAINS),
    (cards.drivers, SHAP),
]
draws = pytest.mark.parametrize(("draw", "table"), DRAWN, ids=[d.__name__ for d, _ in DRAWN])


def image(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.png)).convert("RGB")


def pixels(picture: Picture, color: str) -> list[tuple[int, int]]:
    """Where a colour stands, as column and row."""
    seen = image(picture)
    wanted = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
    near = [max(abs(a - b) for a, b in zip(p, wanted, strict=True)) <= 8 for p in seen.getdata()]  # type: ignore[arg-type]
    return [(i % seen.width, i // seen.width) for i, found in enumerate(near) if found]


@draws
def test_the_same_table_is_the_same_bytes(draw: Callable[[str, pl.DataFrame], Picture], table: pl.DataFrame) -> None:
    assert draw(WHO, table) == draw(WHO, table)
    assert draw(WHO, table).png != draw("CAMWorks at 2024-06-30", table).png
    assert WHO in draw(WHO, table).title


@draws
def test_a_picture_holds_nothing_but_itself_and_is_small(
    draw: Callable[[str, pl.DataFrame], Picture], table: pl.DataFrame
) -> None:
    picture = draw(WHO, table)
    kinds = [picture.png[i + 4 : i + 8] for i in _chunks(picture.png)]
    assert set(kinds) == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}  # no text, no date, no software
    assert len(picture.markdown.md_str or "") < 40_000


def _chunks(png: bytes) -> list[int]:
    """Where each chunk of a PNG begins."""
    found, at = [], 8
    while at < len(png):
        found.append(at)
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return found


def test_another_process_draws_the_same_bytes() -> None:
    program = (
        "import hashlib; from gosales_assets_tests.defs import test_cards as t;"
        "print(*(hashlib.sha256(d(t.WHO, f).png).hexdigest() for d, f in t.DRAWN))"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert told == [hashlib.sha256(draw(WHO, table).png).hexdigest() for draw, table in DRAWN]


@draws
def test_other_numbers_are_another_picture(draw: Callable[[str, pl.DataFrame], Picture], table: pl.DataFrame) -> None:
    column = {"reliability": "fraction_positives", "captured": "cum_capture", "drivers": "mean_abs_shap"}[draw.__name__]
    # All of it halved would keep every proportion.
    first = pl.int_range(pl.len()) == 0
    other = table.with_columns(pl.when(first).then(pl.col(column) / 2 + 0.01).otherwise(pl.col(column)).alias(column))
    assert draw(WHO, table).png != draw(WHO, other).png


def test_each_population_has_its_panel_and_one_alone_leaves_no_empty_one() -> None:
    both = cards.reliability(WHO, CALIBRATION)
    middle = image(both).width / 2
    assert max(x for x, _ in pixels(both, BLUE)) < middle < min(x for x, _ in pixels(both, ORANGE))
    alone = cards.reliability(WHO, CALIBRATION.filter(pl.col("population") == "all"))
    assert pixels(alone, BLUE)
    assert pixels(alone, ORANGE) == []
    # Below the title and a line in gray that says so, nothing stands where the second panel would.
    assert [x for x, y in pixels(alone, INK) if y > 20 and x > middle] == []
    ground = image(alone).crop((int(middle), 45, *image(alone).size))
    assert ground.getextrema() == ((255, 255),) * 3


def test_a_perfect_probability_lies_on_the_diagonal() -> None:
    exact = CALIBRATION.filter(pl.col("population") == "all").with_columns(
        fraction_positives=pl.col("mean_predicted"), positives=1
    )
    # Below the heading, left of the axes nothing is blue: what is left are the points and their line.
    found = [(x, y) for x, y in pixels(cards.reliability(WHO, exact), BLUE) if y > 55]
    left, right = min(found), max(found)
    size = image(cards.reliability(WHO, exact)).size
    slope = (left[1] - right[1]) / size[1] / 0.62 / ((right[0] - left[0]) / size[0] / 0.4)
    assert slope == pytest.approx(1.0, abs=0.06)


def test_too_few_positives_are_said_and_not_drawn() -> None:
    few = GAINS.with_columns(
        cum_capture=pl.when(pl.col("population") == "all").then(pl.col("cum_capture")),
        lift=pl.when(pl.col("population") == "all").then(pl.col("lift")),
    )
    # The line of the whitespace is gone, and so is its heading.
    assert pixels(cards.captured(WHO, GAINS), ORANGE)
    assert pixels(cards.captured(WHO, few), ORANGE) == []
    none = few.with_columns(cum_capture=pl.lit(None, pl.Float64))
    assert image(cards.captured(WHO, none)).height < image(cards.captured(WHO, few)).height / 2


def test_the_bars_are_as_long_as_the_contributions() -> None:
    two = SHAP.head(2)
    rows: dict[int, int] = {}
    for _, y in pixels(cards.drivers(WHO, two), PALE):
        rows[y // 16] = rows.get(y // 16, 0) + 1
    first, second = (rows[k] for k in sorted(rows)[:2])
    assert second / first == pytest.approx(0.5, abs=0.1)  # less what the letters cover


def test_where_there_is_no_model_every_picture_is_words() -> None:
    drawn = cards.of_model(WHO, CALIBRATION.clear(), GAINS.clear(), SHAP.clear(), no_model="min_positive_customers")
    assert list(drawn) == ["calibration", "gains", "shap_summary"]
    for picture in drawn.values():
        assert image(picture).height < 60
        assert pixels(picture, BLUE) == pixels(picture, ORANGE) == pixels(picture, PALE) == []
        assert pixels(picture, INK)  # letters
        assert WHO in picture.title


def test_every_reason_for_no_model_has_words() -> None:
    told = [
        cards.of_model(WHO, CALIBRATION, GAINS, SHAP, no_model=reason)["gains"].png
        for reason in (*get_args(Reason), "x")
    ]
    assert len(set(told)) == len(told)
    assert set(cards._WHY) == set(get_args(Reason))


@draws
def test_a_table_without_rows_is_words(draw: Callable[[str, pl.DataFrame], Picture], table: pl.DataFrame) -> None:
    assert image(draw(WHO, table.clear())).height < 60


@pytest.mark.parametrize("rate", [0.0, 1e-5, 1.0])
def test_extreme_rates_are_drawn(rate: float) -> None:
    table = CALIBRATION.with_columns(mean_predicted=pl.lit(rate), fraction_positives=pl.lit(rate))
    assert image(cards.reliability(WHO, table)).height > 200
