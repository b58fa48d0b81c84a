"""Fakes, factories and the driver contract suite that ship for tests; nothing in the package imports them."""
