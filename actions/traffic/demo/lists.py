"""The demo city's streets, car parks and roadworks, as the lists that the generator writes."""

from __future__ import annotations

from typing import Any

from actions.traffic.demo.streets import STREETS

_NAMES = {
    "renmin": (
        "人民路",
        "Renmin Road",
        "人民大街|renmin lu|renminlu|renmin rd|renmin",
        "zhongxin",
        29.0,
        124.501,
    ),
    "jiefang": (
        "解放路",
        "Jiefang Road",
        "jiefang lu|jiefanglu|jiefang rd|jiefang",
        "zhongxin",
        28.9964,
        124.5041,
    ),
    "wenhua": ("文化路", "Wenhua Road", "wenhua lu|wenhualu|wenhua rd|wenhua", "zhongxin", 29.0065, 124.4971),
    "binhe": (
        "滨河路",
        "Binhe Road",
        "binhe lu|binhelu|binhe rd|riverside road|binhe",
        "binhe",
        28.9874,
        124.5021,
    ),
    "zhanqian": (
        "站前路",
        "Zhanqian Road",
        "zhanqian lu|zhanqianlu|zhanqian rd|station road|zhanqian",
        "zhongxin",
        28.9892,
        124.4877,
    ),
    "keji": ("科技大道", "Keji Avenue", "keji dadao|keji ave|keji|science avenue", "gaoxin", 29.036, 124.508),
    "gangkou": (
        "港口大道",
        "Gangkou Avenue",
        "port avenue|gangkou dadao|gangkou ave|gangkou",
        "lingang",
        28.9708,
        124.5365,
    ),
    "xishan": ("西山路", "Xishan Road", "xishan lu|xishanlu|xishan rd|xishan", "xishan", 29.0063, 124.4774),
    "donghu": (
        "东湖路",
        "Donghu Road",
        "donghu lu|donghulu|donghu rd|east lake road|donghu",
        "dongcheng",
        29.0023,
        124.5278,
    ),
    "xuefu": ("学府路", "Xuefu Road", "xuefu lu|xuefulu|xuefu rd|xuefu", "gaoxin", 29.0315, 124.4985),
    "jianshe": (
        "建设路",
        "Jianshe Road",
        "jianshe lu|jianshelu|jianshe rd|jianshe",
        "zhongxin",
        29.0117,
        124.5093,
    ),
    "heping": ("和平路", "Heping Road", "heping lu|hepinglu|heping rd|heping", "zhongxin", 29.0108, 124.4938),
}
# id, zh, en, places near, lat, lon, spaces, fee zh, fee en
_PARKING = (
    (
        "square",
        "人民广场地下停车场",
        "People's Square underground car park",
        29.0003,
        124.5004,
        420,
        "每小时 6 元",
        "6 yuan an hour",
    ),
    (
        "cityhall",
        "市政厅停车场",
        "City Hall car park",
        29.0018,
        124.5056,
        180,
        "首小时免费，之后每小时 4 元",
        "first hour free, then 4 yuan an hour",
    ),
    (
        "service",
        "市民服务中心停车场",
        "Citizen Service Centre car park",
        29.0035,
        124.5102,
        260,
        "办事两小时内免费",
        "free for two hours for visitors",
    ),
    (
        "library",
        "市图书馆停车场",
        "City Library car park",
        29.0050,
        124.4950,
        150,
        "每小时 4 元",
        "4 yuan an hour",
    ),
    (
        "hospital",
        "市第一人民医院停车楼",
        "First People's Hospital car park",
        28.9948,
        124.5086,
        520,
        "每小时 5 元",
        "5 yuan an hour",
    ),
    (
        "station",
        "火车站站前停车场",
        "Railway Station forecourt car park",
        28.9866,
        124.4840,
        380,
        "每小时 8 元",
        "8 yuan an hour",
    ),
    (
        "eaststation",
        "高铁东站 P1 停车场",
        "East High-speed Station P1",
        29.0016,
        124.5592,
        900,
        "每小时 8 元",
        "8 yuan an hour",
    ),
    (
        "sports",
        "体育中心停车场",
        "Sports Centre car park",
        29.0054,
        124.5212,
        600,
        "每小时 3 元",
        "3 yuan an hour",
    ),
    (
        "mall",
        "万象商场停车场",
        "Wanxiang Mall car park",
        29.0071,
        124.5030,
        750,
        "每小时 7 元",
        "7 yuan an hour",
    ),
    (
        "expo",
        "会展中心停车场",
        "Convention Centre car park",
        28.9972,
        124.5473,
        1100,
        "每小时 5 元",
        "5 yuan an hour",
    ),
    ("lake", "东湖停车场", "East Lake car park", 29.0037, 124.5333, 300, "免费", "free"),
    ("riverside", "滨河公园停车场", "Riverside Park car park", 28.9820, 124.5058, 220, "免费", "free"),
    (
        "science",
        "科技园停车场",
        "Science Park car park",
        29.0378,
        124.5154,
        480,
        "每小时 4 元",
        "4 yuan an hour",
    ),
    (
        "airport",
        "澜川机场停车楼",
        "Lanchuan Airport car park",
        29.0360,
        124.5987,
        1600,
        "每小时 10 元，每日封顶 80 元",
        "10 yuan an hour, at most 80 a day",
    ),
)
_WORKS = (
    (
        "jiefang-pipes",
        "jiefang",
        "解放路（人民路至滨河路）供水管网改造",
        "Water main renewal on Jiefang Road between Renmin Road and Binhe Road",
        "2026-09-01",
        "2027-06-30",
        "lanes",
        "占用西侧一条机动车道",
        "one lane closed on the west side",
        "建议绕行文化路",
        "use Wenhua Road instead",
    ),
    (
        "binhe-resurface",
        "binhe",
        "滨河路路面翻修",
        "Resurfacing of Binhe Road",
        "2026-11-10",
        "2026-12-20",
        "night",
        "每日 22:00 至次日 6:00 全封闭",
        "closed every night from 22:00 to 6:00",
        "夜间请走人民路",
        "use Renmin Road at night",
    ),
    (
        "xuefu-metro",
        "xuefu",
        "学府路地铁 2 号线车站施工围挡",
        "Metro Line 2 station works on Xuefu Road",
        "2026-03-01",
        "2028-08-31",
        "lanes",
        "双向各保留一条车道",
        "one lane open each way",
        "建议绕行科技大道",
        "use Keji Avenue instead",
    ),
    (
        "gangkou-bridge",
        "gangkou",
        "港口大道跨河桥检修",
        "Bridge inspection on Gangkou Avenue",
        "2027-01-08",
        "2027-01-24",
        "closed",
        "桥梁全封闭",
        "bridge closed to all vehicles",
        "请绕行东湖路",
        "use Donghu Road instead",
    ),
    (
        "donghu-tree",
        "donghu",
        "东湖路行道树补植",
        "Tree planting on Donghu Road",
        "2026-11-16",
        "2026-12-05",
        "lanes",
        "9:00–16:00 占用最右侧车道",
        "right-hand lane closed 9:00–16:00",
        "",
        "",
    ),
)


def streets_file() -> list[dict[str, Any]]:
    """Return the list of streets."""
    found = []
    for street in STREETS:
        zh, en, aliases, district, lat, lon = _NAMES[street.id]
        found.append(
            {
                "id": street.id,
                "name_zh": zh,
                "name_en": en,
                "aliases": aliases.split("|"),
                "district": district,
                "lat": lat,
                "lon": lon,
                "free_kmh": street.free_kmh,
                "capacity_vph": street.capacity_vph,
            }
        )
    return found


def parking_file() -> list[dict[str, Any]]:
    """Return the list of car parks."""
    keys = ("id", "name_zh", "name_en", "lat", "lon", "spaces", "fee_zh", "fee_en")
    return [dict(zip(keys, row, strict=True)) for row in _PARKING]


def roadworks_file() -> list[dict[str, Any]]:
    """Return the list of roadworks and closures."""
    keys = (
        "id",
        "street",
        "title_zh",
        "title_en",
        "from",
        "until",
        "kind",
        "effect_zh",
        "effect_en",
        "detour_zh",
        "detour_en",
    )
    return [dict(zip(keys, row, strict=True)) for row in _WORKS]
