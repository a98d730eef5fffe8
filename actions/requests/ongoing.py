"""Talk about requests that are filed already: status, "my requests", more details, rating, reopening."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from actions.requests import cues
from actions.requests.errors import RequestsError, UnknownRequestError
from actions.requests.lifecycle import CLOSED
from actions.requests.news import local_time, rating_buttons, state_name
from actions.requests.numbers import find_code, find_number
from actions.requests.records import Request
from actions.requests.service import RequestService
from actions.requests.wording import photos_added
from city.messages import Button, Reply

_I = re.IGNORECASE
_RATE = re.compile(
    r"(?:评价|评分|打分|给|打|rat(?:e|ing)|score|give)\D{0,12}([1-5一二三四五])\s*(?:分|星|/5|stars?|points?)?|([1-5])\s*(?:分|星|stars?)",
    _I,
)
_WORDS = (
    (5, re.compile(r"非常满意|很满意|very (?:good|satisfied|happy)|excellent", _I)),
    (1, re.compile(r"(?:很|非常)不满意|very (?:bad|unhappy|dissatisfied)|terrible", _I)),
    (2, re.compile(r"不满意|dissatisfied|unsatisf|not (?:satisfied|happy)|unhappy", _I)),
    (4, re.compile(r"满意|satisfied|\bhappy with", _I)),
)
_REOPEN = re.compile(
    r"重新办|重办|没(?:有)?(?:解决|修好|处理好|弄好)|还(?:是)?(?:没|不)(?:修|好|亮|解决)|reopen|re-open|not (?:been )?(?:solved|fixed|resolved|repaired|done)|still (?:broken|not|there)",
    _I,
)
_WITHDRAW = re.compile(r"撤回|撤销|不用办了|已经好了不用|withdraw|take (?:it )?back|no longer needed", _I)
_MINE = re.compile(
    r"我的(?:所有|全部)?(?:工单|请求|投诉|上报|报修|单子)|my (?:requests|reports|complaints|tickets|cases)",
    _I,
)
_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5}


@dataclass(frozen=True)
class Asker:
    """Who asks, in which conversation and language."""

    conversation_id: str
    language: str


def concerns(text: str) -> bool:
    """Return whether a text rates, reopens, withdraws or adds to a request."""
    return bool(_REOPEN.search(text) or _withdraws(text) or cues.detail_in(text)) or _stars(text) is not None


def answer(service: RequestService, asker: Asker, text: str) -> Reply:
    """Answer one message about filed requests."""
    try:
        return _answer(service, asker, text)
    except UnknownRequestError as error:
        return _private(error.details.get("number", ""), bool(find_code(text)), asker.language)
    except RequestsError as error:
        return Reply(error.text(asker.language), "requests")


def _answer(service: RequestService, asker: Asker, text: str) -> Reply:
    number = find_number(text)
    mine = service.mine(asker.conversation_id)
    if number is None and (_MINE.search(text) or not mine):
        return _list(service, asker, mine)
    if number is not None:
        request = service.open_for(number, asker.conversation_id, find_code(text))
    else:
        request = _meant(mine, text)
    rest = text.replace(number, " ") if number else text
    stars = _stars(rest)
    if _REOPEN.search(rest) and not request.is_open:
        service.reopen(request, "" if len(rest.strip()) < 6 else rest.strip())
        return _reopened(service, request, asker.language)
    if stars is not None and (not request.is_open or number is not None):
        service.rate(request, stars, None if stars == 3 else stars >= 4, rest.strip()[:200])
        return _rated(request, stars, asker.language)
    if _withdraws(rest) and request.conversation_id == asker.conversation_id:
        service.withdraw(request)
        return _say(asker.language, f"已撤回 {request.number}。", f"{request.number} is withdrawn.")
    detail = cues.detail_in(rest.strip(" ，,：:"))
    if detail:
        return add(service, asker, request, detail)
    return _status(service, request, asker, many=number is None and len(mine) > 1)


def add(service: RequestService, asker: Asker, request: Request, detail: str) -> Reply:
    """Add a detail, with the photos sent since, to a request."""
    photos = [p.id for p in service.store.photos(conversation_id=asker.conversation_id)]
    try:
        service.add_detail(request, detail, asker.conversation_id, photos)
    except RequestsError as error:
        return Reply(
            error.text(asker.language),
            "requests",
            buttons=rating_buttons(request.number, asker.language)[-1:],
        )
    return _say(
        asker.language,
        f"已补充到 {request.number}，承办单位会看到。",
        f"Added to {request.number}; the department will see it.",
    )


def add_photos(
    service: RequestService, asker: Asker, number: str, photos: Sequence[str], detail: str = ""
) -> Reply:
    """Add photos, with words perhaps, to a request of the conversation.

    Raises:
        UnknownRequestError: it is none of theirs. TransitionError: it is closed. FloodError: too many details.
    """
    request = service.open_for(number, asker.conversation_id, None)
    before = len(service.store.photos(request_id=request.id))
    count = len(photos)
    said = detail or (f"照片 {count} 张" if asker.language == "zh" else f"photos: {count}")
    service.add_detail(request, said, asker.conversation_id, photos)
    return photos_added(number, len(service.store.photos(request_id=request.id)) - before, asker.language)


def add_to_latest(service: RequestService, asker: Asker, text: str) -> Reply | None:
    """Add to the latest open request of the conversation; `None` when there is none."""
    request = next((r for r in service.mine(asker.conversation_id) if r.is_open), None)
    detail = cues.detail_in(text)
    if request is None or detail is None:
        return None
    return add(service, asker, request, detail)


def _meant(mine: list[Request], text: str) -> Request:
    if _REOPEN.search(text) or _stars(text) is not None:
        return next((r for r in mine if r.state == CLOSED), mine[0])
    return next((r for r in mine if r.is_open), mine[0])


def _withdraws(text: str) -> bool:
    return bool(_WITHDRAW.search(text)) or cues.withdraws(text)


def _stars(text: str) -> int | None:
    match = _RATE.search(text)
    if match:
        digit = match[1] or match[2]
        return _DIGITS.get(digit) or int(digit)
    return next((stars for stars, words in _WORDS if words.search(text)), None)


def _say(language: str, zh: str, en: str) -> Reply:
    return Reply(zh if language == "zh" else en, "requests")


def _private(number: str, with_code: bool, language: str) -> Reply:
    """The same words whether a number exists or not: they tell a guesser nothing."""
    if with_code:
        return _say(
            language,
            f"编号 {number} 与查询码对不上，请核对后再发。",
            f"The number {number} and the code do not go together; check them and send both again.",
        )
    return _say(
        language,
        f"{number} 不是在这次对话里提交的。为保护隐私，请把编号和受理时给您的查询码一起发来。",
        f"{number} was not filed in this conversation. To protect privacy, send the number together with the access code "
        "you were given.",
    )


def _list(service: RequestService, asker: Asker, mine: list[Request]) -> Reply:
    if not mine:
        return _say(
            asker.language,
            "这次对话里还没有提交过工单。查询以前的工单，请发编号和查询码，例如 LC-2026-12345678 ABCD-2345。",
            "Nothing was filed in this conversation yet. To look up an earlier request send its number and access code, "
            "for example LC-2026-12345678 ABCD-2345.",
        )
    lines = []
    for request in mine[:8]:
        name = service.catalogue.get(request.category).name.get(asker.language)
        where = f" · {request.address}" if request.address else ""
        lines.append(f"- **{request.number}** {name}{where} · {state_name(request, asker.language)}")
    head = "您的工单：" if asker.language == "zh" else "Your requests:"
    buttons = [Button(r.number, r.number) for r in mine[:4]]
    return Reply(head + "\n" + "\n".join(lines), "requests", buttons=buttons)


def _status(service: RequestService, request: Request, asker: Asker, many: bool) -> Reply:
    language = asker.language
    category = service.catalogue.get(request.category).name.get(language)
    department = service.catalogue.department_name(request.department, language)
    zh = language == "zh"
    where = (
        f"，{request.address}"
        if zh and request.address
        else f", {request.address}"
        if request.address
        else ""
    )
    text = (
        f"{request.number}（{category}{where}）：**{state_name(request, language)}**，承办单位：{department}。"
        if zh
        else f"{request.number} ({category}{where}): **{state_name(request, language)}**, handled by {department}."
    )
    news = [e for e in service.store.history(request.id, public_only=True) if e.text]
    if news:
        said = local_time(news[-1].at, service.zone, language)
        text += f"\n\n{said}：{news[-1].text}" if zh else f"\n\n{said}: {news[-1].text}"
    buttons: list[Button] = []
    if request.is_open:
        due = local_time(request.resolve_due, service.zone, language)
        late = request.overdue(service.now())
        text += f"\n\n预计{due}前办结。" if zh else f"\n\nTo be settled by {due}."
        if late:
            text += "已经超期，我们会催办。" if zh else " It is late; the department is being reminded."
        if request.conversation_id == asker.conversation_id:
            buttons.append(
                Button("撤回", f"工单 {request.number} 撤回")
                if zh
                else Button("Withdraw", f"request {request.number} withdraw")
            )
    elif request.outcome not in ("withdrawn", "duplicate"):
        buttons = rating_buttons(request.number, language)
    if many:
        buttons.append(
            Button("我的全部工单" if zh else "all my requests", "我的工单" if zh else "my requests")
        )
    return Reply(text, "requests", buttons=buttons)


def _rated(request: Request, stars: int, language: str) -> Reply:
    again = rating_buttons(request.number, language)[-1:] if stars <= 2 else []
    zh = f"谢谢，已记下您对 {request.number} 的评价：{stars} 分。" + (
        "没解决可以重新办理。" if stars <= 2 else ""
    )
    en = f"Thank you; your rating of {request.number} is kept: {stars} of 5." + (
        " If it is not solved, it can be reopened." if stars <= 2 else ""
    )
    return Reply(zh if language == "zh" else en, "requests", buttons=again)


def _reopened(service: RequestService, request: Request, language: str) -> Reply:
    fresh = service.store.by_number(request.number)
    due = local_time(fresh.resolve_due, service.zone, language)
    return _say(
        language,
        f"{request.number} 已重新办理，预计{due}前办结。",
        f"{request.number} is reopened; to be settled by {due}.",
    )
