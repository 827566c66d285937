"""Phase 3: from a closed history to a calibrated model and the numbers that speak of it.

Belongs here: rows, folds, the recipe, calibration, the judgement of a training, its documents. Does not belong here:
metric formulas (`engine.metrics`), scoring of a cutoff (`engine.scoring`), forward validation.
"""
