"""Background loops of the hub: lease, heartbeat, apply."""
