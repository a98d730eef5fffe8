"""Notices as one object: publish, cancel, take in alerts, subscribe, and tell everybody once."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from actions.notices import wording
from actions.notices.areas import concerned
from actions.notices.cap import CapAlert, CapInfo, parse_cap
from actions.notices.dialogue import STATE, STOP, Wish
from actions.notices.errors import CapError, NoticeTextError
from actions.notices.records import ACTIVE, CAP, HIDDEN, STAFF, Notice, Subscription
from actions.notices.settings import DistrictSection, NoticesSection
from actions.notices.store import END, NEWS, SKIP, NoticeStore
from city.messages import Reply
from city.outbox import Outbox, OutboxNotConfiguredError, get_outbox, utc_now

logger = logging.getLogger(__name__)

TITLE_CHARS, TEXT_CHARS = 120, 2000
_SEVERITY_RANK = {"Extreme": 4, "Severe": 3, "Moderate": 2, "Minor": 1, "Unknown": 0}


@dataclass(frozen=True)
class Draft:
    """What staff want told. Times are UTC without an offset; no districts and no channels mean all."""

    title: Mapping[str, str]
    text: Mapping[str, str]
    districts: Sequence[str] = ()
    channels: Sequence[str] = ()
    hours: float = 24.0
    banner: bool = False
    starts_at: datetime | None = None


class NoticeService:
    """Every method is synchronous and safe from any thread.

    Args:
        store: the notices' memory.
        section: settings.
        zone: the city's time zone.
        city: the city's names.
        outbox: returns the queue to citizens; raises `OutboxNotConfiguredError` where no gateway runs.
        now: the time in UTC without an offset.
    """

    def __init__(
        self,
        store: NoticeStore,
        section: NoticesSection,
        zone: ZoneInfo,
        city: Sequence[str] = (),
        outbox: Callable[[], Outbox] = get_outbox,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.store = store
        self.section = section
        self.zone = zone
        self.city = city
        self.outbox = outbox
        self.now = now

    @property
    def districts(self) -> Sequence[DistrictSection]:
        """The districts that people subscribe for."""
        return self.section.districts

    # Staff's notices

    def publish(self, draft: Draft, author: str, key: str = "") -> Notice:
        """Publish a notice; it is told to its subscribers from now on.

        Args:
            key: the same again publishes nothing and returns what was published.

        Raises:
            NoticeTextError: a text is missing or too long, a district unknown, or the time past.
        """
        texts = self._checked(draft)
        now = self.now()
        starts = draft.starts_at or now
        expires = starts + timedelta(hours=draft.hours)
        if expires <= now:
            raise NoticeTextError("有效期已过。", "The notice would be over already.", "hours")
        values = {
            "kind": STAFF,
            "key": key or f"staff:{uuid.uuid4().hex}",
            "texts": texts,
            "severity": "Unknown",
            "districts": list(draft.districts),
            "channels": list(draft.channels),
            "starts_at": starts,
            "expires_at": expires,
            "state": ACTIVE,
            "why": "",
            "author": author,
            "banner": draft.banner,
            "raw": "",
            "created_at": now,
        }
        made = self.store.add(values)
        return made or self._again(str(values["key"]))

    def _again(self, key: str) -> Notice:
        found = self.store.known(key)
        assert found is not None
        return found

    def _checked(self, draft: Draft) -> dict[str, dict[str, str]]:
        known = {item.id for item in self.districts}
        for district in draft.districts:
            if district not in known:
                raise NoticeTextError(
                    f"没有 {district} 这个区域。", f"There is no district {district!r}.", "districts"
                )
        if not 0 < draft.hours <= 24 * 365:
            raise NoticeTextError("有效期应在 1 小时到 1 年之间。", "Give 1 hour to 1 year.", "hours")
        texts = {}
        for language in ("zh", "en"):
            title, text = draft.title.get(language, "").strip(), draft.text.get(language, "").strip()
            for field, value, most in (("title", title, TITLE_CHARS), ("text", text, TEXT_CHARS)):
                name = f"{field}_{language}"
                if not value:
                    raise NoticeTextError(
                        "请填写中英文标题和正文。", "Give title and text in both languages.", name
                    )
                if len(value) > most:
                    raise NoticeTextError(f"最多 {most} 字。", f"At most {most} characters.", name)
            texts[language] = {"title": title, "text": text}
        return texts

    def cancel(self, notice_id: int, author: str) -> bool:
        """End a notice; those who were told it are told so. Return whether it was active."""
        self.store.get(notice_id)
        return self.store.cancel(notice_id, author)

    # Alerts

    def take_in(self, data: bytes, *, author: str = "") -> Notice | None:
        """Take in one CAP alert; `None` when it was taken in before, or asks for nothing (Ack, Error).

        Args:
            author: where it came from.

        Raises:
            CapError: it is no valid CAP 1.2 alert, or from somebody who is not believed.
        """
        alert = parse_cap(data, self.section.cap.max_bytes)
        believed = self.section.cap.senders
        if believed and alert.sender not in believed:
            raise CapError(f"sender {alert.sender!r} is not listed under notices.cap.senders")
        if alert.msg_type in ("Ack", "Error"):
            return None
        for reference in alert.references:
            if reference.split(",")[0] != alert.sender:
                raise CapError(f"it refers to an alert of another sender ({reference[:80]!r})")
        # A drill must not end what is real.
        ends = alert.references if alert.status == "Actual" and alert.scope == "Public" else ()
        return self.store.add(self._values(alert, data, author), ends, alert.msg_type)

    def _values(self, alert: CapAlert, data: bytes, author: str) -> dict[str, Any]:
        now = self.now()
        default = alert.sent + timedelta(hours=self.section.cap.default_hours)
        expires = max((info.expires or default for info in alert.infos), default=default)
        starts = min((info.onset or alert.sent for info in alert.infos), default=alert.sent)
        # A warning is told when it comes, not when the storm does.
        starts = min(starts, alert.sent)
        where = concerned([area for info in alert.infos for area in info.areas], self.districts, self.city)
        worst = max(
            (info.severity for info in alert.infos), key=lambda s: _SEVERITY_RANK[s], default="Unknown"
        )
        state, why = ACTIVE, ""
        if alert.status != "Actual":
            state, why = HIDDEN, alert.status
        elif alert.scope != "Public":
            state, why = HIDDEN, alert.scope
        elif alert.msg_type == "Cancel":
            state, why = HIDDEN, "Cancel"
        elif where is None:
            state, why = HIDDEN, "elsewhere"
        return {
            "kind": CAP,
            "key": alert.key[:500],
            "texts": _texts(alert),
            "severity": worst,
            "districts": where or [],
            "channels": [],
            "starts_at": min(_naive(starts), now),
            "expires_at": _naive(expires),
            "state": state,
            "why": why,
            "author": (author or alert.sender)[:200],
            "banner": True,
            "raw": data.decode("utf-8", "replace"),
            "created_at": now,
        }

    # Citizens

    def banner(self) -> list[Notice]:
        """Return what stands on the chat page now, the gravest first."""
        found = [notice for notice in self.store.current(self.now()) if notice.banner]
        return sorted(found, key=lambda notice: (-_SEVERITY_RANK[notice.severity], -notice.id))

    def handle(self, wish: Wish, conversation_id: str, channel: str) -> list[Reply]:
        """Do what a citizen wants with notices; return what is said."""
        language = wish.language
        if wish.kind == STOP:
            return [wording.unsubscribed_reply(self.store.unsubscribe(conversation_id), language)]
        if wish.kind == STATE:
            there = self.store.subscription(conversation_id)
            area = wording.names(self.districts, there.districts, language) if there else None
            return [
                *(wording.reply_of(notice, language, self.zone) for notice in self.banner()[:3]),
                wording.state_reply(area, language, self.districts),
            ]
        if wish.districts is None:
            return [wording.choose_reply(self.districts, language)]
        self.store.subscribe(conversation_id, language, channel, wish.districts, self.now())
        return [wording.subscribed_reply(wording.names(self.districts, wish.districts, language), language)]

    def fresh_alerts(self, conversation_id: str, language: str) -> list[Reply]:
        """Return the alerts to stand above somebody's answer: each one once, and not those told already."""
        person = [(conversation_id, language)]
        return [
            wording.reply_of(notice, language, self.zone)
            for notice in self.banner()
            if notice.kind == CAP and self.store.claim(notice.id, person, NEWS, True, self.now())
        ]

    # Telling

    def deliver(self) -> int:
        """Tell subscribers what is new and what has ended; return how many messages went to the outbox.

        Each person is taken on in the store first, and told then: a process that ends in between leaves the rest to
        the next one, and the outbox takes each key once.
        """
        try:
            self.outbox()
        except OutboxNotConfiguredError:
            return 0
        now, count = self.now(), 0
        for notice in self.store.current(now):
            while waiting := self.store.untold(notice.id):
                wanted = [(who.conversation_id, who.language) for who in waiting if _for(notice, who)]
                # Those it does not concern are noted too, so that they are not looked at again.
                others = [(who.conversation_id, who.language) for who in waiting if not _for(notice, who)]
                self.store.claim(notice.id, wanted, NEWS, False, now)
                self.store.claim(notice.id, others, SKIP, True, now)
                count += self._tell()
                if not wanted:
                    break
        for notice in self.store.ended(now):
            self.store.drop(notice.id)
            while knowing := self.store.knowing(notice.id):
                self.store.claim(notice.id, knowing, END, False, now)
                count += self._tell()
        return count + self._tell()

    def purge(self) -> int:
        """Forget notices that ended long ago; return how many."""
        return self.store.purge(self.now() - timedelta(days=self.section.keep_days))

    def _tell(self) -> int:
        outbox, count = self.outbox(), 0
        while waiting := self.store.to_tell():
            told = []
            for notice_id, conversation_id, kind, language in waiting:
                notice = self.store.get(notice_id)
                reply = (
                    wording.end_reply(notice, language)
                    if kind == END
                    else wording.reply_of(notice, language, self.zone)
                )
                if kind == NEWS and not notice.current(self.now()):
                    # It ended before it could be told.
                    self.store.drop(notice_id)
                    continue
                count += outbox.put(
                    conversation_id, [reply], key=f"notice:{notice_id}:{kind}:{conversation_id}"
                )
                told.append((notice_id, conversation_id, kind))
            self.store.mark_told(told)
        return count


