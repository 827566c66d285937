"""The Dagster layer: what depends on what, and what must hold. It does no maths."""
