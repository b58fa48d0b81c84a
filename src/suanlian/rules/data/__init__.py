"""Datasets: what may follow on what, who can move bytes between two storages, which copies are missing, manifests."""
