"""The pictures of a model: does a probability hold, does the order sort, what drives it.

Belongs here: drawing the published tables of one model partition. Does not belong here: computing a number they hold,
how a figure becomes bytes (`pictures`).

Where there is no model, or too little to judge it on, the picture says so in words; none has an empty axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from gosales_assets.defs.pictures import BLUE, DPI, INK, ORANGE, TEXT, Panel, Picture, bars, drawn, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What is drawn of each population: its name for a reader, its colour.
_POPULATIONS = {"all": ("everybody", BLUE), "whitespace": ("whitespace", ORANGE)}
_GRAY = "#8a9099"
_WIDTH, _HEIGHT = 7.0, 2.9
#: Shares an axis may name, and how near to each other on it.
_SHARES = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
_NEAREST = 0.15
_FEATURES = 10
#: Why there is no model, in words.
_WHY = {
    "no_closed_history": "no earlier cutoff has a label window that had closed",
    "single_class": "in the past everybody bought, or nobody did",
    "min_positive_customers": "too few customers bought in the past (modeling.min_positive_customers)",
    "insufficient_per_class": "too few customers bought, or too few did not, for the folds",
}


def of_model(
    subject: str, calibration: pl.DataFrame, gains: pl.DataFrame, shap_summary: pl.DataFrame, *, no_model: str | None
) -> dict[str, Picture]:
    """The pictures of a model partition, by the table each is drawn of.

    Parameters
    ----------
    subject
        Division and cutoff.
    calibration, gains, shap_summary
        The tables as published.
    no_model
        Why there is a baseline instead of a model.
    """
    if no_model:
        said = (f"No model: {_WHY.get(no_model, no_model)}.", "Everybody has the base rate; there is nothing to draw.")
        titles = {"calibration": _RELIABILITY, "gains": _GAINS, "shap_summary": _DRIVERS}
        return {table: words(f"{subject}: {title}", *said) for table, title in titles.items()}
    return {
        "calibration": reliability(subject, calibration),
        "gains": captured(subject, gains),
        "shap_summary": drivers(subject, shap_summary),
    }


_RELIABILITY, _GAINS, _DRIVERS = "predicted against observed", "positives found down the list", "what drives the model"


def reliability(subject: str, calibration: pl.DataFrame) -> Picture:
    """Observed against predicted rates by bin, a panel per population; on the diagonal a probability is one.

    Both axes are square roots, or the many small probabilities would lie on one spot.

    Parameters
    ----------
    subject
        Division and cutoff.
    calibration
        The table of that name.
    """
    title = f"{subject}: {_RELIABILITY}"
    if calibration.is_empty():
        return words(title, "Nobody to judge the model on.")
    figure = _figure(f"{title}; positives/rows, base rate dashed")
    for number, (name, color, rows) in enumerate(_parts(calibration)):
        left, above = 0.085 + 0.5 * number, 0.835
        if rows.is_empty():
            figure.text(left, above, f"{name}: nobody", **_said(_GRAY))
            continue
        n, positives = int(rows["count"].sum()), int(rows["positives"].sum())
        most = float(rows.select(pl.max_horizontal(pl.col(_RATES).max())).item())
        end, base = 1.06 * math.sqrt(most) or 1.0, math.sqrt(positives / n)
        ticks = {math.sqrt(t): f"{100 * t:g}" for t in _ticks(most)}
        plot = _Plot(figure, (left, 0.165, 0.4, 0.62), end)
        plot.axes(ticks, ticks, "predicted, % (square-root axes)", "" if number else "observed, %")
        plot.line([0, end], [0, end], _GRAY)
        plot.line([0, end], [base, base], _GRAY, linestyle=(0, (4, 3)))
        predicted, observed = rows.select(pl.col(_RATES).sqrt()).get_columns()
        plot.line(predicted, observed, color, marker="o")
        said = f"{name}: {positives:,}/{n:,}, base rate {positives / n:.1%}"
        figure.text(left, above, said, **_said(color))
    return drawn(figure, title)


_RATES = ("mean_predicted", "fraction_positives")


def captured(subject: str, gains: pl.DataFrame) -> Picture:
    """Share of the positives found, down the list; the diagonal is a list in no order.

    Parameters
    ----------
    subject
        Division and cutoff.
    gains
        The table of that name.
    """
    title = f"{subject}: {_GAINS}"
    judged = [part for part in _parts(gains) if part[2].height and not part[2]["cum_capture"].null_count()]
    few = [(name, *_totals(rows)) for name, color, rows in _parts(gains) if name not in {part[0] for part in judged}]
    if not judged:
        return words(title, *(f"{name}: {_counted(positives, n)}, too few to judge" for name, positives, n in few))
    figure = _figure(title)
    plot = _Plot(figure, (0.085, 0.165, 0.52, 0.71), 100)
    plot.axes(
        {x: str(x) for x in (0, 10, 20, 50, 100)},
        {y: str(y) for y in (0, 50, 100)},
        "share of the list, highest scores first, %",
        "positives found, %",
    )
    plot.line([0, 100], [0, 100], _GRAY)
    notes: list[tuple[str, str]] = []
    for name, color, rows in judged:
        positives, n = _totals(rows)
        share = [0.0, *(100 * rows["n"].cum_sum() / n)]
        found = [0.0, *(100 * rows["cum_capture"])]
        plot.line(share, found, color, marker="o")
        lift = rows["lift"][0]
        notes += [(f"{name}: {_counted(positives, n)}", color), (f"base rate {positives / n:.1%}", INK)]
        notes += [(f"first {share[1]:.0f}%: {found[1]:.0f}% of positives", INK)]
        notes += [(f"lift {lift:.1f}" if lift is not None else "all scores are equal", INK), ("", INK)]
    for name, positives, n in few:
        notes += [(f"{name}: {_counted(positives, n)}", _GRAY), ("too few to judge", _GRAY), ("", INK)]
    notes.append(("diagonal: a list in no order", _GRAY))
    for row, (text, color) in enumerate(notes):
        figure.text(0.635, 0.83 - 0.07 * row, text, **_said(color))
    return drawn(figure, title)


def drivers(subject: str, shap_summary: pl.DataFrame) -> Picture:
    """The features that move the model most, and what is left for the others.

    Parameters
    ----------
    subject
        Division and cutoff.
    shap_summary
        The table of that name.
    """
    title = f"{subject}: {_DRIVERS}"
    sizes = shap_summary["mean_abs_shap"]
    total = float(sizes.sum())
    if not total:
        return words(title, "No feature moves this model: everybody gets the same probability.")
    shown = shap_summary.filter(pl.col("mean_abs_shap") > 0).head(_FEATURES)
    texts = [
        f"{size:.3f} ({mean:+.3f})  {name}"
        for name, size, mean in shown.select("feature", "mean_abs_shap", "mean_shap").iter_rows()
    ]
    rest = shap_summary.height - shown.height
    texts.append(
        f"the other {rest} features: {1 - float(shown['mean_abs_shap'].sum()) / total:.0%} of all that moves it"
    )
    head = f"{title}: mean size of contribution (signed mean), log-odds"
    return bars(title, Panel(head, texts, [*shown["mean_abs_shap"], 0.0]), column=_WIDTH)


def _parts(table: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Name, colour and rows of each population, perhaps none."""
    for population, (name, color) in _POPULATIONS.items():
        yield name, color, table.filter(pl.col("population") == population)


