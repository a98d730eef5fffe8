"""What citizens get: their own bill explained, saving advice, planned outages, and a polite refusal for the rest."""

# Texts for people run longer than code.
# ruff: noqa: E501

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from actions.energy.bills import explain_change, monthly_cost, read_use
from actions.energy.outages import Outage, upcoming
from actions.energy.periods import find_span
from actions.energy.phrases import amount
from actions.energy.service import EnergyService
from city.messages import Button, Reply

if TYPE_CHECKING:
    from actions.energy.answers import Outcome, Query

DISTRICTS = {
    "zhongxin": ("中心区", "Zhongxin District"),
    "binhe": ("滨河区", "Binhe District"),
    "dongcheng": ("东城区", "Dongcheng District"),
    "xishan": ("西山区", "Xishan District"),
    "gaoxin": ("高新区", "Gaoxin District"),
    "lingang": ("临港区", "Lingang District"),
}
_UTILITIES = {
    "power": (
        r"停电|断电|没电|来电|电力|跳闸|power|electric|blackout|lights|current|leccy",
        "停电",
        "power cut",
        "17",
    ),
    "water": (r"停水|断水|没水|自来水|水压|水龙头|water|tap", "停水", "water cut", "16"),
    "gas": (r"停气|没气|燃气|天然气|煤气|\bgas\b", "停气", "gas interruption", "18"),
    "heating": (r"停暖|暖气|供暖|供热|heating|radiator", "停暖", "heating interruption", "19"),
}
_NOW = re.compile(
    r"现在|我家|家里|没电了|没水了|突然|怎么没|整栋|整个小区|right now|at home|my |suddenly|gone|is (?:out|off)|no (?:power|water|gas|electricity)",
    re.IGNORECASE,
)


def _outcome(replies: list[Reply], state: dict[str, Any]) -> Outcome:
    from actions.energy.answers import Outcome

    return Outcome(replies, state)


def refusal(language: str) -> Reply:
    """Return the polite refusal of questions about city buildings."""
    if language == "zh":
        return Reply(
            "公共建筑的用电数据只对工作人员开放，抱歉不能在这里提供。我可以帮您分析自家电费、给节电建议，或查询计划停电。",
            "energy",
            buttons=(
                Button("我家电费突然变高", "我家电费突然变高了"),
                Button("怎么省电", "家里怎么省电"),
                Button("计划停电", "计划停电查询"),
            ),
        )
    return Reply(
        "Figures on city buildings are for staff only, so I cannot give them here. "
        "I can help you understand your own bill, save electricity, or look up planned outages.",
        "energy",
        buttons=(
            Button("My bill went up", "my electricity bill went up"),
            Button("How can I save?", "how can I save electricity at home"),
            Button("Planned outages", "planned power outages"),
        ),
    )


def saving(service: EnergyService, query: Query, state: dict[str, Any]) -> Outcome:
    """Explain a bill from the citizen's own figures, ask for them, or advise."""
    zh = query.language == "zh"
    given = read_use(query.text)
    if state.get("use_kwh") is not None and len(given) == 1:
        given = [float(state["use_kwh"]), given[0]]
    tiers = service.site.tiers
    if (
        re.search(r"水费|省水|用水|节水|漏水|燃气|天然气|\bwater\b|\bgas\b", query.text, re.IGNORECASE)
        and not given
    ):
        return _outcome([_other_utility(query)], {**state, "topic": "saving"})
    if len(given) == 2 and tiers:
        return _outcome([_explained(service, given, zh)], {"topic": "saving"})
    if len(given) == 1 and tiers:
        cost, tier = monthly_cost(given[0], tiers)
        text = (
            f"一个月 {given[0]:g} 度约 {amount(cost)}，到第 {tier} 档电价（按月均摊估算）。三口之家一般每月 150–300 度，夏冬用空调时更高。想知道为什么变化，请告诉我另一个月用了多少度。"
            if zh
            else f"{given[0]:g} kWh in a month cost about {amount(cost)} and reach price tier {tier} (yearly tiers taken as twelfths). "
            "A family of three usually needs 150–300 kWh a month, more with air conditioning. To see what changed, tell me another month's use."
        )
        return _outcome([Reply(text, "energy")], {"topic": "saving", "use_kwh": given[0]})
    why = re.search(
        r"高|涨|翻|多|贵|走得|吓|不对|变|doubl|twice|high|rose|went up|jump|wrong|more|expensive|fast|much|scary|outrageous",
        query.text,
        re.IGNORECASE,
    )
    return _outcome([_checklist(service, zh) if why else _tips(service, zh)], {**state, "topic": "saving"})


