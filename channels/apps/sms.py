"""SMS (Twilio Programmable Messaging): opt-out words, numbered choices, segments counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, root_validator
from twilio.request_validator import RequestValidator

from channels.app import AppChannel, Credentials, Surroundings
from channels.base import (
    Acknowledgement,
    Delivery,
    Inbound,
    Outgoing,
    Repeats,
    SendError,
    UndeliverableError,
    VerificationError,
)
from channels.fitting.fit import Part
from channels.fitting.shape import Shape, Unit
from channels.fitting.sms import segments, thrifty
from channels.formats import items, needed, text_of
from channels.http import Response
from channels.incoming import PHOTO_TYPES, on_host

logger = logging.getLogger(__name__)

# Pictures in one MMS at most.
_MEDIA = 10
# Error codes of Twilio that pass: the queue is full, the account's rate, a carrier's outage.
_PASSING = frozenset({20429, 30001, 30002, 30017, 14107, 20003, 20500, 20503})


class SmsCredentials(Credentials):
    """`account_sid` and `auth_token`; a sender: `from_number`, or `messaging_service`.

    `max_segments` bounds what one answer may cost.
    """

    account_sid: str = Field(regex=r"^AC[0-9a-zA-Z]{3,64}$")
    auth_token: str = Field(min_length=1)
    from_number: str = ""
    messaging_service: str = ""
    max_segments: int = Field(default=6, ge=1, le=10)
    api_url: str = "https://api.twilio.com"

    @root_validator(skip_on_failure=True)
    def _sender(cls, values: dict[str, Any]) -> dict[str, Any]:
        if not values["from_number"] and not values["messaging_service"]:
            raise ValueError("give from_number or messaging_service")
        return values


class Sms(AppChannel):
    """A telephone number that answers text messages."""

    credentials_model = SmsCredentials
    opt_out: ClassVar[bool] = True
    repeats = Repeats.ASKED

    def __init__(self, name: str, credentials: SmsCredentials, surroundings: Surroundings) -> None:
        super().__init__(name, credentials, surroundings)
        # 67 UTF-16 units are one segment of a long Chinese text; an English one may hold more.
        self.shape = Shape("plain", 67 * credentials.max_segments, Unit.UTF16, max_parts=2)
        self._validator = RequestValidator(credentials.auth_token)

    async def verify(self, delivery: Delivery) -> None:
        """Check X-Twilio-Signature over the address and every field."""
        given = delivery.headers.get("x-twilio-signature", "")
        if not given or not self._validator.validate(self._url(delivery), self._form(delivery), given):
            raise VerificationError(
                "X-Twilio-Signature is wrong; public_url must be the address that Twilio calls"
            )

    def _url(self, delivery: Delivery) -> str:
        url = self.surroundings.webhook_url(self.name)
        return f"{url}?{urlencode(delivery.query)}" if delivery.query else url

    def _form(self, delivery: Delivery) -> dict[str, str]:
        return dict(
            parse_qsl(delivery.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
        )

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read a message; a status report is a receipt."""
        form = self._form(delivery)
        if "Body" not in form or form.get("MessageStatus"):
            return ()
        text = form["Body"]
        media = [
            {"url": needed(form, f"MediaUrl{number}")}
            for number in range(_MEDIA)
            if form.get(f"MediaContentType{number}") in PHOTO_TYPES
        ]
        unreadable = not (text.strip() or media)
        sender, sid = needed(form, "From"), needed(form, "MessageSid")
        return [Inbound(sender, sid, text, unreadable=unreadable, media=media)]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download a picture of an MMS from the account's own store."""
        url, account = str(media["url"]), self.credentials.account_sid
        if not on_host(url, self.credentials.api_url):
            raise UndeliverableError("Twilio gave no address of its own for a picture")
        auth = (account, self.credentials.auth_token)
        return (await self.client.picture(url, limit_bytes, auth=auth))[0]

    def acknowledge(self, delivery: Delivery) -> Acknowledgement:
        """Answer with TwiML that says nothing."""
        return Acknowledgement("<Response/>", "text/xml")

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send one text message."""
        text = thrifty(part.text)
        form = {"To": outgoing.to.sender_id, "Body": text}
        if self.credentials.messaging_service:
            form["MessagingServiceSid"] = self.credentials.messaging_service
        else:
            form["From"] = self.credentials.from_number
        response = await self._messages("POST", form=form)
        code = response.data.get("code")
        if response.status >= 400:
            reason = f"Twilio {code}: {str(response.data.get('message'))[:300]}"
            passing = code in _PASSING or response.status == 401
            raise (SendError if passing else UndeliverableError)(reason)
        response.check()
        counted = segments(text)
        logger.info("channel %s: %d segments (%s)", self.name, counted.count, counted.encoding)

    async def ask(self, outgoing: Outgoing, part: Part, key: str) -> bool:
        """Look among the messages to this number for one with the same text since the answer was made."""
        since = outgoing.put_at.replace(tzinfo=timezone.utc) - timedelta(seconds=2)
        params = {
            "To": outgoing.to.sender_id,
            "DateSent>": (since - timedelta(days=1)).date().isoformat(),
            "PageSize": "100",
        }
        response = (await self._messages("GET", params=params)).check()
        text = thrifty(part.text)
        return any(
            text_of(message, "body") == text and _made_at(message) >= since
            for message in items(response.data, "messages")
            if message.get("direction") != "inbound" and message.get("status") not in {"failed", "canceled"}
        )

    async def _messages(self, method: str, **request: Any) -> Response:
        account = self.credentials.account_sid
        url = f"{self.credentials.api_url}/2010-04-01/Accounts/{account}/Messages.json"
        return await self.client.call(method, url, auth=(account, self.credentials.auth_token), **request)

    def sample(self, text: str) -> Delivery:
        """Return a text message."""
        return self.signed(
            {
                "MessageSid": f"SM{time.time_ns()}",
                "AccountSid": self.credentials.account_sid,
                "From": "+15005550006",
                "To": self.credentials.from_number or "+15005550001",
                "Body": text,
                "NumMedia": "0",
            }
        )

    def signed(self, form: dict[str, str]) -> Delivery:
        """Return a signed delivery of some fields."""
        signature = self._validator.compute_signature(self.surroundings.webhook_url(self.name), form)
        headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
        return Delivery("POST", headers, {}, urlencode(form).encode())


def _made_at(message: Mapping[str, Any]) -> datetime:
    try:
        made = parsedate_to_datetime(text_of(message, "date_created"))
    except (ValueError, TypeError):
        return datetime.min.replace(tzinfo=timezone.utc)
    return made if made.tzinfo else made.replace(tzinfo=timezone.utc)


CHANNEL = Sms
