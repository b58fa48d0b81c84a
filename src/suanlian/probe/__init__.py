"""The program that a hub's own small jobs run. Nothing of the package but this room is there for it."""
