"""What the form says and asks, in Chinese and English."""

from __future__ import annotations

from actions.requests.contacts import mask_contact
from actions.requests.draft import CATEGORY, CONFIRMATION, CONTACT, DETAILS, DUPLICATE, PLACE, Draft
from actions.requests.lifecycle import STATES
from actions.requests.news import local_time
from actions.requests.records import Filed, Place
from actions.requests.service import RequestService
from actions.requests.urgency import urgency_of
from city.messages import Button, Reply

_KINDS = {
    "report": ("上报", "report"),
    "complaint": ("投诉", "complaint"),
    "suggestion": ("建议", "suggestion"),
    "praise": ("表扬", "praise"),
}


def _say(language: str, zh: str, en: str) -> str:
    return zh if language == "zh" else en


def map_link(service: RequestService, place: Place | None) -> str:
    """Return the address of a map with the place marked, empty without a position."""
    if place is None or not place.located or not service.section.map_url:
        return ""
    return service.section.map_url.format(lat=f"{place.lat:.6f}", lon=f"{place.lon:.6f}")


def ask(draft: Draft, slot: str, service: RequestService, language: str) -> Reply:
    """Return the question for a slot, or the form's own question that comes before it."""
    what = (draft.offer or {}).get("what")
    if what == "exif":
        return _ask_exif(draft, language)
    if what == "add_photo":
        return _ask_add_photo(draft, service, language)
    if slot == PLACE and what in ("choose", "conflict", "unknown_place"):
        return _ask_offer(draft, str(what), service, language)
    if slot == CONFIRMATION and what == "change":
        return _ask_change(language)
    return {
        DETAILS: _ask_details,
        CATEGORY: _ask_category,
        PLACE: _ask_place,
        DUPLICATE: _ask_duplicate,
        CONTACT: _ask_contact,
        CONFIRMATION: _ask_confirmation,
    }[slot](draft, service, language)


def _reply(text: str, *buttons: str) -> Reply:
    return Reply(text, "requests", buttons=[Button(b, b) for b in buttons])


def _ask_details(draft: Draft, service: RequestService, language: str) -> Reply:
    zh = {
        "report": "请说说是什么问题，比如“路灯不亮”。带上地点就更快了。",
        "complaint": "请说说您要投诉什么，涉及哪个单位或地点。",
        "suggestion": "请说说您的建议。",
        "praise": "请说说您要表扬谁，因为什么事。",
    }
    en = {
        "report": "What is the problem, for example “the street light is out”? Add the place and it goes faster.",
        "complaint": "What is your complaint about, and which office or place?",
        "suggestion": "What do you suggest?",
        "praise": "Whom would you like to praise, and what for?",
    }
    return _reply(_say(language, zh[draft.kind], en[draft.kind]))


def _ask_category(draft: Draft, service: RequestService, language: str) -> Reply:
    names = [service.catalogue.get(c).name.get(language) for c in draft.choices]
    other = _say(language, "都不是", "none of these")
    return _reply(_say(language, "这属于哪一类？", "What kind of problem is it?"), *names, other)


def _ask_place(draft: Draft, service: RequestService, language: str) -> Reply:
    return _reply(
        _say(
            language,
            "在哪里？请说路名、路口或附近的地标，也可以共享位置。",
            "Where is it? Name the street, the crossing or a landmark nearby, or share your position.",
        )
    )


def _ask_offer(draft: Draft, what: str, service: RequestService, language: str) -> Reply:
    offer = draft.offer or {}
    if what == "choose":
        names = [str(p["text"]) for p in offer["places"]]
        return _reply(
            _say(language, "您提到了几个地点，是哪一个？", "You named several places. Which one is it?"),
            *names,
        )
    if what == "conflict":
        place = Place.from_dict(offer["place"])
        lies = service.places.district_name(place.district, language)
        said = service.places.district_name(offer["district"], language)
        return _reply(
            _say(
                language,
                f"{place.text}在{lies}，不在{said}。就是{place.text}吗？",
                f"{place.text} is in {lies}, not in {said}. Is it {place.text} you mean?",
            ),
            *_yes_no(language),
        )
    text = offer["text"]
    return _reply(
        _say(
            language,
            f"我在地图上没找到“{text}”。附近有什么路口或地标？没有的话回复“就这样”。",
            f"I cannot find “{text}” on the map. Is there a crossing or landmark nearby? If not, answer “that's it”.",
        ),
        _say(language, "就这样", "that's it"),
    )


def _yes_no(language: str) -> tuple[str, str]:
    return ("是的", "不是") if language == "zh" else ("yes", "no")


def _ask_exif(draft: Draft, language: str) -> Reply:
    text = (draft.offer or {})["place"]["text"]
    return _reply(
        _say(
            language,
            f"照片里带有拍摄位置：{text}。用作地点吗？（照片保存时已去掉位置信息。）",
            f"The photo says where it was taken: {text}. Use it as the place? (The stored photo no longer carries it.)",
        ),
        *_yes_no(language),
    )


