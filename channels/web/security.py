"""Who is calling, from where, and what a browser may do with the response."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from channels.config import GatewayConfig
from channels.problem import Problem, from_http_error, internal, not_found
from channels.records import Access
from channels.store import ConversationStore
from channels.web.keys import ADDRESS, CONFIG

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal and every defect into problem details."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return from_http_error(error, request.app[CONFIG].limits.body_bytes).response()
    except ConnectionResetError:
        raise
    except Exception:
        logger.exception("%s %s failed", request.method, request.match_info.route.resource)
        return internal().response()


def content_security_policy(config: GatewayConfig) -> str:
    """Return the policy: own scripts and styles only; frames on the origins allowed to embed the page."""
    ancestors = "*" if "*" in config.allowed_origins else " ".join(["'self'", *config.allowed_origins])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'; "
        f"frame-ancestors {ancestors}"
    )


def security_headers(config: GatewayConfig) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return the signal handler that puts security headers on every response."""
    fixed = {
        "Content-Security-Policy": content_security_policy(config),
        "Server": "Chengda",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(self), payment=()",
    }

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in fixed.items():
            response.headers[name] = value
        shared = request.path == "/widget.js"
        response.headers.setdefault(
            "Cross-Origin-Resource-Policy", "cross-origin" if shared else "same-origin"
        )
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")

    return add


def cross_origin(config: GatewayConfig) -> Middleware:
    """Return the CORS middleware for the citizen API (Fetch standard, section 3.2)."""
    allowed = frozenset(config.allowed_origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is None or not request.path.startswith("/api/"):
            return await handler(request)
        permitted = "*" in allowed or origin in allowed
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response: web.StreamResponse = web.Response(status=204)
            if permitted:
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
                response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
                response.headers["Access-Control-Max-Age"] = "600"
        else:
            response = await handler(request)
        if not response.prepared:
            response.headers.add("Vary", "Origin")
            if permitted:
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        return response

    return middleware


def caller_address(trusted_proxies: Sequence[str]) -> Middleware:
    """Return the middleware that notes the citizen's network address for limits; it is never stored.

    Behind trusted proxies the address is the last one in `X-Forwarded-For` that is not a proxy itself. IPv6
    addresses count per /64, the block one subscriber gets (RFC 6177).
    """
    networks = [ipaddress.ip_network(network, strict=False) for network in trusted_proxies]

    def is_proxy(address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in networks)

    def find(request: web.Request) -> str:
        address = request.remote or "unknown"
        forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        while forwarded and is_proxy(address):
            address = forwarded.pop() or address
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return address[:64]
        if parsed.version == 6:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
        return address

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ADDRESS] = find(request)
        return await handler(request)

    return middleware


async def authorise(store: ConversationStore, conversation_id: str, token: str) -> None:
    """Raise the problem `not-found` or `forbidden` unless `token` opens the conversation."""
    access = await store.check_token(conversation_id, token)
    if access is Access.UNKNOWN:
        raise not_found()
    if access is Access.REFUSED:
        raise Problem("forbidden", "令牌与该对话不符。", "This token does not open this conversation.")


def bearer_token(request: web.Request) -> str:
    """Return the token of `Authorization: Bearer …` (RFC 6750); raise the problem `unauthorized`."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(
            "unauthorized",
            "请在 Authorization 头中以 Bearer 方式提供对话令牌。",
            "Send the conversation's token as Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": 'Bearer realm="chengda"'},
        )
    return token.strip()
