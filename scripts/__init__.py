"""Checks that hold the house rules; run by `make check`."""
