"""What can go wrong with notices, in both languages."""

from __future__ import annotations

from actions.errors import BilingualError


class NoticesError(BilingualError):
    """Something about notices cannot be done."""


class NoticesNotConfigured(NoticesError):
    """`city.yml` has no `notices:` section."""

    def __init__(self) -> None:
        super().__init__(
            "未启用通知：请在 city.yml 中加上 notices 一节。",
            "There are no notices: add a `notices:` section to city.yml.",
        )


class NoticeTextError(NoticesError):
    """A notice lacks a text, or holds something that cannot be sent; `field` names it."""

    def __init__(self, zh: str, en: str, field: str) -> None:
        super().__init__(zh, en)
        self.field = field


class UnknownNoticeError(NoticesError):
    """There is no such notice."""

    def __init__(self, notice_id: int) -> None:
        super().__init__(f"没有编号为 {notice_id} 的通知。", f"There is no notice {notice_id}.")


class CapError(NoticesError):
    """A CAP alert that is refused; the message names the element and what is wrong with it."""

    def __init__(self, en: str) -> None:
        super().__init__(f"CAP 预警无法接收：{en}", f"The CAP alert is refused: {en}")
