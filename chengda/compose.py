"""Builds the rooms' objects from the settings; what loads slowly is imported by whoever needs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nlp.joint_manifest import ModelError, ModelNotFoundError
from nlp.registry import ModelRegistry

if TYPE_CHECKING:
    from bot.brain import Brain, BrainConfig
    from channels import gateway
    from channels.extension import Extension
    from channels.protocols import ConversationObserver, PhotoTaker
    from channels.traces import TraceRecorder, TraceStore
    from channels.traces.recorder import Retention
    from chengda.people import People
    from city.live import LiveSettings
    from console.config import ConsoleConfig, ConsoleSettings
    from console.services import Services
    from console.staff import StaffStore

from bot.training import BOT_DIR, dialogue_model
from city.fingerprint import fingerprint_files
from city.settings import Bilingual, Settings, SettingsError, module_section


def nlu_models_dir(settings: Settings) -> Path:
    """Return the folder of the NLU model registry."""
    return settings.data / "models" / "nlu"


def dialogue_models_dir(settings: Settings) -> Path:
    """Return the folder of dialogue models."""
    return settings.data / "models" / "dialogue"


def brain_config(settings: Settings) -> BrainConfig:
    """Return what the brain needs of the settings."""
    from bot.brain import BrainConfig

    names = {
        language: {
            "city": settings.city.name.get(language),
            "assistant": settings.city.assistant_name.get(language),
            "hotline": settings.contact.number,
            "emergency_numbers": ("、" if language == "zh" else ", ").join(
                number.number for number in settings.emergency if "general" in number.kinds
            ),
        }
        for language in ("zh", "en")
    }
    url = settings.server.tracker_url or f"sqlite:///{settings.data / 'conversations.db'}"
    return BrainConfig(
        model=dialogue_model(dialogue_models_dir(settings)),
        tracker_url=url,
        default_language=settings.city.default_language,
        names=names,
        replicas=settings.server.replicas,
    )


def make_brain(settings: Settings) -> Brain:
    """Return the brain, not loaded yet."""
    from bot.brain import Brain

    return Brain(brain_config(settings))


def nlu_sources(settings: Settings) -> str:
    """Return the fingerprint of what the shipped NLU model is trained from: our utterances and the base."""
    base = settings.path(settings.models.base)
    weights = [
        file
        for name in ("config.json", "tokenizer.json", "model.safetensors")
        if (file := base / name).exists()
    ]
    return fingerprint_files([BOT_DIR / "data" / "nlu", *weights])


def nlu_registry(settings: Settings) -> ModelRegistry:
    """Return the registry of trained NLU models."""
    return ModelRegistry(nlu_models_dir(settings))


def staff_examples_dir(settings: Settings) -> Path:
    """Return the folder of the utterances that staff added; training reads it beside the shipped ones."""
    return settings.data / "nlu" / "examples"


def nlu_is_current(settings: Settings) -> bool:
    """Whether the shipped data were trained already, or staff put a model of their own in place."""
    registry = nlu_registry(settings)
    try:
        current = registry.current()
    except ModelNotFoundError:
        return False
    wanted = nlu_sources(settings)
    return any(
        version.sources == wanted or (version.path == current and version.sources is None)
        for version in registry.versions()
    )


def make_trace_store(settings: Settings) -> TraceStore:
    """Open the store of conversations' traces."""
    from channels.traces import TraceStore

    return TraceStore(settings.traces.url or f"sqlite:///{settings.data / 'traces.db'}")


def retention_of(settings: Settings, live: LiveSettings | None) -> Callable[[], Retention]:
    """Return what tells the periods that hold now: those that staff set in the console, else city.yml's."""
    from channels.traces.recorder import Retention

    traces = settings.traces

    def retention() -> Retention:
        chosen = (live.get("retention") if live is not None else None) or {}
        return Retention(
            chosen.get("keep_days", traces.keep_days), chosen.get("totals_days", traces.totals_days)
        )

    return retention


