"""How does work on storage end before it is done? By a failure that the hub is told, or because it is to end."""

from suanlian.storage.contract import StorageError

PLACE_USED = "place_used"
"""The code of a place that was deleted: it is never used again."""


class TaskFailedError(Exception):
    """The task ends here and failed. ``code`` is told to the hub; ``again``: the same may do in a while."""

    def __init__(self, code: str, text: str, *, path: str = "", again: bool = False) -> None:
        super().__init__(text)
        self.code, self.path, self.again = code, path, again

    @classmethod
    def of(cls, error: StorageError) -> "TaskFailedError":
        """What storage said."""
        return cls(error.code.value, str(error), path=error.path, again=error.transient)


class HaltedError(Exception):
    """The task was to end, or to begin anew, while it was under way."""
