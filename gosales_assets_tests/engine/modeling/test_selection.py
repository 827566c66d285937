from __future__ import annotations

import math

import pytest

from gosales_assets.engine.modeling.selection import Standing, keeps_softened, winner

STABLE, PEAKY = Standing("stable", [3.0, 3.2]), Standing("peaky", [5.0, 1.0])


def test_objective_and_variation_of_two_candidates() -> None:
    # mean 3.1, sd .1; mean 3, sd 2 (population standard deviations).
    assert STABLE.objective(1.0) == pytest.approx(3.0)
    assert PEAKY.objective(1.0) == pytest.approx(1.0)
    assert STABLE.variation == pytest.approx(0.03226, abs=1e-5)
    assert PEAKY.variation == pytest.approx(0.66667, abs=1e-5)


@pytest.mark.parametrize(
    ("penalty", "guard", "expected"),
    [
        (1.0, 1.0, "stable"),
        (0.0, 0.5, "stable"),  # peaky is out; 3.1 against 3.0 it would have lost too
        (0.0, 0.01, "stable"),  # both are out, so both are back in
    ],
)
def test_champion(penalty: float, guard: float, expected: str) -> None:
    both = [PEAKY, STABLE]
    place, _ = winner(both, penalty=penalty, variation_max=guard)
    assert both[place].name == expected


def test_the_guard_decides_against_the_higher_lift() -> None:
    jumpy = Standing("jumpy", [9.0, 1.0])
    assert winner([jumpy, STABLE])[0] == 0
    place, why = winner([jumpy, STABLE], variation_max=0.5)
    assert place == 1
    assert "1 left out for varying too much" in why
    assert "every candidate varies" in winner([jumpy, STABLE], variation_max=0.01)[1]


@pytest.mark.parametrize(
    ("standings", "expected"),
    [
        # Out of reach of the best (3.4 - 0.3): the higher lift.
        ([Standing("a", [3.4], 0.3, 0.09), Standing("b", [3.0], 0.3, 0.01)], "a"),
        # Within one standard error: the lower Brier score.
        ([Standing("a", [3.4], 0.3, 0.09), Standing("b", [3.2], 0.3, 0.08)], "b"),
        ([Standing("a", [3.4], 0.3, 0.08), Standing("b", [3.2], 0.3, 0.08, 0)], "a"),  # equal in all: the name
        ([Standing("a", [3.4], 0.3, 0.08, 7), Standing("b", [3.2], 0.3, 0.08, 0)], "b"),  # fewer leaves
        # The error is the best one's.
        ([Standing("a", [3.4], 0.1, 0.09), Standing("b", [3.2], 0.9, 0.08)], "a"),
        # Nothing was judged by lift.
        ([Standing("a", [], 0.0, 0.09), Standing("b", [], 0.0, 0.08)], "b"),
        # A candidate that could not be judged never beats one that was.
        ([Standing("a", [0.1], 0.0, 0.09), Standing("b", [], 0.0, 0.01)], "a"),
        ([Standing("a", [2.0], 0.1, None), Standing("b", [2.0], 0.1, 0.5)], "b"),
    ],
)
def test_ties_go_to_brier_then_leaves_then_name(standings: list[Standing], expected: str) -> None:
    for order in (standings, standings[::-1]):
        assert order[winner(order)[0]].name == expected


def test_why_is_said() -> None:
    assert winner([STABLE]) == (0, "the only candidate")
    assert winner([STABLE, Standing("low", [1.0])])[1] == "highest lift"
    assert "2 candidates within one standard error" in winner([Standing("a", [2.0], 0.5), Standing("b", [1.9])])[1]
    with pytest.raises(ValueError, match="no candidate"):
        winner([])


def test_variation_of_nothing_and_of_zero() -> None:
    assert Standing("a", []).variation is None
    assert Standing("a", [0.0, 0.0]).variation == 0.0
    assert Standing("a", [-1.0, 1.0]).variation == math.inf


@pytest.mark.parametrize(("softened", "kept"), [(0.7985, True), (0.7975, False), (0.9, True)])
def test_the_softer_model_may_cost_two_thousandths(softened: float, kept: bool) -> None:
    assert keeps_softened(0.8, softened) is kept
