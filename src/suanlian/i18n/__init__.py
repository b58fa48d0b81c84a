"""Everything people see, in Chinese and in English: `from suanlian.i18n import _`."""

from suanlian.i18n.catalog import (
    LANGUAGES,
    _,
    gettext,
    language,
    ngettext,
    normalise,
    set_language,
    use_language,
)

__all__ = ["LANGUAGES", "_", "gettext", "language", "ngettext", "normalise", "set_language", "use_language"]
