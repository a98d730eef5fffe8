"""Pictures and positions from chat apps: found in each platform's format, fetched with its credentials, taken in once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from channels.app import AppChannel
from channels.attachments import Attachments
from channels.base import Channel, Delivery, Inbound, MediaError, Outgoing, SendError, UndeliverableError
from channels.courier import Retries
from channels.gateway import create_app
from channels.http import PlatformClient
from channels.incoming import bend, on_host, position, stand_in
from channels.queue.base import from_json, to_json
from tests.channels.platforms import make

PICTURE = b"\xff\xd8\xff" + b"picture" * 20
HERE = {"lat": 29.0, "lon": 124.5}
# The same place as maps of China draw it.
BENT = bend(29.0, 124.5)


class Store:
    """Serves `PICTURE` at every GET that carries `token`; what a platform says before that lies in `answers`."""

    def __init__(self) -> None:
        self.url, self.token, self.kind, self.data, self.status = "", "", "image/jpeg", PICTURE, 200
        self.answers: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        for ending, answer in self.answers.items():
            if request.path.endswith(ending):
                return web.json_response(answer)
        if request.path.endswith(("token", "accessToken", "internal")):
            life = {"expires_in": 7200, "expireIn": 7200, "expire": 7200}
            names = dict.fromkeys(("access_token", "accessToken", "tenant_access_token"), "t-1")
            return web.json_response({**names, **life})
        given = f"{request.path}?{request.query_string} {request.headers.get('Authorization', '')}"
        if self.token not in given:
            return web.json_response({"errcode": 40014, "error": "who are you?"}, status=401)
        return web.Response(body=self.data, content_type=self.kind, status=self.status)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = Store()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.handle)
    async with TestServer(app) as server:
        made.url = str(server.make_url("")).rstrip("/")
        yield made


@pytest.fixture
async def client() -> AsyncIterator[PlatformClient]:
    made = PlatformClient(timeout_s=2.0)
    yield made
    await made.close()


def _json(data: Any) -> Delivery:
    return Delivery("POST", {}, {}, json.dumps(data).encode())


def _telegram(channel: AppChannel, url: str) -> tuple[Delivery, Delivery]:
    about = {"from": {"id": 5}, "chat": {"id": 5}, "message_id": 1}
    sizes = [{"file_id": "small", "width": 90}, {"file_id": "large", "width": 1280}]
    where = {"latitude": 29.0, "longitude": 124.5}
    return (
        _json({"update_id": 1, "message": {**about, "photo": sizes}}),
        _json({"update_id": 2, "message": {**about, "location": where}}),
    )


def _whatsapp(channel: AppChannel, url: str) -> tuple[Delivery, Delivery]:
    def of(kind: str, value: Any) -> Delivery:
        message = {"from": "86", "id": f"wamid.{kind}", "type": kind, kind: value}
        return _json({"entry": [{"changes": [{"value": {"messages": [message]}}]}]})

    return (
        of("image", {"id": "7", "mime_type": "image/jpeg"}),
        of("location", {"latitude": 29.0, "longitude": 124.5, "name": "广场"}),
    )


def _messenger(channel: AppChannel, url: str) -> tuple[Delivery, Delivery]:
    def of(kind: str, payload: Any) -> Delivery:
        message = {"mid": f"m_{kind}", "attachments": [{"type": kind, "payload": payload}]}
        return _json({"entry": [{"messaging": [{"sender": {"id": "5"}, "message": message}]}]})

    return (
        of("image", {"url": f"{url}/messenger/photo.jpg"}),
        of("location", {"coordinates": {"lat": 29.0, "long": 124.5}}),
    )


def _line(channel: AppChannel, url: str) -> tuple[Delivery, Delivery]:
    def of(message: Any) -> Delivery:
        return _json({"events": [{"type": "message", "source": {"userId": "U1"}, "message": message}]})

    where = {"latitude": 29.0, "longitude": 124.5, "address": "x"}
    return (
        of({"id": "7", "type": "image", "contentProvider": {"type": "line"}}),
        of({"id": "8", "type": "location", **where}),
    )


def _tencent(channel: Any, url: str) -> tuple[Delivery, Delivery]:
    about = "<ToUserName>a</ToUserName><FromUserName>u</FromUserName><CreateTime>1</CreateTime>"
    bodies = (
        f"<xml>{about}<MsgType>image</MsgType><PicUrl>http://forged/</PicUrl><MediaId>7</MediaId><MsgId>1</MsgId></xml>",
        f"<xml>{about}<MsgType>location</MsgType><Location_X>{BENT[0]:.6f}</Location_X>"
        f"<Location_Y>{BENT[1]:.6f}</Location_Y><Label>x</Label><MsgId>2</MsgId></xml>",
    )
    if channel._crypt is not None:
        bodies = tuple(f"<xml><Encrypt>{channel._crypt.encrypt(body)}</Encrypt></xml>" for body in bodies)  # type: ignore[assignment]
    first, second = (Delivery("POST", {}, {}, body.encode()) for body in bodies)
    return first, second


def _feishu(channel: Any, url: str) -> tuple[Delivery, Delivery]:
    def of(kind: str, content: Any) -> Delivery:
        message = {"message_id": f"om_{kind}", "message_type": kind, "content": json.dumps(content)}
        event = {"sender": {"sender_id": {"open_id": "ou"}}, "message": message}
        made: Delivery = channel.signed({"header": {"event_type": "im.message.receive_v1"}, "event": event})
        return made

    where = {"name": "x", "latitude": f"{BENT[0]:.6f}", "longitude": f"{BENT[1]:.6f}"}
    return of("image", {"image_key": "img_7"}), of("location", where)


def _dingtalk(channel: AppChannel, url: str) -> tuple[Delivery, None]:
    data = {"msgtype": "picture", "content": {"downloadCode": "c7"}, "senderId": "s", "msgId": "1"}
    return _json(data), None


def _slack(channel: AppChannel, url: str) -> tuple[Delivery, None]:
    file = {"mimetype": "image/png", "url_private": f"{url}/slack/files/1.png"}
    event = {"type": "message", "subtype": "file_share", "channel_type": "im", "channel": "D", "ts": "1.0"}
    return _json(
        {"type": "event_callback", "event": {**event, "user": "U", "text": "", "files": [file]}}
    ), None


def _sms(channel: AppChannel, url: str) -> tuple[Delivery, None]:
    media = {"NumMedia": "1", "MediaUrl0": f"{url}/sms/Media/ME1", "MediaContentType0": "image/jpeg"}
    form = {"Body": "", "From": "+15005550006", "MessageSid": "MM1", **media}
    return Delivery("POST", {}, {}, urlencode(form).encode()), None


def _teams(channel: Any, url: str) -> tuple[Delivery, None]:
    about = {"type": "message", "id": "1", "serviceUrl": url, "from": {"id": "29:u"}}
    pasted = {"contentType": "image/*", "contentUrl": f"{url}/v3/attachments/7/views/original"}
    words = {"contentType": "text/html", "content": f'<p><img src="{url}/objects/7"></p>'}
    return _json({**about, "conversation": {"id": "a:1"}, "attachments": [pasted, words]}), None


# Per channel: its deliveries of a picture and a position, and what must be on the request for the picture.
CASES: dict[str, tuple[Callable[[Any, str], tuple[Delivery, Delivery | None]], str]] = {
    "telegram": (_telegram, "/file/bot1:tg-token/photos/1.jpg"),
    "whatsapp": (_whatsapp, "Bearer wa-tok"),
    "messenger": (_messenger, "/messenger/photo.jpg"),
    "line": (_line, "Bearer line-tok"),
    "wechat": (_tencent, "access_token=t-1&media_id=7"),
    "wechat_aes": (_tencent, "access_token=t-1&media_id=7"),
    "wecom": (_tencent, "access_token=t-1&media_id=7"),
    "feishu": (_feishu, "om_image/resources/img_7?type=image Bearer t-1"),
    "dingtalk": (_dingtalk, "/dingtalk/file"),
    "slack": (_slack, "Bearer xoxb-1"),
    "sms": (_sms, "Basic "),
    "teams": (_teams, "/v3/attachments/7/views/original? Bearer t-1"),
}


@pytest.mark.parametrize("name", CASES)
async def test_each_platform_s_pictures_and_positions(
    name: str, store: Store, client: PlatformClient
) -> None:
    channel = make(name, store.url, client)
    if name == "line":
        channel.credentials = channel.credentials.copy(update={"data_url": f"{store.url}/line"})
    deliveries, store.token = CASES[name][0](channel, store.url), CASES[name][1]
    store.answers = {
        "/getFile": {"ok": True, "result": {"file_path": "photos/1.jpg"}},
        "/whatsapp/7": {"url": f"{store.url}/whatsapp/lookaside", "mime_type": "image/jpeg"},
        "/messageFiles/download": {"downloadUrl": f"{store.url}/dingtalk/file"},
    }
    (inbound,) = await channel.parse(deliveries[0])
    assert not inbound.unreadable and inbound.text == "" and len(inbound.media) == 1
    # What waits in a queue is JSON.
    (media,) = from_json(json.loads(json.dumps(to_json(inbound)))).media
    assert await channel.fetch(media, 1000) == PICTURE
    with pytest.raises(MediaError) as too_large:
        await channel.fetch(media, 10)
    assert "MB" in too_large.value.en and "MB" in too_large.value.zh
    store.kind = "video/mp4"
    with pytest.raises(MediaError):
        await channel.fetch(media, 1000)
    store.token = "somebody else"
    with pytest.raises(SendError):
        await channel.fetch(media, 1000)
    if deliveries[1] is not None:
        (inbound,) = await channel.parse(deliveries[1])
        assert not inbound.unreadable and inbound.location == pytest.approx(HERE, abs=2e-6)


async def test_a_file_sent_in_teams_is_fetched_without_the_bot_s_token(
    store: Store, client: PlatformClient
) -> None:
    channel: Any = make("teams", store.url, client)
    channel.credentials = channel.credentials.copy(update={"file_hosts": [store.url]})
    kind = "application/vnd.microsoft.teams.file.download.info"
    address = f"{store.url}/personal/li/download?tempauth=k1"
    files = [
        {"contentType": kind, "content": {"downloadUrl": address, "fileType": "JPG"}},
        {"contentType": kind, "content": {"downloadUrl": address, "fileType": "exe"}},
        {"contentType": "application/vnd.microsoft.card.hero", "content": {}},
    ]
    activity = {
        "type": "message",
        "id": "2",
        "serviceUrl": store.url,
        "from": {"id": "29:u"},
        "text": "路灯坏了",
    }
    (inbound,) = await channel.parse(_json({**activity, "conversation": {"id": "a:1"}, "attachments": files}))
    store.token = "tempauth=k1"
    assert inbound.text == "路灯坏了" and len(inbound.media) == 1
    assert await channel.fetch(inbound.media[0], 1000) == PICTURE
    assert store.asked == ["/personal/li/download"]


async def test_an_ended_token_of_teams_is_replaced_at_the_next_attempt(
    store: Store, client: PlatformClient
) -> None:
    channel = make("teams", store.url, client)
    (inbound,) = await channel.parse(_teams(channel, store.url)[0])
    store.token = "Bearer t-1"
    assert await channel.fetch(inbound.media[0], 1000) == PICTURE
    store.token = "Bearer other"
    with pytest.raises(SendError):
        await channel.fetch(inbound.media[0], 1000)
    store.token = "Bearer t-1"
    assert await channel.fetch(inbound.media[0], 1000) == PICTURE
    assert sum(path.endswith("/token") for path in store.asked) == 2


@pytest.mark.parametrize("name", ["messenger", "slack", "sms", "teams"])
@pytest.mark.parametrize("more", [{}, {"pasted": True}])
async def test_an_address_that_is_not_the_platform_s_is_not_asked(
    name: str, more: dict[str, Any], store: Store, client: PlatformClient
) -> None:
    channel = make(name, "https://platform.example", client)
    with pytest.raises(UndeliverableError):
        await channel.fetch({"url": f"{store.url}/inner", **more}, 1000)
    assert store.asked == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://scontent.fbcdn.net/v/1.jpg", True),
        ("https://fbcdn.net/1", True),
        ("http://scontent.fbcdn.net/1", False),
        ("https://evilfbcdn.net/1", False),
        ("https://fbcdn.net@evil.example/1", False),
        ("https://127.0.0.1/1", False),
        ("https://api.example:8443/1", False),
        ("http://api.example/1", True),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_hosts(url: str, expected: bool) -> None:
    assert on_host(url, "fbcdn.net", "http://api.example/v1") is expected


@given(st.floats(-80, 80), st.floats(-180, 180))
def test_a_bent_position_is_straightened(lat: float, lon: float) -> None:
    inside = 72.1 <= lon <= 137.7 and 0.9 <= lat <= 55.7
    found = position(*(bend(lat, lon) if inside else (lat, lon)), gcj02=True)
    edge = not inside and 71.9 <= lon <= 137.9 and 0.7 <= lat <= 55.9
    assert found is not None and (edge or found == pytest.approx({"lat": lat, "lon": lon}, abs=2e-5))


@given(st.one_of(st.none(), st.text(), st.booleans(), st.floats(), st.lists(st.integers())))
def test_no_position_breaks_the_reader(value: Any) -> None:
    found = position(value, value)
    assert found is None or stand_in({"location": found}).startswith("📍")


class Camera(Channel):
    """A platform that sends what it is told; `pictures` holds what `fetch` gives or raises."""

    name = "camera"

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.pictures: dict[str, list[bytes | Exception]] = {}

    async def verify(self, delivery: Delivery) -> None:
        return

    async def parse(self, delivery: Delivery) -> list[Inbound]:
        return [Inbound(**item) for item in json.loads(delivery.body)]

    async def send(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)

    async def fetch(self, media: Any, limit_bytes: int) -> bytes:
        found = self.pictures[media["id"]].pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def texts(self) -> list[str]:
        return [reply.text for outgoing in self.sent for reply in outgoing.replies]


class Album:
    """A `PhotoTaker` with room for two."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def take(self, conversation_id: str, fetch: Callable[[int], Awaitable[bytes]]) -> str:
        if len(self.kept) == 2:
            raise MediaError("太多了", "too many")
        self.kept.append(await fetch(1000))
        return f"p{len(self.kept)}"


