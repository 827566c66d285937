"""Scores: a model applied to the features of its own cutoff."""
