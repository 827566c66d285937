"""gosales_assets: from a raw sales log to ranked, gated whitespace opportunities, as a Dagster asset graph.

Nothing is imported here: `gosales_assets.definitions` is the front door of the graph, `gosales_assets.cli`
of the command line, and `gosales_assets.engine` works without either.
"""
