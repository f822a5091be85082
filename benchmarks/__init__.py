"""Measurements of rrqmp against bare baselines taken in the same run; one command each, see docs/benchmarks.md."""
