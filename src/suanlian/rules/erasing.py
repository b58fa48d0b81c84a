"""What is left of a job when its owner is erased? What books and statistics need, and nothing that it was."""

from suanlian.model.job import JobSpec, Outcome, Variant, Wants

BLANK = "erased"


def blank_spec(spec: JobSpec) -> JobSpec:
    """The same amounts, shape and regions; no name, purpose, command, software, environment, input or output."""
    wants = Wants(
        user_region=spec.wants.user_region,
        data_level=spec.wants.data_level,
        residency=spec.wants.residency,
        protection_min=spec.wants.protection_min,
    )
    variants = tuple(
        Variant(architecture=variant.architecture, environment=f"{BLANK}-{number}", command=(BLANK,))
        for number, variant in enumerate(spec.variants)
    )
    return JobSpec(
        name=BLANK,
        resources=spec.resources,
        nodes=spec.nodes,
        variants=variants,
        array_size=spec.array_size,
        wall_time_s=spec.wall_time_s,
        attempts=spec.attempts,
        wants=wants,
    )


def blank_outcome(outcome: Outcome) -> Outcome:
    """How it ended, without the words and file names of it."""
    return Outcome(exit_code=outcome.exit_code, limit=outcome.limit)


def blank_name(principal_id: str) -> str:
    """A name that says nothing and is nobody else's."""
    return f"{BLANK}-{principal_id.replace('-', '')[-12:]}"
