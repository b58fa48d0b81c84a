"""Jobs of the platform's own users that run elsewhere: chosen, held, lent, followed, brought back."""
