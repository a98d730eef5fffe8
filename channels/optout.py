"""Opt-out words of SMS: STOP and its like end all messages to a number until START (CTIA, 退订回T)."""

from __future__ import annotations

import enum
import re

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection

from channels.store import ConversationStore
from channels.tables import opt_outs
from city.messages import Reply
from city.outbox import utc_now

_STOP = {
    "stop",
    "stopall",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "t",
    "td",
    "退订",
    "停止",
}
_START = {"start", "unstop", "订阅", "恢复"}
_HELP = {"help", "info"}

_TEXTS = {
    "stopped": "您已退订，不会再收到短信。回复“恢复”或 START 可重新开启。\n"
    "You are unsubscribed and will get no more messages. Reply START to resume.",
    "started": "已恢复，请直接发送您的问题。\nYou are subscribed again; just send your question.",
    "help": "城市助手：直接发送问题即可。回复“退订”或 STOP 停止接收。\n"
    "City assistant: just send your question. Reply STOP to end messages.",
}


class Verdict(enum.Enum):
    """What opting out means for one message: it goes on, or nothing at all may be said."""

    GO_ON = "go on"
    SILENT = "silent"


class OptOuts:
    """Remembers who does not want to be written to."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    async def consider(self, channel: str, sender_id: str, text: str) -> Reply | Verdict:
        """Return the confirmation of an opt-out word, or what holds for any other message."""
        word = re.sub(r"[\s.!。！-]", "", text).casefold()
        out = await self._store.in_transaction(_is_out, channel, sender_id)
        if word in _STOP:
            await self._store.in_transaction(_set, channel, sender_id, True)
            return Verdict.SILENT if out else Reply(_TEXTS["stopped"], "smalltalk")
        if word in _START:
            await self._store.in_transaction(_set, channel, sender_id, False)
            return Reply(_TEXTS["started"], "smalltalk") if out else Verdict.GO_ON
        if word in _HELP:
            return Reply(_TEXTS["help"], "smalltalk")
        return Verdict.SILENT if out else Verdict.GO_ON

    async def silent(self, channel: str, sender_id: str) -> bool:
        """Return whether nothing may be sent to a person."""
        return await self._store.in_transaction(_is_out, channel, sender_id)


def _is_out(connection: Connection, channel: str, sender_id: str) -> bool:
    query = select(opt_outs.c.since).where(opt_outs.c.channel == channel, opt_outs.c.sender_id == sender_id)
    return connection.execute(query).first() is not None


def _set(connection: Connection, channel: str, sender_id: str, out: bool) -> None:
    connection.execute(
        delete(opt_outs).where(opt_outs.c.channel == channel, opt_outs.c.sender_id == sender_id)
    )
    if out:
        row = {"channel": channel, "sender_id": sender_id, "since": utc_now()}
        connection.execute(insert(opt_outs).values(row))
