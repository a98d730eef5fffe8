"""Single sign-on with OpenID Connect Core 1.0: authorization code flow with PKCE (RFC 7636), state and nonce."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from console.config import OidcSettings
from console.csrf import SECRET
from console.keeping import local_path
from console.keys import CONFIG
from console.security import over_tls, set_cookie
from console.signin.sessions import begin_session, give_session, sign_in_page
from console.staff import ROLES, StaffError, StaffStore, StaffUser, UserExistsError, at_least
from console.web import in_thread

COOKIE = "chengda_oidc"
_LIFE_S = 600
_TIMEOUT = ClientTimeout(total=10)
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"]

logger = logging.getLogger(__name__)


class OidcError(Exception):
    """The provider's answer cannot be trusted or used; the message says why, for the log."""


@dataclass(frozen=True)
class Person:
    """Who the provider says signs in, and the highest role that their groups give; "" when none does."""

    subject: str
    name: str
    role: str


def role_of(settings: OidcSettings, claims: Mapping[str, Any]) -> str:
    """Return the highest role that the groups in the settings' claim give, "" when they give none."""
    groups = claims.get(settings.claim) or []
    names = [groups] if isinstance(groups, str) else [str(group) for group in groups]
    best = ""
    for name in names:
        role = settings.roles.get(name, "")
        if role in ROLES and (not best or at_least(role, best)):
            best = role
    return best


async def _fetch(session: ClientSession, address: str, data: dict[str, str] | None = None) -> dict[str, Any]:
    try:
        request = session.get(address) if data is None else session.post(address, data=data)
        async with request as response:
            body = await response.json(content_type=None)
    except (ClientError, asyncio.TimeoutError, ValueError) as error:
        raise OidcError(f"{address}: {type(error).__name__}: {error}") from error
    if response.status != 200 or not isinstance(body, dict):
        raise OidcError(f"{address}: answers {response.status}")
    return body


async def _discover(session: ClientSession, settings: OidcSettings) -> dict[str, Any]:
    issuer = settings.issuer.rstrip("/")
    found = await _fetch(session, f"{issuer}/.well-known/openid-configuration")
    if str(found.get("issuer", "")).rstrip("/") != issuer:
        raise OidcError(f"{issuer}: calls itself {found.get('issuer')!r}")
    return found


def _seal(key: bytes, data: Mapping[str, str]) -> str:
    text = json.dumps({**data, "at": int(time.time())}, separators=(",", ":"))
    return f"{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}{text.encode().hex()}"


def _unseal(key: bytes, sealed: str) -> dict[str, str]:
    try:
        text = bytes.fromhex(sealed[64:])
    except ValueError:
        raise OidcError("the cookie of the sign-in is damaged") from None
    if not hmac.compare_digest(hmac.new(key, text, hashlib.sha256).hexdigest(), sealed[:64]):
        raise OidcError("the cookie of the sign-in is not ours")
    data: dict[str, str] = json.loads(text)
    if time.time() - int(data["at"]) > _LIFE_S:
        raise OidcError("the sign-in took longer than ten minutes")
    return data


def _key(request: web.Request) -> bytes:
    return request.app[SECRET] + b" oidc"


def _callback(request: web.Request) -> str:
    base = request.app[CONFIG].public_url.rstrip("/")
    if not base:
        base = f"{'https' if over_tls(request) else 'http'}://{request.host}"
    return f"{base}/oidc/callback"


def _settings(request: web.Request) -> OidcSettings:
    settings = request.app[CONFIG].oidc
    if settings is None:
        raise web.HTTPNotFound
    return settings


