"""Who of those that wait starts next, and where: one policy, asked by the hub and by the twin."""
