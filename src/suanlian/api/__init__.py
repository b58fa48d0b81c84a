"""The hub's HTTP interface: one thin router a subject."""
