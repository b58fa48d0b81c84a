"""The 1+4 on one machine: starts real processes and talks to them through the client."""