def make_trace_recorder(
    settings: Settings, store: TraceStore, live: LiveSettings | None = None
) -> TraceRecorder:
    """Return the recorder of turns in front of the open knowledge base; close it when done."""
    from actions import answers
    from channels.traces import TraceRecorder
    from channels.traces.inbox import KnowledgeInbox

    traces = settings.traces
    return TraceRecorder(
        store,
        settings.zone,
        inbox=KnowledgeInbox(answers.get_service()),
        capacity=traces.waiting,
        retention=retention_of(settings, live),
        idle_s=traces.abandoned_after_s,
    )


def make_live_settings(settings: Settings) -> LiveSettings:
    """Open the settings that staff change at run time."""
    from city.live import LiveSettings

    return LiveSettings(settings.server.conversation_url or f"sqlite:///{settings.data / 'live.db'}")


def gateway_config(
    settings: Settings,
    recorder: TraceRecorder | None = None,
    people: People | None = None,
    live: LiveSettings | None = None,
) -> gateway.GatewayConfig:
    """Return what the gateway needs of the settings; `recorder` is told of every turn, `people` own conversations."""
    from channels import gateway
    from channels.courier import Retries
    from channels.registry import load_channels, make_queue
    from channels.settings import channels_section

    server = settings.server
    apps = channels_section(settings)
    retention = retention_of(settings, live)
    observers = [*([recorder] if recorder is not None else []), *(people.observers if people else ())]
    return gateway.GatewayConfig(
        city_name=_bilingual(settings.city.name),
        assistant_name=_bilingual(settings.city.assistant_name),
        database=server.conversation_url or f"sqlite:///{settings.data / 'chat.db'}",
        languages=settings.city.languages,
        emergency_numbers=[gateway.PhoneNumber(n.number, n.zh, n.en) for n in settings.emergency],
        contact=gateway.PhoneNumber(settings.contact.number, settings.contact.zh, settings.contact.en),
        notice=_bilingual(settings.notice) if settings.notice.zh or settings.notice.en else None,
        suggestions=[_bilingual(text) for text in settings.suggestions],
        limits=gateway.Limits(
            text_chars=server.max_text_length,
            message_timeout_s=server.reply_timeout_s,
            per_conversation=gateway.Rate(**server.limits.conversation.dict()),
            per_address=gateway.Rate(**server.limits.address.dict()),
            new_conversations=gateway.Rate(**server.limits.new_conversations.dict()),
        ),
        allowed_origins=server.allowed_origins,
        trusted_proxies=server.trusted_proxies,
        charts=settings.data / "charts",
        channels=load_channels(settings, apps),
        inbox=make_queue(apps),
        roles=apps.roles_by_identity(),
        retries=Retries(**apps.retries.dict()),
        turn_observers=[recorder] if recorder is not None else (),
        owner=people.owner if people else None,
        conversation_observers=[*observers, *_request_observers()],
        exports=settings.data / "exports",
        files=settings.data / "files",
        live=live,
        keep_days=lambda: retention().keep_days,
        photos=_request_photos(),
        extensions=[*make_extensions(settings, people), *(people.extensions if people else ())],
        alerts=bool(people and people.notices),
    )


def console_settings(settings: Settings) -> ConsoleSettings:
    """Return the console's section of the settings, or what holds without one.

    Raises `SettingsError` when a key of it is wrong.
    """
    from city.settings import module_section
    from console.config import ConsoleSettings

    return module_section(settings, "console", ConsoleSettings) or ConsoleSettings()


def make_staff_store(settings: Settings) -> StaffStore:
    """Open the store of staff accounts."""
    from console.staff import StaffStore

    section = console_settings(settings)
    return StaffStore(
        section.url or f"sqlite:///{settings.data / 'console.db'}",
        idle_minutes=section.idle_minutes,
        session_hours=section.session_hours,
    )


