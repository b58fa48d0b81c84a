"""Suanlian interconnects computing platforms: find, buy, place, meter and settle compute across owners."""

__version__ = "0.1.0"
