"""gosales_assets: from a raw sales log to ranked, gated whitespace opportunities, as a Dagster asset graph.

`gosales_assets.definitions` is the front door of the graph, `gosales_assets.cli` of the command line, and
`gosales_assets.engine` works without either. Nothing of the package is imported here.
"""

from polars.lazyframe.opt_flags import DEFAULT_QUERY_OPT_FLAGS

# Polars takes an order as unobserved when all that is selected after a sort is a `when` with literal branches, and
# drops the sort (and an order-keeping join): the rows of the result then come in any order. Seen in 1.44, 2.0, 2.1;
# `test_polars.py` says when this can go.
DEFAULT_QUERY_OPT_FLAGS.check_order_observe = False