def first_admin(settings: Settings, staff: StaffStore) -> str | None:
    """Make the account `admin` when there is no account at all; return its password, which is kept nowhere."""
    from console.staff import make_password

    if not console_settings(settings).first_admin or staff.count():
        return None
    password = make_password()
    staff.add("admin", "admin", password)
    return password


def console_config(
    settings: Settings, staff: StaffStore, services: Services, citizen_url: str
) -> ConsoleConfig:
    """Return what the console needs of the settings."""
    from console.config import ConsoleConfig

    section = console_settings(settings)
    return ConsoleConfig(
        staff=staff,
        services=services,
        city=(settings.city.name.get("zh"), settings.city.name.get("en")),
        zone=settings.zone,
        default_language=settings.city.default_language,
        allow_plain_http=section.allow_plain_http,
        trusted_proxies=settings.server.trusted_proxies,
        citizen_url=citizen_url,
        public_url=section.public_url,
        oidc=section.oidc,
        oidc_secret=os.environ.get("CHENGDA_OIDC_SECRET", ""),
    )


def make_extensions(settings: Settings, people: People | None = None) -> list[Extension]:
    """Return what stands beside the chat API: the hotline, where the settings name a way of calling."""
    from channels.hotline.config import HotlineSection
    from channels.hotline.desk import HandoverPhoneDesk
    from channels.hotline.extension import HotlineExtension

    hotline = module_section(settings, "hotline", HotlineSection)
    if hotline is None or not hotline.providers:
        return []
    names = {
        code: {"city": settings.city.name.get(code), "assistant": settings.city.assistant_name.get(code)}
        for code in ("zh", "en")
    }
    database = settings.server.conversation_url or f"sqlite:///{settings.data / 'hotline.db'}"
    desk = HandoverPhoneDesk(people.desk.switchboard) if people and people.desk else None
    return [HotlineExtension(hotline, database, names, os.environ, desk)]


def _request_observers() -> list[ConversationObserver]:
    from actions import requests
    from channels.requests import RequestErasure

    return [RequestErasure(requests.get_service())] if requests.configured() else []


def _request_photos() -> PhotoTaker | None:
    from actions import requests
    from channels.requests import RequestPhotos

    return RequestPhotos(requests.get_service()) if requests.configured() else None


def start_rooms(settings: Settings) -> None:
    """Open the city modules' services."""
    from actions import setup

    setup.configure(settings)


def stop_rooms() -> None:
    """Close the city modules' services; what the knowledge base has yet to write is written."""
    from actions import setup

    setup.close()


def startup_errors() -> tuple[type[Exception], ...]:
    """Return the errors that tell the operator what to mend; they are printed without a traceback."""
    from actions.energy import EnergyError
    from actions.handover import HandoverError
    from actions.notices import NoticesError
    from actions.requests import RequestsError
    from actions.traffic import TrafficError
    from actions.transit.errors import TransitError
    from bot.brain import BrainError
    from channels.gateway import PortInUseError
    from channels.hotline.extension import HotlineConfigError
    from channels.hotline.speech import SpeechEngineError
    from channels.queue.base import QueueError
    from city.db import DatabaseError
    from knowledge.article import ArticleError
    from knowledge.calibrating import QuestionFileError
    from knowledge.index import KnowledgeIndexError
    from nlp.encoder import EncoderError

    return (
        SettingsError,
        BrainError,
        PortInUseError,
        QueueError,
        TransitError,
        TrafficError,
        EnergyError,
        RequestsError,
        HotlineConfigError,
        SpeechEngineError,
        HandoverError,
        NoticesError,
        DatabaseError,
        ArticleError,
        QuestionFileError,
        KnowledgeIndexError,
        EncoderError,
        ModelError,
    )


def _bilingual(text: Bilingual) -> gateway.Bilingual:
    from channels import gateway

    return gateway.Bilingual(zh=text.get("zh"), en=text.get("en"))
