"""What are the states of a platform called?"""

from suanlian.i18n import _
from suanlian.model.platform import PlatformState


def state_name(state: PlatformState) -> str:
    """In the language in force."""
    names = {
        PlatformState.APPLIED: _("applied"),
        PlatformState.DOCUMENTS_CHECKED: _("documents checked"),
        PlatformState.CONNECTED: _("connected"),
        PlatformState.CONFORMANCE_PASSED: _("conformance passed"),
        PlatformState.VERIFIED: _("figures verified"),
        PlatformState.LIVE: _("live"),
        PlatformState.SUSPENDED: _("suspended"),
        PlatformState.FROZEN: _("frozen"),
        PlatformState.RECTIFYING: _("rectifying"),
        PlatformState.WITHDRAWN: _("withdrawn"),
    }
    return names[state]
