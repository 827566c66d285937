"""Roll-ups and published reports."""
