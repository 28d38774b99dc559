"""Kili: ontology and answers, both ways."""
