"""Single sign-on against a provider that the test runs: the good way in, and every lie it may tell."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa

from console.config import ConsoleConfig, OidcSettings
from console.signin.oidc import role_of
from tests.console.conftest import Console

jwt = pytest.importorskip("jwt", reason="needs pyjwt")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Provider:
    """An identity provider; tests change what it claims."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    key: Any = KEY
    algorithm: str = "RS256"
    asked: list[dict[str, str]] = field(default_factory=list)

    async def discovery(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
            }
        )

    async def jwks(self, request: web.Request) -> web.Response:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return web.json_response({"keys": [{**key, "kid": "1", "use": "sig"}]})

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})
        key = "secret" * 8 if self.algorithm == "HS256" else self.key
        signed = jwt.encode(self.claims, key, self.algorithm, headers={"kid": "1"})
        return web.json_response({"id_token": signed, "access_token": "x"})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """The provider, listening."""
    provider = Provider()
    app = web.Application()
    app.add_routes(
        [
            web.get("/.well-known/openid-configuration", provider.discovery),
            web.get("/jwks", provider.jwks),
            web.post("/token", provider.token),
        ]
    )
    async with TestServer(app) as server:
        provider.url = str(server.make_url("")).rstrip("/")
        yield provider


@pytest.fixture
async def console(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any], provider: Provider
) -> Console:
    """A browser at a console that offers single sign-on."""
    oidc = OidcSettings(
        issuer=provider.url, client_id="chengda", roles={"city-editors": "editor", "city-it": "admin"}
    )
    browser: Console = await browser_of(replace(console_config, oidc=oidc, oidc_secret="s3cret"))
    return browser


async def begin(console: Console, provider: Provider, **claims: Any) -> str:
    """Go to the provider, which will claim a person of the editors; return the state."""
    response = await console.get("/oidc/start?next=/account")
    query = {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["Location"]).query).items()
    }
    provider.claims = {
        "iss": provider.url,
        "aud": "chengda",
        "sub": "42",
        "exp": int(time.time()) + 300,
        "iat": int(time.time()),
        "nonce": query["nonce"],
        "preferred_username": "wang",
        "groups": ["all", "city-editors"],
        **claims,
    }
    assert query["code_challenge_method"] == "S256"
    return query["state"]


async def test_a_person_of_a_known_group_gets_in_with_its_role(console: Console, provider: Provider) -> None:
    assert "single sign-on" in await console.page("/signin")
    state = await begin(console, provider)
    response = await console.get(f"/oidc/callback?code=abc&state={state}")
    assert response.headers["Location"] == "/account"
    assert "wang" in await console.page("/account")
    user = console.staff.find("wang")
    assert (user.role, user.single_sign_on) == ("editor", True)
    assert provider.asked[0]["client_secret"] == "s3cret"
    assert len(provider.asked[0]["code_verifier"]) >= 43
    state = await begin(console, provider, groups=["city-it"])
    await console.get(f"/oidc/callback?code=abc&state={state}")
    assert console.staff.find("wang").role == "admin"


async def test_an_account_with_a_password_is_not_taken_over(console: Console, provider: Provider) -> None:
    console.add_user("admin", "wang")
    state = await begin(console, provider)
    await console.get(f"/oidc/callback?code=abc&state={state}")
    assert console.staff.find("wang").role == "admin"
    assert any(user.name.startswith("wang-") and user.role == "editor" for user in console.staff.users())


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"aud": "another-client"},
        {"iss": "https://evil.example"},
        {"exp": 1_000_000},
        {"sub": None},
    ],
)
async def test_claims_that_are_not_ours_are_refused(
    console: Console, provider: Provider, lie: dict[str, Any]
) -> None:
    state = await begin(console, provider)
    provider.claims = {name: value for name, value in {**provider.claims, **lie}.items() if value is not None}
    response = await console.get(f"/oidc/callback?code=abc&state={state}")
    assert response.status == 401
    assert console.staff.count() == 0


@pytest.mark.parametrize(("key", "algorithm"), [(OTHER, "RS256"), (None, "HS256")])
async def test_signatures_of_others_are_refused(
    console: Console, provider: Provider, key: Any, algorithm: str
) -> None:
    state = await begin(console, provider)
    provider.key, provider.algorithm = key, algorithm
    assert (await console.get(f"/oidc/callback?code=abc&state={state}")).status == 401
    assert console.staff.count() == 0


async def test_a_state_we_did_not_send_is_refused(console: Console, provider: Provider) -> None:
    state = await begin(console, provider)
    for path in ("?code=abc&state=other", "?code=abc", f"?error=denied&state={state}"):
        assert (await console.get(f"/oidc/callback{path}")).status == 401
    console.client.session.cookie_jar.clear()
    assert (await console.get(f"/oidc/callback?code=abc&state={state}")).status == 401


async def test_people_without_a_group_are_told_so(console: Console, provider: Provider) -> None:
    state = await begin(console, provider, groups=["all"])
    response = await console.get(f"/oidc/callback?code=abc&state={state}")
    assert response.status == 403
    assert "no role in the console" in await response.text()


async def test_a_provider_that_does_not_answer_is_told(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    oidc = OidcSettings(issuer="http://127.0.0.1:9", client_id="chengda")
    console = await browser_of(replace(console_config, oidc=oidc))
    assert "did not succeed" in await console.page("/oidc/start", 502)


async def test_without_a_provider_there_is_no_such_page(
    console_config: ConsoleConfig, browser_of: Callable[[ConsoleConfig], Any]
) -> None:
    console = await browser_of(console_config)
    assert (await console.get("/oidc/start")).status == 404


def test_the_highest_group_counts_and_odd_claims_give_nothing() -> None:
    settings = OidcSettings(
        issuer="https://id.example", client_id="c", roles={"a": "viewer", "b": "admin", "x": "king"}
    )
    assert role_of(settings, {"groups": ["a", "b"]}) == "admin"
    assert role_of(settings, {"groups": "a"}) == "viewer"
    assert role_of(settings, {"groups": ["x", 7]}) == ""
    assert role_of(settings, {}) == ""
