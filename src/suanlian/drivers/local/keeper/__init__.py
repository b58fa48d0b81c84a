"""The process that watches one local job. It outlives its agent.

Standard library only, and of that only what loads fast (no dataclasses, no traceback): every job waits for it.
"""
