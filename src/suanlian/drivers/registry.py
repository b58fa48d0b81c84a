"""Which drivers are installed here? Found by the entry point group ``suanlian.drivers``, loaded on first use.

A driver that cannot be loaded never stops the agent and never disappears: its error is kept and shown.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from suanlian.drivers.contract import Driver, DriverError

GROUP = "suanlian.drivers"
"""The entry point group; an entry names a driver class, whose one argument ``options`` is a dataclass."""


class DriverRegistry:
    """The drivers of this installation, by name."""

    def __init__(self, entries: Iterable[EntryPoint] | None = None) -> None:
        """Look the entries up (nothing is loaded yet); tests hand in their own."""
        found = entry_points(group=GROUP) if entries is None else entries
        self._entries: dict[str, EntryPoint] = {entry.name: entry for entry in found}
        self._loaded: dict[str, Callable[..., Driver]] = {}
        self._errors: dict[str, str] = {}

    def names(self) -> tuple[str, ...]:
        """All names, loadable or not, sorted."""
        return tuple(sorted(self._entries))

    def load(self, name: str) -> Callable[..., Driver]:
        """The driver class of this name; loaded once. Raises DriverError that says what is wrong."""
        if name in self._loaded:
            return self._loaded[name]
        entry = self._entries.get(name)
        if entry is None:
            raise DriverError(f"there is no driver {name!r} here; installed: {', '.join(self.names()) or 'none'}")
        try:
            self._loaded[name] = entry.load()
        except Exception as error:  # whatever a foreign module raises on import
            self._errors[name] = f"{type(error).__name__}: {error}"
            raise DriverError(f"driver {name!r} ({entry.value}) cannot be loaded: {self._errors[name]}") from error
        self._errors.pop(name, None)
        return self._loaded[name]

    def errors(self) -> Mapping[str, str]:
        """What went wrong at the last load of each driver that could not be loaded, by name."""
        return dict(self._errors)
