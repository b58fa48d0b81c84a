"""Does the accelerators' software of a flavor run what a variant was built against?"""

from suanlian.model.stack import StackNeed, StackVersion


def meets(had: StackVersion, need: StackNeed) -> bool:
    """The same stack and, where a version is needed, the same major one, not older."""
    if had.name is not need.name:
        return False
    if need.at_least is None:
        return True
    ours, theirs = numbers(had.version), numbers(need.at_least)
    return ours[0] == theirs[0] and ours >= theirs


def numbers(version: str) -> tuple[int, int, int, int]:
    """The version as four numbers, those that are left out zero."""
    parts = [int(part) for part in version.split(".")]
    first, second, third, fourth = (*parts, 0, 0, 0)[:4]
    return first, second, third, fourth
