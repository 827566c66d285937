"""Pictures: of the counts given, the same bytes for the same counts, and in a moment."""

from __future__ import annotations

import base64
import io
import re
from datetime import date

import polars as pl
from PIL import Image

from gosales_assets.defs import pictures
from gosales_assets.defs.pictures import Picture

GROUPS = pl.DataFrame(
    {"group": ["everybody", "nobody", "a | name [of] <b>\n" * 3], "customers": [10, 0, 4], "positives": [3, 0, 1]}
).with_columns(prevalence=pl.Series([0.3, None, 0.25]))
MONTHS = pl.DataFrame({"month": ["2024-07", "2024-08"], "positives": [0, 3]})
CUTOFFS = pl.DataFrame(
    {
        "cutoff": [date(2023, 12, 31), date(2024, 6, 30)],
        "prevalence": [0.2, 0.1],
        "prevalence_whitespace": [None, 0.05],
        "censored": [False, True],
        "widened": [False, True],
    },
    schema_overrides={"prevalence_whitespace": pl.Float64},
)


def bars(groups: pl.DataFrame = GROUPS) -> Picture:
    panels = (pictures.shares("cohort", groups), pictures.shares("industry", groups), pictures.counts("month", MONTHS))
    return pictures.bars("Solidworks after 2024-06-30: positives", *panels)


def image(value: Picture) -> Image.Image:
    found = re.search(r"!\[[^\]]*\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)$", value.markdown.md_str or "")
    assert found
    return Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB")


def test_the_same_counts_are_the_same_bytes() -> None:
    assert bars() == bars()
    assert pictures.history("x", CUTOFFS) == pictures.history("x", CUTOFFS)


def test_other_counts_are_another_picture() -> None:
    assert bars() != bars(GROUPS.with_columns(prevalence=pl.Series([0.2, None, 0.25])))
    closed = CUTOFFS.with_columns(censored=False)
    assert pictures.history("x", CUTOFFS) != pictures.history("x", closed)


def test_the_longest_bar_fills_its_column_and_none_is_drawn_of_nothing() -> None:
    def ink(share: list[float | None]) -> int:
        groups = pl.DataFrame({"g": ["a", "b"], "customers": [9, 9], "positives": [1, 1], "prevalence": share})
        picture = image(pictures.bars("x", pictures.shares("g", groups)))
        pale = tuple(int(pictures.PALE[i : i + 2], 16) for i in (1, 3, 5))
        # Stored in a few colours, each of them near the one that was drawn.
        far = {c: max(abs(a - b) for a, b in zip(c, pale, strict=True)) for _, c in picture.getcolors(1 << 20) or []}
        return sum(n for n, color in picture.getcolors(1 << 20) or [] if far[color] <= 8)

    one, both, none = ink([0.4, None]), ink([0.4, 0.4]), ink([None, 0.0])
    assert none == 0
    assert 1.9 < both / one < 2.2  # less what the letters cover


def test_texts_say_share_and_counts_and_stay_short() -> None:
    texts = pictures.shares("cohort", GROUPS).texts
    assert texts[:2] == ["everybody  30.0%  3/10", "nobody  nobody"]
    assert len(texts[2].partition("  ")[0]) == 22


def test_a_window_that_was_widened_is_named() -> None:
    assert (pictures.history("Printers", CUTOFFS).markdown.md_str or "").startswith(
        "Printers; window widened at 2024-06-30\n"
    )


def test_a_title_cannot_break_out_of_its_line() -> None:
    text = pictures.bars("a](http://x) `b` <i>\n# c", pictures.counts("m", MONTHS)).markdown.md_str or ""
    title = text.partition("\n\n")[0]
    assert title == "a (http://x) b i # c"


def test_pictures_of_nothing_are_pictures() -> None:
    assert image(bars(GROUPS.clear())).width > 0
    assert image(pictures.history("x", CUTOFFS.clear())).width > 0


def test_words_are_a_picture() -> None:
    assert image(pictures.words("x", "nothing")).height < image(pictures.words("x", "nothing", "at all")).height
    assert pictures.words("x", "nothing") == pictures.words("x", "nothing") != pictures.words("x", "at all")


def test_a_picture_is_small_enough_to_be_kept_with_every_materialization() -> None:
    assert len(bars().markdown.md_str or "") < 60_000
    assert len(pictures.history("x", CUTOFFS).markdown.md_str or "") < 60_000