def note(number: int, text: str = "", **more: Any) -> dict[str, Any]:
    return {"sender_id": "ann", "message_id": str(number), "text": text, **more}


async def gateway(aiohttp_client: Any, brain: Any, make_config: Any, camera: Camera, album: Any) -> Any:
    config = make_config(channels=(camera,), retries=Retries(first_s=0.01), photos=album)
    return await aiohttp_client(create_app(brain, config))


async def test_pictures_and_positions_reach_the_brain(
    aiohttp_client: Any, brain: Any, make_config: Any, eventually: Any
) -> None:
    camera, album = Camera(), Album()
    client = await gateway(aiohttp_client, brain, make_config, camera, album)
    camera.pictures = {"a": [PICTURE], "b": [PICTURE + b"b"]}
    sent = [
        note(1, media=[{"id": "a"}]),
        note(2, "这盏灯坏了", media=[{"id": "b"}]),
        note(3, location=HERE),
        note(4, "voice", unreadable=True),
    ]
    for message in sent:
        await client.post("/channels/camera/webhook", data=json.dumps([message]).encode())
    await eventually(lambda: len(camera.sent) == 4)
    assert [(m.text, m.metadata) for m in brain.seen] == [
        ("📷", {"attachments": ["p1"]}),
        ("这盏灯坏了", {"attachments": ["p2"]}),
        ("📍 29.00000, 124.50000", {"location": HERE}),
    ]
    assert "type" in camera.texts()[3]


