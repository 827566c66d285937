"""Phase 4: eligibility, ranking, capacity and market basket."""
