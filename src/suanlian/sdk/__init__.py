"""The typed client of a hub: for people (`Client`), and the connector protocol for agents (`connector`)."""
