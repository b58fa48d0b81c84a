"""Decisions as pure functions: values in, values out; the clock and randomness are arguments."""
