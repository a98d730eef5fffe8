"""What WhatsApp and Messenger share: Meta's webhook check, signature and error codes."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from pydantic import Field

from channels.app import AppChannel, Credentials
from channels.base import Acknowledgement, Delivery, SendError, UndeliverableError, VerificationError
from channels.guard import same
from channels.http import Response

# Graph API, error handling: rate limits, and what passes by itself.
_RATE = {4, 80007, 130429, 131048, 131056, 613, 32, 17}
# Where Meta keeps what people send.
MEDIA_HOSTS = ("fbcdn.net", "fbsbx.com", "facebook.com", "whatsapp.net")
_PASSING = {1, 2, 131000, 131016, 190, 133004}


class MetaCredentials(Credentials):
    """`app_secret` signs, `verify_token` is your own word for the address check, `token` calls."""

    app_secret: str = Field(min_length=1)
    verify_token: str = Field(min_length=1)
    token: str = Field(min_length=1)
    api_url: str = "https://graph.facebook.com/v23.0"


class MetaChannel(AppChannel):
    """A channel of Meta's platform."""

    async def verify(self, delivery: Delivery) -> None:
        """Check X-Hub-Signature-256, or the token of the address check."""
        if delivery.method == "GET":
            given = delivery.query.get("hub.verify_token", "")
            if not same(given, self.credentials.verify_token):
                raise VerificationError("the verify token is wrong")
            return
        if not same(delivery.headers.get("x-hub-signature-256", ""), self._sign(delivery.body)):
            raise VerificationError("X-Hub-Signature-256 is wrong")

    def _sign(self, body: bytes) -> str:
        return "sha256=" + hmac.new(self.credentials.app_secret.encode(), body, hashlib.sha256).hexdigest()

    def challenge(self, delivery: Delivery) -> Acknowledgement | None:
        """Repeat hub.challenge."""
        if delivery.method != "GET":
            return None
        return Acknowledgement(delivery.query.get("hub.challenge", ""))

    async def graph(self, path: str, body: dict[str, Any]) -> Response:
        """Call the Graph API; raise as `send` does."""
        response = await self.client.call(
            "POST",
            f"{self.credentials.api_url}/{path}",
            json_body=body,
            headers=self.bearer(),
        )
        error = response.data.get("error")
        if isinstance(error, dict):
            code, reason = error.get("code"), f"{error.get('code')}: {str(error.get('message'))[:300]}"
            if code in _RATE:
                raise SendError(reason, 10.0)
            raise (SendError if code in _PASSING else UndeliverableError)(reason)
        return response.check()

    async def graph_get(self, path: str) -> Response:
        """Read from the Graph API; raise as `send` does."""
        url = f"{self.credentials.api_url}/{path}"
        return (await self.client.call("GET", url, headers=self.bearer())).check()

    def bearer(self) -> dict[str, str]:
        """Return the header that carries the token."""
        return {"Authorization": f"Bearer {self.credentials.token}"}

    def signed(self, body: dict[str, Any]) -> Delivery:
        """Return a signed delivery of `body`."""
        raw = json.dumps(body).encode()
        return Delivery("POST", {"x-hub-signature-256": self._sign(raw)}, {}, raw)
