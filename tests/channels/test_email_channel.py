"""E-mail: fetched by IMAP and answered by SMTP, against small servers that speak both."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import AsyncIterator, Sequence
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.app import Surroundings
from channels.apps.email import Email, EmailCredentials
from channels.base import Delivery, Inbound, MediaError, Outgoing, ParseError, SendError, UndeliverableError
from channels.http import PlatformClient
from city.messages import Citation, Reply


class MailServer:
    """One mailbox by IMAP4rev1, and an SMTP server that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: dict[int, bytes] = {}
        self.seen: set[int] = set()
        self.taken: list[bytes] = []
        self.refuse = ""
        self.servers: list[asyncio.Server] = []

    async def start(self) -> tuple[int, int]:
        ports = []
        for handler in (self.imap, self.smtp):
            server = await asyncio.start_server(handler, "127.0.0.1", 0)
            self.servers.append(server)
            ports.append(server.sockets[0].getsockname()[1])
        return ports[0], ports[1]

    async def stop(self) -> None:
        for server in self.servers:
            server.close()

    async def imap(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, command = line.split(" ", 1)
            upper = command.upper()
            if upper.startswith("CAPABILITY"):
                writer.write(b"* CAPABILITY IMAP4rev1\r\n")
            elif upper.startswith("SELECT"):
                writer.write(f"* {len(self.mails)} EXISTS\r\n".encode())
            elif upper.startswith("UID SEARCH"):
                unseen = " ".join(str(uid) for uid in self.mails if uid not in self.seen)
                writer.write(f"* SEARCH {unseen}".rstrip().encode() + b"\r\n")
            elif match := re.match(r"UID FETCH (\d+)", upper):
                raw = self.mails.get(int(match.group(1)))
                part = re.search(r"<0\.(\d+)>", upper)
                if raw is not None and part is not None:
                    raw = raw[: int(part[1])]
                    head = f"* 1 FETCH (UID {match.group(1)} BODY[]<0> {{{len(raw)}}}\r\n".encode()
                    writer.write(head + raw + b")\r\n")
            elif match := re.match(r"UID STORE (\d+)", upper):
                self.seen.add(int(match.group(1)))
            elif upper.startswith("LOGOUT"):
                writer.write(b"* BYE\r\n")
            writer.write(f"{tag} OK done\r\n".encode())
        writer.close()

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        while line := (await reader.readline()).decode().strip():
            if line.upper().startswith("DATA"):
                writer.write(b"354 go on\r\n")
                raw = await reader.readuntil(b"\r\n.\r\n")
                self.taken.append(raw[:-5])
            if self.refuse and line.upper().startswith("RCPT"):
                writer.write(f"{self.refuse}\r\n".encode())
                continue
            writer.write(b"221 bye\r\n" if line.upper().startswith("QUIT") else b"250 ok\r\n")
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    mail_server = MailServer()
    yield mail_server
    await mail_server.stop()


def channel(imap: int = 143, smtp: int = 25, **more: Any) -> Email:
    credentials = EmailCredentials(
        address="ask@city.example",
        user="ask",
        password="secret",
        imap_host="127.0.0.1",
        imap_port=imap,
        smtp_host="127.0.0.1",
        smtp_port=smtp,
        security="none",
        poll_s=0.01,
        **more,
    )
    return Email("email", credentials, Surroundings(PlatformClient(), "https://c.example"))


def mail(body: str = "图书馆几点开门？", **headers: str) -> EmailMessage:
    made = EmailMessage()
    fields = {
        "From": "Li <li@example.org>",
        "To": "ask@city.example",
        "Subject": "问题",
        "Message-ID": "<1@x>",
    }
    for name, value in {**fields, **headers}.items():
        made[name] = value
    made.set_content(body)
    return made


async def read(made: EmailMessage | bytes, **more: Any) -> Sequence[Inbound]:
    raw = made if isinstance(made, bytes) else made.as_bytes()
    return await channel(**more).parse(Delivery("GET", {}, {}, raw))


async def test_mail_is_fetched_once_it_is_durable_and_answered_in_its_thread(server: MailServer) -> None:
    imap, smtp = await server.start()
    server.mails = {1: mail().as_bytes(), 2: mail("第二封", **{"Message-ID": "<2@x>"}).as_bytes()}
    made = channel(imap, smtp)
    got: list[Inbound] = []
    fail = [True]

    async def deliver(messages: Sequence[Inbound]) -> None:
        if fail.pop() if fail else False:
            raise RuntimeError("the queue is not there")
        got.extend(messages)

    with pytest.raises(RuntimeError):
        await made.receive(deliver)
    assert server.seen == set()
    task = asyncio.create_task(made.receive(deliver))
    while len(server.seen) < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert [(m.sender_id, m.text) for m in got] == [
        ("li@example.org", "图书馆几点开门？"),
        ("li@example.org", "第二封"),
    ]

    reply = Reply("**周日** 9 点。", "knowledge", citations=(Citation("a", "开放时间", "/knowledge/a"),))
    for _ in range(2):
        await made.send(Outgoing(got[0], [reply], "k1"))
    first, second = (email.message_from_bytes(raw, policy=email.policy.default) for raw in server.taken)
    assert first["Message-ID"] == second["Message-ID"]
    assert (first["In-Reply-To"], first["Subject"], first["To"]) == ("<1@x>", "Re: 问题", "li@example.org")
    assert first["Auto-Submitted"] == "auto-replied"
    assert "周日 9 点" in first.get_body(("plain",)).get_content()
    rich = first.get_body(("html",)).get_content()
    assert "<b>周日</b>" in rich
    assert "https://c.example/knowledge/a" in rich


@pytest.mark.parametrize(
    ("answer", "expected"), [("450 busy", SendError), ("550 no such user", UndeliverableError)]
)
async def test_refusals_by_smtp(server: MailServer, answer: str, expected: type[SendError]) -> None:
    imap, smtp = await server.start()
    server.refuse = answer
    (inbound,) = await read(mail())
    with pytest.raises(expected) as caught:
        await channel(imap, smtp).send(Outgoing(inbound, [Reply("x", "smalltalk")], "k"))
    assert type(caught.value) is expected


async def test_a_mail_server_that_is_down(server: MailServer) -> None:
    (inbound,) = await read(mail())
    with pytest.raises(SendError):
        await channel(1, 1).send(Outgoing(inbound, [Reply("x", "smalltalk")], "k"))


async def test_photos_of_a_mail_are_read_from_the_mailbox_when_they_are_wanted(server: MailServer) -> None:
    imap, smtp = await server.start()
    photo, logo = b"\xff\xd8\xff" + b"p" * 900, b"\x89PNG" + b"l" * 500
    pasted = b"\x89PNG" + b"i" * 30_000
    made = mail("路灯坏了，见照片")
    made.add_attachment(photo, "image", "jpeg", filename="灯.jpg")
    made.add_attachment(photo, "application", "octet-stream", filename="IMG_1.JPG")
    made.add_attachment(logo, "image", "png", disposition="inline", cid="<logo>")
    made.add_attachment(pasted, "image", "png", disposition="inline", cid="<shot>")
    made.add_attachment(b"%PDF", "application", "pdf", filename="x.pdf")
    server.mails = {5: made.as_bytes(), 6: made.as_bytes()}
    app, got = channel(imap, smtp), list[Inbound]()

    async def deliver(messages: Sequence[Inbound]) -> None:
        got.extend(messages)

    task = asyncio.create_task(app.receive(deliver))
    while len(server.seen) < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    media = got[0].media
    assert got[0].text == "路灯坏了，见照片" and len(media) == 3
    assert len(str(media)) < 500
    assert [await app.fetch(item, 50_000) for item in media] == [photo, photo, pasted]
    with pytest.raises(MediaError, match="larger than"):
        await app.fetch(media[2], 1000)
    server.mails[5] = mail("another with the same number").as_bytes()
    with pytest.raises(MediaError, match="left the mailbox"):
        await app.fetch(media[0], 50_000)
    del server.mails[5]
    with pytest.raises(MediaError, match="left the mailbox"):
        await app.fetch(media[0], 50_000)
    with pytest.raises(SendError):
        await channel(1, 1).fetch(media[0], 50_000)


async def test_a_mail_of_nothing_but_a_photo_and_one_of_nothing() -> None:
    made = mail("\n", Subject="")
    assert (await read(made))[0].unreadable
    made.add_attachment(b"\xff\xd8\xff", "image", "jpeg", filename="a.jpg")
    (inbound,) = await read(made)
    assert not inbound.unreadable and inbound.text == "" and len(inbound.media) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"List-Id": "<news.example>"},
        {"From": "MAILER-DAEMON@example.org"},
        {"From": "noreply@example.org"},
        {"From": "ask@city.example"},
        {"From": "nobody"},
    ],
)
async def test_machines_are_not_answered(headers: dict[str, str]) -> None:
    assert await read(mail(**headers)) == ()


