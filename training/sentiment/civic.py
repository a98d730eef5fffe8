"""Our own labelled sentences about city matters, written out from templates."""

from __future__ import annotations

import random
from pathlib import Path

from ruamel.yaml import YAML

from training.sentiment.data import Labelled, row_label

FILE = Path(__file__).parent / "civic.yml"
SOURCE = "civic"


def civic_posts(each: int = 6, seed: int = 5, file: Path = FILE) -> list[Labelled]:
    """Return posts made of the templates, up to `each` different ones a template.

    The same places, streets and groups of people occur with every label, so that none of them carries one.
    """
    data = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    words: dict[str, dict[str, list[str]]] = data["words"]
    rng = random.Random(seed)
    found: dict[str, Labelled] = {}
    for language, groups in data["posts"].items():
        for group in groups:
            for template in group["texts"]:
                for _ in range(each):
                    text = _filled(str(template), words[language], rng)
                    post = row_label({**group, "text": text, "needs_action": group["needs_action"]}, SOURCE)
                    if post is not None:
                        found.setdefault(post.text, post)
    return list(found.values())


def _filled(template: str, words: dict[str, list[str]], rng: random.Random) -> str:
    for name, choices in words.items():
        while "{" + name + "}" in template:
            template = template.replace("{" + name + "}", rng.choice(choices), 1)
    return template
