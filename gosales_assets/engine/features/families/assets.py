"""What a customer holds: assets and subscriptions, how old they are, when their terms end.

An asset bought after the cutoff does not exist, one of unknown date is there and counted in ``bad_purchase_share``.
Counts are units unless they say assets; a customer without an asset holds a known zero, and has no age, no term and no
share. Ends of terms look ahead because a contract's end is known in advance: ``known_forward``. They leave out the
first days after the cutoff (``features.expiring_guard_days``), in which a renewal may already be under way.

What reads the end of a term exists only where the table keeps it as it stood (``features.assets_keep_terms``). An
extract that overwrites it on renewal tells at every past cutoff who renewed later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from gosales_assets.engine.features.holdings import Holdings, Mask
from gosales_assets.engine.features.ledger import Ledger, ratio
from gosales_assets.engine.features.spec import ASSETS, LIFE, Dtype, Feature, Plan, Scope, Values, declare

#: Days after the cutoff up to which the ends of terms are counted.
HORIZONS = (30, 60, 90)


def declare_features(plan: Plan) -> Iterator[Feature]:
    if not plan.assets:
        return
    divisions: list[tuple[int | None, str, str]] = [(None, "", "")]
    divisions += [(at, f"_{slug}", f" of division {name}") for at, (name, slug) in enumerate(plan.divisions)]
    for at, suffix, of in divisions:
        yield _asset("all", f"ever_n{suffix}", partial(_units, which=_bought, at=at), f"Units{of} bought {LIFE.words}.")
    yield _asset("div", "ever_n", partial(_units, which=_bought), f"Units of the target bought {LIFE.words}.")
    yield _asset(
        "all",
        "tenure_days",
        _tenure,
        "Days since the oldest asset was bought; null without one.",
        dtype="Int32",
        null_policy="null",
        measures_age=True,
    )
    if plan.expiring_guard is None:
        return
    yield from _held(plan.expiring_guard)
    for at, suffix, of in divisions:
        yield _asset("all", f"active_n{suffix}", partial(_units, which=_active, at=at), f"Units{of} not expired.")
        yield from _terms("all", plan.expiring_guard, suffix, of, at)
    yield from _terms("div", plan.expiring_guard, "", " of the target")


def _held(guard: int) -> Iterator[Feature]:
    """Shares and counts over everything a customer holds."""
    yield _asset("all", "expired_n", partial(_units, which=_expired), "Units whose term ended before the cutoff.")
    for metric, which, words in (("on", _active, "not expired"), ("off", _expired, "expired before the cutoff")):
        yield _asset(
            "all", f"{metric}_assets", partial(_count, which=which), f"Number of assets {words}.", dtype="Int32"
        )
    share = partial(_asset, "all", null_policy="null")
    yield share("on_share", _on_share, "Share of assets that are not expired; null without an asset.")
    yield share(
        "bad_purchase_share",
        _bad_share,
        "Share of the assets not expired whose purchase date is missing or impossible; null without one.",
    )
    for days in HORIZONS:
        yield share(
            "expiring_share",
            partial(_expiring_share, guard=guard, days=days),
            f"Share of the units not expired whose term ends {_ahead(guard, days)}; null without one.",
            label=f"next{days}d",
            known_forward=True,
        )


def _terms(scope: Scope, guard: int, suffix: str, of: str, at: int | None = None) -> Iterator[Feature]:
    """Ends of terms, ahead and behind; of a single division without the shorter horizons and the first end."""
    for days in HORIZONS if at is None else HORIZONS[-1:]:
        yield _asset(
            scope,
            f"expiring_n{suffix}",
            partial(_units, which=partial(_ending, guard=guard, days=days), at=at),
            f"Units{of} whose term ends {_ahead(guard, days)}.",
            label=f"next{days}d",
            known_forward=True,
        )
    ends = (("days_to_expiration", _days_to, "next"),) if at is None else ()
    for metric, value, which in (*ends, ("days_covered", _days_covered, "last")):
        yield _asset(
            scope,
            f"{metric}{suffix}",
            partial(value, guard=guard, at=at),
            f"Days to the {which} end of a term{of} more than {guard} days after the cutoff; null without one.",
            dtype="Int32",
            null_policy="null",
            known_forward=True,
        )
    yield _asset(
        scope,
        f"days_since_expiration{suffix}",
        partial(_days_since, at=at),
        f"Days since the last end of a term{of} before the cutoff; null without one.",
        dtype="Int32",
        null_policy="null",
        measures_age=True,
        adjacent=True,
    )


def _asset(
    scope: Scope,
    metric: str,
    value: Callable[[Ledger], Values],
    description: str,
    *,
    dtype: Dtype = "Float64",
    **more: Any,
) -> Feature:
    return declare("assets", scope, metric, LIFE, dtype, value, description, source=ASSETS, everyone=True, **more)


def _ahead(guard: int, days: int) -> str:
    return f"more than {guard} and at most {days} days after the cutoff"


def _bought(held: Holdings) -> Mask:
    return held.of_division(None)


def _active(held: Holdings) -> Mask:
    return held.active


def _expired(held: Holdings) -> Mask:
    return ~held.active


def _ending(held: Holdings, *, guard: int, days: int) -> Mask:
    return (held.days_left > guard) & (held.days_left <= days)


def _units(ledger: Ledger, *, which: Callable[[Holdings], Mask], at: int | None = None) -> np.ndarray:
    held = ledger.held
    return held.units(which(held) & held.of_division(at))


def _count(ledger: Ledger, *, which: Callable[[Holdings], Mask]) -> np.ndarray:
    return ledger.held.count(which(ledger.held))


def _tenure(ledger: Ledger) -> np.ndarray:
    held = ledger.held
    return -held.least(-held.age, _bought(held))


def _on_share(ledger: Ledger) -> np.ndarray:
    held = ledger.held
    return ratio(held.count(held.active), held.count(_bought(held)))


def _bad_share(ledger: Ledger) -> np.ndarray:
    held = ledger.held
    return ratio(held.count(held.active & ~held.dated), held.count(held.active))


def _expiring_share(ledger: Ledger, *, guard: int, days: int) -> np.ndarray:
    held = ledger.held
    return ratio(held.units(_ending(held, guard=guard, days=days)), held.units(held.active))


def _days_to(ledger: Ledger, *, guard: int, at: int | None) -> np.ndarray:
    held = ledger.held
    return held.least(held.days_left, (held.days_left > guard) & held.of_division(at))


def _days_covered(ledger: Ledger, *, guard: int, at: int | None) -> np.ndarray:
    held = ledger.held
    return -held.least(-held.days_left, (held.days_left > guard) & held.of_division(at))


def _days_since(ledger: Ledger, *, at: int | None) -> np.ndarray:
    held = ledger.held
    return held.least(-held.days_left, (held.days_left < 0) & held.of_division(at))
