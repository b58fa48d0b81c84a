"""The 1+4 on real engines: `make demo-engines`."""
