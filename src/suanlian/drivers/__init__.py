"""What runs work on an existing engine: the contract, the registry and one folder a driver."""
