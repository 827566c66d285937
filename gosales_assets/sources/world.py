"""The process behind the synthetic world: who the customers are, what drives them to buy, and what is true.

Belongs here: latent traits, the documented effects, the month-by-month simulation, and the probabilities that follow
from it. Does not belong here: invoices, headers, money formats, dirt (see `sample`).

How it works. Every customer has an industry, a sub-industry, a size, an activity level, three tastes and one private
propensity per *line of business* (18 of them, finer than divisions: printers and their consumables are two). Once a
month every customer that has arrived and not churned may buy in each line of business, with probability
``1 - exp(-rate)`` where ``log(rate)`` is the sum of

* ``BASE`` of the line of business, the customer's traits, and the effects of industry and sub-industry;
* season (`season`) and demand trend (``(1 + annual_trend) ** years since the start of the log``);
* ``CROSS_SELL``: added while the customer has ever bought the other line of business;
* ``TRIGGERS``: added for some months after a purchase of the other line of business;
* ``EXPIRY``: added while a term (maintenance, success plan) of the customer ends within 3 months or ended last month.
  Maintenance runs for one, two or three years, by the customer's contract (``CONTRACTS``);
* ``REPEAT`` and ``REST``: added for previous buyers, and for some months after a purchase;
* ``ENGAGED``: added for 3 months after any purchase.

A purchase may pull others onto the same invoice: ``BASKET`` holds (anchor, attached, probability). Customers churn for
good at ``CHURN_PER_MONTH``, less the more active they are. All effects are in log rate, so +0.7 doubles a rate.

Everything is vectorised over customers; only months and lines of business are looped over. All randomness comes from
``SeedSequence((seed, stream, month))``, so a world is a function of its parameters alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Months = npt.NDArray[np.int32]


class Sku(NamedTuple):
    """One way to buy a line of business.

    ``share`` of its purchases; gross profit per unit (median, account currency); mean units of a mid-sized customer;
    gross profit as a fraction of revenue; the selling division that routes the line, where it differs from the
    document's.
    """

    sku: str
    share: float
    gp_per_unit: float
    units: float
    margin: float
    selling: str | None = None


@dataclass(frozen=True)
class Business:
    """A line of business: what it sells and how often a customer without history buys it.

    ``base`` is the monthly log rate; ``seller`` the selling division on its documents; ``term_months`` the length of
    the term a purchase opens (None: perpetual asset, 0: no asset; `CONTRACT`: as long as the customer's contract);
    ``taste`` the factor it loads on.
    """

    name: str
    seller: str
    base: float
    taste: str
    skus: tuple[Sku, ...]
    term_months: int | None = 0
    season: tuple[float, int] = (0.2, 11)


#: ``term_months`` of a line of business under maintenance: the customer's contract says how long.
CONTRACT = -1

#: Order matters: a purchase can only pull lines of business that stand below it onto its invoice.
BUSINESSES: tuple[Business, ...] = (
    Business("cpe", "CPE", -6.5, "digital", (
        Sku("HV_Simulation", 0.25, 6500, 1.2, 0.35), Sku("CATIA", 0.45, 5200, 1.5, 0.28),
        Sku("Delmia_Apriso", 0.1, 14000, 1.0, 0.3), Sku("DELMIA", 0.2, 7800, 1.1, 0.3)), None, (0.3, 11)),
    Business("seats", "Solidworks", -5.65, "design", (
        Sku("SWX_Core", 0.62, 1150, 1.8, 0.3), Sku("SWX_Pro_Prem", 0.38, 1900, 1.7, 0.3)), CONTRACT, (0.25, 11)),
    Business("electrical", "Solidworks", -7.5, "design", (Sku("SW_Electrical", 1.0, 2100, 1.1, 0.3),), None),
    Business("inspection", "Solidworks", -7.7, "design", (Sku("SW_Inspection", 1.0, 900, 1.1, 0.3),), None),
    Business("pdm", "Solidworks", -6.8, "design", (
        Sku("PDM", 0.6, 1400, 2.2, 0.32), Sku("EPDM_CAD_Editor_Seats", 0.4, 620, 3.0, 0.32)), CONTRACT),
    Business("simulation", "Solidworks", -6.7, "design", (
        Sku("Simulation", 0.85, 2600, 1.2, 0.33), Sku("SW_Plastics", 0.15, 0, 1.0, 0.3)), CONTRACT),
    Business("camworks", "Solidworks", -6.5, "digital", (Sku("CAMWorks_Seats", 1.0, 2300, 1.2, 0.3),), None),
    Business("printers", "Stratasys", -6.45, "additive", (
        Sku("FormLabs", 0.28, 1900, 1.1, 0.22), Sku("FDM", 0.24, 11500, 1.0, 0.24), Sku("SAF", 0.04, 42000, 1.0, 0.25),
        Sku("SLA", 0.07, 24000, 1.0, 0.24), Sku("P3", 0.06, 21000, 1.0, 0.25), Sku("Metals", 0.04, 48000, 1.0, 0.22),
        Sku("Polyjet", 0.1, 27000, 1.0, 0.25), Sku("Fortus", 0.09, 36000, 1.0, 0.25),
        Sku("uPrint", 0.05, 4200, 1.0, 0.22), Sku("_1200_Elite_Fortus250", 0.03, 7800, 1.0, 0.22)), None, (0.35, 11)),
    Business("scanning", "Scanning", -6.5, "additive", (
        Sku("Creaform", 0.55, 10500, 1.0, 0.25), Sku("Artec", 0.45, 5400, 1.0, 0.22)), None, (0.3, 5)),
    Business("maintenance", "Solidworks", -9.0, "design", (
        Sku("Core_New_UAP", 0.6, 420, 1.9, 0.42), Sku("Pro_Prem_New_UAP", 0.4, 690, 1.8, 0.42)), 0, (0.1, 0)),
    Business("success_plan", "Solidworks", -6.4, "design", (Sku("Success_Plan", 1.0, 640, 1.0, 0.6),), 12),
    Business("consumables", "Stratasys", -9.0, "additive", (Sku("Consumables", 1.0, 160, 4.0, 0.35),), 0, (0.1, 2)),
    Business("support", "Stratasys", -9.0, "additive", (
        Sku("AM_Support", 0.8, 2100, 1.0, 0.38), Sku("AM_Support", 0.2, 1500, 1.0, 0.38, "Scanning")), 12),
    Business("spares", "Stratasys", -9.2, "additive", (
        Sku("SpareParts_RepairParts_TimeAndMaterials", 1.0, 330, 1.5, 0.4),), 0, (0.1, 6)),
    Business("am_software", "Stratasys", -8.6, "additive", (Sku("AM_Software", 1.0, 1300, 1.0, 0.3),), 0),
    Business("post_processing", "Stratasys", -6.9, "additive", (Sku("Post_Processing", 1.0, 3100, 1.0, 0.25),), None),
    Business("services", "Services", -6.35, "digital", (Sku("Services", 1.0, 2400, 1.3, 0.55),), 0, (0.25, 2)),
    Business("training", "Services", -6.45, "design", (Sku("Training", 1.0, 520, 1.8, 0.65),), 0, (0.35, 1)),
)  # fmt: skip
NAMES: tuple[str, ...] = tuple(b.name for b in BUSINESSES)
INDEX: dict[str, int] = {name: i for i, name in enumerate(NAMES)}
TASTES: tuple[str, ...] = ("design", "additive", "digital")

#: industry -> (share of customers, effects on log rate, line of business its sub-industries differ in)
INDUSTRIES: dict[str, tuple[float, dict[str, float], str, tuple[str, str, str]]] = {
    "Aerospace & Defense": (
        0.10,
        {"cpe": 1.0, "simulation": 0.7, "scanning": 0.3, "printers": 0.2, "training": -0.2},
        "cpe",
        ("Airframe", "Space", "Avionics"),
    ),
    "Automotive": (
        0.12,
        {"cpe": 0.5, "simulation": 0.4, "scanning": 0.5, "post_processing": -0.2},
        "scanning",
        ("Body & Interior", "Powertrain", "Aftermarket"),
    ),
    "Consumer Products": (
        0.13,
        {"printers": 0.6, "post_processing": 0.5, "camworks": -0.5, "pdm": -0.3, "cpe": -0.5},
        "printers",
        ("Toys & Sport", "Housewares", "Furniture"),
    ),
    "Education": (
        0.09,
        {"training": -0.8, "seats": 0.2, "printers": 0.4, "cpe": -1.2, "pdm": -1.0, "services": -0.6,
         "success_plan": -0.6, "camworks": 0.2},
        "printers",
        ("University", "College", "School"),
    ),
    "Electronics": (
        0.12,
        {"electrical": 1.2, "simulation": 0.3, "pdm": 0.2, "camworks": -0.8, "services": 0.2},
        "electrical",
        ("Instruments", "Consumer Electronics", "Components"),
    ),
    "Industrial Machinery": (
        0.20,
        {"seats": 0.4, "pdm": 0.7, "camworks": 0.3, "services": 0.3, "electrical": 0.5, "success_plan": 0.2},
        "pdm",
        ("Packaging", "Material Handling", "Agriculture"),
    ),
    "Medical Devices": (
        0.11,
        {"printers": 0.6, "pdm": 0.4, "scanning": 0.3, "success_plan": 0.4, "training": 0.3},
        "simulation",
        ("Orthopaedics", "Diagnostics", "Dental"),
    ),
    "Mold, Tool & Die": (
        0.13,
        {"camworks": 1.2, "scanning": 0.6, "pdm": -0.5, "services": -0.3, "cpe": -0.3},
        "camworks",
        ("Injection Molds", "Stamping Dies", "Job Shop"),
    ),
}  # fmt: skip
#: Log-rate step between the three sub-industries (+, 0, -) in the line of business named by their industry.
SUB_INDUSTRY_STEP = 0.4

#: Standard deviations of the traits in log rate. Size and activity act on every line of business.
SIZE_EFFECT, ACTIVITY_EFFECT, TASTE_EFFECT, PRIVATE_EFFECT = 0.4, 0.6, 0.5, 0.3

#: (owned, wanted, effect): having ever bought the first raises the rate of the second.
CROSS_SELL: tuple[tuple[str, str, float], ...] = (
    ("seats", "pdm", 0.8),
    ("seats", "simulation", 0.8),
    ("seats", "electrical", 0.9),
    ("seats", "inspection", 0.9),
    ("seats", "camworks", 0.5),
    ("seats", "success_plan", 0.7),
    ("seats", "training", 0.5),
    ("seats", "am_software", 0.3),
    ("pdm", "services", 0.7),
    ("pdm", "cpe", 0.5),
    ("simulation", "cpe", 0.6),
    ("camworks", "scanning", 0.5),
    ("printers", "scanning", 0.6),
    ("printers", "post_processing", 1.6),
    ("printers", "consumables", 6.5),
    ("printers", "support", 4.6),
    ("printers", "spares", 5.4),
    ("printers", "am_software", 3.2),
    ("scanning", "support", 3.4),
    ("scanning", "printers", 0.6),
    ("scanning", "camworks", 0.3),
    ("cpe", "services", 0.8),
)
#: (bought, wanted, effect, months): for so many months after the first, the rate of the second is raised.
TRIGGERS: tuple[tuple[str, str, float, int], ...] = (
    ("seats", "training", 1.1, 6),
    ("seats", "success_plan", 0.6, 6),
    ("pdm", "services", 0.9, 6),
    ("cpe", "services", 0.9, 9),
    ("cpe", "training", 0.9, 9),
    ("simulation", "training", 0.8, 6),
    ("camworks", "training", 0.7, 6),
    ("printers", "post_processing", 0.9, 6),
    ("scanning", "training", 0.6, 6),
    ("training", "simulation", 0.5, 9),
    ("training", "pdm", 0.4, 9),
)
#: (term that ends, wanted, effect): a renewal talk is also an occasion to sell something else.
EXPIRY: tuple[tuple[str, str, float], ...] = (
    ("seats", "seats", 0.5),
    ("seats", "pdm", 1.3),
    ("seats", "simulation", 1.3),
    ("seats", "success_plan", 1.4),
    ("seats", "cpe", 1.3),
    ("seats", "camworks", 0.4),
    ("success_plan", "success_plan", 2.6),
    ("success_plan", "training", 0.5),
    ("support", "support", 2.2),
    ("support", "printers", 0.6),
)
#: Terms that one maintenance line renews, by as long as the customer's contract, and the log rate added in the month a
#: term ends and the next.
MAINTAINED: tuple[str, ...] = ("seats", "pdm", "simulation")
RENEWAL = 8.9
#: Length of a customer's maintenance contract, months, and share of customers. It stands in the list of assets and
#: nowhere in the log: who bought a year ago may be up for renewal, or in the middle of a contract.
CONTRACTS: tuple[tuple[int, float], ...] = ((12, 0.5), (24, 0.25), (36, 0.25))
#: (anchor, attached, probability): pulled onto the anchor's invoice. Anchors stand above what they pull.
BASKET: tuple[tuple[str, str, float], ...] = (
    ("seats", "maintenance", 0.85),
    ("seats", "success_plan", 0.06),
    ("seats", "training", 0.08),
    ("pdm", "services", 0.14),
    ("pdm", "training", 0.05),
    ("cpe", "services", 0.12),
    ("cpe", "training", 0.10),
    ("simulation", "training", 0.08),
    ("camworks", "training", 0.06),
    ("printers", "consumables", 0.60),
    ("printers", "support", 0.45),
    ("printers", "post_processing", 0.10),
    ("printers", "am_software", 0.12),
    ("printers", "training", 0.04),
    ("scanning", "support", 0.25),
    ("scanning", "training", 0.06),
)
REPEAT: Mapping[str, float] = {
    "seats": 0.9, "electrical": 0.6, "inspection": 0.6, "pdm": 0.9, "simulation": 0.6, "camworks": 0.8, "cpe": 0.9,
    "printers": 0.8, "scanning": 0.4, "consumables": 0.3, "spares": 0.2, "post_processing": 0.4, "services": 1.0,
    "training": 0.8, "success_plan": 0.2, "am_software": 0.4,
}  # fmt: skip
#: (line of business, effect, months) after its own purchase: capital goods are not bought twice in a row.
REST: tuple[tuple[str, float, int], ...] = (
    ("printers", -1.2, 9),
    ("scanning", -1.5, 12),
    ("cpe", -0.8, 6),
    ("pdm", -0.6, 6),
    ("simulation", -1.0, 9),
    ("success_plan", -2.5, 9),
    ("support", -3.0, 9),
    ("maintenance", -6.0, 8),
    ("post_processing", -1.0, 9),
)
ENGAGED, ENGAGED_MONTHS = 0.35, 3
EXPIRY_AHEAD_MONTHS = 3
CHURN_PER_MONTH = 0.009
#: Share of customers already there before the log starts; the rest arrive evenly while it runs.
ARRIVED_BEFORE = 0.65
#: Share of the address book that never buys anything.
NEVER_BUYS = 0.04
#: Share of arrivals that begin with a purchase, and of which line of business.
ENTRY_SHARE = 0.75
ENTRY: Mapping[str, float] = {
    "seats": 0.50, "printers": 0.13, "scanning": 0.07, "cpe": 0.04, "camworks": 0.07, "training": 0.08,
    "services": 0.08, "simulation": 0.03,
}  # fmt: skip
#: Months simulated before the log starts, so that its first customers come with assets and habits.
BURN_IN_MONTHS = 36

NEVER = -10_000
_TRAITS, _MONTHS, _PATHS, _CONTRACTS = 1, 2, 3, 4


def rng(seed: int, *stream: int) -> np.random.Generator:
    """A generator of its own for every purpose: adding one leaves the others' draws alone."""
    return np.random.default_rng(np.random.SeedSequence([seed % 2**63, *stream]))


@dataclass(frozen=True)
class Traits:
    """What a customer is. Arrays of length n (customers); ``log_rate`` is lines of business × n."""

    industry: Ints
    sub_industry: Ints
    size: Floats
    log_rate: Floats
    arrival: Ints
    entry: Ints
    churn: Floats
    contract: Ints

    def __len__(self) -> int:
        return len(self.size)


def draw_traits(customers: int, seed: int, first_month: int, last_month: int) -> Traits:
    """Draw the customers of a world.

    Parameters
    ----------
    customers
        How many.
    seed
        Seed of the world.
    first_month, last_month
        `timeline.month_index` of the log's first and last month.
    """
    g = rng(seed, _TRAITS)
    n = customers
    industry = g.choice(len(INDUSTRIES), n, p=np.array([s[0] for s in INDUSTRIES.values()]))
    sub = g.integers(0, 3, n)
    size, activity = g.standard_normal(n), g.standard_normal(n)
    taste = g.standard_normal((n, len(TASTES)))
    private = g.standard_normal((n, len(BUSINESSES)))

    effects = np.zeros((len(INDUSTRIES), 3, len(BUSINESSES)))
    for i, (_, by_business, split, _) in enumerate(INDUSTRIES.values()):
        for name, effect in by_business.items():
            effects[i, :, INDEX[name]] += effect
        effects[i, :, INDEX[split]] += SUB_INDUSTRY_STEP * np.array([1.0, 0.0, -1.0])
    shared = SIZE_EFFECT * size + ACTIVITY_EFFECT * activity
    loads = taste[:, [TASTES.index(b.taste) for b in BUSINESSES]]
    own = np.array([b.base for b in BUSINESSES]) + effects[industry, sub] + shared[:, None]
    own += TASTE_EFFECT * loads + PRIVATE_EFFECT * private
    log_rate = np.ascontiguousarray(own.T)

    before = g.random(n) < ARRIVED_BEFORE
    early = g.integers(first_month - BURN_IN_MONTHS, first_month, n)
    late = g.integers(first_month, last_month + 1, n)
    arrival = np.where(before, early, late)
    arrival[g.random(n) < NEVER_BUYS] = -NEVER
    # The first purchase follows the customer's own rates, weighted by how people usually begin.
    names = list(ENTRY)
    columns = [INDEX[name] for name in names]
    pull = own[:, columns] - np.array([BUSINESSES[c].base for c in columns]) + np.log(np.array(list(ENTRY.values())))
    entry = np.array(columns)[np.argmax(pull + g.gumbel(size=pull.shape), axis=1)]
    entry = np.where(g.random(n) < ENTRY_SHARE, entry, -1)
    churn = CHURN_PER_MONTH * np.exp(-0.6 * activity)
    months, shares = zip(*CONTRACTS, strict=True)
    contract = rng(seed, _CONTRACTS).choice(months, n, p=shares)
    return Traits(industry, sub, size, log_rate, arrival, entry, np.minimum(churn, 0.05), contract)


def season(month: int) -> Floats:
    """Effect of the calendar month on the log rate of each line of business, zero on average over a year."""
    phase = np.array([2 * np.pi * (month % 12 - peak) / 12 for peak in (b.season[1] for b in BUSINESSES)])
    quarter_end = 0.16 if month % 3 == 2 else -0.08
    return np.array([b.season[0] for b in BUSINESSES]) * np.cos(phase) + quarter_end


@dataclass
class State:
    """What has happened to each customer so far: all that the future depends on, besides the traits.

    ``last`` and ``term_end`` are lines of business × n, in month indices; `NEVER` where there is none. (A line of
    business is one contiguous row: rows are what the simulation works on.)
    """

    alive: Bools
    last: Months
    term_end: Months
    last_any: Months

    @classmethod
    def empty(cls, n: int) -> State:
        blank = np.full((len(BUSINESSES), n), NEVER, dtype=np.int32)
        return cls(np.zeros(n, dtype=bool), blank, blank.copy(), np.full(n, NEVER, dtype=np.int32))

    def copy(self) -> State:
        return State(self.alive.copy(), self.last.copy(), self.term_end.copy(), self.last_any.copy())

    def take(self, rows: Ints) -> State:
        return State(self.alive[rows], self.last[:, rows], self.term_end[:, rows], self.last_any[rows])


class Month(NamedTuple):
    """Purchases of one month: lines of business × n."""

    bought: Bools
    pulled: Bools
    """Bought because an anchor was: stands on the anchor's invoice."""
    probability: Floats
    """Probability of the purchase given everything before it, this month's anchors included."""


def _add(log_rate: Floats, column: str, rows: Bools, effect: float) -> None:
    log_rate[INDEX[column]] += effect * rows


def monthly_log_rate(traits: Traits, state: State, month: int, trend: float) -> Floats:
    """Log rate of every customer and line of business in one month, given the state at its beginning."""
    rate = traits.log_rate + (season(month) + trend)[:, None]
    since = {name: month - state.last[INDEX[name]] for name in NAMES}
    for owned, wanted, effect in CROSS_SELL:
        _add(rate, wanted, since[owned] < -NEVER // 2, effect)
    for bought, wanted, effect, months in TRIGGERS:
        _add(rate, wanted, since[bought] <= months, effect)
    for name, effect in REPEAT.items():
        _add(rate, name, since[name] < -NEVER // 2, effect)
    for name, effect, months in REST:
        _add(rate, name, since[name] <= months, effect)
    for term in dict.fromkeys(e[0] for e in EXPIRY):
        ahead = state.term_end[INDEX[term]] - month
        ending = (ahead >= -1) & (ahead <= EXPIRY_AHEAD_MONTHS)
        for _, wanted, effect in (e for e in EXPIRY if e[0] == term):
            _add(rate, wanted, ending, effect)
    due = np.zeros(len(traits), dtype=bool)
    for term in MAINTAINED:
        overdue = month - state.term_end[INDEX[term]]
        due |= (overdue >= 0) & (overdue <= 1)
    _add(rate, "maintenance", due, RENEWAL)
    rate += ENGAGED * (month - state.last_any <= ENGAGED_MONTHS)
    return rate


def advance(traits: Traits, state: State, month: int, trend: float, g: np.random.Generator) -> Month:
    """Play one month: decide who buys what, and move the state on. Modifies ``state``."""
    arriving = traits.arrival == month
    state.alive |= arriving
    own = -np.expm1(-np.exp(np.minimum(monthly_log_rate(traits, state, month, trend), 3.0)))
    own *= state.alive
    draw = g.random(own.shape)
    bought = np.zeros_like(own, dtype=bool)
    pulled = np.zeros_like(bought)
    probability = np.empty_like(own)
    for i, name in enumerate(NAMES):
        p = own[i]
        forced = arriving & (traits.entry == i)
        stay = 1.0 - np.where(forced, 1.0, p)
        for anchor, wanted, attach in BASKET:
            if wanted == name:
                stay = stay * (1.0 - attach * bought[INDEX[anchor]])
        probability[i] = 1.0 - stay
        bought[i] = draw[i] < probability[i]
        pulled[i] = bought[i] & (draw[i] >= p) & ~forced
        _record(state, i, bought[i], month, traits.contract)
    state.last_any[bought.any(axis=0)] = month
    state.alive &= g.random(len(traits)) >= traits.churn
    return Month(bought, pulled, probability)


def _record(state: State, i: int, bought: Bools, month: int, contract: Ints) -> None:
    state.last[i, bought] = month
    term = BUSINESSES[i].term_months
    if term:
        state.term_end[i, bought] = month + (contract[bought] if term == CONTRACT else term)
    if NAMES[i] == "maintenance":
        for name in MAINTAINED:
            column = state.term_end[INDEX[name]]
            renewed = bought & (column > NEVER) & (column <= month + 2) & (column >= month - 13)
            column[renewed] = month + contract[renewed]


class Played(NamedTuple):
    """What one month brought: purchases ordered by line of business, then customer, and the terms prolonged."""

    month: int
    customer: Ints
    business: Ints
    pulled: Bools
    renewed_customer: Ints
    renewed_business: Ints


@dataclass(frozen=True)
class Process:
    """A world that can be played and asked for probabilities.

    Parameters
    ----------
    seed
        Seed of everything.
    traits
        The customers.
    first_month, last_month
        `timeline.month_index` of the log's first and last month.
    annual_trend
        Growth of demand per year, as a fraction.
    """

    seed: int
    traits: Traits
    first_month: int
    last_month: int
    annual_trend: float
    _states: dict[int, State] = field(default_factory=dict, repr=False, compare=False)

    def trend(self, month: int) -> float:
        """Log of demand relative to the first month of the log."""
        return float(np.log1p(self.annual_trend)) * (month - self.first_month) / 12

    def play(self, keep: frozenset[int] = frozenset()) -> list[Played]:
        """Play the world to its last month, the months before the log included.

        Parameters
        ----------
        keep
            Months at whose end the state is remembered for `probabilities`.
        """
        state = State.empty(len(self.traits))
        played = []
        for month in range(self.first_month - BURN_IN_MONTHS, self.last_month + 1):
            ends = state.term_end.copy()
            result = advance(self.traits, state, month, self.trend(month), rng(self.seed, _MONTHS, month))
            business, customer = np.nonzero(result.bought)
            renewed_business, renewed = np.nonzero((state.term_end != ends) & ~result.bought)
            pulled = result.pulled[business, customer]
            played.append(Played(month, customer, business, pulled, renewed, renewed_business))
            if month in keep:
                self._states[month] = state.copy()
        return played

    def state_after(self, month: int) -> State:
        """State at the end of a month; played again unless it was kept."""
        if month not in self._states:
            replace(self, last_month=month).play(frozenset([month]))
        return self._states[month]

    def probabilities(
        self, after_month: int, months: int, shares: Mapping[str, Floats], paths: int
    ) -> dict[str, Floats]:
        """Probability of at least one purchase of each target in the months after ``after_month``.

        The state at the end of ``after_month`` and the traits are given; what happens inside the window is integrated
        out over ``paths`` futures. Along each future the *probability* of a first purchase is summed, not its
        occurrence (a Rao-Blackwell estimate), so the error for customers without the target is far below the
        binomial one.

        Parameters
        ----------
        shares
            Target -> share of each line of business's purchases that belong to the target, length 18.

        Returns
        -------
        dict
            Target -> probability per customer, length n; zero for customers that have not arrived.
        """
        start = self.state_after(after_month)
        rows = np.flatnonzero(start.alive)
        # Customers that have left or not come yet cannot buy; churn is final, arrivals are not in any roster.
        t = self.traits
        here = Traits(
            t.industry[rows], t.sub_industry[rows], t.size[rows], t.log_rate[:, rows],
            np.full(len(rows), NEVER), t.entry[rows], t.churn[rows], t.contract[rows],
        )  # fmt: skip
        total = {name: np.zeros(len(rows)) for name in shares}
        for path in range(paths):
            state = start.take(rows)
            open_ = {name: np.ones(len(rows), dtype=bool) for name in shares}
            for month in range(after_month + 1, after_month + months + 1):
                g = rng(self.seed, _PATHS, after_month, path, month)
                result = advance(here, state, month, self.trend(month), g)
                kind = g.random(result.bought.shape)
                for name, share in shares.items():
                    for i in np.flatnonzero(share):
                        total[name] += open_[name] * result.probability[i] * share[i]
                        open_[name] &= ~(result.bought[i] & (kind[i] < share[i]))
        answer = {name: np.zeros(len(t)) for name in shares}
        for name, summed in total.items():
            answer[name][rows] = np.minimum(summed / paths, 1.0)
        return answer
