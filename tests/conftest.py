"""For all tests: hypothesis judges no example by the clock, for the machine may be busy with something else."""

from hypothesis import HealthCheck, settings

settings.register_profile("suanlian", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suanlian")
