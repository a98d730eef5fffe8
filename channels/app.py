"""What the chat apps have in common: credentials, a client, replies fitted part by part."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, Extra

from channels.base import Channel, Inbound, Outgoing, Repeats, UnsettledError
from channels.fitting.fit import Part, fit
from channels.fitting.markdown import DIALECTS
from channels.fitting.shape import Shape
from channels.http import PlatformClient
from channels.pictures import Pictures

# Put before a message that may be there already, on a platform that cannot tell.
_AGAIN = {
    "zh": "（重发：此消息您可能已经收到过）",
    "en": "(Sent again: you may have this message already.)",
}
# What a channel that holds its answers leaves free in each message, in the unit of its shape.
ENDING_ROOM = 100
_LOOK_AGAIN_S = 1.0
# What is under way when we ask would be missed.
_ASK_AFTER_S = 3.0


class Credentials(BaseModel):
    """One entry of credentials.yml; each channel has its own model."""

    class Config:
        extra = Extra.forbid
        allow_mutation = False


@dataclass(frozen=True)
class Surroundings:
    """What a channel may use: the client, the gateway's address as seen from outside, the folder of charts."""

    client: PlatformClient
    public_url: str = ""
    charts: Path | None = None

    def webhook_url(self, name: str) -> str:
        """Return the address of a channel's webhook as the platform calls it."""
        return f"{self.public_url.rstrip('/')}/channels/{name}/webhook"


class AppChannel(Channel):
    """A chat app: `send` fits the replies and hands them to `post` part by part, each once.

    Args:
        name: the entry's name in credentials.yml, and in the webhook's address.
        credentials: the entry, validated by the class's own model.
        surroundings: see `Surroundings`.
    """

    credentials_model: ClassVar[type[Credentials]] = Credentials

    # Reports of what was taken come within seconds, after an outage of ours when the platform repeats them.
    told_wait_s: ClassVar[float] = 60.0

    def __init__(self, name: str, credentials: Any, surroundings: Surroundings) -> None:
        self.name = name
        self.credentials = credentials
        self.surroundings = surroundings
        self.client = surroundings.client
        self.pictures = Pictures(surroundings.client, surroundings.public_url, surroundings.charts)

    def parts(self, outgoing: Outgoing) -> list[Part]:
        """Return the platform's messages for some replies."""
        return self.fitted(outgoing, self.shape)

    def fitted(self, outgoing: Outgoing, shape: Shape) -> list[Part]:
        """Return the messages for some replies in a shape."""
        return fit(
            outgoing.replies,
            shape,
            language=outgoing.language,
            message_id=outgoing.message_id,
            public_url=self.surroundings.public_url,
        )

    async def send(self, outgoing: Outgoing) -> None:
        """Send what earlier attempts have not sent yet."""
        parts = self.parts(outgoing)
        for number, part in enumerate(parts):
            if number < outgoing.sent:
                continue
            key = f"{outgoing.key}#{number}"
            doubtful = outgoing.unsure and number == outgoing.sent
            if not (doubtful and await self._was_taken(outgoing, part, key)):
                shown = doubtful and self.repeats in {Repeats.SHOWN, Repeats.TOLD}
                await self.post(outgoing, self.said_again(part, outgoing.language) if shown else part, key)
            if number + 1 < len(parts):
                await outgoing.part_sent(number + 1)

    async def _was_taken(self, outgoing: Outgoing, part: Part, key: str) -> bool:
        """Return whether a part whose sending ended unseen has arrived; raise `UnsettledError` to wait."""
        if self.repeats is Repeats.TOLD and outgoing.unsure_s < self.told_wait_s:
            # The report itself moves `outgoing.sent` on, so that this part is not asked about again.
            raise UnsettledError("waiting for the platform's report", _LOOK_AGAIN_S)
        if self.repeats is Repeats.ASKED:
            if outgoing.unsure_s < _ASK_AFTER_S:
                raise UnsettledError("the platform will be asked", _ASK_AFTER_S - outgoing.unsure_s)
            return await self.ask(outgoing, part, key)
        return False

    async def ask(self, outgoing: Outgoing, part: Part, key: str) -> bool:
        """Ask the platform whether it took a message, where `repeats` is `ASKED`; raise as `send` does."""
        return False

    def said_again(self, part: Part, language: str) -> Part:
        """Return a part that says that it may be there already, where that fits."""
        words = DIALECTS[self.shape.dialect].escape(_AGAIN["zh" if language == "zh" else "en"])
        text = f"{words}\n{part.text}"
        fits = bool(part.text) and self.shape.unit.count(text) <= self.shape.limit
        return replace(part, text=text) if fits else part

    async def stop(self) -> None:
        """Close the client; channels that share it find it closed already."""
        await self.client.close()

    def link(self, part: Part, language: str) -> str:
        """Return the text that stands for a picture which the platform cannot have."""
        dialect = DIALECTS[self.shape.dialect]
        words = dialect.escape("图片：" if language == "zh" else "Picture: ")
        return words + dialect.link(dialect.escape(part.image or ""), part.image or "")

    @abstractmethod
    async def post(self, outgoing: Outgoing, part: Part, key: str) -> None:
        """Send one message; `key` is the same in every attempt and for nothing else."""

    async def try_out(self, text: str) -> Sequence[Inbound]:
        """Lead a signed sample through verify and parse, for `chengda channels test`."""
        delivery = self.sample(text)
        if delivery is None:
            return ()
        await self.verify(delivery)
        return await self.parse(delivery)
