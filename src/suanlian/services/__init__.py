"""Use cases, one file a subject; a service never imports another."""
