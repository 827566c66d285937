"""Asset checks: contracts from the catalog's schemas, gates of the gauntlet, quality of models."""
