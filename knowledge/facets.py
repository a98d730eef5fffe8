"""What a question asks about its subject: the price, the hours, the papers to bring."""

from __future__ import annotations

import re

# Facet tag of an article → how people ask for it. Order does not matter; a question may ask for several.
_ASKED = {
    "hours": (
        r"几点|开门|关门|开放时间|营业时间|上班|下班|周末|周[一二三四五六日天]|星期|礼拜|节假日|中午|晚上|早上|开不开|开着|"
        r"运营时间|末班|首班|头班|放假",
        r"\b(?:hours?|open(?:s|ing)?|clos(?:e|es|ed|ing)|what time|weekends?|saturdays?|sundays?|mondays?|tuesdays?|"
        r"wednesdays?|thursdays?|fridays?|holidays?|evenings?|last (?:train|bus)|first (?:train|bus)|at night)\b",
    ),
    "fee": (
        r"多少钱|几块|几元|费用|收费|价格|价钱|票价|门票|贵不贵|贵吗|便宜|要钱|花钱|交钱|免费|付费|多钱|几个钱|工本费|钱",
        r"\b(?:costs?|fees?|price[sd]?|pricey|charges?|how much|expensive|cheap(?:er)?|free|pay|paid|fares?|money|tickets?)\b",
    ),
    "documents": (
        r"材料|证件|带什么|带啥|带哪些|要带|手续|资料|证明|需要什么|复印件|照片",
        r"\b(?:documents?|paperwork|papers?|bring|forms?|proof|copies|copy|photos?)\b",
    ),
    "eligibility": (
        r"条件|资格|谁可以|谁能|哪些人|符合|能不能申请|够格|多大|几岁|岁以上|岁以下",
        r"\b(?:eligib\w*|qualif\w*|requirements?|who can|am i allowed|conditions?|entitled|how old|age)\b",
    ),
    "discount": (
        r"优惠|打折|减免|半价|折扣|补贴|残疾|老人|老年|学生|退役|军人|低保|儿童票|小孩|孩子|免票|照顾",
        r"\b(?:discounts?|concessions?|reduc\w+|half[- ]price|disab\w+|wheelchair|seniors?|elderly|pensioners?|students?|"
        r"veterans?|child(?:ren)?|kids?|low[- ]income|exempt\w*)\b",
    ),
    "location": (
        r"在哪|哪里|哪儿|地址|地点|位置|怎么走|怎么去|附近|什么地方|几楼|去哪",
        r"\b(?:where|address|locations?|located|near(?:by|est)?|which (?:floor|office|counter)|directions)\b",
    ),
    "online": (
        r"网上|线上|手机|小程序|[Aa][Pp][Pp]|在线|网站",
        r"\b(?:online|internet|website|app|phone app|web|mobile)\b",
    ),
    "time-limit": (
        r"多久|多长时间|几天|时限|期限|截止|什么时候|提前|过期|逾期|有效期|几个工作日|最晚|多少天|来得及",
        r"\b(?:how long|deadline|when|expir\w*|days?|weeks?|valid(?:ity)?|overdue|in advance|how soon|too late|last)\b",
    ),
    "lost": (
        r"丢|遗失|掉了|不见了|弄没|找不到|挂失|补办|补领|被偷|失窃|落在|失物",
        r"\b(?:lost|lose|losing|stolen|missing|replace\w*|left (?:it|my)|misplaced|mislaid)\b",
    ),
    "cancel": (
        r"取消|注销|退订|撤销|退款|退卡|退钱|停用|停暖|改期",
        r"\b(?:cancel\w*|refund\w*|withdraw|terminate|give up|opt out|de-?register|close)\b",
    ),
    "change": (
        r"变更|更改|修改|换成|改名|过户|转移|转学|转到|改",
        r"\b(?:chang\w+|transfer\w*|updat\w+|modify|switch)\b",
    ),
    "contact": (
        r"电话|联系|号码|打哪|找谁|热线|邮箱|客服",
        r"\b(?:phone|call|contact|number|hotline|email|e-mail|whom?)\b",
    ),
    "report": (
        r"投诉|举报|报修|反映|报告|维权|报警",
        r"\b(?:report\w*|complain\w*|complaints?)\b",
    ),
    "how-to": (
        r"怎么|如何|咋|流程|步骤|办理|申请|怎样|办",
        r"\b(?:how (?:do|can|to|should)|apply|application|steps?|process|procedure|get|register|sign up)\b",
    ),
}
_PATTERNS = {facet: re.compile(f"{zh}|{en}", re.IGNORECASE) for facet, (zh, en) in _ASKED.items()}


def asked_facets(text: str) -> frozenset[str]:
    """Return the facets that a question asks for; none when it names only its subject."""
    return frozenset(facet for facet, pattern in _PATTERNS.items() if pattern.search(text))