async def start(request: web.Request) -> web.StreamResponse:
    """GET /oidc/start → the provider's sign-in page."""
    settings = _settings(request)
    try:
        async with ClientSession(timeout=_TIMEOUT) as session:
            found = await _discover(session, settings)
    except OidcError as error:
        logger.warning("single sign-on: %s", error)
        return sign_in_page(request, 502, problem="signin.sso_failed")
    kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": _callback(request),
        "scope": settings.scope,
        "state": kept["state"],
        "nonce": kept["nonce"],
        "code_challenge": create_s256_code_challenge(kept["verifier"]),
        "code_challenge_method": "S256",
    }
    address = str(found["authorization_endpoint"])
    joined = f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
    response = web.Response(status=303, headers={"Location": joined})
    sealed = _seal(_key(request), {**kept, "next": local_path(request.query.get("next", "/"))})
    set_cookie(request, response, COOKIE, sealed, max_age=_LIFE_S)
    return response


async def callback(request: web.Request) -> web.StreamResponse:
    """GET /oidc/callback → check what the provider says, start a session."""
    settings = _settings(request)
    try:
        kept = _unseal(_key(request), request.cookies.get(COOKIE, ""))
        person = await _verify(request, settings, kept)
    except (OidcError, JoseError, KeyError, ValueError) as error:
        logger.warning("single sign-on refused: %s: %s", type(error).__name__, error)
        return sign_in_page(request, 401, problem="signin.sso_failed")
    staff = request.app[CONFIG].staff
    try:
        user = await in_thread(admit, staff, person) if person.role else None
    except StaffError as error:
        logger.warning("single sign-on refused: %s", error)
        user = None
    if user is None or user.disabled:
        return sign_in_page(request, 403, problem="signin.sso_refused")
    await begin_session(request, user)
    response = web.Response(status=303, headers={"Location": local_path(kept["next"])})
    give_session(request, response)
    response.del_cookie(COOKIE, path="/")
    return response


async def _verify(request: web.Request, settings: OidcSettings, kept: Mapping[str, str]) -> Person:
    if not hmac.compare_digest(request.query.get("state", "").encode(), kept["state"].encode()):
        raise OidcError("the state is not the one we sent")
    if "code" not in request.query:
        raise OidcError(f"the provider refused: {request.query.get('error', 'no code')[:80]}")
    async with ClientSession(timeout=_TIMEOUT) as session:
        found = await _discover(session, settings)
        tokens = await _fetch(
            session,
            str(found["token_endpoint"]),
            {
                "grant_type": "authorization_code",
                "code": request.query["code"],
                "redirect_uri": _callback(request),
                "client_id": settings.client_id,
                "client_secret": request.app[CONFIG].oidc_secret,
                "code_verifier": kept["verifier"],
            },
        )
        published: Any = await _fetch(session, str(found["jwks_uri"]))
        keys = KeySet.import_key_set(published)
    claims = jwt.decode(str(tokens["id_token"]), keys, algorithms=_ALGORITHMS).claims
    jwt.JWTClaimsRegistry(
        leeway=60,
        iss={"essential": True, "value": str(found["issuer"])},
        aud={"essential": True, "value": settings.client_id},
        nonce={"essential": True, "value": kept["nonce"]},
        exp={"essential": True},
        sub={"essential": True},
    ).validate(claims)
    name = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
    return Person(f"{settings.issuer} {claims['sub']}"[:255], name[:64], role_of(settings, claims))


def admit(staff: StaffStore, person: Person) -> StaffUser:
    """Return the account of a person, made at the first sign-in; its role follows the provider's groups.

    An account with a password is never taken over by a person of the same name.
    """
    user = staff.find_subject(person.subject)
    if user is None:
        plain = "".join(char for char in person.name if char.isalnum() or char in "._-@") or "staff"
        for name in (plain, f"{plain[:50]}-{secrets.token_hex(4)}"):
            try:
                return staff.add(name, person.role, None, subject=person.subject)
            except UserExistsError:
                continue
        raise OidcError("no free name for the account")
    return user if user.role == person.role else staff.set_role(user.name, person.role)


def routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [web.get("/oidc/start", start), web.get("/oidc/callback", callback)]
