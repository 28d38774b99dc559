"""``Pipeline`` and what a run returns."""
