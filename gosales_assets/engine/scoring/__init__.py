"""Scores of a model on the features of its cutoff."""