async def test_quotes_and_signatures_are_left_out() -> None:
    for quoted in (
        "\n> 旧的\n",
        "\nOn Monday, Chengda wrote:\n旧的",
        "\n在 2026年1月1日，城答写道：\n旧的",
        "\n-- \nLi\n旧的",
        "\n--- 原始邮件 ---\n旧的",
    ):
        (inbound,) = await read(mail("新问题？" + quoted))
        assert inbound.text == "新问题？"


async def test_html_only_and_empty_mail() -> None:
    made = mail()
    made.set_content("<p>几点<b>开门</b>？</p><script>x()</script>", subtype="html")
    (inbound,) = await read(made)
    assert "几点" in inbound.text
    (inbound,) = await read(mail("\n"))
    assert inbound.text == "问题"


async def test_only_genuine_mail_where_that_is_asked() -> None:
    proof = {"Authentication-Results": "mx.city.example; dkim=pass; dmarc=pass header.from=example.org"}
    assert len(await read(mail(**proof), require_authentication=True)) == 1
    assert await read(mail(), require_authentication=True) == ()
    forged = {"Authentication-Results": "mx.city.example; dmarc=fail"}
    assert await read(mail(**forged), require_authentication=True) == ()


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.booleans())
def test_no_mail_breaks_the_reader(noise: bytes, behind_headers: bool) -> None:
    raw = b"From: a@b.example\r\n" + noise if behind_headers else noise
    try:
        asyncio.run(read(raw))
    except ParseError:
        return
