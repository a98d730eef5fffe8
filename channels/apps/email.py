"""E-mail: fetched by IMAP, answered by SMTP in the same thread; automatic mail is never answered."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hashlib
import html
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Any, Literal

import aioimaplib
import aiosmtplib
from bs4 import BeautifulSoup
from pydantic import Field

from channels.app import AppChannel, Credentials
from channels.base import (
    Delivery,
    Inbound,
    MediaError,
    Outgoing,
    ParseError,
    Repeats,
    SendError,
    UndeliverableError,
    VerificationError,
)
from channels.fitting.fit import Part, fit
from channels.fitting.shape import Shape
from channels.http import Recorded
from channels.incoming import PHOTO_TYPES

logger = logging.getLogger(__name__)

# More than mail providers let through; a photo behind it is cut, and its sender told.
_MAIL_BYTES = 32 << 20
# Logos in signatures are smaller than any photo.
_INLINE_BYTES = 20_000
_MOST_PICTURES = 10
_PHOTO_NAMES = (".jpg", ".jpeg", ".png", ".webp")
_SUBJECT_CHARS = 200
_QUOTE = re.compile(
    r"^\s*(?:>|-{2,}\s*(?:Original Message|原始邮件|转发|Forwarded)|On .{0,120}wrote:|在.{0,80}写道[：:]|"
    r"发件人[：:]|From:\s|_{10,}|-- ?$)",
    re.IGNORECASE | re.MULTILINE,
)


class EmailCredentials(Credentials):
    """A mailbox. `require_authentication` takes only mail that your server found genuine (DMARC pass).

    `security`: "tls" from the first byte, "starttls", or "none" on a trusted network.
    """

    address: str = Field(regex=r"^[^@\s]+@[^@\s]+$")
    user: str = Field(min_length=1)
    password: str = Field(min_length=1)
    imap_host: str = Field(min_length=1)
    imap_port: int = 993
    smtp_host: str = Field(min_length=1)
    smtp_port: int = 465
    security: Literal["tls", "starttls", "none"] = "tls"
    mailbox: str = "INBOX"
    poll_s: float = Field(default=20.0, gt=0, le=3600)
    require_authentication: bool = False
    sender_name: str = "城答 Chengda"


class Email(AppChannel):
    """A mailbox that answers."""

    credentials_model = EmailCredentials
    repeats = Repeats.SAME_ID
    shape = Shape("plain", 100_000)

    async def verify(self, delivery: Delivery) -> None:
        """Refuse: mail is fetched, nobody calls."""
        raise VerificationError("e-mail has no webhook")

    async def parse(self, delivery: Delivery) -> Sequence[Inbound]:
        """Read one mail given as the body; none that a machine wrote."""
        mail = email.message_from_bytes(delivery.body, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        try:
            return self._read(mail, delivery)
        except (ValueError, KeyError, AttributeError, LookupError, TypeError, IndexError) as error:
            # The library's parser gives up on some malformed headers with these.
            raise ParseError(f"the mail cannot be read: {type(error).__name__}") from error

    def _read(self, mail: EmailMessage, delivery: Delivery) -> Sequence[Inbound]:
        sender = parseaddr(str(mail.get("From", "")))[1].lower()
        if "@" not in sender or sender == self.credentials.address.lower() or _automatic(mail):
            return ()
        if self.credentials.require_authentication and not _authentic(mail):
            logger.warning("channel %s: a mail that is not proved genuine was left out", self.name)
            return ()
        raw = delivery.body
        mail_id = str(mail.get("Message-ID", "")).strip() or f"<{hashlib.sha256(raw).hexdigest()}@unnamed>"
        subject = " ".join(str(mail.get("Subject", "")).split())[:_SUBJECT_CHARS]
        text = _fresh_text(_text(mail)) or subject
        references = " ".join([*str(mail.get("References", "")).split()[-10:], mail_id])
        context = {"subject": subject, "mail_id": mail_id, "references": references}
        uid, digest = delivery.query.get("uid", ""), hashlib.sha256(raw).hexdigest()
        media = [{"uid": uid, "mail": digest, "number": at} for at in range(len(_pictures(mail)))]
        return [
            Inbound(
                sender[:255],
                mail_id,
                text,
                context=context,
                unreadable=not (text or media),
                media=media[:_MOST_PICTURES],
            )
        ]

    async def fetch(self, media: Mapping[str, Any], limit_bytes: int) -> bytes:
        """Read a mail once more, and return one of its pictures: a mail lies safer in its mailbox than in a queue."""
        async with self._mailbox() as client:
            raw = await self._mail(client, str(media["uid"])) if media["uid"] else b""
        if hashlib.sha256(raw).hexdigest() != media["mail"]:
            raise MediaError(
                "邮件已不在邮箱里，照片没有取到，请再发一次。",
                "The mail has left the mailbox and its photo with it; please send it again.",
            )
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        data = _bytes_of(_pictures(mail)[int(media["number"])])
        if len(data) > limit_bytes:
            raise MediaError.too_large(limit_bytes)
        return data

    @asynccontextmanager
    async def _mailbox(self) -> AsyncIterator[Any]:
        """Open the mailbox; raises `SendError` when the server says no or is not there."""
        credentials, tls = self.credentials, self.credentials.security == "tls"
        make = aioimaplib.IMAP4_SSL if tls else aioimaplib.IMAP4
        client = make(host=credentials.imap_host, port=credentials.imap_port, timeout=30)
        try:
            await client.wait_hello_from_server()
            if credentials.security == "starttls":
                await client.starttls(ssl.create_default_context())
            _ok(await client.login(credentials.user, credentials.password), "login")
            _ok(await client.select(credentials.mailbox), "select")
            yield client
        except (OSError, asyncio.TimeoutError, aioimaplib.AioImapException) as error:
            raise SendError(f"IMAP: {type(error).__name__}") from error
        finally:
            try:
                await asyncio.wait_for(client.logout(), 3)
            except Exception as error:
                logger.debug("channel %s: no clean end of the connection: %s", self.name, error)

    async def receive(self, deliver: Callable[[Sequence[Inbound]], Awaitable[None]]) -> None:
        """Fetch unseen mail again and again; one is marked as seen once it is durable."""
        async with self._mailbox() as client:
            while True:
                await self._fetch(client, deliver)
                await asyncio.sleep(self.credentials.poll_s)
                _ok(await client.noop(), "noop")

    async def _fetch(self, client: Any, deliver: Callable[[Sequence[Inbound]], Awaitable[None]]) -> None:
        found = _ok(await client.uid_search("UNSEEN"), "search")
        for uid in found[0].decode().split() if found else ():
            raw = await self._mail(client, uid)
            try:
                await deliver(await self.parse(Delivery("GET", {}, {"uid": uid}, raw)))
            except ParseError as error:
                logger.warning("channel %s: a mail was left out: %s", self.name, error)
            _ok(await client.uid("store", uid, "+FLAGS", "(\\Seen)"), "store")

    async def _mail(self, client: Any, uid: str) -> bytes:
        """Return a mail, cut where it is longer than any that a provider lets through; empty when it is gone."""
        lines = _ok(await client.uid("fetch", uid, f"(BODY.PEEK[]<0.{_MAIL_BYTES}>)"), "fetch")
        return next((bytes(line) for line in lines if isinstance(line, bytearray)), b"")[:_MAIL_BYTES]

    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send one mail; its Message-ID is the same in every attempt, so that servers can drop a double."""
        mail = self.compose(outgoing, part, key)
        if self.client.recorded is not None:
            address = f"smtp://{self.credentials.smtp_host}:{self.credentials.smtp_port}"
            self.client.recorded.append(Recorded("MAIL", address, mail.as_string()))
            return
        try:
            await aiosmtplib.send(
                mail,
                hostname=self.credentials.smtp_host,
                port=self.credentials.smtp_port,
                username=self.credentials.user if self.credentials.security != "none" else None,
                password=self.credentials.password if self.credentials.security != "none" else None,
                use_tls=self.credentials.security == "tls",
                start_tls=self.credentials.security == "starttls",
                timeout=30,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            passing = all(refusal.code < 500 for refusal in error.recipients)
            raise (SendError if passing else UndeliverableError)(f"SMTP: {error}") from error
        except aiosmtplib.SMTPResponseException as error:
            # RFC 5321, section 4.2.1: 4yz may pass, 5yz will not; wrong passwords can be mended.
            final = error.code >= 500 and not isinstance(error, aiosmtplib.SMTPAuthenticationError)
            raise (UndeliverableError if final else SendError)(
                f"SMTP {error.code}: {error.message}"
            ) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise SendError(f"SMTP: {error}") from error

    def compose(self, outgoing: Outgoing, part: Part, key: str) -> EmailMessage:
        """Return the mail for one part, as text and as HTML."""
        context = outgoing.to.context
        subject = str(context.get("subject") or "城市服务答复 · City services")
        mail = EmailMessage()
        mail["From"] = f'"{self.credentials.sender_name}" <{self.credentials.address}>'
        mail["To"] = outgoing.to.sender_id
        mail["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
        mail["Date"] = formatdate()
        domain = self.credentials.address.rpartition("@")[2]
        mail["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"
        if context.get("mail_id"):
            mail["In-Reply-To"] = str(context["mail_id"])
            mail["References"] = str(context.get("references") or context["mail_id"])
        # RFC 3834: other machines must not answer this one.
        mail["Auto-Submitted"] = "auto-replied"
        mail.set_content(part.text)
        rich = fit(
            outgoing.replies,
            Shape("html", 100_000),
            language=outgoing.language,
            public_url=self.surroundings.public_url,
        )
        body = "<br>\n".join("<br>\n<br>\n".join(p.text for p in rich).split("\n"))
        mail.add_alternative(
            f'<html lang="{html.escape(outgoing.language)}"><body>{body}</body></html>', subtype="html"
        )
        return mail

    def mail_sample(self, text: str) -> Delivery:
        """Return a mail as a citizen would write it."""
        mail = EmailMessage()
        mail["From"], mail["To"] = "示例 <citizen@example.org>", self.credentials.address
        mail["Subject"], mail["Message-ID"] = text[:60], "<sample@example.org>"
        mail["Authentication-Results"] = "mx.example.org; dmarc=pass header.from=example.org"
        mail.set_content(f"{text}\n\n> 引用的旧邮件\n")
        return Delivery("GET", {}, {}, mail.as_bytes())

    async def try_out(self, text: str) -> Sequence[Inbound]:
        """Parse a sample mail; there is nothing signed to verify."""
        return await self.parse(self.mail_sample(text))


def _ok(response: Any, what: str) -> list[Any]:
    result, lines = response
    if result != "OK":
        raise SendError(f"IMAP {what}: {result} {lines[:1]}")
    return list(lines)


def _automatic(mail: EmailMessage) -> bool:
    """Return whether a machine wrote the mail (RFC 3834), or it came through a list."""
    if str(mail.get("Auto-Submitted", "no")).split(";")[0].strip().lower() != "no":
        return True
    if str(mail.get("Precedence", "")).strip().lower() in {"bulk", "junk", "list", "auto_reply"}:
        return True
    if mail.get("List-Id") or mail.get("X-Autoreply") or mail.get("X-Auto-Response-Suppress"):
        return True
    sender = parseaddr(str(mail.get("From", "")))[1].lower()
    return sender.startswith(("mailer-daemon@", "postmaster@", "no-reply@", "noreply@", "donotreply@"))


def _authentic(mail: EmailMessage) -> bool:
    # The topmost header is our own server's; those below may be the sender's invention (RFC 8601).
    results = mail.get_all("Authentication-Results") or []
    return bool(results) and re.search(r"\bdmarc=pass\b", str(results[0])) is not None


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    content = part.get_content()
    if not isinstance(content, str):
        return ""
    if part.get_content_subtype() == "html":
        return BeautifulSoup(content[: 1 << 20], "lxml").get_text("\n")
    return content


def _pictures(mail: EmailMessage) -> list[EmailMessage]:
    """Return the photos of a mail: attached ones, and those within the text unless they are as small as a logo."""
    found = []
    for part in mail.walk():
        assert isinstance(part, EmailMessage)
        kind, name = part.get_content_type(), str(part.get_filename() or "").lower()
        # Some programs send any attachment as mere bytes.
        if kind == "application/octet-stream" and name.endswith(_PHOTO_NAMES):
            kind = "image/jpeg"
        if kind not in PHOTO_TYPES:
            continue
        if part.get_content_disposition() == "attachment" or len(_bytes_of(part)) >= _INLINE_BYTES:
            found.append(part)
    return found


def _bytes_of(part: EmailMessage) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _fresh_text(text: str) -> str:
    """Return what was written now, without the quoted mail and the signature below."""
    quoted = _QUOTE.search(text)
    return (text[: quoted.start()] if quoted else text).strip()


CHANNEL = Email