def _for(notice: Notice, who: Subscription) -> bool:
    """Return whether a notice concerns a subscriber."""
    if notice.channels and who.channel not in notice.channels:
        return False
    return not notice.districts or not who.districts or bool(set(notice.districts) & set(who.districts))


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def _texts(alert: CapAlert) -> dict[str, dict[str, str]]:
    """Return what an alert says, per language of ours; several blocks of one language stand one after the other."""
    texts: dict[str, list[CapInfo]] = {}
    for info in alert.infos:
        texts.setdefault("zh" if info.language.startswith("zh") else "en", []).append(info)
    found = {language: _joined(infos) for language, infos in texts.items()}
    if not found:
        found["en"] = {"title": alert.note or alert.msg_type, "text": ""}
    return found


def _joined(infos: Sequence[CapInfo]) -> dict[str, str]:
    first = infos[0]
    areas = dict.fromkeys(area.desc for info in infos for area in info.areas)
    return {
        "title": first.headline or first.event,
        "text": "\n\n".join(dict.fromkeys(info.description for info in infos if info.description)),
        "instruction": "\n\n".join(dict.fromkeys(info.instruction for info in infos if info.instruction)),
        "source": first.sender_name or "",
        "area": "; ".join(list(areas)[:20]),
        "web": first.web,
    }
