"""What the demonstration on real engines is made of."""
