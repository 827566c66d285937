"""Where customers stand to each other by what they buy, and how like a target's owners each of them is.

Belongs here: the factors of (customer x item) tables, and the likeness that follows from them. Does not belong here:
which lines or assets make the tables' rows (`base`), the declared features (`families.similarity`).

Why the factors themselves are no features: the axes of a fit are arbitrary. Every cutoff has a fit of its own, a model
learns from several cutoffs pooled, and factor 3 of one has nothing to do with factor 3 of another. Angles between the
customers of one fit stay the same however it is turned, so what a model is given is the cosine with the owners.

Why the bytes repeat: the rows are put in order before the fit, the seed is fixed, and the fit runs on one thread,
linear algebra included, whatever the environment asks for. Between kinds of processors the last digits may differ;
likeness is rounded to what they agree on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gosales_assets.engine.star.parsing import QUANTITY_DECIMALS

if TYPE_CHECKING:
    from gosales_assets.settings import AssetsAls

SIMILARITY_DECIMALS = 6
SEED = 42


@dataclass(frozen=True)
class Factorization:
    """Parameters of a fit.

    Attributes
    ----------
    name
        What is factorised; part of the names of its columns.
    factors
        Dimensions.
    iterations
        Rounds of alternating least squares.
    regularization
        Ridge penalty.
    confidence
        How much a unit of weight adds to the confidence that a customer wants an item.
    max_customers, max_items
        Sizes above which a table is refused; None is any.
    """

    name: str
    factors: int
    iterations: int
    regularization: float
    confidence: float = 10.0
    max_customers: int | None = None
    max_items: int | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the factors in customer_base: internal to a cutoff, no features."""
        return [f"embedding__{self.name}_{i:02d}" for i in range(self.factors)]


TRANSACTIONS = Factorization("tx", factors=16, iterations=15, regularization=0.1)


def of_assets(settings: AssetsAls) -> Factorization:
    """The fit of assets, from its settings."""
    return Factorization(
        "assets",
        factors=settings.factors,
        iterations=settings.iters,
        regularization=settings.reg,
        max_customers=settings.max_rows,
        max_items=settings.max_cols,
    )


def net_weights(bought: pl.LazyFrame, item: str) -> pl.DataFrame:
    """How much of each item a customer has taken, net of returns, on a scale that dampens large orders.

    Parameters
    ----------
    bought
        ``customer_id``, the item's column and ``quantity``; an unknown quantity counts as one.
    item
        Column that names the item; rows without one tell nothing.

    Returns
    -------
    DataFrame
        ``customer_id``, ``item``, ``weight`` = ln(1 + net quantity), positive ones only, sorted.
    """
    net = pl.col("quantity").fill_null(1.0).sum().round(QUANTITY_DECIMALS)
    return (
        bought.filter(pl.col(item).is_not_null())
        .group_by("customer_id", pl.col(item).cast(pl.String).alias("item"))
        .agg(weight=net)
        .filter(pl.col("weight") > 0)
        .with_columns(pl.col("weight").log1p())
        .sort("customer_id", "item")
        .collect()
    )


def factorize(weights: pl.DataFrame, how: Factorization) -> pl.DataFrame:
    """Fit implicit-feedback alternating least squares (Hu, Koren and Volinsky, 2008).

    Parameters
    ----------
    weights
        ``customer_id``, ``item``, ``weight`` > 0; one row per pair, sorted.
    how
        Parameters.

    Returns
    -------
    DataFrame
        ``customer_id`` and the columns of ``how``, one row per customer of ``weights``, sorted.

    Raises
    ------
    ValueError
        When the table is larger than ``how`` allows.
    ModuleNotFoundError
        When the package ``implicit`` is not installed.
    """
    customers = weights["customer_id"].rle().struct.unnest()
    if not customers.height:
        return pl.DataFrame(schema={"customer_id": pl.String, **dict.fromkeys(how.columns, pl.Float64)})
    names = weights["item"].unique().sort()
    for what, found, most in (("rows", customers.height, how.max_customers), ("cols", len(names), how.max_items)):
        if most is not None and found > most:
            raise ValueError(
                f"the embedding of {how.name} has {found} {what}, more than features.{how.name}_als.max_{what} = {most}; "
                "raise it, or switch the embedding off"
            )
    items = weights["item"].cast(pl.Enum(names)).to_physical().to_numpy()
    rows = np.repeat(np.arange(customers.height), customers["len"].to_numpy())
    factors = _fit(rows, items, weights["weight"].to_numpy(), how)
    return pl.DataFrame({"customer_id": customers["value"], **dict(zip(how.columns, factors.T, strict=True))})


def _fit(rows: np.ndarray, items: np.ndarray, weights: np.ndarray, how: Factorization) -> np.ndarray:
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "features.use_als_embeddings and features.use_assets_als need the package implicit; "
            "install the extra: pip install 'gosales-assets[embeddings]', or switch them off"
        ) from missing

    # More than one thread would add up in another order.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=how.factors,
            regularization=how.regularization,
            alpha=how.confidence,
            iterations=how.iterations,
            dtype=np.float64,
            num_threads=1,
            random_state=SEED,
        )
        model.fit(csr_matrix((weights, (rows, items))), show_progress=False)
    return np.asarray(model.user_factors)


def similarity(factors: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Cosine of each customer with the centroid of the owners.

    Parameters
    ----------
    factors
        Shape (customers, factors); NaN in the rows of customers the fit does not know.
    owners
        Boolean, shape (customers,). Those the fit does not know have no part in the centroid.

    Returns
    -------
    ndarray
        Shape (customers,), in [-1, 1]. NaN for customers the fit does not know, and for everybody when it knows no
        owner: like whom, nothing says.

    Examples
    --------
    >>> similarity(np.array([[1.0, 1.0], [0.9, 0.8], [0.8, 0.9], [np.nan, np.nan]]), np.array([True, True, False, True]))
    array([0.999672, 0.999453, 0.996323,      nan])
    """
    known = ~np.isnan(factors).any(axis=1)
    voters = factors[known & owners]
    out = np.full(len(factors), np.nan)
    if not len(voters):
        return out
    centroid = voters.mean(axis=0)
    length = np.sqrt((factors**2).sum(axis=1) * (centroid**2).sum())
    # Sums over the short axis only, element by element: the same order on every machine.
    along = (factors * centroid).sum(axis=1)
    np.divide(along, length, out=out, where=known & (length > 0))
    return np.round(out, SIMILARITY_DECIMALS)
