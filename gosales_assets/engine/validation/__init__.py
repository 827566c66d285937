"""Phase 5: scores against what happened."""
