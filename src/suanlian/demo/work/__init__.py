"""The real work of the demo: what is submitted, the programs, and whether the results are right."""