def _totals(gains: pl.DataFrame) -> tuple[int, int]:
    return int(gains["positives"].sum()), int(gains["n"].sum())


def _counted(positives: int, n: int) -> str:
    return f"{positives:,} positives in {n:,} rows"


def _ticks(most: float) -> list[float]:
    """Shares to name on a square-root axis up to ``most``, none too near to another; zero and the largest first."""
    gap, kept = _NEAREST * math.sqrt(most), [0.0]
    for share in reversed([s for s in _SHARES if s <= most]):
        if all(abs(math.sqrt(share) - math.sqrt(other)) >= gap for other in kept):
            kept.append(share)
    return kept


def _figure(title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=DPI)
    figure.text(0.01, 0.95, title, va="center", weight="bold", **TEXT)
    return figure


def _said(color: str) -> dict[str, Any]:
    return TEXT | {"color": color}


class _Plot:
    """A square of the figure with two axes from zero to the same end.

    Figures of matplotlib have axes of their own, which take twice the time of everything else in a small picture.
    """

    def __init__(self, figure: Figure, place: tuple[float, float, float, float], end: float) -> None:
        self.figure, self.end = figure, end
        self.left, self.bottom, self.width, self.height = place

    def line(self, xs: Iterable[float], ys: Iterable[float], color: str, **look: Any) -> None:
        """A line through points."""
        from matplotlib.lines import Line2D

        x, y = [self._x(v) for v in xs], [self._y(v) for v in ys]
        self.figure.add_artist(Line2D(x, y, **{"color": color, "linewidth": 1, "markersize": 4, **look}))

    def axes(self, xs: Mapping[float, str], ys: Mapping[float, str], below: str, beside: str) -> None:
        """Both axes with their ticks, and what they count."""
        self.line([0, self.end], [0, 0], INK, linewidth=0.8)
        self.line([0, 0], [0, self.end], INK, linewidth=0.8)
        for x, text in xs.items():
            self.figure.text(self._x(x), self.bottom - 0.02, text, ha="center", va="top", **TEXT)
        for y, text in ys.items():
            self.figure.text(self.left - 0.008, self._y(y), text, ha="right", va="center", **TEXT)
        middle = self.left + self.width / 2, self.bottom + self.height / 2
        self.figure.text(middle[0], 0.01, below, ha="center", va="bottom", **TEXT)
        self.figure.text(0.01, middle[1], beside, va="center", rotation="vertical", **TEXT)

    def _x(self, value: float) -> float:
        return self.left + self.width * value / self.end

    def _y(self, value: float) -> float:
        return self.bottom + self.height * value / self.end
