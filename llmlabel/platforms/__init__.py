"""One folder per platform: the mapping in both directions, and its client."""