def _explained(service: EnergyService, given: list[float], zh: bool) -> Reply:
    change = explain_change(given[0], given[1], service.site.tiers)
    more = change.after_kwh - change.before_kwh
    share = f"{more / change.before_kwh:+.0%}" if change.before_kwh else "–"
    season = _season(service.now, zh)
    if zh:
        text = (
            f"用电从 {change.before_kwh:g} 度变为 {change.after_kwh:g} 度（{share}），电费约从 {amount(change.before_cost)} 变为 {amount(change.after_cost)}。\n"
            f"- 用电量变化影响约 {amount(change.use_part)}\n- 进入更高档电价影响约 {amount(change.tier_part)}（本月到第 {change.tier} 档）\n{season}\n"
            f"平均每天多 {more / 30:.1f} 度，相当于 1.5 匹空调每天多开约 {max(more, 0) / 30 / 0.9:.0f} 小时。若没有多开电器，请在全屋关电后看电表是否还走；仍在走请致电 12345 转 17 申请校表。\n"
            "估算依据：居民阶梯电价（按月均摊），以电费单为准。"
        )
    else:
        text = (
            f"Your use went from {change.before_kwh:g} to {change.after_kwh:g} kWh ({share}); the bill from about {amount(change.before_cost)} to {amount(change.after_cost)}.\n"
            f"- the change in use accounts for about {amount(change.use_part)}\n- a higher price tier for about {amount(change.tier_part)} (tier {change.tier} this month)\n{season}\n"
            f"That is {more / 30:.1f} kWh more a day, as much as a split air conditioner running {max(more, 0) / 30 / 0.9:.0f} more hours a day. "
            "If nothing new is running, switch everything off and watch the meter; if it still counts, call 12345 ext. 17 to have it tested.\n"
            "Estimated from the residential price tiers (as twelfths of a year); your bill is what counts."
        )
    return Reply(text, "energy")


def _season(now: datetime, zh: bool) -> str:
    month = now.month
    if month in (6, 7, 8, 9):
        return (
            "- 现在是制冷季，空调通常占家庭用电的一半左右"
            if zh
            else "- it is the cooling season: air conditioning is often half of a home's use"
        )
    if month in (12, 1, 2):
        return (
            "- 现在是取暖季，电取暖和热水器用电明显增加"
            if zh
            else "- it is the heating season: electric heating and hot water need clearly more"
        )
    return (
        "- 现在不是空调季，请留意新电器、热水器或漏电"
        if zh
        else "- it is neither heating nor cooling season: look for new devices, the water heater, or leakage"
    )


def _checklist(service: EnergyService, zh: bool) -> Reply:
    season = _season(service.now, zh)
    if zh:
        text = (
            "电费突然变高，多半是下面几种原因：\n"
            "- 抄表天数变多，或上期是估抄（看账单上的起止日期和示数）\n"
            f"{season}\n- 用电进入更高一档阶梯电价\n- 新增或老化的电器：电热水器、除湿机、旧冰箱\n- 漏电或电表故障：全屋关电后看电表是否还走\n"
            "把两个月的用电量告诉我（例如“上个月180度，这个月390度”），我可以算出各占多少。对账单有疑问请致电 12345 转 17（供电公司）。"
        )
    else:
        text = (
            "A sudden jump usually has one of these causes:\n"
            "- more days between readings, or an estimated reading before (see dates and readings on the bill)\n"
            f"{season}\n- your use reached a higher price tier\n- a new or ageing device: water heater, dehumidifier, old fridge\n"
            "- leakage or a faulty meter: switch everything off and see whether it still counts\n"
            'Tell me two months\' use (for example "180 kWh last month, 390 kWh this month") and I will work out the shares. '
            "For doubts about the bill call 12345 ext. 17 (Power Company)."
        )
    return Reply(text, "energy")


