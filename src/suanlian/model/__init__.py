"""The vocabulary: frozen values that are domain and wire at once. Imports nothing of the house."""
