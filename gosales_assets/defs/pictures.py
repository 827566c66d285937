"""Small pictures for the metadata of a materialization.

Belongs here: drawing what the engine has counted, and handing it to Dagster as Markdown that needs no file beside it.
Does not belong here: counting, the pictures of a model (`cards`). A picture is never an input of anything and no part
of a data version; the same counts still give the same bytes.

Figures are objects of their own: no pyplot, no state between two of them, no display. Nearly all the time of a small
picture goes into its letters, so a bar has one short text and an axis few ticks; and it is stored in a few colours,
because a materialization carries it for ever.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg
import polars as pl

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 80
BLUE, PALE, ORANGE, INK = "#3b6ea8", "#b9cee6", "#d9822b", "#22262b"
TEXT: dict[str, Any] = {"fontsize": 8, "color": INK, "parse_math": False}
#: Inches: a row of bars, a column of them, the gap between columns.
_ROW, _COLUMN, _GAP = 0.2, 3.0, 0.15
#: Characters of a name on a bar.
_NAME = 22
#: Ticks on an axis of cutoffs.
_TICKS = 4
#: Colours of a stored picture, shades of the edges of letters included.
_COLORS = 32


class Picture(NamedTuple):
    """A drawn picture: a line that says what it shows, and the bytes of a PNG."""

    title: str
    png: bytes

    @property
    def markdown(self) -> dg.MarkdownMetadataValue:
        """The picture inside a line of Markdown, its title above it and as its alternative text."""
        plain = " ".join(self.title.translate(str.maketrans("[]`*<>\n", " " * 7)).split())
        data = base64.b64encode(self.png).decode("ascii")
        return dg.MetadataValue.md(f"{plain}\n\n![{plain}](data:image/png;base64,{data})")


class Panel(NamedTuple):
    """A column of horizontal bars: a title, and a text and a length for each."""

    title: str
    texts: Sequence[str]
    lengths: Sequence[float]


def shares(title: str, groups: pl.DataFrame) -> Panel:
    """Bars of a share, with the counts behind it.

    Parameters
    ----------
    title
        What is counted.
    groups
        Name of the group, ``customers``, ``positives`` and ``prevalence`` (null without customers).
    """
    rows = groups.select(pl.nth(0), "prevalence", "positives", "customers").rows()
    texts = [
        f"{_short(name)}  " + ("nobody" if share is None else f"{share:.1%}  {positives}/{customers}")
        for name, share, positives, customers in rows
    ]
    return Panel(title, texts, [share or 0.0 for _, share, _, _ in rows])


def counts(title: str, groups: pl.DataFrame) -> Panel:
    """Bars of a count.

    Parameters
    ----------
    title
        What is counted.
    groups
        Name of the group, and the count.
    """
    rows = groups.rows()
    return Panel(title, [f"{_short(name)}  {count}" for name, count in rows], [float(count) for _, count in rows])


def bars(title: str, *panels: Panel, column: float = _COLUMN) -> Picture:
    """Panels side by side; in each the longest bar fills the width.

    Parameters
    ----------
    title
        Line above the picture.
    panels
        What to draw.
    column
        Width of each, inches.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    width = len(panels) * (column + _GAP)
    height = (1 + max(len(p.texts) for p in panels)) * _ROW
    figure = Figure(figsize=(width, height), dpi=DPI)
    for number, panel in enumerate(panels):
        left, longest = number * (column + _GAP), max(panel.lengths, default=0.0)
        figure.text(left / width, 1 - 0.5 * _ROW / height, panel.title, va="center", weight="bold", **TEXT)
        for row, (text, length) in enumerate(zip(panel.texts, panel.lengths, strict=True), start=1):
            middle = 1 - (row + 0.5) * _ROW / height
            long = (length / longest if longest else 0.0) * column / width
            corner = (left / width, middle - 0.4 * _ROW / height)
            figure.add_artist(Rectangle(corner, long, 0.8 * _ROW / height, facecolor=PALE, linewidth=0))
            figure.text((left + 0.05) / width, middle, text, va="center", **TEXT)
    return drawn(figure, title)


def history(title: str, cutoffs: pl.DataFrame) -> Picture:
    """Prevalence over cutoffs; those whose window the data does not cover are hollow and on no line.

    Parameters
    ----------
    title
        Line above the picture.
    cutoffs
        ``cutoff``, ``prevalence``, ``prevalence_whitespace``, ``censored``, ``widened``, ascending.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 2.2), dpi=DPI)
    axes = figure.add_axes((0.07, 0.14, 0.75, 0.8))
    axes.spines[["top", "right"]].set_visible(False)
    every = pl.Series(range(cutoffs.height), dtype=pl.Int64)
    closed = ~cutoffs["censored"]
    for column, color in (("prevalence", BLUE), ("prevalence_whitespace", ORANGE)):
        percent = (100 * cutoffs[column]).fill_null(float("nan"))
        for of, look in ((closed, {"linewidth": 1}), (~closed, {"linewidth": 0, "markerfacecolor": "white"})):
            axes.plot(every.filter(of), percent.filter(of), color=color, marker="o", markersize=4, **look)
    ticks = every.gather_every(max(1, -(-cutoffs.height // _TICKS)))
    axes.set_xticks(ticks.to_list(), [str(cutoffs["cutoff"][i]) for i in ticks])
    shown = (cutoffs[column].max() for column in ("prevalence", "prevalence_whitespace"))
    highest = 100 * max((share for share in shown if isinstance(share, float)), default=0.0)
    axes.set_ylim(0, 1.05 * highest or 1)
    axes.set_yticks([0, highest], ["0", f"{highest:.1f}"] if highest else ["0", ""])
    axes.tick_params(labelsize=TEXT["fontsize"], length=2)
    notes = (("everybody, %", BLUE), ("whitespace, %", ORANGE), ("hollow: censored", INK))
    for row, (text, color) in enumerate(notes):
        figure.text(0.84, 0.9 - 0.1 * row, text, **(TEXT | {"color": color}))
    wide = [str(day) for day in cutoffs.filter("widened")["cutoff"]]
    return drawn(figure, title + (f"; window widened at {', '.join(wide)}" if wide else ""))


def words(title: str, *lines: str) -> Picture:
    """Lines of text where there is nothing to draw.

    Parameters
    ----------
    title
        First line.
    lines
        The others.
    """
    from matplotlib.figure import Figure

    height = (1 + len(lines)) * _ROW
    figure = Figure(figsize=(2 * _COLUMN, height), dpi=DPI)
    for row, text in enumerate((title, *lines)):
        weight = "normal" if row else "bold"
        figure.text(0.01, 1 - (row + 0.5) * _ROW / height, text, va="center", weight=weight, **TEXT)
    return drawn(figure, title)


def drawn(figure: Figure, title: str) -> Picture:
    """A figure as a picture; the same figure gives the same bytes, which hold neither date nor software.

    Parameters
    ----------
    figure
        The figure.
    title
        What it shows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    buffer = io.BytesIO()
    # Not the median cut: it gives the shades of a thousand letters their own colours and takes a thin line's away.
    picture.convert("RGB").quantize(_COLORS, Image.Quantize.MAXCOVERAGE).save(buffer, "PNG")
    return Picture(title, buffer.getvalue())


def _short(name: Any) -> str:
    text = " ".join(str(name).split())
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"
