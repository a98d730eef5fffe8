"""Named errors of the requests module; each says what is wrong and the mend, in Chinese and English."""

from __future__ import annotations

from typing import Any

from actions.errors import BilingualError, NotConfiguredError


class RequestsNotConfigured(NotConfiguredError):
    """No `RequestService` was handed to `actions.requests.configure`."""

    def __init__(self) -> None:
        super().__init__("actions.requests has no service yet; give city.yml a `requests:` section")


class RequestsError(BilingualError):
    """Base of every error of this module."""

    code = "requests_error"


class CategoriesError(RequestsError):
    """The file of categories is missing, no YAML, or an entry of it is wrong."""

    code = "categories"


class PlacesFileError(RequestsError):
    """A file with positions of places, streets or crossings cannot be read."""

    code = "places_file"


class UnknownCategoryError(RequestsError):
    """No category of that id."""

    code = "unknown_category"

    def __init__(self, category: str) -> None:
        super().__init__(
            f"没有事项类别 {category}。", f"there is no category {category!r}", category=category
        )


class UnknownRequestError(RequestsError):
    """No request of that number, or none that the caller may see."""

    code = "unknown_request"

    def __init__(self, number: str) -> None:
        super().__init__(f"没有工单 {number}。", f"there is no request {number!r}", number=number)


class TransitionError(RequestsError):
    """A change of state that the life cycle does not know."""

    code = "transition"


class FieldError(RequestsError):
    """A field of a new request is missing or unusable."""

    code = "field"


class FloodError(RequestsError):
    """Too many reports, details or wrong numbers from one conversation."""

    code = "flood"


class PhotoError(RequestsError):
    """A file that is no usable photo: wrong type, too large, damaged, or one too many."""

    code = "photo"


class Open311Error(RequestsError):
    """A remote Open311 server refused, failed or answered nonsense.

    Args:
        passing: trying again later can help.
    """

    code = "open311"

    def __init__(self, zh: str, en: str, *, passing: bool, **details: Any) -> None:
        super().__init__(zh, en, **details)
        self.passing = passing
