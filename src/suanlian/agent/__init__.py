"""The process beside a platform: reconcile, report, outbox."""
