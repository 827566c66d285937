"""The one error of this package. Belongs here: `SourceError`, nothing else."""

from __future__ import annotations


class SourceError(ValueError):
    """Raw data that cannot be read; the message names the file or setting and what to do."""
