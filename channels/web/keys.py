"""Typed keys under which the gateway's parts lie in the aiohttp application."""

from __future__ import annotations

from aiohttp import web

from channels.config import GatewayConfig
from channels.dispatcher import Dispatcher
from channels.limits import TokenBuckets
from channels.notice import NoticeBoard
from channels.store import ConversationStore
from channels.switches import ChannelSwitches

CONFIG = web.AppKey("chengda_config", GatewayConfig)
STORE = web.AppKey("chengda_store", ConversationStore)
DISPATCHER = web.AppKey("chengda_dispatcher", Dispatcher)
NEW_CONVERSATIONS = web.AppKey("chengda_new_conversations", TokenBuckets)
NOTICES = web.AppKey("chengda_notices", NoticeBoard)
SWITCHES = web.AppKey("chengda_switches", ChannelSwitches)
ADDRESS = "chengda.address"
