"""What kind of thing it is: routed by its words, chosen from a list, set right later."""

from __future__ import annotations

from actions.requests import cues, wording
from actions.requests.draft import CATEGORY, Draft
from actions.requests.form.exchange import Outcome, Turn
from actions.requests.service import RequestService

PICK = 0.45


class CategoryFilling:
    """Takes a category into a draft.

    Args:
        service: the router and the catalogue.
    """

    def __init__(self, service: RequestService) -> None:
        self.service = service

    def route(self, draft: Draft, text: str, language: str) -> None:
        """Take the category of a text when it is sure enough, and remember the likeliest."""
        route = self.service.route(text, draft.kind, language)
        draft.choices = [c for c, _ in route.ranking[:4] if not c.startswith("other_")][:3]
        if route.category.startswith("other_") and draft.kind == "report" and len(route.ranking) > 1:
            return
        if route.confidence >= PICK or draft.kind != "report":
            draft.category, draft.confidence = route.category, route.confidence

    def answer(self, draft: Draft, turn: Turn, outcome: Outcome) -> bool:
        """Take the answer to "what is it?"; after two that tell nothing it is something else."""
        chosen = self.chosen(draft, turn.text)
        if chosen is None:
            route = self.service.route(turn.text, draft.kind, turn.language)
            if route.confidence >= PICK and not route.category.startswith("other_"):
                draft.category, draft.confidence = route.category, route.confidence
                if len(turn.text) > 6:
                    draft.description = f"{draft.description}\n{turn.text.strip()}"
                return True
            if draft.again(CATEGORY) < 2 and not (
                cues.is_unknown(turn.text) or cues.is_no(turn.text, turn.intent)
            ):
                outcome.notes.append(wording.which_category(turn.language))
                return True
            chosen = "other_complaint" if draft.kind == "complaint" else "other_report"
            draft.category, draft.confidence = chosen, 0.0
            return True
        draft.category, draft.confidence = chosen, 1.0
        return True

    def chosen(self, draft: Draft, text: str) -> str | None:
        """Return the category that a text picks by its name or its place in the list."""
        low = text.strip().lower().rstrip("。.!！")
        ordinals = {
            "1": 0,
            "2": 1,
            "3": 2,
            "第一个": 0,
            "第二个": 1,
            "第三个": 2,
            "first": 0,
            "second": 1,
            "third": 2,
        }
        index = ordinals.get(low.removeprefix("the ").removesuffix(" one"))
        if index is not None and index < len(draft.choices):
            return draft.choices[index]
        for category in self.service.catalogue.of_kind(draft.kind):
            if low in (category.name.zh.lower(), category.name.en.lower(), category.id):
                return category.id
        if low in ("其他", "都不是", "其他问题", "other", "none of these", "something else"):
            return "other_complaint" if draft.kind == "complaint" else "other_report"
        return None

    def correct(
        self, draft: Draft, words: str, turn: Turn, outcome: Outcome, keep_words: bool = False
    ) -> bool:
        """Set the category right ("不对，是路灯坏了"); words that name none ask for it anew."""
        chosen = self.chosen(draft, words)
        route = self.service.route(words, draft.kind, turn.language) if words else None
        sure = route is not None and route.confidence >= PICK and not route.category.startswith("other_")
        if chosen is None and not (sure and len(words) >= 2):
            if keep_words:
                return False
            draft.ask_again(CATEGORY)
            return True
        draft.category = chosen or (route.category if route else None)
        draft.confidence = 1.0 if chosen else (route.confidence if route else 0.0)
        draft.duplicate = None
        if keep_words:
            draft.description = f"{draft.description}\n{words}"
        name = self.service.catalogue.get(str(draft.category)).name.get(turn.language)
        outcome.notes.append(wording.changed("category", name, turn.language))
        return True