def _ask_add_photo(draft: Draft, service: RequestService, language: str) -> Reply:
    number = str((draft.offer or {})["number"])
    request = service.store.by_number(number)
    about = service.catalogue.get(request.category).name.get(language)
    if request.address:
        about += f"，{request.address}" if language == "zh" else f", {request.address}"
    several = len(draft.photos) > 1
    return _reply(
        _say(
            language,
            f"要把照片加到刚提交的 {number}（{about}）吗？也可以用来上报新问题。",
            f"Shall I add the {'photos' if several else 'photo'} to {number}, which you have just filed ({about})? "
            "Or report something new with it.",
        ),
        _say(language, f"加到 {number}", f"add to {number}"),
        _say(language, "上报新问题", "report something new"),
    )


def photos_added(number: str, count: int, language: str) -> Reply:
    """Confirm that photos were added to a request."""
    return Reply(
        _say(
            language,
            f"已把 {count} 张照片加到 {number}，承办单位会看到。",
            f"{count} photo{'s' if count != 1 else ''} added to {number}; the department will see "
            f"{'them' if count != 1 else 'it'}.",
        ),
        "requests",
    )


def _ask_duplicate(draft: Draft, service: RequestService, language: str) -> Reply:
    offer = draft.offer or {}
    state = STATES[str(offer.get("state", "received"))].get(language)
    people, metres = offer.get("people", 1), offer.get("distance_m", 0)
    near_zh = f"附近（约 {metres} 米）" if metres >= 20 else "这里"
    near_en = f"about {metres} m away" if metres >= 20 else "at this place"
    if offer.get("street"):
        near_zh, near_en = f"{offer['street']}上", f"on {offer['street']}"
    return _reply(
        _say(
            language,
            f"{near_zh}已有 {people} 人反映同类问题，目前状态：{state}。要跟进这一件，还是单独上报？",
            f"{people} {'person has' if people == 1 else 'people have'} reported this {near_en} already "
            f"(now: {state}). Follow that one, or file yours separately?",
        ),
        _say(language, "跟进这一件", "follow it"),
        _say(language, "单独上报", "file mine separately"),
    )


def _ask_contact(draft: Draft, service: RequestService, language: str) -> Reply:
    return _reply(
        _say(
            language,
            "要留个电话或邮箱，方便承办单位联系您吗？可以不留，匿名也会办理。",
            "Would you like to leave a phone number or e-mail for questions? You need not: anonymous requests are handled too.",
        ),
        _say(language, "匿名", "anonymous"),
    )


def _ask_change(language: str) -> Reply:
    if language == "zh":
        return _reply(
            "要改哪一项？可以直接说，比如“地点是解放路”。", "改地点", "改描述", "改类别", "改联系方式", "取消"
        )
    return _reply(
        "What should be different? Just say it, for example “the place is Jiefang Road”.",
        *(
            "change the place",
            "change the description",
            "change the category",
            "change the contact",
            "cancel",
        ),
    )


def _told(draft: Draft, service: RequestService, language: str) -> list[tuple[str, str]]:
    """Return what the citizen has told so far, named row by row."""
    rows = []
    if draft.category is not None:
        category = service.catalogue.get(draft.category)
        rows.append((_say(language, "事项", "What"), category.name.get(language)))
    if draft.description:
        details = draft.description.replace("\n", "；" if language == "zh" else "; ")
        rows.append((_say(language, "情况", "Details"), details))
    place = draft.where()
    if place is not None:
        link = map_link(service, place)
        shown = f"{place.text}（[地图]({link})）" if language == "zh" else f"{place.text} ([map]({link}))"
        rows.append((_say(language, "地点", "Place"), shown if link else place.text))
    return rows


def _lines(rows: list[tuple[str, str]], language: str) -> str:
    colon = "：" if language == "zh" else ": "
    return "\n".join(f"- {name}{colon}{value}" for name, value in rows)


def so_far(draft: Draft, service: RequestService, language: str) -> Reply:
    """Tell what an open form holds, and that it is not filed yet."""
    lines = _lines(_told(draft, service, language), language)
    if not lines:
        return _reply(_say(language, "还没有登记任何内容。", "Nothing is written down yet."))
    return _reply(
        _say(language, f"目前登记的是（还没有提交）：\n{lines}", f"So far (not filed yet):\n{lines}")
    )


def _ask_confirmation(draft: Draft, service: RequestService, language: str) -> Reply:
    category = service.catalogue.get(str(draft.category))
    contact = mask_contact(draft.contact) if draft.contact else _say(language, "匿名", "anonymous")
    urgency = service.catalogue.urgencies[urgency_of(draft.description or "", category)].name.get(language)
    rows = [*_told(draft, service, language), (_say(language, "联系方式", "Contact"), contact)]
    if draft.photos:
        rows.append((_say(language, "照片", "Photos"), str(len(draft.photos))))
    rows.append((_say(language, "紧急程度", "Urgency"), urgency))
    lines = _lines(rows, language)
    text = _say(
        language,
        f"请核对：\n{lines}\n\n确认提交吗？哪里不对直接说，也可以补一张照片或共享位置。",
        f"Please check:\n{lines}\n\nShall I file it? Say what is wrong, add a photo or share your position.",
    )
    buttons = (
        ("确认提交", "修改", "取消") if language == "zh" else ("yes, file it", "change something", "cancel")
    )
    payloads = ("确认提交", "不对", "取消") if language == "zh" else ("yes, file it", "no", "cancel")
    return Reply(text, "requests", buttons=[Button(t, p) for t, p in zip(buttons, payloads, strict=True)])


