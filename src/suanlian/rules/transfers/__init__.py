"""Which transfer goes which way, when and how fast: a flow over routes and hours, rounded to one route each."""
