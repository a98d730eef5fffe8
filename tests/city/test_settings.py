import random
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.settings import SettingsError, load_settings

SHIPPED = (Path(__file__).parents[2] / "city.yml").read_text("utf-8")


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "city.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def error_of(folder: Path, text: str | bytes) -> str:
    file = write(folder, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert str(file) in str(caught.value)
    return str(caught.value)


def test_shipped_settings_load(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, SHIPPED))
    assert settings.city.name.get("zh") == "澜川市"
    assert settings.zone.key == "Asia/Shanghai"
    assert settings.data == tmp_path / "var"
    assert settings.path("a/b") == tmp_path / "a/b"


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "\ufeff" + SHIPPED)).city.id == "lanchuan"


def test_unknown_key_names_the_one_meant(tmp_path: Path) -> None:
    assert "unknown key `server.prt`; did you mean `port`?" in error_of(
        tmp_path, SHIPPED.replace("  port: 8080", "  prt: 8080")
    )


def test_missing_section_is_named(tmp_path: Path) -> None:
    assert "key `contact` is missing" in error_of(tmp_path, SHIPPED.replace("\ncontact:", "\nkontakt:"))


def test_wrong_time_zone_offers_the_right_one(tmp_path: Path) -> None:
    assert "did you mean 'Asia/Shanghai'" in error_of(
        tmp_path, SHIPPED.replace("Asia/Shanghai", "Asia/Shangai")
    )


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "must hold keys"),
        ("- a\n- b\n", "must hold keys"),
        ("city: [", "is no valid YAML"),
        ("city: {a: 1}\ncity: {b: 2}\n", "is no valid YAML"),
        (b"\xff\xfe\x00bad", "is not UTF-8"),
        (b"\x00\x01\x02", "is no valid YAML"),
        (SHIPPED.replace("port: 8080", "port: 99999"), "server.port"),
        (SHIPPED.replace("allowed_origins: []", "allowed_origins: [example.org/path]"), "is no origin"),
    ],
)
def test_broken_files_are_explained(tmp_path: Path, content: str | bytes, part: str) -> None:
    assert part in error_of(tmp_path, content)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(tmp_path / "nothing.yml")


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_any_damage_is_a_settings_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: int
) -> None:
    rng = random.Random(seed)
    text = list(SHIPPED)
    for _ in range(cuts):
        text[rng.randrange(len(text))] = rng.choice(string.printable)
    file = write(tmp_path_factory.mktemp("city"), "".join(text))
    try:
        load_settings(file)
    except SettingsError as error:
        assert str(file) in str(error)
