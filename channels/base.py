"""The base class of every chat app: verify → parse → (dispatcher) → send. One file per channel."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from channels.fitting.shape import PLAIN, Shape
from city.messages import Reply


class VerificationError(Exception):
    """A delivery whose signature, token or time stamp is wrong; it is refused and nothing is read from it."""


class ParseError(Exception):
    """A delivery that is signed correctly but is not in the platform's format; the message says what."""


class SendError(Exception):
    """A platform did not take a message; the outbox tries again, with back-off.

    Args:
        retry_after_s: how long the platform asks to be left alone, the whole channel over; `None` when it
            does not say.
        unsure: the platform may have taken the message all the same (its response never came).
    """

    def __init__(self, message: str, retry_after_s: float | None = None, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.unsure = unsure


class UnsettledError(SendError):
    """Whether an earlier attempt was taken is not known yet; `wait_s` says when to look again."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message, unsure=True)
        self.wait_s = wait_s


class MediaError(Exception):
    """A picture that a citizen sent cannot be used; the citizen is told why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en

    @classmethod
    def too_large(cls, limit_bytes: int) -> MediaError:
        """Return the error of a picture that is larger than allowed."""
        mib = limit_bytes / 1024 / 1024
        return cls(
            f"照片超过 {mib:g} MB，请压缩后再发。",
            f"The photo is larger than {mib:g} MB; send a smaller one.",
        )


class UndeliverableError(SendError):
    """A platform refuses a message for good (blocked, unknown person, window closed): a dead letter."""


class Repeats(enum.Enum):
    """What a platform offers against a doubled message when the end of an attempt was not seen."""

    # A repeated send under the same key is taken once.
    KEYED = "keyed"
    # We ask the platform whether it took the message.
    ASKED = "asked"
    # The platform reports what it took, with our key, to the webhook.
    TOLD = "told"
    # The repeated mail has the same Message-ID, so that mail programs show it once.
    SAME_ID = "same id"
    # Nothing: it is sent again, and says so.
    SHOWN = "shown"


@dataclass(frozen=True)
class Delivery:
    """One HTTP request from a platform. Header names are lower case; `body` is the raw signed bytes."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Inbound:
    """One citizen's message as the platform told it.

    `sender_id` is the platform's stable name for the person (or the chat); `message_id` the platform's id of
    the message, the same again when it delivers the message twice. `context` is what `send` needs later:
    a reply token, a chat id; it must be JSON. `unreadable` marks a recording or a file that nobody here
    can read: the citizen is asked for text. `location` is a shared position ({"lat", "lon"}, degrees, WGS 84);
    each of `media` is JSON that tells the channel's own `fetch` where a picture lies.
    """

    sender_id: str
    message_id: str
    text: str
    language: str | None = None
    role: str = "citizen"
    context: Mapping[str, Any] = field(default_factory=dict)
    unreadable: bool = False
    location: Mapping[str, float] | None = None
    media: Sequence[Mapping[str, Any]] = ()


async def _forget_progress(_parts: int) -> None:
    return


@dataclass(frozen=True)
class Outgoing:
    """Replies on their way to one person.

    `to` is the message they answer, or the person's last one. `key` names this delivery for good, so that a
    platform with idempotency keys takes it once. `sent` parts left in earlier attempts; `part_sent` is to be
    awaited with the new count after each but the last. `attempt` counts from 1. `unsure`: the part after `sent` may
    have been taken already; for `unsure_s` seconds we have been waiting to learn it. `put_at` (UTC) is when the
    replies were made.
    """

    to: Inbound
    replies: Sequence[Reply]
    key: str
    language: str = "zh"
    message_id: str = ""
    attempt: int = 1
    sent: int = 0
    part_sent: Callable[[int], Awaitable[None]] = _forget_progress
    unsure: bool = False
    unsure_s: float = 0.0
    put_at: datetime = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Acknowledgement:
    """What the platform gets back as the HTTP response to its delivery."""

    body: str = ""
    content_type: str = "text/plain"
    status: int = 200


class Channel(ABC):
    """A chat app or SMS provider behind `/channels/{name}/webhook`.

    The gateway acknowledges a delivery at once and works behind it; a repeated delivery is answered once.
    """

    name: str

    # What the platform can show; replies are fitted to it.
    shape: Shape = PLAIN

    # Whether words such as STOP end all messages to a person (SMS).
    opt_out: ClassVar[bool] = False

    # How a message is kept from coming twice.
    repeats: ClassVar[Repeats] = Repeats.SHOWN

    # Whether nothing can be sent unasked: answers wait in the outbox for the person's next message.
    holds: bool = False

    # A platform that takes the answer in its HTTP response (WeChat: 5 s) sets how long to wait for it.
    reply_window_s: ClassVar[float] = 0.0

    @abstractmethod
    async def verify(self, delivery: Delivery) -> None:
        """Check signature and time stamp in constant time; raise `VerificationError` when they are wrong."""

    @abstractmethod
    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Return the messages in a delivery, none for a receipt; raise `ParseError` when it is malformed."""

    @abstractmethod
    async def send(self, outgoing: Outgoing) -> None:
        """Send replies, fitted to what the platform can show.

        Raises:
            SendError: try again later.
            UndeliverableError: never try again.
        """

    async def receipts(self, delivery: Delivery) -> Sequence[str]:
        """Return the keys (as given to a send) of our messages that a verified delivery reports as taken."""
        return ()

    def challenge(self, delivery: Delivery) -> Acknowledgement | None:
        """Return the answer to the platform's check of the webhook address, if `delivery` is one."""
        return None

    def acknowledge(self, delivery: Delivery) -> Acknowledgement:
        """Return the response to a delivery that is being worked on."""
        return Acknowledgement()

    def reply_inline(self, outgoing: Outgoing) -> Acknowledgement | None:
        """Return a response that carries the answer itself, or `None` to use `send`."""
        return None

    def inline(self, to: Inbound, text: str) -> Acknowledgement:
        """Return a response to a delivery that carries a text, on a channel with a `reply_window_s`."""
        return Acknowledgement(text)

    async def typing(self, inbound: Inbound) -> None:
        """Show that an answer is being written, where the platform can; a failure is nobody's loss."""
        return

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Download a picture that `parse` found, and no byte more than is allowed.

        Raises:
            SendError: try again later.
            UndeliverableError, MediaError: never try again.
        """
        raise MediaError("这个渠道收不到图片。", "Pictures cannot be received here.")

    async def receive(self, deliver: Callable[[Sequence[Inbound]], Awaitable[None]]) -> None:
        """Fetch messages for as long as the gateway runs, on a platform that does not call us (e-mail).

        `deliver` returns when the messages are durable.
        """
        return

    def sample(self, text: str) -> Delivery | None:
        """Return a delivery of `text`, signed as the platform would; `None` when it does not call us."""
        return None

    async def start(self) -> None:
        """Open what `send` needs: an HTTP client, an access token."""
        return

    async def stop(self) -> None:
        """Close what `start` opened."""
        return
