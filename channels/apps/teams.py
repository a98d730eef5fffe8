"""Microsoft Teams (Bot Framework): signed tokens from Microsoft, activities, hero cards."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import Field

from channels.app import AppChannel, Credentials, Surroundings
from channels.apps.wechat import read_token
from channels.base import Delivery, Inbound, Outgoing, SendError, UndeliverableError, VerificationError
from channels.fitting.fit import Part
from channels.fitting.shape import Shape
from channels.formats import child, items, needed, read_json, text_of
from channels.http import Response, TokenCache, with_token
from channels.incoming import on_host

_ISSUER = "https://api.botframework.com"
_MENTION = re.compile(r"<at>.*?</at>\s*", re.DOTALL)
_FILE_INFO = "application/vnd.microsoft.teams.file.download.info"
_FILE_TYPES = {"jpg", "jpeg", "png", "webp"}
_FILE_HOSTS = ("sharepoint.com",)
_SERVICE_HOSTS = ("smba.trafficmanager.net", "smba.infra.gcc.teams.microsoft.com")
_KEYS_LIVE_S = 24 * 3600.0
# A flood of unknown key ids must not become a flood of requests to Microsoft.
_KEYS_AGAIN_S = 60.0


class TeamsCredentials(Credentials):
    """`app_id` and `app_password` of the bot; `tenant_id` for a single-tenant bot.

    `service_hosts`: the hosts that answers may be sent to, and where pasted pictures lie; a forged activity cannot
    lead the bot's token elsewhere. `file_hosts`: where Teams keeps files that are sent as such.
    """

    app_id: str = Field(min_length=1)
    app_password: str = Field(min_length=1)
    tenant_id: str = "botframework.com"
    login_url: str = "https://login.microsoftonline.com"
    openid_url: str = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    service_hosts: list[str] = Field(default_factory=lambda: list(_SERVICE_HOSTS))
    file_hosts: list[str] = Field(default_factory=lambda: list(_FILE_HOSTS))


class Teams(AppChannel):
    """A Teams bot."""

    credentials_model = TeamsCredentials
    shape = Shape("markdown", 16_000, buttons=6, title_limit=50, payload_limit=1000, images=True)

    def __init__(self, name: str, credentials: TeamsCredentials, surroundings: Surroundings) -> None:
        super().__init__(name, credentials, surroundings)
        self._tokens = TokenCache(self._fetch_token)
        self._keys: dict[str, Mapping[str, Any]] = {}
        self._keys_read = float("-inf")

    async def verify(self, delivery: Delivery) -> None:
        """Check the token: signature, issuer, audience, life, and that it speaks for the same service."""
        scheme, _, token = delivery.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise VerificationError("there is no bearer token")
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
            key = await self._key(key_id)
            claims = jwt.decode(
                token,
                jwt.PyJWK(dict(key), "RS256").key,
                algorithms=["RS256"],
                audience=self.credentials.app_id,
                issuer=_ISSUER,
                leeway=300,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, SendError) as error:
            raise VerificationError(f"the token is not valid: {error}") from error
        activity = read_json(delivery.body)
        if claims.get("serviceurl") != text_of(activity, "serviceUrl"):
            raise VerificationError("the token was issued for another service")
        endorsed = key.get("endorsements")
        if isinstance(endorsed, list) and text_of(activity, "channelId") not in endorsed:
            raise VerificationError("the key does not speak for this channel")
        if not self._is_allowed(text_of(activity, "serviceUrl")):
            raise VerificationError("answers may not be sent to this service; see service_hosts")

    def _is_allowed(self, url: str) -> bool:
        parts = urlsplit(url)
        return f"{parts.netloc}" in self.credentials.service_hosts and parts.scheme in {"https", "http"}

    async def _key(self, key_id: str) -> Mapping[str, Any]:
        age_s = time.monotonic() - self._keys_read
        if age_s > _KEYS_LIVE_S or (key_id not in self._keys and age_s > _KEYS_AGAIN_S):
            document = (await self.client.call("GET", self.credentials.openid_url)).check()
            found = (await self.client.call("GET", needed(document.data, "jwks_uri"))).check()
            self._keys = {text_of(key, "kid"): key for key in items(found.data, "keys")}
            self._keys_read = time.monotonic()
        if key_id not in self._keys:
            raise VerificationError("the token is signed with an unknown key")
        return self._keys[key_id]

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a message, or a pressed button of a card."""
        activity = read_json(delivery.body)
        if text_of(activity, "type") != "message":
            return ()
        person = child(activity, "from")
        text = text_of(child(activity, "value"), "payload") or _MENTION.sub("", text_of(activity, "text"))
        context = {
            "service": needed(activity, "serviceUrl"),
            "conversation": needed(child(activity, "conversation"), "id"),
        }
        sender = text_of(person, "aadObjectId") or needed(person, "id")
        text = text.replace("&nbsp;", " ").strip()
        media = _pictures(activity)
        unreadable = not (text or media)
        return [
            Inbound(sender, needed(activity, "id"), text, context=context, unreadable=unreadable, media=media)
        ]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download a pasted picture with the bot's token, or a file from the address made for this download."""
        url = str(media["url"])
        if not media.get("pasted"):
            if not on_host(url, *self.credentials.file_hosts):
                raise UndeliverableError("Teams gave no address of its own for a file")
            return (await self.client.picture(url, limit_bytes))[0]
        if not self._is_allowed(url):
            raise UndeliverableError("Teams gave no address of its own for a picture")

        token = await self._tokens.get()
        try:
            headers = {"Authorization": f"Bearer {token}"}
            return (await self.client.picture(url, limit_bytes, headers=headers))[0]
        except SendError:
            # The token may have ended; the next attempt gets a fresh one.
            self._tokens.drop(token)
            raise

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send a message activity."""
        activity: dict[str, Any] = {"type": "message", "textFormat": "markdown", "text": part.text}
        if part.image:
            url = part.image
            activity["attachments"] = [{"contentType": "image/png", "contentUrl": url, "name": "chart"}]
        if part.buttons:
            buttons = [
                {
                    "type": "messageBack",
                    "title": b.title,
                    "displayText": b.title,
                    "text": b.title,
                    "value": {"payload": b.payload},
                }
                for b in part.buttons
            ]
            card = {"contentType": "application/vnd.microsoft.card.hero", "content": {"buttons": buttons}}
            activity["attachments"] = [card]
        (await self._activity(outgoing.to, activity)).check()

    async def typing(self, inbound: Inbound) -> None:
        """Send a typing activity."""
        await self._activity(inbound, {"type": "typing"})

    async def _activity(self, to: Inbound, activity: dict[str, Any]) -> Response:
        service = str(to.context["service"]).rstrip("/")
        url = f"{service}/v3/conversations/{quote(str(to.context['conversation']), safe='')}/activities"

        async def call(token: str) -> Response:
            headers = {"Authorization": f"Bearer {token}"}
            return await self.client.call("POST", url, json_body=activity, headers=headers)

        return await with_token(self._tokens, call, lambda response: response.status == 401)

    async def _fetch_token(self) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.credentials.app_id,
            "client_secret": self.credentials.app_password,
            "scope": f"{_ISSUER}/.default",
        }
        url = f"{self.credentials.login_url}/{self.credentials.tenant_id}/oauth2/v2.0/token"
        return read_token(await self.client.call("POST", url, form=form), "access_token", "expires_in")

    def sample(self, text: str) -> Delivery:
        """Return a message signed with a key made for the occasion; this object alone trusts it from then on."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
        self._keys["sample"] = public | {"kid": "sample", "endorsements": ["msteams"]}
        self._keys_read = time.monotonic()
        service = f"https://{self.credentials.service_hosts[0]}/teams/"
        activity = {
            "type": "message",
            "id": str(time.time_ns()),
            "serviceUrl": service,
            "channelId": "msteams",
            "from": {"id": "29:sample", "aadObjectId": "00000000-0000-0000-0000-000000001001"},
            "conversation": {"id": "a:sample"},
            "text": text,
        }
        claims = {
            "iss": _ISSUER,
            "aud": self.credentials.app_id,
            "exp": int(time.time()) + 600,
            "serviceurl": service,
        }
        token = jwt.encode(claims, private, "RS256", headers={"kid": "sample"})
        return Delivery("POST", {"authorization": f"Bearer {token}"}, {}, json.dumps(activity).encode())


def _pictures(activity: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pictures of a message: pasted ones lie at the service, sent files in the sender's storage."""
    found: list[dict[str, Any]] = []
    for attachment in items(activity, "attachments"):
        kind = text_of(attachment, "contentType").lower()
        content = child(attachment, "content")
        if kind.startswith("image/") and (url := text_of(attachment, "contentUrl")):
            found.append({"url": url, "pasted": True})
        elif kind == _FILE_INFO and text_of(content, "fileType").lower() in _FILE_TYPES:
            found.append({"url": needed(content, "downloadUrl")})
    return found


CHANNEL = Teams
