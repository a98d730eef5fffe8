"""The words by which citizens say what they want to know about buses and trains, Chinese and English.

Patterns run on folded text (see `text.fold`): half-width, lower case, simplified characters.
"""

from __future__ import annotations

import re

LAST = re.compile(
    r"末班|最后一[班趟]|最晚[一的]|尾班|(?<!周)末车|\blast\b(?! (?:week|month|year|time))|\bfinal\b"
)
FIRST = re.compile(r"首班|头班|第一[班趟]|最早|头一[班趟]|早班车|首车|\bfirst\b(?! people)|\bearliest\b")
ENDS = re.compile("首末班|首班.*末班|first and last")
BOTH = re.compile(r"时刻表|发车时间表|timetable|schedule\b|\btiming\b")
OPPOSITE = re.compile(
    r"反方向|反向|对面|回程|往回|返程|返回|另一?(?:头|外一?个?(?:方向|direction)|"
    r"个?方向)|另外一个direction|对过|反过来|相反|对向|"
    r"fan ?fang ?xiang|opposite|(?:the )?other (?:way|direction|side)|reverse|"
    r"go(?:es|ing) back|return trip|back again"
)
LATER = re.compile(
    r"再?下下[一班趟]|再下一?[班趟]|再后面|[那再]下一?[班趟]|之后那[班趟]|下一[班趟]呢|"
    r"更晚|再晚|晚些|晚一点|后面一[班趟]|"
    r"(?:one|bus|train) after|next one after|following (?:bus|one|train)|later ones?|after that\b|any later"
)
EARLIER = re.compile(r"早一点|前一[班趟]|上一[班趟]|更早|\bearlier\b|previous (?:bus|one|train)")
EVERY = re.compile(
    r"(?:有|坐|乘)(?:什么|哪些|啥|几)(?:车|公交|线路|班次|路)|哪[几些条]?路|什么车|"
    r"所有(?:车(?!站)|公交(?!站)|线路)|(?:别|其他|其它)的?(?:线路|车|公交)|还有哪[一]?[趟路班]|what else|"
    r"下几班车|"
    r"(?:any |the )?other (?:lines?|bus(?:es)?|routes?)|all (?:the )?(?:lines|"
    r"buses|routes)|(?:which|what) (?:bus(?:es)?|lines?)|any bus(?:es)?"
)
ELLIPTIC = re.compile(
    r"^\W*(?:那|换|要是|如果|and\b|n\b|what about|wat about|how about|same|also\b|"
    r"or\b|if i\b|then\b)|(?:呢|咧|嘞|喃|then|instead)\W*$"
)
HERE = re.compile(
    r"(?:我|咱|俺|我们|本人)(?:的|这|这里|这边)?附近|^\W*(?:请问)?附近|离我|near ?by\b|"
    r"near me|around me|\b(?:nearest|closest) (?:bus |metro )?(?:stop|station)\b(?! (?:to|"
    r"from|of|for))|closest to me|around here|near here"
)
NEAR = re.compile(
    r"附近|周边|周围|旁边|边上|最近的?(?:公交|地铁|车)?站|门口|沿线|哪[一个]?站|"
    r"哪些站|站台|near|closest|close to|around|bus stops?\b|stations?\b"
)
YES_NO = re.compile(r"[到停经走去过][不没](?:到|停|经|走|去|过)|吗|么\W*$|\b(?:does|do|can|is|will)\b")
CHANGE = re.compile(r"换乘|换车|能换|转乘|怎么换|interchange|transfer|\bcross\b|\bmeet\b|\bchange\b")
CODE = re.compile(
    r"(?:站点|站牌号?|站号|\bstop (?:no\.? ?|code ?|id ?|#)|\bstop #?)\s*[:#]?\s*(?P<code>[a-z]{0,6}[-_]?[0-9][a-z0-9_\-]*)"
)
PLACE_AT = re.compile(r"(?P<lat>[+-]?\d{1,2}\.\d+)\s*[,\s]\s*(?P<lon>[+-]?\d{1,3}\.\d+)")
ARRIVAL = re.compile(
    r"(?:几点钟?|什么时候|啥时候|何时|几时|多久|多长时间|几分钟|啥时间|还要?多久)(?:能|"
    r"会|才)?(?:来|开)?到\s*$|"
    r"(?:gets to|arrives? (?:at|in)|reach(?:es)?|comes? to|coming to)(?: the)?\s*$"
)
WHEN_GET = re.compile(r"\b(?:when|how long|what time|how many minutes)\b.*\bgets? to(?: the)?\s*$")
TO_BEFORE = re.compile(r"(?:[去往到至赴]|开往|前往|直达|\bto|\btowards?|\bfor|\bbound for)(?: the| my)?\s*$")
NOT_TO = re.compile(
    r"(?:departures|arrivals|timetable|schedule|times|live|closest|nearest|close|"
    r"next) (?:for|to)(?: the)?\s*$"
)
FROM_BEFORE = re.compile(r"(?:[从在由离]|\bfrom|\bat|\bin|\bon|\bleave|\bleaves)(?: the)?\s*$")
TO_AFTER = re.compile(r"(?:站)?的?方向")
_NAME_ZH = r"(?P<x>[^\s,。?!]{2,14}?)"
_NAME_EN = r"(?P<x>[a-z][a-z0-9' .\-]{2,40}?)\s*(?=[?!,.]|$| to | from | at | on | towards | after | for )"
UNKNOWN = (
    (
        "near",
        re.compile(
            rf"(?:^|[在离问查下,])(?:我|俺|咱)?(?:现?在|离)?{_NAME_ZH}的?(?:附近|周边|周围|旁边|边上|门口|最近的)"
        ),
    ),
    (
        "stop",
        re.compile(
            rf"(?:从|在|由){_NAME_ZH}站?"
            "(?=坐|乘|等|上车|出发|走|的|到|去|有|开|下一|末班|首班|几点|往|呢|,|$)"
        ),
    ),
    (
        "to",
        re.compile(rf"(?:去|到|往|开往){_NAME_ZH}(?=方向|的|坐|怎么|乘|要|有|吗|呢|末班|下一|首班|,|$)"),
    ),
    (
        "near",
        re.compile(
            rf"\b(?:near(?:est)?(?: to)?|close(?:st)? to|around|next to|stops? (?:by|at|for))\s+{_NAME_EN}"
        ),
    ),
    ("stop", re.compile(rf"\b(?:from|at|leaves?)\s+{_NAME_EN}")),
    ("to", re.compile(rf"\b(?:to|towards|for)\s+{_NAME_EN}")),
)
FILLER = re.compile(
    "下一?[班趟]车?|末班车?|首班车?|头班车?|最后一[班趟]车?|几点钟?|什么时候|"
    "啥时候|何时|多久|发车|到站|时间|公交车?|地铁|请问|麻烦|帮我|查一?下|我想|"
    "知道|"
    "车|的|了|吗|呢|来|到|有|在|从|去|坐|等|还|要|会|能|[^\u4e00-\u9fff]"
)
PLACELIKE = re.compile(
    "[\u4e00-\u9fff]{2,10}(?:站|小区|路|街|道|巷|广场|医院|公园|学校|学院|大学|"
    "中学|小学|村|镇|桥|楼|店|城|中心|大厦|园|门|口|湖|山|馆|寺|塔|亭|苑|里|"
    "厂|场|院)"
)
NOT_NAMES = re.compile(
    "(?:我|俺|你|他|她|它|这|那|哪|什么|今天|明天|现在|公交|地铁|车站|站|前面|"
    "回|离|去|走|下一|末班|首班|更|停靠|途经|终点|起点|沿途).*|.*(?:几|多少|哪|什么|啥|怎么|吗|有没有).*|"
    r"(?:me|here|there|it|my|the|that|this|home|work|a|an|bus|get|go|take|come|"
    r"catch|be|one|now|night|once|all|least|stops?|"
    r"stations?|for|to|in|on|end|change|find|see|know|which|what|when|where)\b.*"
)
LINE_INFO = re.compile(
    "路线|线路图|经过哪|哪些站|几站|多久一班|几分钟一班|间隔|票价|多少钱|"
    r"\broute\b|\bfare\b|how often|how many stops|which stops|frequen"
)
CALLS_AT = re.compile(r"(?:经过|停靠?|路过|去|到).{1,12}(?:吗|不)\W*$|^\W*does (?:it|that)")
FARE = re.compile(r"票价|车费|多少钱|几块钱?|\bfare\b|how much|\bcost\b|\bprice\b")
NEXT = re.compile(
    r"下一?[班趟]|下趟|几点|什么时候|啥时候|还要多久|\bnext\b|\bwhen\b|what time|how long until"
)
POLITE = re.compile("^(?:请问一?下?|麻烦|帮我|帮忙|想?问一?下?|查一?下?|我想|知道)+")
PRONOUN = re.compile(r"它|这[趟班条]|那[趟班条]|\b(?:it|that|this)(?: one| bus| line| train)?\b")
WAIT = re.compile(r"等几|等多久|要等|\bwait")
