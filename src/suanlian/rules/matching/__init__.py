"""Which demand goes to which pool, all weighed together: prices of scarce pools, a rounding of them, a proven bound."""
