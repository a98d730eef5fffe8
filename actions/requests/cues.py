"""What a citizen's words do in a form: yes, no, cancel, skip, correct, ask something else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from actions.requests.contacts import find_contact

_I = re.IGNORECASE
_LOOKS_UP = re.compile(r"工单|进度|查|status|track|my (?:request|report)", _I)
# What channels write for a photo or a position without words, and captions that say no more than that.
_ATTACHMENT = re.compile(
    r"^(?:📷(?: ?(?:照片|Photo))?|📍 ?-?\d{1,2}\.\d+, ?-?\d{1,3}\.\d+"
    r"|(?:(?:这是|这里是|补|补一下|发个?)(?:一张|几张|张|个)?(?:现场的?)?|现场)(?:照片|图片)[。.!！]?"
    r"|(?:here(?:'s| is| are)|this is|these are) (?:(?:a|the|some|my) )?(?:photo|picture|pic)s?[.!]?)$",
    _I,
)
_YES = re.compile(
    r"^(?:嗯+|是的?|对的?|没错|好的?|行|可以|确认|确定|提交|就这样|就这个|没问题|要的?|用(?:这个|它)?吧?|ok(?:ay)?|yes|yeah|yep|yup|sure|correct|right|confirm"
    r"|submit|go ahead|file it|send it|looks good|that'?s (?:right|it|all)|fine|please do|y)(?:[，,。.!！ ]|确认|提交|吧|啊|please|submit|confirm|$)",
    _I,
)
_NO = re.compile(
    r"^(?:不(?!对)|否|没有|别|no\b|nope|not\b|don'?t|n$|wrong)|^(?:不对|错了|有误|要改|修改|改一下)[。.!！]?$|^(?:change|edit|modify)(?: something| it)?[.!]?$",
    _I,
)
_CANCEL = re.compile(
    r"^(?:重新开始|从头(?:再)?来|重来)|^(?:start over|restart|start again)\b|^(?:那就?|还是)?(?:算了|取消|不报了|不投诉了|不提了|不弄了|放弃|撤销|别报了|不用报了|停止|退出)|(?:我)?不想(?:报|投诉|提交)了|取消(?:上报|投诉|提交|报修)"
    r"|^(?:cancel|never ?mind|forget (?:it|about it)|stop(?: it)?|abort|quit|drop it)\b|(?:don'?t|do not) (?:file|submit|send) (?:it|this|anything)"
    r"|i (?:don'?t|no longer) want to (?:report|complain|file)|changed my mind"
    r"|[，,。.!！、；;]\s*(?:那|还是|请|帮我|我想|我要|麻烦)*(?:取消(?:吧|掉|它|这个)?|算了吧?)[。.!！]*$"
    r"|^(?:请|帮我|我想|我要|麻烦)+取消(?:吧|掉|它|这个)?[。.!！]*$"
    r"|^(?:(?:no|wait|please|ok(?:ay)?|actually|sorry|just|hmm|oh|then|let'?s|i (?:want|would like|wish) to|(?:can|could) (?:you|i|we))[,.!… ]+)+"
    r"(?:cancel|stop|forget|never ?mind)(?: (?:it|that|this|everything|(?:the|my) (?:report|request|complaint)))?(?:,? please)?[.!?]*$",
    _I,
)
_SKIP = re.compile(
    r"跳过|匿名|不留|不用(?:了|留)?|不方便|不想(?:留|说|给)|保密|没有|不需要|不填|skip|anonym|no thanks|no thank you|not needed|rather not|don'?t want to|no contact|none\b|without|^no\.?$|prefer not",
    _I,
)
_SUBMIT = re.compile(
    r"^(?:确认|直接|就)?提交|^就这样|^就这些|^没了|^(?:just )?(?:submit|file it|send it)\b|^that'?s (?:it|all)\b|^nothing else\b",
    _I,
)
_UNKNOWN = re.compile(
    r"不知道|不清楚|不记得|说不清|忘了|不确定|don'?t know|not sure|no idea|can'?t remember|unsure", _I
)
_CORRECT = re.compile(
    r"^(?:不对|不是|错了|搞错了|说错了|写错了|记错了|更正|纠正|等等|等一下|抱歉|对不起)|改成|改为|改到|换成|应该是|应为|其实是|而是|改一下"
    r"|^(?:no|nope|not|wait|sorry|oops|wrong|correction|actually)\b|\bi mean(?:t)?\b|\bactually\b|\bchange (?:it|that|the \w+|my \w+)?\s*to\b|\bmake (?:it|that)\b"
    r"|\bshould (?:be|have been)\b|\binstead\b|\bnot on\b",
    _I,
)
_LEAD = re.compile(
    r"^(?:不对|不是|错了|搞错了|说错了|写错了|记错了|更正|纠正|等等|等一下|抱歉|对不起|no|nope|wait|sorry|oops|wrong|correction|actually)"
    r"(?:一下)?[，,。.!！:： ]*(?:应该|其实)?(?:是|在|it'?s|it is|i mean(?:t)?|that'?s|make it|make that|should be)?\s*",
    _I,
)
_QUESTION = re.compile(
    r"[?？]|吗[。！]?$|呢[。！]?$|什么|怎么|怎样|几点|几路|多少|哪里|哪儿|哪个|哪些|哪天|如何|为什么|多久|能不能|可不可以|有没有|是不是"
    r"|^谁(?![也都])|等于几|^(?:请)?(?:给我|帮我|替我)(?:讲|说|写|唱|画|算|查|翻译|推荐)"
    r"|^(?:please )?(?:write|tell|sing|draw|translate|give|show) (?:me|us)\b"
    r"|^(?:what|when|where|which|who|why|how|is there|are there|is the|are the|can i|could i|do you|does|do i|may i)\b|\bhow (?:do|can|much|many|long)\b",
    _I,
)
_ASIDE = re.compile(
    r"顺便|另外问|先问|问一下|请问|想问|by the way|\bbtw\b|quick question|one question|before that", _I
)
_HOW_TO = re.compile(
    r"(?:怎么|如何|哪里|哪儿|在哪|去哪|哪个部门|什么(?:电话|渠道|途径|流程|材料)|多少号|打什么|找谁).{0,10}(?:报修|上报|举报|投诉|反映|报|提|建议|表扬|管|处理)"
    r"|(?:报修|上报|举报|投诉|反映|建议|表扬).{0,8}(?:电话是|怎么|如何|流程|渠道|找谁|找哪|去哪|在哪|打哪|多久|几天|要什么|需要什么)"
    r"|\b(?:how|where|who)\b.{0,12}\b(?:do|can|should|would|to|shall)\b.{0,12}\b(?:i|we|one|you|to|people)?\b.{0,8}\b(?:report|complain|file|suggest|praise|lodge|make|contact|call|submit|tell)\b"
    r"|\bwhat(?:'s| is) the (?:number|phone|process|procedure|hotline|way)\b|\bcan (?:i|you|we) (?:report|complain)\b.*\?|\bhow long does (?:it|a)\b|\bwho (?:is responsible|handles|deals)\b",
    _I,
)
_BARE = re.compile(
    r"^(?:你好|您好|hello|hi)?[，, ]*(?:请问)?(?:我)?(?:想|要|需要|想要|来)?(?:报修|上报|举报|投诉|反映|报告|提|给你们提|给你们|有个?|表扬|提出)?(?:一下|个|一个|一件|些|点|下)*"
    r"(?:问题|事情?|情况|故障|建议|意见|工作人员|员工|你们的?服务)?[。.!！]?$"
    r"|^(?:hi|hello)?[, ]*(?:please )?(?:i(?:'d| would)? ?(?:like|want|need|have)? ?(?:to )?)?(?:report|make|file|lodge|have|submit|give|raise)? ?(?:a|an|some|the)? ?"
    r"(?:problem|issue|something|fault|complaint|complain|suggestion|suggest|feedback|praise|compliment|report)[.! ]*$",
    _I,
)
_CIRCUMSTANCE = re.compile(
    r"在|是|就|从|到|至|的|每[天晚日周]|天天|经常|一直|总是|大概|大约|左右|前后|[以之][后前]|附近|旁边|门口|对面|这边|那边|里面?|上面?|下面?|[边口号站]|开始|之间|都|我家|家|那个|这个"
    r"|\b(?:near|by|at|on|in|the|an?|from|to|until|till|around|about|between|and|every|each|always|usually|mostly|since|it'?s|it is|was|is|along|next|opposite|beside|outside|close"
    r"|nights?|days?|mornings?|evenings?|afternoons?|weeks?|weekends?|corner|of|my|house|home)\b"
    r"|[\s，,。.!！、~～—–-]",
    _I,
)
_BY_SOMETHING = re.compile(
    r"\b(?:near|by|opposite|next to|behind|outside|in front of|beside|at|close to|across from) (?:the|a|an|my|our) (?:[a-z]+ )?"
    r"(?:hospital|school|park|bridge|market|supermarket|gate|station|stop|shop|mall|church|temple|crossing|corner|bank|library|kindergarten|playground|car park|entrance)\b"
    r"|(?:医院|学校|小学|中学|超市|菜场|菜市场|公园|小区|桥|银行|幼儿园|车站|公交站|地铁口|商场|饭店|药店)(?:附近|旁边|对面|门口|后面|前面|里面|北门|南门|东门|西门)",
    _I,
)
_WITHDRAWN = re.compile(
    r"^(?:那就?|还是|请|帮我|我想|我要|麻烦|能不?能|可以|可不可以|把)*(?:刚才|刚刚|这个|那个|它|我)?的?(?:上?报的?|提交的?)?(?:工单|诉求|投诉|上报|报修|请求)?(?:给我)?"
    r"(?:取消|撤回|撤销|撤掉)(?:了|掉|吧|它|这个|那个|刚才|刚刚|我|的)*(?:上?报的?|提交的?)?(?:工单|诉求|投诉|上报|报修|请求)?(?:了|吧|吗|可以吗|行吗)?[。.!！?？]*$"
    r"|^(?:(?:no|please|ok(?:ay)?|actually|then|now|just|(?:can|could) (?:you|i|we)|i (?:want|need|would like|wish) to|i'd like to)[, ]+)*"
    r"(?:cancel|withdraw|delete|take back|retract)(?: (?:it|that|this|(?:my|the|that|this) (?:last )?(?:report|request|complaint|ticket|case)))?(?:,? (?:please|now|again))?[.!? ]*$",
    _I,
)
_TOLD = re.compile(
    r"^(?:请问)?我?(?:刚才|刚刚|之前|方才)?(?:都)?(?:报|上报|提交|投诉|反映|登记|填)(?:过|了)?(?:的是|了)?(?:些)?(?:什么|啥|哪些)(?:内容|问题|事|东西)?(?:来着)?[啊呀呢]?[。？?!！]*$"
    r"|^(?:and |so |wait,? )?what (?:did|have) i (?:just |so far )?(?:report(?:ed)?|file[d]?|submit(?:ted)?|complain(?:ed)? about)(?: so far| just now| already| to you)?[?.! ]*$",
    _I,
)
FIELDS = {
    "request_place": re.compile(
        r"地点|位置|地址|地方|路名|place|location|address|street name|where it is", _I
    ),
    "request_contact": re.compile(r"电话|联系方式|手机|号码|邮箱|phone|contact|e-?mail|my number", _I),
    "request_category": re.compile(r"类别|类型|分类|事项|category|type of", _I),
    "request_details": re.compile(r"描述|内容|情况|详情|description|details|what happened", _I),
}
_HOUSE_NUMBER = re.compile(
    r"(?:门牌号?码?|(?:house|street|building) number|(?:at|is) (?:number|no\.?))\s*(?:应该|其实)?(?:是|为|is|should be|to)?\s*[:：]?\s*"
    r"(?P<number>\d{1,5}[a-z]?)(?![\d:：.-])",
    _I,
)
_NEGATED = re.compile(r"(?:不是|不在|并非|别|not(?: on| at| in)?|isn'?t(?: on| at)?)\s*(?:the\s*)?$", _I)
_DETAIL = re.compile(
    r"^(?:我)?(?:想|要)?(?:再)?补充(?:一下|说明|一点)?|^追加(?:一下|说明)?|^(?:add(?: this| a detail| that| to it)?\b|also note|additional(?:ly)?\b|more details?\b|update:)",
    _I,
)
_RESULT = re.compile(
    r"^(?:可是|但是|但|根本|其实|问题)*(?:还是|仍然|还|一直|根本)*(?:没有?|未)(?:修好|解决|处理好?|弄好)[啊呀吗的呢]?[，,。.!！]*(?:请|我要|要求)?(?:重新办理|重办)?[。.!！]?$"
    r"|^(?:请|我要|要求)?(?:重新办理|重办)[。.!！]?$"
    r"|^(?:我)?(?:给|打|评价?|评分)(?:个|了)?\s*[1-5一二三四五]\s*(?:分|星)[。.!！]?$"
    r"|^(?:but |no,? )?(?:it|this|that|the problem)(?:'s| is| has)? (?:(?:still )?not (?:been )?(?:fixed|solved|resolved|repaired|done)|still (?:broken|there))(?: yet)?[.!]?$"
    r"|^(?:please )?re-?open (?:it|this|my (?:request|report|case))[.!]?$"
    r"|^(?:i(?:'d)? )?(?:rate|give|would give|would rate) (?:it|this|that|you|them)?(?: a)? ?[1-5](?: ?/ ?5| out of 5)?(?: stars?| points?)?[.!]?$",
    _I,
)
_ANNOUNCED = re.compile(
    r"(?:我)?(?:想|要)?(?:再)?(?:补充|追加)|add(?: this| a detail| that| to it)?\s*[:：,]|update\s*:", _I
)
_FOLLOW = re.compile(
    r"跟进|关注|就是这个|是同一个|同一件|一样|follow|same (?:one|thing|problem)|that'?s (?:it|the one)", _I
)
_SEPARATE = re.compile(
    r"不是(?:同|这)|单独|另外|另报|新的|不一样|separate|different|another|new one|not the same|file (?:mine|it)",
    _I,
)


def is_yes(text: str, intent: str = "") -> bool:
    """Return whether a short text says yes."""
    return bool(_YES.match(text.strip())) or (
        intent == "affirm" and len(text) <= 20 and not _NO.match(text.strip())
    )


def is_no(text: str, intent: str = "") -> bool:
    """Return whether a short text says no."""
    return bool(_NO.match(text.strip())) or (intent == "deny" and len(text) <= 20)


def is_cancel(text: str) -> bool:
    """Return whether somebody gives up the form."""
    return bool(_CANCEL.search(text.strip()))


def is_skip(text: str) -> bool:
    """Return whether somebody does not want to answer."""
    return bool(_SKIP.search(text.strip()))


def is_submit(text: str) -> bool:
    """Return whether somebody wants it filed as it is."""
    return bool(_SUBMIT.search(text))


def is_unknown(text: str) -> bool:
    """Return whether somebody cannot tell."""
    return bool(_UNKNOWN.search(text))


def is_correction(text: str) -> bool:
    """Return whether a text sets something right that was said before."""
    return bool(_CORRECT.search(text.strip()))


def without_lead(text: str) -> str:
    """Return a correction without its opening ("不对，是…", "no, it's …")."""
    return _LEAD.sub("", text.strip(), count=1).strip()


def is_negated(text: str, start: int) -> bool:
    """Return whether what begins at `start` stands after "不是" or "not"."""
    return bool(_NEGATED.search(text[:start]))


def is_question(text: str) -> bool:
    """Return whether a text asks something."""
    return bool(_QUESTION.search(text.strip()))


def is_aside(text: str) -> bool:
    """Return whether a text announces a question on the side."""
    return bool(_ASIDE.search(text))


def asks_how(text: str) -> bool:
    """Return whether a text asks how or where to report, instead of reporting."""
    return bool(_HOW_TO.search(text))


def gives_contact(text: str) -> bool:
    """Return whether a short answer is a way to be reached, complete or not: "it is 1380013", "a@example.org"."""
    if is_question(text) or _LOOKS_UP.search(text):
        return False
    return find_contact(text) is not None or sum(map(str.isdigit, text)) >= 5


def is_bare(text: str) -> bool:
    """Return whether a text says only that there is something to report, not what."""
    return bool(_BARE.match(text.strip()))


def field_named(text: str) -> str | None:
    """Return the form's slot that a text names ("地点", "my phone number"), or `None`."""
    return next((slot for slot, words in FIELDS.items() if words.search(text)), None)


