"""The embedded driver for one machine: it starts and bounds processes, it is no scheduler."""