def _tips(service: EnergyService, zh: bool) -> Reply:
    winter = service.now.month in (11, 12, 1, 2, 3)
    if zh:
        first = (
            "空调制热设 18–20 °C，每低 1 °C 约省 6%–8%"
            if winter
            else "空调制冷设 26 °C 以上，每高 1 °C 约省 6%–8%"
        )
        text = (
            f"家里省电，按效果从大到小：\n- {first}；配合风扇，出门前 20 分钟关\n- 电热水器设 50–55 °C，外出两天以上关掉；洗澡前再加热\n"
            "- 冰箱冷藏 5 °C、冷冻 −18 °C，离墙 10 厘米，及时除霜\n- 换 LED 灯，比白炽灯省约 80%\n"
            "- 机顶盒、电脑、充电器用带开关的插座断电，一户每月可省约 5–10 度\n- 洗衣机攒满再洗，用冷水或 30 °C\n"
            "告诉我一个月用多少度，我可以帮您看在哪一档电价。"
        )
    else:
        first = (
            "Heat to 18–20 °C: each degree less saves about 6–8 %"
            if winter
            else "Cool to 26 °C or above: each degree saves about 6–8 %"
        )
        text = (
            f"Saving at home, the largest effects first:\n- {first}; use a fan, and switch off 20 minutes before you leave\n"
            "- Set the water heater to 50–55 °C and switch it off when away for two days or more\n"
            "- Fridge 5 °C, freezer −18 °C, 10 cm from the wall, defrosted\n- LED lamps use about 80 % less than incandescent ones\n"
            "- Switch set-top box, computer and chargers off at the socket: about 5–10 kWh a month\n- Run full washing loads, cold or at 30 °C\n"
            "Tell me how many kWh you use in a month and I will say which price tier that is."
        )
    return Reply(text, "energy")


def _other_utility(query: Query) -> Reply:
    water = bool(re.search(r"水|water", query.text, re.IGNORECASE))
    if query.language == "zh":
        return Reply(
            "水费突然变高，先查漏水：关掉所有龙头看水表是否还走；马桶水箱滴几滴色素，半小时后看便池有没有颜色。仍不明白请致电 12345 转 16（水务集团）。省水：装节水花洒、马桶用小水量档、洗菜水留着冲厕。"
            if water
            else "燃气费突然变高，先核对抄表日期和示数，再看取暖和热水：壁挂炉水温设 55–60 °C，每低 1 °C 室温约省 6%。怀疑漏气请立即关阀、开窗、到室外致电 12345 转 18（燃气公司）。",
            "energy",
        )
    return Reply(
        "For a water bill that jumped, look for a leak first: close all taps and watch the meter; put colour into the cistern and look at the bowl half an hour later. Otherwise call 12345 ext. 16 (Water Company). To save: a low-flow shower head, the small flush, and kitchen water for flushing."
        if water
        else "For a gas bill that jumped, check the dates and readings first, then heating and hot water: 55–60 °C at the boiler, and each degree less in the room saves about 6 %. If you smell gas, close the valve, open the windows, and call 12345 ext. 18 (Gas Company) from outside.",
        "energy",
    )


def find_district(text: str) -> str:
    """Return the id of the district that a text names, "" when it names none."""
    low = text.lower()
    for key, (zh, en) in DISTRICTS.items():
        if key in low or zh in text or zh[:-1] in text or en.lower() in low:
            return key
    return ""


