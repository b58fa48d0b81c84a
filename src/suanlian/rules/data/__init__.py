"""Rules of data: states, ways, copies, and what bringing it costs. Pure."""
