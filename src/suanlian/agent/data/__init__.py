"""The connector's work on its own storage: tasks of the hub, grants, moves, manifests, and the layout of jobs."""
