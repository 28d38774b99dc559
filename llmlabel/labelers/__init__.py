"""The seam for LLM providers, and the labelers that come with llmlabel."""
