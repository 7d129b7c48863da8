"""Timed and conformance scripts, run by hand; pytest never collects them."""
