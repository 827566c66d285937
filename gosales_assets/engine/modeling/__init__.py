"""Phase 3: training, calibration, metrics of models."""
