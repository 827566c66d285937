"""Phase 1: what happened in the label window, per customer and target."""