async def test_a_hundred_pictures_get_one_refusal_and_words_are_answered_all_the_same(
    aiohttp_client: Any, brain: Any, make_config: Any, eventually: Any
) -> None:
    camera, album = Camera(), Album()
    client = await gateway(aiohttp_client, brain, make_config, camera, album)
    camera.pictures = {"a": [PICTURE] * 100, "gone": [UndeliverableError("404")]}
    notes = [note(n, media=[{"id": "a"}]) for n in range(100)]
    notes.append(note(100, "路灯坏了", media=[{"id": "gone"}]))
    await client.post("/channels/camera/webhook", data=json.dumps(notes).encode())
    await eventually(lambda: any(message.text == "路灯坏了" for message in brain.seen))
    await eventually(lambda: "路灯坏了" in camera.texts())
    assert len(album.kept) == 2
    assert [m.text for m in brain.seen] == ["📷", "📷", "路灯坏了"]
    refusals = [text for text in camera.texts() if "too many" in text]
    assert 1 <= len(refusals) <= 2
    assert "太多了" in refusals[0]


async def test_a_platform_that_stutters_is_asked_again_and_one_that_fails_is_told() -> None:
    camera, album = Camera(), Album()
    camera.pictures = {"a": [SendError("slow"), PICTURE], "b": [SendError("down")] * 3}
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    attachments = Attachments(album, pause)
    message = Inbound("ann", "1", "", media=[{"id": "a"}, {"id": "b"}])
    attached = await attachments.take(camera, message, "c1")
    assert attached.metadata == {"attachments": ["p1"]}
    assert "send it again" in attached.refused[0][1]
    assert len(waited) == 3 and max(waited) <= 5


async def test_without_anybody_who_takes_photos_words_are_asked_for(
    aiohttp_client: Any, brain: Any, make_config: Any, eventually: Any
) -> None:
    camera = Camera()
    client = await gateway(aiohttp_client, brain, make_config, camera, None)
    await client.post("/channels/camera/webhook", data=json.dumps([note(1, media=[{"id": "a"}])]).encode())
    await eventually(lambda: camera.sent)
    assert "type your question" in camera.texts()[0] and brain.seen == []