def house_number(text: str) -> str | None:
    """Return the house number that a text gives by that name: "门牌号是17号", "no, it is at number 17"."""
    match = _HOUSE_NUMBER.search(text)
    return match["number"] if match else None


def wants_follow(text: str) -> bool | None:
    """Return whether somebody wants to follow a report offered as the same, `None` when it is not said."""
    if _SEPARATE.search(text):
        return False
    return True if _FOLLOW.search(text) else None


def detail_in(text: str) -> str | None:
    """Return what somebody adds ("补充一下，…", "add: …"), or `None` when nothing is added."""
    match = _DETAIL.search(text.strip())
    rest = text.strip()[match.end() :].strip(" ，,：:。.") if match else ""
    return rest or None


def is_attachment(text: str) -> bool:
    """Return whether a message is nothing but a photo or a position, as channels write one without words."""
    return bool(_ATTACHMENT.match(text.strip()))


def speaks_of_result(text: str) -> bool:
    """Return whether a short text says how a request ended, and nothing else: "还是没修好", "I rate it 2 stars"."""
    return bool(_RESULT.match(text.strip()))


def is_circumstance(text: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Return whether a text is nothing but the places and times at `spans` with small words around them.

    "每天晚上11点到2点" and "near the hospital" tell more of what is reported; "the next bus at 5" asks for something.
    """
    spans = [*spans, *(match.span() for match in _BY_SOMETHING.finditer(text))]
    if not spans or is_question(text):
        return False
    rest, end = "", 0
    for start, stop in sorted(spans):
        rest += text[end:start] + " " if start > end else " "
        end = max(end, stop)
    return not _CIRCUMSTANCE.sub("", rest + text[end:])


def withdraws(text: str) -> bool:
    """Return whether a whole text asks to take a request back: "withdraw it", "把刚才的投诉取消吧"."""
    return bool(_WITHDRAWN.match(text.strip()))


def asks_what_was_told(text: str) -> bool:
    """Return whether a whole text asks what was reported: "我刚才报了什么？", "what did I just report?"."""
    return bool(_TOLD.match(text.strip()))


def announces_detail(text: str) -> bool:
    """Return whether a text plainly opens as an addition to a request: "补充一下，…", "add: …"."""
    return bool(_ANNOUNCED.match(text.strip()))
