"""The categories of requests, departments and urgencies, read from one YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Extra, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from actions.requests.errors import CategoriesError, UnknownCategoryError
from actions.requests.sentences import read_sentences
from city.settings import Bilingual

KINDS = ("report", "complaint", "suggestion", "praise")
Kind = Literal["report", "complaint", "suggestion", "praise"]
Level = Literal["low", "normal", "urgent", "critical"]
Need = Literal["required", "optional", "none"]


class _Model(BaseModel):
    class Config:
        extra = Extra.forbid


class _Urgency(_Model):
    name: Bilingual
    respond_h: float = Field(gt=0)
    resolve_h: float = Field(gt=0)


class _Words(_Model):
    zh: list[str] = []
    en: list[str] = []


class _Category(_Model):
    id: str = Field(regex=r"^[a-z][a-z0-9_]*$")
    name: Bilingual
    department: str
    kind: Kind = "report"
    urgency: Level = "normal"
    radius_m: float = Field(50.0, ge=0)
    place: Need = "required"
    group: str = ""
    keywords: _Words = _Words()
    examples: _Words = _Words()


class _File(_Model):
    departments: dict[str, Bilingual]
    triage: str
    urgencies: dict[Level, _Urgency]
    categories: list[_Category] = Field(min_items=1)
    by_district: dict[str, dict[str, str]] = {}
    sentences: list[str] = []


@dataclass(frozen=True)
class Urgency:
    """How soon a request is answered and settled; hours by the clock, not working hours."""

    id: str
    name: Bilingual
    respond_h: float
    resolve_h: float


@dataclass(frozen=True)
class Category:
    """One kind of request: who handles it, how soon, and how near another one is the same (`radius_m`)."""

    id: str
    kind: str
    name: Bilingual
    department: str
    urgency: str
    radius_m: float
    place: str
    group: str
    keywords: Mapping[str, tuple[str, ...]]
    examples: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Catalogue:
    """Everything in the file; `triage` is the department where people sort what the machine is unsure of."""

    categories: Mapping[str, Category]
    departments: Mapping[str, Bilingual]
    urgencies: Mapping[str, Urgency]
    triage: str
    by_district: Mapping[str, Mapping[str, str]]

    def get(self, category: str) -> Category:
        """Return a category; raises `UnknownCategoryError`."""
        found = self.categories.get(category)
        if found is None:
            raise UnknownCategoryError(category)
        return found

    def of_kind(self, kind: str) -> list[Category]:
        """Return the categories of one kind, in the file's order."""
        return [c for c in self.categories.values() if c.kind == kind]

    def department_for(self, category: Category, district: str | None) -> str:
        """Return who handles a category in a district: the district's own office where the file names one."""
        return self.by_district.get(category.department, {}).get(district or "", category.department)

    def department_name(self, department: str, language: str) -> str:
        """Return a department's name; an unknown one is shown by its id."""
        name = self.departments.get(department)
        return name.get(language) if name else department


def read_catalogue(path: Path, *, sentences: bool = True) -> Catalogue:
    """Read and check the file of categories.

    Args:
        path: the file.
        sentences: `False` passes over the sentence files that it names.

    Raises:
        CategoriesError: it or a sentence file that it names is missing or wrong; the message names file, key
            and mend.
    """
    try:
        data: Any = YAML(typ="safe", pure=True).load(path.read_text("utf-8-sig"))
        file = _File(**data)
    except FileNotFoundError:
        raise _wrong(path, "没有这个文件", "no such file; copy the shipped one there") from None
    except (OSError, UnicodeDecodeError, YAMLError, TypeError) as error:
        raise _wrong(path, f"无法读取（{error}）", f"cannot be read ({error}); mend the YAML") from None
    except ValidationError as error:
        lines = "; ".join(f"`{'.'.join(str(p) for p in e['loc'])}` {e['msg']}" for e in error.errors())
        raise _wrong(path, f"有误：{lines}", f"is wrong: {lines}") from None
    departments = set(file.departments)
    used = {file.triage, *(c.department for c in file.categories)}
    used |= set(file.by_district) | {d for m in file.by_district.values() for d in m.values()}
    if unknown := sorted(used - departments):
        raise _wrong(
            path,
            f"未列出的部门：{'、'.join(unknown)}，请加到 departments",
            f"names departments that are not listed: {', '.join(unknown)}; add them to `departments`",
        )
    ids = [c.id for c in file.categories]
    if doubled := sorted({i for i in ids if ids.count(i) > 1}):
        raise _wrong(path, f"类别重复：{doubled}", f"lists categories twice: {', '.join(doubled)}")
    if missing := {"low", "normal", "urgent", "critical"} - set(file.urgencies):
        raise _wrong(path, f"缺少紧急程度：{sorted(missing)}", f"lacks the urgencies {sorted(missing)}")
    named = file.sentences if sentences else []
    said = [read_sentences(path.parent / name, set(ids)) for name in named]
    return Catalogue(
        {c.id: _category(c, [part[c.id] for part in said if c.id in part]) for c in file.categories},
        dict(file.departments),
        {
            level: Urgency(level, file.urgencies[level].name, u.respond_h, u.resolve_h)
            for level, u in file.urgencies.items()
        },
        file.triage,
        {key: dict(value) for key, value in file.by_district.items()},
    )


def _category(c: _Category, said: Sequence[Mapping[str, Sequence[str]]]) -> Category:
    def words(w: _Words) -> dict[str, tuple[str, ...]]:
        return {"zh": tuple(w.zh), "en": tuple(x.lower() for x in w.en)}

    def examples(language: str, own: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*own, *(text for part in said for text in part.get(language, ()))]))

    return Category(
        c.id,
        c.kind,
        c.name,
        c.department,
        c.urgency,
        c.radius_m,
        c.place,
        c.group,
        words(c.keywords),
        {"zh": examples("zh", c.examples.zh), "en": examples("en", c.examples.en)},
    )


def _wrong(path: Path, zh: str, en: str) -> CategoriesError:
    return CategoriesError(f"{path}：{zh}。", f"{path}: {en}", file=str(path))
