"""The life of a request: 受理 → 派单 → 办理 → 回访 → 办结, and the deadlines on the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from actions.requests.catalogue import Urgency
from actions.requests.errors import TransitionError
from city.settings import Bilingual

RECEIVED, ASSIGNED, WORKING, VERIFYING, CLOSED = "received", "assigned", "working", "verifying", "closed"
STATES: Mapping[str, Bilingual] = {
    RECEIVED: Bilingual(zh="受理", en="received"),
    ASSIGNED: Bilingual(zh="派单", en="assigned"),
    WORKING: Bilingual(zh="办理", en="in progress"),
    VERIFYING: Bilingual(zh="回访", en="follow-up call"),
    CLOSED: Bilingual(zh="办结", en="closed"),
}
OPEN_STATES = (RECEIVED, ASSIGNED, WORKING, VERIFYING)
OUTCOMES: Mapping[str, Bilingual] = {
    "resolved": Bilingual(zh="已解决", en="resolved"),
    "explained": Bilingual(zh="已解释说明", en="explained"),
    "refused": Bilingual(zh="不予受理", en="not accepted"),
    "duplicate": Bilingual(zh="重复件", en="duplicate"),
    "withdrawn": Bilingual(zh="市民撤回", en="withdrawn"),
}
# A state may be skipped forwards; backwards only where the work begins again.
_NEXT: Mapping[str, tuple[str, ...]] = {
    RECEIVED: (ASSIGNED, WORKING, VERIFYING, CLOSED),
    ASSIGNED: (WORKING, VERIFYING, CLOSED, RECEIVED),
    WORKING: (VERIFYING, CLOSED, ASSIGNED),
    VERIFYING: (CLOSED, WORKING, ASSIGNED),
    CLOSED: (RECEIVED,),
}
_BY_NAME = {
    **{name: name for name in STATES},
    **{b.zh: n for n, b in STATES.items()},
    **{b.en: n for n, b in STATES.items()},
}


def state_named(name: str) -> str:
    """Return the state that a person names ("办理", "working", "in progress"); raises `TransitionError`."""
    found = _BY_NAME.get(name.strip().lower())
    if found is None:
        known = "、".join(f"{n}（{b.zh}）" for n, b in STATES.items())
        raise TransitionError(
            f"没有状态 {name}，可用：{known}。", f"no state {name!r}; use one of {', '.join(STATES)}"
        )
    return found


def check(old: str, new: str, outcome: str | None) -> None:
    """Raise `TransitionError` unless a request may go from `old` to `new` with that outcome."""
    if new not in _NEXT[old]:
        ways = "、".join(STATES[s].zh for s in _NEXT[old])
        raise TransitionError(
            f"不能从“{STATES[old].zh}”改为“{STATES[new].zh}”；下一步可以是：{ways}。",
            f"a request that is {old} cannot become {new}; next can be {', '.join(_NEXT[old])}",
        )
    if new == CLOSED and outcome not in OUTCOMES:
        raise TransitionError(
            f"办结须注明结果：{'、'.join(f'{k}（{b.zh}）' for k, b in OUTCOMES.items())}。",
            f"closing needs an outcome: {', '.join(OUTCOMES)}",
        )


def deadlines(urgency: Urgency, start: datetime) -> tuple[datetime, datetime]:
    """Return until when a request is answered first and settled, from `start`."""
    return start + timedelta(hours=urgency.respond_h), start + timedelta(hours=urgency.resolve_h)
