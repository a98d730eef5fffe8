"""The `hotline:` section of `city.yml`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Extra, Field, validator


class _Section(BaseModel):
    class Config:
        """Unknown keys are mistakes."""

        extra = Extra.forbid


class SpeechSection(_Section):
    """Engines of the self-hosted telephone: what understands and what speaks.

    `recogniser` and `voice` name a file of `channels/hotline/engines/`; an empty recogniser leaves the keypad.
    `models` maps a language to the recogniser's model folder; `command` is the program of the recogniser `command`.
    """

    recogniser: str = ""
    voice: str = "espeak"
    models: dict[str, str] = {}
    command: list[str] = []
    voices: dict[str, str] = {}


class AudioSocketSection(_Section):
    """Where Asterisk's AudioSocket application connects; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = Field(default=9092, ge=0, le=65535)
    calls: int = Field(default=20, ge=1, le=1000)


class HotlineSection(_Section):
    """The telephone.

    `providers` names what may call us; their secrets come from the environment (`TWILIO_AUTH_TOKEN`,
    `JAMBONZ_WEBHOOK_SECRET`, `HOTLINE_MEDIA_TOKEN`). `public_url` is our address as the provider writes it, the
    base of the signed address. `transfer_to` is the number or SIP address where a person answers.
    """

    providers: list[Literal["twilio", "jambonz", "audiosocket", "media_stream"]] = []
    public_url: str = ""
    transfer_to: str = ""
    silence_s: float = Field(default=6.0, gt=0, le=60)
    misses: int = Field(default=3, ge=1, le=10)
    confirm_below: float = Field(default=0.6, ge=0, le=1)
    refuse_below: float = Field(default=0.3, ge=0, le=1)
    audiosocket: AudioSocketSection = Field(default_factory=AudioSocketSection)
    speech: SpeechSection = Field(default_factory=SpeechSection)

    @validator("public_url")
    def _address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("is no address; write it as https://bot.city.example")
        return value.rstrip("/")

    @validator("providers")
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("names a provider twice; remove one")
        return value
