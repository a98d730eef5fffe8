"""What the chat apps have in common: credentials, a client, replies fitted part by part."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, Extra

from channels.base import Channel, Inbound, Outgoing
from channels.fitting.fit import Part, fit
from channels.http import PlatformClient


class Credentials(BaseModel):
    """One entry of credentials.yml; each channel has its own model."""

    class Config:
        extra = Extra.forbid
        allow_mutation = False


@dataclass(frozen=True)
class Surroundings:
    """What a channel may use: the client, and the address under which the gateway is reached from outside."""

    client: PlatformClient
    public_url: str = ""

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

    def __init__(self, name: str, credentials: Any, surroundings: Surroundings) -> None:
        self.name = name
        self.credentials = credentials
        self.surroundings = surroundings
        self.client = surroundings.client

    def parts(self, outgoing: Outgoing) -> list[Part]:
        """Return the platform's messages for some replies."""
        return fit(
            outgoing.replies,
            self.shape,
            language=outgoing.language,
            message_id=outgoing.message_id,
            public_url=self.surroundings.public_url,
        )

    async def send(self, outgoing: Outgoing) -> None:
        """Send what earlier attempts have not sent yet."""
        for number, part in enumerate(self.parts(outgoing)):
            if number < outgoing.sent:
                continue
            await self.post(outgoing, part, f"{outgoing.key}#{number}")
            await outgoing.part_sent(number + 1)

    async def stop(self) -> None:
        """Close the client; channels that share it find it closed already."""
        await self.client.close()

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
