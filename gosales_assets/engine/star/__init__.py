"""Phase 0: raw records to facts, customers and events, with contracts, quarantine and balances."""
