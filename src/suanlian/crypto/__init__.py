"""Keys, signatures, canonical JSON, tokens and digests: thin over published libraries."""
