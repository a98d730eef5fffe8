"""Settings of the console: its section of `city.yml`, and what the command line hands in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Extra, Field

from console.section import Section
from console.services import Services
from console.staff import StaffStore


class OidcSettings(BaseModel):
    """Single sign-on with OpenID Connect; the client's secret is in the environment, `CHENGDA_OIDC_SECRET`."""

    issuer: str = Field(regex=r"^https?://")
    client_id: str = Field(min_length=1)
    scope: str = "openid profile email"
    # The claim that lists a person's groups, and the role of each group; nobody else gets in.
    claim: str = "groups"
    roles: dict[str, str] = {}

    class Config:
        extra = Extra.forbid
        allow_mutation = False


class ConsoleSettings(BaseModel):
    """The section `console:` of `city.yml`."""

    host: str = "127.0.0.1"
    url: str = ""
    idle_minutes: float = Field(default=60, ge=1, le=24 * 60)
    session_hours: float = Field(default=12, gt=0, le=24 * 7)
    # Without TLS passwords cross the network readably; the console then answers this machine only.
    allow_plain_http: bool = False
    # Where staff reach the console from outside; links to files for staff lead there.
    public_url: str = Field(default="", regex=r"^(https?://[^\s]+)?$")
    first_admin: bool = True
    oidc: OidcSettings | None = None

    class Config:
        extra = Extra.forbid
        allow_mutation = False


@dataclass(frozen=True)
class ConsoleConfig:
    """Everything the console needs.

    Args:
        staff: accounts and sessions; the caller opens and closes it.
        services: what other rooms offer.
        sections: the sections to show.
        city: name of the city, (Chinese, English).
        zone: times are shown in it.
        default_language: of the sign-in page when the browser prefers none of ours.
        allow_plain_http: let other machines sign in without TLS.
        trusted_proxies: networks (CIDR) whose `X-Forwarded-*` headers are believed.
        citizen_url: address of the citizens' page, linked from the start page.
        public_url: address of the console from outside; what the browser calls it by when left out.
        body_bytes: longest request.
        oidc: single sign-on; `None` offers passwords only.
        oidc_secret: the client's secret.
    """

    staff: StaffStore
    services: Services = field(default_factory=Services)
    sections: Sequence[Section] = ()
    city: tuple[str, str] = ("", "")
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    default_language: str = "zh"
    allow_plain_http: bool = False
    trusted_proxies: Sequence[str] = ()
    citizen_url: str = ""
    public_url: str = ""
    body_bytes: int = 12 * 1024 * 1024
    oidc: OidcSettings | None = None
    oidc_secret: str = ""
