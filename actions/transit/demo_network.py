"""The invented network of the demo city 澜川 / Lanchuan: stops, lines, times, holidays.

Every place lies around 29.0° N, 124.5° E, which is open sea: coordinates are valid and nobody's streets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

ORIGIN_LAT, ORIGIN_LON = 29.0, 124.5
FIRST_DAY, LAST_DAY = date(2026, 1, 1), date(2028, 12, 31)

# name zh | name en | km east of People's Square | km north of it
_STOPS = """
人民广场|People's Square|0|0
市政厅|City Hall|0.5|0.2
市民服务中心|Citizen Service Centre|0.95|0.4
市图书馆|City Library|-0.5|0.5
市博物馆|City Museum|-0.9|0.2
少年宫|Children's Palace|-0.4|-0.5
市第一人民医院|First People's Hospital|0.85|-0.6
老城|Old Town|-0.9|-0.8
老城南门|Old Town South Gate|-0.8|-1.15
文化路|Wenhua Road|-0.25|0.7
解放路|Jiefang Road|0.4|-0.35
万象商场|Wanxiang Mall|0.3|0.8
和平路|Heping Road|-0.6|1.2
和平路北口|Heping Road North|-0.7|1.7
建设路|Jianshe Road|0.9|1.3
人民路东口|Renmin Road East|1.3|0.15
人民路西口|Renmin Road West|-0.6|-0.15
火车站|Railway Station|-1.6|-1.5
站前路|Zhanqian Road|-1.2|-1.2
火车站南广场|Railway Station South Square|-1.7|-1.85
长途汽车站|Coach Station|-2.1|-1.7
滨河路|Binhe Road|0.2|-1.4
滨河路西口|Binhe Road West|-0.4|-1.45
滨河公园|Riverside Park|0.6|-2.0
滨河新村|Binhe New Village|-0.3|-2.5
滨河小学|Binhe Primary School|-0.1|-2.0
儿童医院|Children's Hospital|1.4|-2.3
南桥|South Bridge|1.2|-2.8
南桥菜市场|South Bridge Market|1.8|-2.6
体育中心|Sports Centre|2.1|0.6
体育中心南门|Sports Centre South Gate|2.15|0.3
市中医院|Traditional Chinese Medicine Hospital|-1.4|0.6
东门|East Gate|1.7|-0.15
东湖|East Lake|3.2|0.4
东湖路|Donghu Road|2.7|0.25
东湖北岸|East Lake North Shore|3.3|0.95
植物园|Botanical Garden|4.0|1.1
会展中心|Convention Centre|4.6|-0.3
会展中心西|Convention Centre West|4.1|-0.4
高铁东站|East High-speed Station|5.8|0.2
东城区政府|Dongcheng District Hall|3.3|-0.7
东城中学|Dongcheng Middle School|2.5|-0.5
花园小区|Garden Estate|4.0|-1.2
西山路|Xishan Road|-2.2|0.7
西山路西口|Xishan Road West|-2.6|0.55
西山区政府|Xishan District Hall|-2.9|0.75
西山公园|Xishan Park|-3.6|1.0
西山公园东门|Xishan Park East Gate|-3.3|0.9
动物园|Zoo|-3.1|1.7
茶场|Tea Farm|-4.4|1.4
西山村|Xishan Village|-5.2|1.8
北门|North Gate|0.2|1.9
北苑小区|Beiyuan Estate|-1.3|2.4
北苑市场|Beiyuan Market|-1.0|2.0
科技大道|Keji Avenue|1.2|3.0
科技大道南口|Keji Avenue South|0.9|2.3
科技园|Science Park|1.5|4.2
科技园北门|Science Park North Gate|1.7|4.8
软件园|Software Park|2.4|4.5
创新广场|Innovation Plaza|1.7|3.6
高新区政务中心|Gaoxin Service Hall|0.7|3.5
学府路|Xuefu Road|-0.2|3.1
学府路北口|Xuefu Road North|-0.3|3.6
澜川大学|Lanchuan University|-0.4|4.1
大学城|University Town|-1.0|4.9
大学医院|University Hospital|-0.9|4.3
海员新村|Seamen's Estate|3.0|-2.7
港口大道|Port Avenue|3.5|-3.2
港务局|Port Authority|4.2|-3.8
海关|Customs House|4.0|-4.3
渔市|Fish Market|4.5|-4.8
码头|Ferry Pier|4.9|-4.4
保税区|Bonded Zone|5.4|-3.7
物流园|Logistics Park|7.4|1.2
机场路|Airport Road|8.2|2.6
澜川机场|Lanchuan Airport|9.6|4.0
"""

# place zh | place en | other names | km east | km north | district  (landmarks that are not stops, and stops' surroundings)
_PLACES = """
人民广场|People's Square|中心广场,People's Sq|0|0|zhongxin
市政厅|City Hall|市政府,Lanchuan City Hall|0.5|0.22|zhongxin
市民服务中心|Citizen Service Centre|政务服务中心,办事大厅,Citizen Service Center|0.97|0.42|zhongxin
市图书馆|City Library|图书馆,澜川图书馆,Lanchuan Library|-0.52|0.53|zhongxin
市第一人民医院|First People's Hospital|第一医院,人民医院,First Hospital|0.88|-0.62|zhongxin
市中医院|Traditional Chinese Medicine Hospital|中医院,TCM Hospital|-1.42|0.63|xishan
儿童医院|Children's Hospital|市儿童医院|1.43|-2.32|binhe
火车站|Railway Station|澜川火车站,澜川站,Train Station,the station,Lanchuan Railway Station|-1.62|-1.55|zhongxin
高铁东站|East High-speed Station|高铁站,澜川东站,High-speed Railway Station,East Station|5.83|0.22|dongcheng
长途汽车站|Coach Station|客运站,汽车站,Long-distance Bus Station|-2.12|-1.73|zhongxin
澜川机场|Lanchuan Airport|机场,飞机场,Airport|9.65|4.05|dongcheng
澜川大学|Lanchuan University|澜大,University|-0.45|4.15|gaoxin
科技园|Science Park|高新科技园,Science and Technology Park|1.55|4.25|gaoxin
体育中心|Sports Centre|体育馆,Sports Center,Stadium|2.12|0.65|dongcheng
市博物馆|City Museum|博物馆,Lanchuan Museum|-0.93|0.23|zhongxin
少年宫|Children's Palace|青少年宫|-0.42|-0.53|zhongxin
西山公园|Xishan Park|西山|-3.7|1.1|xishan
滨河公园|Riverside Park|河滨公园,Binhe Park|0.62|-2.05|binhe
动物园|Zoo|市动物园,Lanchuan Zoo|-3.15|1.78|xishan
植物园|Botanical Garden|市植物园,Botanic Garden|4.05|1.18|dongcheng
老城|Old Town|古城,Old City|-0.95|-0.85|zhongxin
码头|Ferry Pier|轮渡码头,Ferry Terminal,Pier|4.95|-4.45|lingang
港口大道|Port Avenue|Gangkou Avenue|3.55|-3.25|lingang
会展中心|Convention Centre|会展馆,Convention Center,Exhibition Centre|4.65|-0.35|dongcheng
万象商场|Wanxiang Mall|万象城,Wanxiang Shopping Mall|0.33|0.83|zhongxin
东湖|East Lake|东湖公园,Donghu|3.3|0.45|dongcheng
人民路|Renmin Road|Renmin Lu|0.1|0.05|zhongxin
解放路|Jiefang Road|Jiefang Lu|0.4|-0.4|zhongxin
文化路|Wenhua Road|Wenhua Lu|-0.28|0.72|zhongxin
滨河路|Binhe Road|Binhe Lu|0.22|-1.43|binhe
站前路|Zhanqian Road|Zhanqian Lu|-1.22|-1.22|zhongxin
科技大道|Keji Avenue|Keji Dadao|1.22|3.02|gaoxin
西山路|Xishan Road|Xishan Lu|-2.22|0.72|xishan
东湖路|Donghu Road|Donghu Lu|2.72|0.27|dongcheng
学府路|Xuefu Road|Xuefu Lu|-0.22|3.12|gaoxin
建设路|Jianshe Road|Jianshe Lu|0.92|1.32|zhongxin
和平路|Heping Road|Heping Lu|-0.62|1.22|zhongxin
中心区|Zhongxin District|Central District|0.05|0.05|zhongxin
老火车头广场|Old Locomotive Plaza|火车头广场|-1.35|-1.4|zhongxin
钟楼|Clock Tower|老钟楼,Bell Tower|-0.75|-0.65|zhongxin
"""


# route_id | zh | en | kind | first-last departure | headways: peak/daytime/late, minutes | the same back, if it differs
# and below it the stops
_LINES = """
B1|1路|Bus 1|bus|05:30-22:30|10/15/20|
火车站 站前路 老城 少年宫 人民广场 市政厅 市民服务中心 体育中心 东湖路 东湖 东湖北岸
B2|2路|Bus 2|bus|05:45-22:00|12/15/20|
长途汽车站 火车站 老城南门 老城 市博物馆 市图书馆 文化路 和平路 和平路北口 北苑市场 北苑小区 大学医院 大学城
B3|3路|Bus 3|bus|05:40-22:20|10/15/20|
滨河新村 滨河小学 滨河路 解放路 人民广场 万象商场 北门 学府路 学府路北口 澜川大学
B5|5路|Bus 5|bus|06:00-21:30|12/20/30|
西山村 茶场 西山公园 西山公园东门 西山区政府 西山路 市中医院 市博物馆 人民路西口 人民广场 市第一人民医院 东门
B8|8路|Bus 8|bus|05:50-22:00|12/15/20|
会展中心 会展中心西 花园小区 东城区政府 东城中学 东门 市第一人民医院 解放路 少年宫 老城 站前路 火车站
B12|12路|Bus 12|bus|05:40-22:30|10/12/20|
火车站 站前路 少年宫 人民广场 万象商场 建设路 科技大道南口 科技大道 高新区政务中心 创新广场 科技园
B15|15路|Bus 15|bus|06:00-21:30|12/20/30|
儿童医院 滨河公园 滨河路 滨河路西口 老城南门 老城 市博物馆 市中医院 西山路 西山路西口 西山区政府 动物园
B18|18路|Bus 18|bus|06:00-21:40|15/20/30|
人民广场 人民路东口 东门 东城中学 东城区政府 花园小区 海员新村 港口大道 港务局 海关 渔市 码头
B20|20路|Bus 20|bus|05:50-22:30|12/15/20|
高铁东站 会展中心 植物园 东湖北岸 东湖 体育中心南门 体育中心 市民服务中心 市政厅 人民广场 市图书馆 和平路 北苑小区
B26|26路|Bus 26|bus|06:10-21:10|15/20/30|
保税区 码头 港务局 港口大道 海员新村 南桥菜市场 儿童医院 南桥 滨河公园 滨河新村 火车站南广场 长途汽车站
K12|K12路|Bus K12 (night)|bus|23:00-29:00|30/30/30|
火车站 人民广场 万象商场 北门 科技大道 创新广场 科技园 科技园北门 软件园
AE|机场快线|Airport Express|express|05:30-21:30|30/30/30|06:30-23:30
火车站 人民广场 高铁东站 物流园 机场路 澜川机场
M1|地铁1号线|Metro Line 1|metro|06:00-23:00|4/7/10|
大学城 澜川大学 学府路 北门 万象商场 人民广场 解放路 滨河路 滨河公园 南桥 海员新村 港口大道 码头
M2|地铁2号线|Metro Line 2|metro|06:00-23:00|4/7/10|
西山公园 西山路 市中医院 市图书馆 人民广场 市民服务中心 体育中心 东湖 会展中心 高铁东站
"""


@dataclass(frozen=True)
class Line:
    """A line of the demo city; headways in minutes: peak, daytime, late. Times in minutes of the service day.

    `first`, `last` are departures from the first stop, `back_first`, `back_last` those of the other direction."""

    route_id: str
    zh: str
    en: str
    long_zh: str
    long_en: str
    kind: str
    stops: tuple[str, ...]
    first: int
    last: int
    headways: tuple[int, int, int]
    back_first: int
    back_last: int


def _line(row: list[str], stops: str) -> Line:
    route_id, zh, en, kind, hours, headways, back = row
    names = tuple(stops.split())
    english = {zh_: en_ for zh_, en_, _, _ in stop_table()}
    long_zh, long_en = f"{names[0]} — {names[-1]}", f"{english[names[0]]} — {english[names[-1]]}"
    peak, day, evening = (int(h) for h in headways.split("/"))
    first, last = (_minutes(t) for t in hours.split("-"))
    back_first, back_last = (_minutes(t) for t in (back or hours).split("-"))
    every = (peak, day, evening)
    return Line(route_id, zh, en, long_zh, long_en, kind, names, first, last, every, back_first, back_last)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def stop_table() -> list[tuple[str, str, float, float]]:
    """Return (Chinese name, English name, km east, km north) of every stop."""
    rows = [line.split("|") for line in _STOPS.strip().splitlines()]
    return [(zh, en, float(x), float(y)) for zh, en, x, y in rows]


def place_table() -> list[tuple[str, str, str, float, float, str]]:
    """Return (zh, en, other names separated by commas, km east, km north, district) of every place."""
    rows = [line.split("|") for line in _PLACES.strip().splitlines()]
    return [(zh, en, other, float(x), float(y), district) for zh, en, other, x, y, district in rows]


def lines() -> list[Line]:
    """Return the lines of docs/demo-city.md."""
    rows = _LINES.strip().splitlines()
    return [_line(row.split("|"), stops) for row, stops in zip(rows[::2], rows[1::2], strict=True)]


def holidays() -> list[date]:
    """Return the public holidays on which the Sunday timetable runs: plain assumptions, no make-up working days.

    New Year's Day; Spring Festival from its eve, seven days; Qingming; 1–5 May; Dragon Boat; Mid-Autumn; 1–7 October.
    """
    spring_eves = (date(2026, 2, 16), date(2027, 2, 5), date(2028, 1, 25))
    single = [date(2026, 4, 5), date(2027, 4, 5), date(2028, 4, 4), date(2026, 6, 19), date(2027, 6, 9)]
    single += [date(2028, 5, 28), date(2026, 9, 25), date(2027, 9, 15), date(2028, 10, 3)]
    days = set(single)
    for year, eve in zip((2026, 2027, 2028), spring_eves, strict=True):
        days.add(date(year, 1, 1))
        days |= {eve + timedelta(days=n) for n in range(7)}
        days |= {date(year, 5, n) for n in range(1, 6)} | {date(year, 10, n) for n in range(1, 8)}
    return sorted(days)
