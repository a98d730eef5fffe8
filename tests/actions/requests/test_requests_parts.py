"""Categories, places, photos, contacts, routing and cues."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from actions.requests import cues
from actions.requests.catalogue import Catalogue, read_catalogue
from actions.requests.contacts import find_contact, hide_contacts, mask_contact
from actions.requests.errors import CategoriesError, PhotoError
from actions.requests.photos import clean
from actions.requests.places import PlaceFinder
from actions.requests.routing import Router
from actions.requests.service import RequestService
from actions.requests.settings import PhotosSection
from tests.actions.requests.conftest import CATEGORIES, ROOT, photo_bytes


def test_the_shipped_categories_are_bilingual_and_complete(catalogue: Catalogue) -> None:
    assert len(catalogue.of_kind("report")) >= 20
    for category in catalogue.categories.values():
        assert category.name.zh and category.name.en
        assert category.department in catalogue.departments
        assert category.examples["zh"] and category.examples["en"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("triage: service_centre", "triage: moon", "moon"),
        ("  - id: streetlight", "  - id: pothole", "twice"),
        ("radius_m: 40", "radius_m: -1", "radius_m"),
        ("departments:", "departments: [", "YAML"),
    ],
)
def test_a_wrong_category_file_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "categories.yml"
    file.write_text(CATEGORIES.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(CategoriesError, match=words) as caught:
        read_catalogue(file)
    assert str(file) in str(caught.value) and caught.value.zh
    with pytest.raises(CategoriesError, match="no such file"):
        read_catalogue(tmp_path / "none.yml")


@pytest.mark.parametrize(
    ("text", "language", "name", "precision"),
    [
        ("人民路有个大坑", "zh", "人民路", "street"),
        ("人民路和解放路路口的信号灯坏了", "zh", "人民路与解放路路口", "crossing"),
        ("解放路200号门口", "zh", "解放路200号门口", "street"),
        ("pothole on 12 Jiefang Road", "en", "12 Jiefang Road", "street"),
        ("at the corner of Renmin Road and Jianshe Road", "en", "Renmin Road and Jianshe Road", "crossing"),
        ("东湖站候车椅坏了", "zh", "东湖站", "place"),
        ("建设路的水管", "zh", "建设路", "street"),
    ],
)
def test_places_are_found(places: PlaceFinder, text: str, language: str, name: str, precision: str) -> None:
    found = places.find(text, language)
    assert [(f.place.text, f.place.precision) for f in found] == [(name, precision)]
    assert found[0].place.located


def test_positions_and_contradictions(places: PlaceFinder) -> None:
    point = places.find("📍 29.00010, 124.50010", "zh")[0].place
    assert point.precision == "point" and "人民广场" in point.text
    assert places.at(129.0, 0.0, "en") is None
    assert places.find("临港区的市图书馆", "zh")[0].conflict == "lingang"
    assert places.find("中心区的市图书馆", "zh")[0].conflict is None


@given(st.text(max_size=80))
def test_finding_places_never_fails(text: str) -> None:
    for found in _finder().find(text, "en"):
        assert 0 <= found.start < found.end <= len(text)


def _finder(kept: list[PlaceFinder] = []) -> PlaceFinder:  # noqa: B006
    if not kept:
        kept.append(
            PlaceFinder.read(ROOT / "bot/data/gazetteer/city.csv", ROOT / "actions/transit/demo/places.csv")
        )
    return kept[0]


def test_a_photo_loses_its_metadata_and_tells_its_position() -> None:
    cleaned = clean(photo_bytes(position=(29.0012, 124.5034)), PhotosSection.parse_obj({}))
    assert (cleaned.lat, cleaned.lon) == (pytest.approx(29.0012, abs=1e-4), pytest.approx(124.5034, abs=1e-4))
    with Image.open(io.BytesIO(cleaned.data)) as image:
        assert image.format == "JPEG"
        assert not image.getexif()
    assert b"secret words" not in cleaned.data


def test_a_south_western_position_is_negative() -> None:
    cleaned = clean(photo_bytes(position=(-33.45, -70.66)), PhotosSection.parse_obj({}))
    assert cleaned.lat == pytest.approx(-33.45, abs=1e-3)
    assert cleaned.lon == pytest.approx(-70.66, abs=1e-3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<svg onload=alert(1)>", "no JPEG"),
        (b"\xff\xd8\xff" + b"junk" * 50, "damaged"),
        (b"GIF89a" + bytes(50), "no JPEG"),
        (photo_bytes()[:200], "damaged"),
        (bytes(11 * 1024 * 1024), "larger than 10 MB"),
    ],
    ids=["svg", "fake", "gif", "cut", "huge"],
)
def test_what_is_no_photo_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(PhotoError, match=words):
        clean(data, PhotosSection.parse_obj({}))


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(PhotoError, match="pixels"):
        clean(photo_bytes((700, 700), kind="PNG"), PhotosSection.parse_obj({"max_pixels": 100_000}))


def test_a_hundred_photos_are_too_many(service: RequestService, clock: Any) -> None:
    stored = 0
    for number in range(100):
        try:
            service.photos.put("c1", photo_bytes((64, 48 + number)), clock())
            stored += 1
        except PhotoError as error:
            assert "10" in str(error)
    assert stored == service.section.photos.unfiled_per_conversation
    again = service.photos.put("c1", photo_bytes((64, 48)), clock())
    assert again.id in {photo.id for photo in service.store.photos(conversation_id="c1")}
    clock.go(hours=73)
    assert service.photos.sweep(clock()) == stored
    assert service.store.photos(conversation_id="c1") == []


def test_contacts_are_found_and_masked() -> None:
    assert find_contact("call me on 13800138000 please") == "13800138000"
    assert find_contact("write to li.wei@example.org.") == "li.wei@example.org"
    assert find_contact("人民路 88 号") is None
    assert mask_contact("13800138000") == "138****8000"
    assert mask_contact("li.wei@example.org") == "l***@example.org"
    assert "13800138000" not in hide_contacts("我的电话13800138000，坑在路中间")


@pytest.mark.parametrize(
    ("text", "kind", "category"),
    [
        ("马路上有个很深的坑", "report", "pothole"),
        ("我们小区门口的灯晚上不亮", "report", "streetlight"),
        ("隔壁唱歌唱到三点，睡不着", "report", "noise"),
        ("井盖不见了", "report", "manhole"),
        ("my street is totally dark", "report", "streetlight"),
        ("the rubbish has not been picked up since Monday", "report", "garbage"),
        ("a huge hole near the school", "report", "pothole"),
        ("12路司机骂人", "complaint", "transit_service"),
        ("the clerk was mean to my mother", "complaint", "staff_service"),
    ],
)
def test_texts_are_routed(router: Router, text: str, kind: str, category: str) -> None:
    route = router.route(text, kind)
    assert route.category == category
    assert 0.45 <= route.confidence <= 1
    assert sum(share for _, share in route.ranking) == pytest.approx(1)


def test_a_text_that_says_nothing_is_unsure(router: Router) -> None:
    assert router.route("嗯那个", "report").confidence < 0.55


@pytest.mark.parametrize(
    "text",
    [
        "怎么上报路面坑洼？",
        "投诉电话是多少",
        "how do I report a pothole?",
        "where can I complain about a taxi",
    ],
)
def test_asking_how_is_no_report(text: str) -> None:
    assert cues.asks_how(text)


@pytest.mark.parametrize(
    "text",
    ["人民路有个大坑", "我要投诉物业乱收费", "there's a pothole on Renmin Road", "I want to report noise"],
)
def test_a_report_is_no_question(text: str) -> None:
    assert not cues.asks_how(text)


def test_short_words_are_told_apart() -> None:
    assert cues.is_yes("确认提交") and cues.is_yes("yes, file it") and not cues.is_yes("no")
    assert cues.is_no("不用") and cues.is_no("nope") and not cues.is_no("不对，是解放路")
    assert cues.is_cancel("算了") and cues.is_cancel("never mind") and not cues.is_cancel("不算大的坑")
    assert cues.is_correction("不对，是解放路") and cues.is_correction("no, it's Jiefang Road")
    assert (
        cues.is_bare("我要报修")
        and cues.is_bare("I want to report a problem")
        and not cues.is_bare("报修路灯")
    )
    assert cues.detail_in("补充一下，坑更深了") == "坑更深了" and cues.detail_in("坑") is None


@pytest.mark.parametrize(
    ("text", "gives"),
    [
        ("13800138000", True),
        ("it is 1380013", True),
        ("我的电话是 138 0013 8000", True),
        ("a@example.org", True),
        ("查一下 13800138000 报的工单", False),
        ("what is 12345 for?", False),
        ("解放路 88 号", False),
        ("", False),
    ],
)
def test_a_short_answer_with_a_way_to_be_reached_is_seen(text: str, gives: bool) -> None:
    assert cues.gives_contact(text) is gives


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("还是没修好", True),
        ("但是还没解决。", True),
        ("重新办理", True),
        ("我给2分", True),
        ("it is still not fixed", True),
        ("the problem has not been solved", True),
        ("please reopen it", True),
        ("I rate it 2 stars", True),
        ("路灯还是没修好", False),
        ("it is broken", False),
        ("the lamp is still broken", False),
        ("没有", False),
        ("is it fixed?", False),
    ],
)
def test_a_bare_word_on_the_result_is_told_from_a_new_report(text: str, speaks: bool) -> None:
    assert cues.speaks_of_result(text) is speaks


@pytest.mark.parametrize(
    ("text", "language", "name", "located"),
    [
        ("滨河新村3号楼", "zh", "滨河新村3号楼", False),
        ("滨河新村3号楼2单元501室", "zh", "滨河新村3号楼2单元501室", False),
        ("滨河新村站", "zh", "滨河新村站", False),
        ("the place is Heping Road 15", "en", "Heping Road 15", True),
        ("Heping Road no. 15, second floor", "en", "Heping Road no. 15", True),
        ("15 Heping Road", "en", "15 Heping Road", True),
        ("on Heping Road 3 days ago", "en", "Heping Road", True),
        ("on Binhe Road near the Riverside Park", "en", "Binhe Road, near Riverside Park", True),
        (
            "15 Xuefu Road, next to Lanchuan University",
            "en",
            "15 Xuefu Road, next to Lanchuan University",
            True,
        ),
        ("人民路88号人民广场旁边", "zh", "人民路88号人民广场旁边", True),
        ("学府路靠近澜川大学", "zh", "学府路澜川大学", True),
    ],
)
def test_an_address_keeps_all_that_was_said(
    places: PlaceFinder, text: str, language: str, name: str, located: bool
) -> None:
    (found,) = places.find(text, language)
    assert found.place.text == name and found.place.located == located


@pytest.mark.parametrize("text", ["from Renmin Road to the Zoo", "not on Jiefang Road, near the Zoo"])
def test_two_places_that_are_not_one_stay_two(places: PlaceFinder, text: str) -> None:
    assert len(places.find(text, "en")) == 2
