"""What a federation would have done: a simulation that calls the rules of the hub over recorded or generated demand."""
