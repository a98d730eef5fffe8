"""Whose conversation a platform identity belongs to, with which role; linking by a one-time code.

Identities stay apart until a person asks for a code in one channel and sends it in the other within ten
minutes. From then on both are one conversation, with one language and one memory.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection

from channels.limits import Rate, TokenBuckets
from channels.records import Address
from channels.store import ConversationStore
from channels.store_rows import find_sender, keep_address
from channels.tables import link_codes, links
from city.messages import Message, Reply
from city.outbox import utc_now

LIFETIME_MIN = 10
_ASK = re.compile(r"\s*(?:绑定|关联|link)(?:账号|身份|\s+my\s+account)?\s*[。.!！]?\s*", re.IGNORECASE)
_GIVE = re.compile(r"\s*(?:绑定|关联|link)\s*[:：]?\s*([0-9０-９]{8})\s*[。.]?\s*", re.IGNORECASE)
_PART = re.compile(r"\s*(?:解除绑定|解绑|unlink)\s*[。.]?\s*", re.IGNORECASE)
# Eight digits, five tries an hour and ten minutes: one in twenty million per identity.
_TRIES = Rate(per_s=5 / 3600, burst=5)

_TEXTS = {
    "code": {
        "zh": "您的绑定码是 {code}，{minutes} 分钟内有效，只能用一次。请在另一个渠道发送：绑定 {code}。请勿告诉他人。",
        "en": "Your code is {code}. It is valid for {minutes} minutes and once only. In the other channel, send: "
        "link {code}. Tell it to nobody.",
    },
    "linked": {
        "zh": "已绑定。两个渠道现在是同一个对话。发送“解绑”可以解除。",
        "en": "Linked: both channels are one conversation now. Send “unlink” to part them.",
    },
    "wrong": {
        "zh": "绑定码不正确或已过期。请在另一个渠道发送“绑定”重新获取。",
        "en": "That code is wrong or out of date. Send “link” in the other channel for a new one.",
    },
    "elsewhere": {
        "zh": "网页对话不能接收绑定码。请在这里发送“绑定”取得绑定码，再到聊天应用里发送。",
        "en": "The web page cannot take a code. Send “link” here to get one, and send that in the chat app.",
    },
    "often": {
        "zh": "尝试次数过多，请一小时后再试。",
        "en": "Too many tries; please wait an hour.",
    },
    "parted": {
        "zh": "已解除绑定，此渠道重新是独立的对话。",
        "en": "Unlinked: this channel is a conversation of its own again.",
    },
}


def _say(key: str, text: str, **values: object) -> Reply:
    language = "zh" if re.search("[\u4e00-\u9fff]", text) else "en"
    return Reply(_TEXTS[key][language].format(**values), "smalltalk")


class Identities:
    """Finds the conversation and the role of a sender, and serves the words that link.

    Args:
        store: keeps conversations.
        roles: staff role by (channel, sender id); everyone else is a citizen.
    """

    def __init__(self, store: ConversationStore, roles: Mapping[tuple[str, str], str] | None = None) -> None:
        self._store = store
        self._roles = dict(roles or {})
        self._tries = TokenBuckets(_TRIES)

    def role(self, channel: str, sender_id: str) -> str:
        """Return the role that a channel identity is mapped to."""
        return self._roles.get((channel, sender_id), "citizen")

    async def conversation(self, channel: str, sender_id: str) -> str:
        """Return the conversation of a sender: the linked one, or the sender's own."""
        found = await self._store.in_transaction(_linked, channel, sender_id)
        return found or await self._store.for_sender(channel, sender_id)

    async def arrived(self, address: Address) -> str:
        """Return the conversation of a sender, and remember where it was heard from, in one transaction."""
        found = await self._store.in_transaction(_arrived, address)
        if found is None:
            # The sender's first message makes the conversation.
            found = await self.conversation(address.channel, address.sender_id)
            await self._store.set_address(found, address)
        return found

    async def command(self, channel: str, sender_id: str, conversation_id: str, text: str) -> Reply | None:
        """Serve "link", "link 12345678" and "unlink" in both languages; return `None` for anything else."""
        given = _GIVE.fullmatch(text)
        if given is not None:
            return await self._link(channel, sender_id, conversation_id, given.group(1), text)
        if _ASK.fullmatch(text):
            code = f"{secrets.randbelow(10**8):08d}"
            await self._store.in_transaction(_keep_code, conversation_id, _hash(code))
            return _say("code", text, code=code, minutes=LIFETIME_MIN)
        if _PART.fullmatch(text) and sender_id:
            await self._store.in_transaction(_part, channel, sender_id)
            return _say("parted", text)
        return None

    async def web_words(self, message: Message) -> Reply | None:
        """Serve the same words on the web page, where a conversation can give a code but not take one."""
        if message.channel != "web":
            return None
        return await self.command("web", "", message.conversation_id, message.text)

    async def _link(self, channel: str, sender_id: str, conversation_id: str, code: str, text: str) -> Reply:
        if not sender_id:
            return _say("elsewhere", text)
        key = f"{channel}:{sender_id}"
        if self._tries.wait_s(key):
            return _say("often", text)
        self._tries.take(key)
        # Full-width digits are digits too.
        target = await self._store.in_transaction(_use_code, _hash(f"{int(code):08d}"))
        if target is None or target == conversation_id:
            return _say("wrong", text)
        await self._store.in_transaction(_join, channel, sender_id, target)
        return _say("linked", text)


def _hash(code: str) -> str:
    return hashlib.sha256(b"chengda-link:" + code.encode()).hexdigest()


def _arrived(connection: Connection, address: Address) -> str | None:
    sender = (address.channel, address.sender_id)
    found = _linked(connection, *sender) or find_sender(connection, *sender)
    if found is not None:
        keep_address(connection, found, address)
    return found


def _linked(connection: Connection, channel: str, sender_id: str) -> str | None:
    query = select(links.c.conversation_id).where(links.c.channel == channel, links.c.sender_id == sender_id)
    return connection.execute(query).scalar()


def _keep_code(connection: Connection, conversation_id: str, code_hash: str) -> None:
    connection.execute(delete(link_codes).where(link_codes.c.conversation_id == conversation_id))
    connection.execute(delete(link_codes).where(link_codes.c.expires_at < utc_now()))
    expires = utc_now() + timedelta(minutes=LIFETIME_MIN)
    row = {"conversation_id": conversation_id, "code_hash": code_hash, "expires_at": expires}
    connection.execute(insert(link_codes).values(row))


def _use_code(connection: Connection, code_hash: str) -> str | None:
    """Return the conversation of a valid code; a code is deleted by its first use."""
    query = select(link_codes).where(link_codes.c.code_hash == code_hash)
    row = connection.execute(query).first()
    if row is None:
        return None
    used = connection.execute(delete(link_codes).where(link_codes.c.code_hash == code_hash)).rowcount
    return row.conversation_id if used and row.expires_at >= utc_now() else None


def _part(connection: Connection, channel: str, sender_id: str) -> None:
    connection.execute(delete(links).where(links.c.channel == channel, links.c.sender_id == sender_id))


def _join(connection: Connection, channel: str, sender_id: str, conversation_id: str) -> None:
    _part(connection, channel, sender_id)
    row = {
        "channel": channel,
        "sender_id": sender_id,
        "conversation_id": conversation_id,
        "created_at": utc_now(),
    }
    connection.execute(insert(links).values(row))
