"""The assets, one module per phase of the catalog. They never import each other: edges are asset keys."""
