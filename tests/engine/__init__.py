"""Tests of the run engine."""
