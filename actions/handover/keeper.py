"""Keeps the desk in order while nobody presses anything: lost operators, long waits, silence, old conversations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import and_

from actions.handover import wording
from actions.handover.office import DESK, IS_WAITING, Office, held_by
from actions.handover.reception import TELL_EVERY_S, Reception
from actions.handover.records import CLOSED, Case
from actions.handover.tables import cases
from city.messages import Button, Reply

logger = logging.getLogger(__name__)

_PURGE_EVERY_S = 3600.0


class Keeper:
    """Looks after the desk. `sweep` is what it does each time; `start` does it in a thread of its own.

    Args:
        office: the shared ground.
        reception: files requests.
        every_s: seconds between two looks.
    """

    def __init__(self, office: Office, reception: Reception, every_s: float = 2.0) -> None:
        self.office = office
        self.reception = reception
        self.every_s = every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._purged_at = office.now() - timedelta(seconds=_PURGE_EVERY_S)

    def start(self) -> None:
        """Begin looking."""
        self._thread = threading.Thread(target=self._work, name="handover-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End looking; what is under way is finished."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _work(self) -> None:
        while not self._stop.wait(self.every_s):
            self.sweep()

    def sweep(self) -> int:
        """Do all that is due; return how many conversations were touched. One part that fails stops no other."""
        touched = 0
        for part in (
            self.lost,
            self.unanswered,
            self.silent,
            self.places,
            self.unfiled,
            self._flush,
            self._purge,
        ):
            touched += self._quietly(part)
        return touched

    def _quietly(self, part: Callable[[], int]) -> int:
        try:
            return part()
        except Exception:
            logger.exception("the desk's %s failed", getattr(part, "__name__", "part"))
            return 0

    def lost(self) -> int:
        """Put the conversations of operators who disappeared back at the head of the queue."""
        office, count = self.office, 0
        since = office.now() - timedelta(seconds=office.section.presence_timeout_s)
        for case in office.store.abandoned(since):
            assert case.operator is not None
            if not office.back_to_queue(case, held_by(case.operator), f"lost {case.operator}", DESK):
                continue
            zh = "抱歉，刚才的工作人员断线了，正在为您联系另一位，请稍候。"
            en = "Sorry, the person who was helping you has lost the connection. I am finding somebody else."
            office.say(case.id, wording.handoff(case.language, zh, en, self._cancel(case)))
            count += 1
        return self._done(count)

    def unanswered(self) -> int:
        """File a request for those for whom nobody came, and tell them."""
        office, count = self.office, 0
        now = office.now()
        open_now = office.hours.is_open(now)
        limit = now - timedelta(seconds=office.section.give_up_after_s)
        late = cases.c.waiting_since < limit
        for case in office.store.find(and_(IS_WAITING, late) if open_now else IS_WAITING):
            if not office.leave(case.id, IS_WAITING, "unanswered", DESK, to_file=True):
                continue
            number = self._file(case)
            office.say(case.id, self._sorry(case, number, open_now))
            count += 1
        return self._done(count)

    def unfiled(self) -> int:
        """Try again to file what could not be filed before; tell the citizen the number."""
        office, count = self.office, 0
        if self.reception.filer is None:
            return 0
        for case in office.store.find(and_(cases.c.state == CLOSED, cases.c.to_file.is_(True)), limit=20):
            number = self._file(case)
            if not number:
                break
            zh, en = f"已为您登记，编号 {number}。", f"Your matter has been filed under {number}."
            office.say(case.id, wording.handoff(case.language, zh, en))
            count += 1
        return self._done(count)

    def _file(self, case: Case) -> str:
        said = [line.text for line in self.office.store.lines(case.id) if line.kind == "citizen"]
        return self.reception.file(case, "\n".join(said))

    def _sorry(self, case: Case, number: str, open_now: bool) -> Reply:
        hotline = self.office.contact.number
        filed_zh = f"已为您登记，编号 {number}，" if number else "您说的情况已记录，"
        filed_en = f"Your matter has been filed under {number}; " if number else "What you told us is kept; "
        why_zh = "工作人员都在忙，没能及时接待您。" if open_now else "人工服务时间已结束。"
        why_en = (
            "Nobody was free to take your conversation." if open_now else "The desk has closed for today."
        )
        return wording.handoff(
            case.language,
            f"抱歉，{why_zh}{filed_zh}工作人员会尽快处理并在这里回复您。急事请拨打 {hotline}。您也可以继续问我。",
            f"Sorry. {why_en} {filed_en}staff will deal with it and answer here. If it is urgent, call {hotline}. "
            "You can go on asking me meanwhile.",
        )

    def silent(self) -> int:
        """End conversations in which the citizen has not answered for long."""
        office, count = self.office, 0
        for case in office.store.silent(office.now() - timedelta(seconds=office.section.idle_close_s)):
            if case.operator is None or not office.leave(case.id, held_by(case.operator), "silent", DESK):
                continue
            said = (
                "The chat with our staff has ended because you have not written for a while."
                if case.language == "en"
                else "您有一段时间没有回复，人工服务已结束。"
            )
            office.say(case.id, wording.rating_reply(case.language, said))
            count += 1
        return self._done(count)

    def places(self) -> int:
        """Tell those who wait when they have moved up, at most once a minute."""
        office, count, now = self.office, 0, self.office.now()
        for case in office.store.queue():
            if case.told_at is not None and (now - case.told_at).total_seconds() < TELL_EVERY_S:
                continue
            position, wait_s = office.place(case)
            if case.told_at is not None and position >= case.told_position:
                continue
            office.store.set(case.id, told_at=now, told_position=position)
            if case.told_at is None:
                continue
            place = wording.place_text(position, wait_s, case.language)
            office.say(case.id, wording.handoff(case.language, place, place, self._cancel(case)))
            count += 1
        return self._done(count)

    def _cancel(self, case: Case) -> list[Button]:
        return [wording.button(wording.CANCEL, case.language)]

    def _done(self, count: int) -> int:
        if count:
            self.office.changed()
        return count

    def _flush(self) -> int:
        self.office.flush()
        return 0

    def _purge(self) -> int:
        now = self.office.now()
        if (now - self._purged_at).total_seconds() < _PURGE_EVERY_S:
            return 0
        self._purged_at = now
        return self.office.store.purge(now - timedelta(days=self.office.section.keep_days))
