"""Phase 2: what is known of each customer at a cutoff."""
