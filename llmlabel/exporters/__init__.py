"""The seam for annotation platforms, and its offline exporters."""
