"""What does the environment say? The one place that reads it; everybody else is handed values.

Everything else that an agent or a hub needs stands in a file of its home directory, where it can be read and kept.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from suanlian.model.base import Region
from suanlian.model.levels import HubRules, Level, LevelRules, ProtectionGrade
from suanlian.model.market import Acts


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SUANLIAN_", env_ignore_empty=True, frozen=True, extra="ignore")

    lang: str = ""
    """``SUANLIAN_LANG``: zh or en; empty means as the system's locale says."""
    locale_all: str = Field(default="", validation_alias="LC_ALL")
    locale_messages: str = Field(default="", validation_alias="LC_MESSAGES")
    locale_default: str = Field(default="", validation_alias="LANG")

    @property
    def language(self) -> str:
        """The name of the language to show, in the order of POSIX: ours, LC_ALL, LC_MESSAGES, LANG."""
        return self.lang or self.locale_all or self.locale_messages or self.locale_default


class PersonSettings(_Settings):
    """For `suanlian`."""

    hub: str | None = None
    """``SUANLIAN_HUB``: the address of the hub."""
    key: SecretStr | None = None
    """``SUANLIAN_KEY``: the API key, ``sl_...``."""
    config_home: Path | None = Field(default=None, validation_alias="XDG_CONFIG_HOME")

    @property
    def login_file(self) -> Path:
        """Where `suanlian login` keeps hub and key (XDG Base Directory)."""
        return (self.config_home or Path.home() / ".config") / "suanlian" / "login.json"


class AgentSettings(_Settings):
    """For `suanlian-agent`."""

    agent_home: Path = Path("suanlian-agent")
    """``SUANLIAN_AGENT_HOME``: the agent's state directory; everything else stands in its ``agent.toml``."""


class HubSettings(_Settings):
    """For `suanlian-hub`."""

    hub_home: Path = Path("suanlian-hub")
    """``SUANLIAN_HUB_HOME``: the hub's state directory."""
    database_url: str = ""
    """``SUANLIAN_DATABASE_URL``: ``postgresql+psycopg://...``; empty means SQLite in the home directory."""
    account_bytes: int = Field(default=4 * 1024**3, ge=1024)
    """``SUANLIAN_ACCOUNT_BYTES``: how many bytes of inputs and outputs the hub keeps for one account."""
    oidc_issuer: str = ""
    """``SUANLIAN_OIDC_ISSUER``: the issuer by which people sign in; empty: by API keys alone."""
    oidc_client_id: str = ""
    """``SUANLIAN_OIDC_CLIENT_ID``: our name there, for sign-ins by browser."""
    oidc_client_secret_file: Path | None = None
    """``SUANLIAN_OIDC_CLIENT_SECRET_FILE``: the file of our secret there; none: a public client, PKCE alone."""
    oidc_device_client_id: str = ""
    """``SUANLIAN_OIDC_DEVICE_CLIENT_ID``: the command line's name there; empty: the same."""
    oidc_sign_up: bool = True
    """``SUANLIAN_OIDC_SIGN_UP``: whether somebody whom nobody invited comes in as a person of their own."""
    oidc_return_origins: tuple[str, ...] = ()
    """``SUANLIAN_OIDC_RETURN_ORIGINS``: a JSON list of origins that a sign-in may end at, besides loopback."""
    free_core_hours: Decimal = Field(default=Decimal(10), ge=0, le=1_000_000)
    """``SUANLIAN_FREE_CORE_HOURS``: what an entity that nobody has checked may use for nothing, in all."""
    free_core_hours_together: Decimal = Field(default=Decimal(1000), ge=0, le=1_000_000)
    """``SUANLIAN_FREE_CORE_HOURS_TOGETHER``: what all such entities may ask for together in thirty days."""
    session_minutes: int = Field(default=60, ge=1, le=1440)
    """``SUANLIAN_SESSION_MINUTES``: for how long a sign-in holds before it is renewed."""
    input_origins: tuple[str, ...] = ()
    """``SUANLIAN_INPUT_ORIGINS``: a JSON list of origins (``https://host:port``) that job inputs may come from although
    their address is not public."""
    webhook_origins: tuple[str, ...] = ()
    """``SUANLIAN_WEBHOOK_ORIGINS``: a JSON list of origins (``https://host:port``) that the end of a job may be told to
    although their address is not public or their port unusual."""
    output_origins: tuple[str, ...] = ()
    """``SUANLIAN_OUTPUT_ORIGINS``: a JSON list of origins that outputs of TES tasks may be brought to although their
    address is not public."""
    file_roots: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """``SUANLIAN_FILE_ROOTS``: a JSON object from the name of an entity to a list of directories of the hub's machine,
    such as ``{"lab": ["/srv/lab"]}``: ``file:`` addresses of its TES tasks may lead there, and nowhere else."""
    probe_seconds: float = Field(default=5.0, ge=0.05, le=600)
    """``SUANLIAN_PROBE_SECONDS``: how long a probe of a verification is to take if the claim is true."""
    link_probes: bool = True
    """``SUANLIAN_LINK_PROBES``: whether links between S3 storage and other sites are measured, once an hour each."""
    supply_period: int = Field(default=3600, ge=0, le=86400)
    """``SUANLIAN_SUPPLY_PERIOD``: in each period of so many seconds every share is checked once, at a moment that a
    seed draws; 0: never."""
    supply_hold: float = Field(default=3.0, ge=0.1, le=60)
    """``SUANLIAN_SUPPLY_HOLD``: for how many seconds a check holds the capacity."""
    lost_after_s: int = Field(default=60, ge=6, le=86400)
    """``SUANLIAN_LOST_AFTER_S``: a connector that was not heard of for so many seconds is lost."""
    lost_for_s: int = Field(default=600, ge=6, le=30 * 86400)
    """``SUANLIAN_LOST_FOR_S``: for so many seconds more what it holds waits for it; then it may run elsewhere."""
    matcher_memory: int = Field(default=4 * 1024**3, ge=0)
    """``SUANLIAN_MATCHER_MEMORY``: how many bytes the process may use that matches all that waits; 0: there is none,
    and nothing is scarce."""
    market_moves: Acts = Acts.NONE
    """``SUANLIAN_MARKET_MOVES``: which moves of running work the hub makes itself, of those that the market proposes:
    ``none``, or ``preemptible``: of jobs that take preemptible terms and declare a checkpoint."""
    hub_region: Region | None = None
    """``SUANLIAN_HUB_REGION``: where the hub's store lies, a GB/T 2260 code of six digits; unset: within no region."""
    hub_protection: ProtectionGrade = 0
    """``SUANLIAN_HUB_PROTECTION``: the hub's own protection grade, 1 to 4; unset: none, so public data only."""
    level_grades: Mapping[Level, ProtectionGrade] = Field(default_factory=dict)
    """``SUANLIAN_LEVEL_GRADES``: a JSON object, such as ``{"2": 1}``: the protection grade that a data level needs;
    what is left out needs the grade of its own number, and level 1 none."""

    @property
    def data_rules(self) -> HubRules:
        """What the operator says of data at this hub."""
        levels = LevelRules(grades=self.level_grades)
        return HubRules(levels=levels, region=self.hub_region, grade=self.hub_protection)