def filed(result: Filed, service: RequestService, language: str) -> Reply:
    """Tell the number, the code, who handles it and until when."""
    r = result.request
    department = service.catalogue.department_name(r.department, language)
    answer = local_time(r.respond_due, service.zone, language)
    done = local_time(r.resolve_due, service.zone, language)
    review = ""
    if r.needs_review:
        review = _say(language, "工作人员会先核对类别再派单。", " A person will check the category first.")
    code = ""
    if result.code:
        code = _say(
            language,
            f"，查询码 **{result.code}**（换个地方查询时要用，请勿告诉他人）",
            f", access code **{result.code}** (needed to look it up elsewhere; keep it to yourself)",
        )
    text = _say(
        language,
        f"已受理。编号 **{r.number}**{code}。\n\n承办单位：{department}。{review}{answer}前首次答复，预计{done}前办结。"
        "有进展会在这里告诉您，也可以随时问“我的工单”。",
        f"Filed. Number **{r.number}**{code}.\n\nHandled by: {department}.{review} First answer by {answer}, settled by "
        f"{done}. News will appear here; ask for “my requests” at any time.",
    )
    return Reply(text, "requests")


def following(number: str, language: str) -> Reply:
    """Confirm that a request is followed."""
    text = _say(
        language,
        f"好的，已为您跟进 {number}，有进展会在这里告诉您。",
        f"All right, you follow {number} now; news will appear here.",
    )
    return Reply(text, "requests")


def cancelled(language: str) -> Reply:
    """Confirm that nothing was filed."""
    return Reply(
        _say(language, "好的，已取消，没有提交任何内容。", "All right, cancelled. Nothing was filed."),
        "requests",
    )


def welcome_back(draft: Draft, service: RequestService, language: str) -> str:
    """Say that an unfinished report was kept."""
    kind = _KINDS[draft.kind][0 if language == "zh" else 1]
    return _say(
        language,
        f"您之前没填完的{kind}还在，我们接着来。不想继续就说“取消”。",
        f"Your unfinished {kind} is still here; let's go on. Say “cancel” to drop it.",
    )


def need_details(language: str) -> str:
    """Ask for more words."""
    return _say(language, "请再说具体一点。", "Please say a little more.")


def need_place(language: str) -> str:
    """Say why a place is needed."""
    return _say(language, "没有地点就没法派人去看。", "Without a place nobody can be sent there.")


def which_category(language: str) -> str:
    """Say that the kind was not understood."""
    return _say(language, "我没听明白是哪一类。", "I did not get which kind it is.")


def send_contact(language: str) -> str:
    """Ask for the contact that somebody wants to leave."""
    return _say(language, "好的，请把电话号码或邮箱发给我。", "All right, send me the number or address.")


def bad_contact(language: str) -> str:
    """Say that a contact cannot be used."""
    return _say(
        language,
        "这个号码或邮箱好像不完整，请再发一遍，或者说“匿名”。",
        "That number or address looks incomplete; send it again, or say “anonymous”.",
    )


def what_to_change(language: str) -> str:
    """Take a no at the end calmly."""
    return _say(language, "好的，先不提交。", "All right, not filed yet.")


def noted(language: str) -> str:
    """Confirm an addition."""
    return _say(language, "已补充进去。", "Added.")


def changed(what: str, value: str, language: str) -> str:
    """Confirm a correction."""
    names = {
        "place": ("地点", "place"),
        "contact": ("联系方式", "contact"),
        "category": ("事项", "category"),
        "details": ("描述", "description"),
    }
    shown = mask_contact(value) if what == "contact" else value
    zh, en = names[what]
    return _say(language, f"好的，{zh}改为：{shown}。", f"All right, the {en} is now: {shown}.")


def got_photos(number: int, language: str) -> str:
    """Confirm photos."""
    return _say(language, f"收到 {number} 张照片。", f"Got {number} photo{'s' if number > 1 else ''}.")


def too_many_photos(limit: int, language: str) -> str:
    """Say that no more photos are taken."""
    return _say(
        language,
        f"每件最多 {limit} 张照片，多的没有收。",
        f"A request takes {limit} photos; the rest were left out.",
    )


def got_position(text: str, language: str) -> str:
    """Confirm a shared position."""
    return _say(language, f"收到位置：{text}。", f"Got your position: {text}.")


def outside(language: str) -> str:
    """Refuse a position outside the city."""
    return _say(
        language,
        "这个位置不在本市范围内，请用文字说明地点。",
        "That position is outside the city; please name the place instead.",
    )