def outages(service: EnergyService, query: Query, state: dict[str, Any]) -> Outcome:
    """List planned interruptions of a district, and say what to do in an unplanned one."""
    zh = query.language == "zh"
    fresh = query.topic == "outage"
    district = (
        find_district(query.text)
        or find_district(query.entity("district"))
        or ("" if fresh else str(state.get("district") or ""))
    )
    utility = _utility(query.text) or ("" if fresh else str(state.get("utility") or ""))
    if fresh and not utility:
        utility = "power"
    span = find_span(query.text, service.now.date())
    start, end = span.bounds(service.zone) if span else (None, None)
    found = upcoming(service.outages(), service.now, district, utility, start, end)
    street = query.entity("street") or query.entity("place")
    if street and not district:
        near = [
            outage for outage in found if street in outage.area_zh or street.lower() in outage.area_en.lower()
        ]
        found = near
    place = DISTRICTS[district][0 if zh else 1] if district else street or ("全市" if zh else "the city")
    _, name_zh, name_en, extension = _UTILITIES[utility or "power"]
    when = span.label(query.language) if span else ""
    lines = [_outage_line(outage, query.language, not district) for outage in found[:6]]
    if zh:
        head = (
            f"{place}{when}的计划{name_zh}（{len(found)} 条）："
            if found
            else f"{place}{when}目前没有登记的计划{name_zh}。"
        )
        tail = (
            f"如果现在已经{name_zh}而不在上述计划内，可能是故障：先看自家空开和邻居，再报修 12345 转 {extension}（24 小时）。"
            if _NOW.search(query.text) or not found
            else f"故障报修：12345 转 {extension}（24 小时）。"
        )
        source = f"来源：计划停供公告，更新于 {service.now:%m月%d日 %H:%M}。"
    else:
        head = (
            f"Planned {name_en}s in {place}{' for ' + when if when else ''} ({len(found)}):"
            if found
            else f"No planned {name_en} is registered for {place}{', ' + when if when else ''}."
        )
        tail = (
            f"If yours is out now and not listed, it may be a fault: check your own breaker and your neighbours, then report it at 12345 ext. {extension} (24 hours)."
            if _NOW.search(query.text) or not found
            else f"To report a fault: 12345 ext. {extension} (24 hours)."
        )
        source = f"Source: notices of planned interruptions, as of {service.now:%d %b %H:%M}."
    text = "\n".join([head, *lines, tail, source])
    return _outcome(
        [Reply(text, "energy")], {**state, "topic": "outage", "district": district, "utility": utility}
    )


def _utility(text: str) -> str:
    low = text.lower()
    hits = [
        (match.start(), key)
        for key, (pattern, *_) in _UTILITIES.items()
        if (match := re.search(pattern, low))
    ]
    for _, key in sorted(hits):
        if key != "power":
            return key
    return "power" if hits else ""


def _outage_line(outage: Outage, language: str, with_district: bool) -> str:
    zh = language == "zh"
    name: Mapping[str, tuple[str, str]] = DISTRICTS
    area = outage.area(language)
    if with_district and outage.district in name:
        area = f"{name[outage.district][0 if zh else 1]}{' ' if zh else ', '}{area}"
    same = outage.start.date() == outage.end.date()
    if zh:
        end = f"{outage.end:%H:%M}" if same else f"{outage.end.month}月{outage.end.day}日 {outage.end:%H:%M}"
        return f"- {outage.start.month}月{outage.start.day}日 {outage.start:%H:%M}–{end}：{area}（{outage.reason_zh}）"
    end = f"{outage.end:%H:%M}" if same else f"{outage.end:%d %b %H:%M}"
    return f"- {outage.start:%a %d %b %H:%M}–{end}: {area} ({outage.reason_en})"


__all__ = ["DISTRICTS", "find_district", "outages", "refusal", "saving"]
