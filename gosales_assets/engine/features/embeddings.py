"""Where customers stand to each other by what they buy, and how like a target's owners each of them is.

Belongs here: the factors of (customer x item) tables, and the likeness that follows from them. Does not belong here:
which lines or assets make the tables, the declared features (`families.similarity`).

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
    of
        What is factorised.
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

    of: str
    factors: int
    iterations: int
    regularization: float
    confidence: float = 10.0
    max_customers: int | None = None
    max_items: int | None = None

    @property
    def dtype(self) -> pl.Array:
        """Type of the column of factors."""
        return pl.Array(pl.Float64(), self.factors)


TRANSACTIONS = Factorization("lines", factors=16, iterations=15, regularization=0.1)


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


def embed(taken: pl.DataFrame, customers: int, how: Factorization) -> pl.Series:
    """Factors of each customer by implicit-feedback alternating least squares (Hu, Koren and Volinsky, 2008).

    The weight of an item is ln(1 + net quantity): returns are taken off, and a large order is not a large love.

    Parameters
    ----------
    taken
        ``row`` (position of the customer), ``item``, ``quantity``; an unknown quantity counts as one, an unknown item
        tells nothing.
    customers
        Number of customers.
    how
        Parameters.

    Returns
    -------
    Series
        ``how.dtype``, one per customer; null for those without an item of positive net quantity.

    Raises
    ------
    ValueError
        When the table is larger than ``how`` allows.
    ModuleNotFoundError
        When the package ``implicit`` is not installed.
    """
    weights = (
        taken.drop_nulls("item")
        .group_by("row", pl.col("item").cast(pl.String))
        .agg(quantity=pl.col("quantity").fill_null(1.0).sum().round(QUANTITY_DECIMALS))
        .filter(pl.col("quantity") > 0)
        .sort("row", "item")
    )
    known = weights["row"].unique().sort()
    items = weights["item"].unique().sort()
    _refuse_large(len(known), len(items), how)
    factors = np.empty((0, how.factors))
    if len(known):
        factors = _fit(
            np.searchsorted(known, weights["row"]),
            weights["item"].cast(pl.Enum(items)).to_physical().to_numpy(),
            np.log1p(weights["quantity"].to_numpy()),
            how,
        )
    told = pl.DataFrame({"row": known, "factors": pl.Series(factors, dtype=how.dtype)})
    everyone = pl.DataFrame({"row": np.arange(customers)})
    return everyone.join(told, on="row", how="left", maintain_order="left")["factors"]


def _refuse_large(customers: int, items: int, how: Factorization) -> None:
    for what, found, most in (("rows", customers, how.max_customers), ("cols", items, how.max_items)):
        if most is not None and found > most:
            raise ValueError(
                f"the embedding of {how.of} has {found} {what}, more than features.{how.of}_als.max_{what} = {most}; "
                "raise it, or switch the embedding off"
            )


def _fit(rows: np.ndarray, items: np.ndarray, weights: np.ndarray, how: Factorization) -> np.ndarray:
    """Factors of the customers, shape (customers, factors)."""
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
    >>> factors = np.array([[1.0, 1.0], [0.9, 0.8], [0.8, 0.9], [np.nan, np.nan]])
    >>> similarity(factors, np.array([True, True, False, True]))
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
