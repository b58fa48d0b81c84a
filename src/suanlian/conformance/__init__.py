"""The checks that a connector must pass, run by the hub and by its owner; pure over ``ConnectorUnderTest``."""
