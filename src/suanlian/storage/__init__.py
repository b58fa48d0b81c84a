"""Storage of a platform, spoken to by its connector alone, and the mover of bytes between two of them."""
