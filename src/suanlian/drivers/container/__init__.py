"""The container driver: jobs as containers of an engine that speaks the Docker-compatible API."""
