"""The hotline as a part of the gateway: the ways of calling that the settings name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from aiohttp import web

from channels.dispatcher import Dispatcher
from channels.extension import Extension
from channels.hotline.audiosocket import AudioSocketServer
from channels.hotline.config import HotlineSection
from channels.hotline.desk import CHANNEL, PhoneDesk
from channels.hotline.jambonz import Jambonz
from channels.hotline.media_stream import MediaStream
from channels.hotline.records import CallStore
from channels.hotline.service import Hotline
from channels.hotline.speech import load_recogniser, load_voice
from channels.hotline.twilio_voice import TwilioVoice
from channels.store import ConversationStore

SECRETS: Mapping[str, Sequence[str]] = {
    "twilio": ("TWILIO_AUTH_TOKEN",),
    "jambonz": ("JAMBONZ_WEBHOOK_SECRET",),
    "media_stream": ("HOTLINE_MEDIA_TOKEN",),
    "audiosocket": (),
}
KEEP_DAYS = 180


class HotlineConfigError(Exception):
    """The hotline lacks a secret or an address; the message names it."""


class HotlineExtension(Extension):
    """Opens the hotline's ways of calling.

    Args:
        section: the settings.
        database: URL of the calls' database.
        names: the city's and the assistant's names by language.
        environment: where the secrets are.
        desk: notes transfers and takes messages.

    Raises:
        HotlineConfigError: a secret, or `public_url` for Twilio's signatures, is missing.
        SpeechEngineError: an engine is unknown, not installed, or lacks its model.
    """

    switch = CHANNEL

    def __init__(
        self,
        section: HotlineSection,
        database: str,
        names: dict[str, dict[str, str]],
        environment: Mapping[str, str],
        desk: PhoneDesk | None = None,
    ) -> None:
        for provider in section.providers:
            for secret in SECRETS[provider]:
                if not environment.get(secret):
                    raise HotlineConfigError(
                        f"hotline: {provider} needs the environment variable {secret}; set it"
                    )
        if "twilio" in section.providers and not section.public_url:
            raise HotlineConfigError(
                "city.yml: hotline.public_url is empty; write the address that Twilio calls, for its signatures"
            )
        known = {secret for secrets in SECRETS.values() for secret in secrets}
        self.hotline = Hotline(
            section, CallStore(database), names, {k: v for k, v in environment.items() if k in known}, desk
        )
        self._ways: list[TwilioVoice | Jambonz | MediaStream | AudioSocketServer] = []
        self.audiosocket: AudioSocketServer | None = None
        if "twilio" in section.providers:
            self._ways.append(TwilioVoice(self.hotline))
        if "jambonz" in section.providers:
            self._ways.append(Jambonz(self.hotline))
        if {"media_stream", "audiosocket"} & set(section.providers):
            recogniser, voice = load_recogniser(section.speech), load_voice(section.speech)
            if "media_stream" in section.providers:
                self._ways.append(MediaStream(self.hotline, recogniser, voice))
            if "audiosocket" in section.providers:
                self.audiosocket = AudioSocketServer(self.hotline, recogniser, voice)
                self._ways.append(self.audiosocket)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes of every way."""
        return [route for way in self._ways for route in way.routes()]

    async def start(self, dispatcher: Dispatcher, store: ConversationStore) -> None:
        """Take calls."""
        self.hotline.attach(dispatcher, store)
        await asyncio.to_thread(self.hotline.store.purge, KEEP_DAYS)
        if self.audiosocket is not None:
            await self.audiosocket.start()

    async def stop(self) -> None:
        """End every call."""
        with contextlib.suppress(OSError):
            if self.audiosocket is not None:
                await self.audiosocket.stop()
        await asyncio.to_thread(self.hotline.store.close)
