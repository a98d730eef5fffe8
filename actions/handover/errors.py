"""What can go wrong at the desk, in both languages."""

from __future__ import annotations

from actions.errors import BilingualError


class HandoverError(BilingualError):
    """Something at the desk cannot be done."""


class HandoverNotConfigured(HandoverError):
    """`city.yml` has no `handover:` section."""

    def __init__(self) -> None:
        super().__init__(
            "未启用人工坐席：请在 city.yml 中加上 handover 一节。",
            "There is no desk: add a `handover:` section to city.yml.",
        )


class UnknownCaseError(HandoverError):
    """There is no such conversation at the desk."""

    def __init__(self, case_id: int) -> None:
        super().__init__(f"没有编号为 {case_id} 的会话。", f"There is no conversation {case_id} at the desk.")


class TakenError(HandoverError):
    """Another operator was faster."""

    def __init__(self, operator: str) -> None:
        super().__init__(f"该会话已由 {operator} 接待。", f"{operator} has taken this conversation.")
        self.operator = operator


class NotYoursError(HandoverError):
    """Only the operator who holds a conversation may act in it."""

    def __init__(self, operator: str | None) -> None:
        if operator:
            zh, en = f"该会话现由 {operator} 负责。", f"This conversation is {operator}'s."
        else:
            zh, en = "该会话已不由您负责。", "This conversation is no longer yours."
        super().__init__(zh, en)
        self.operator = operator


class OverError(HandoverError):
    """The conversation has left the desk."""

    def __init__(self) -> None:
        super().__init__("该会话已结束。", "This conversation is over.")


class AbsentError(HandoverError):
    """A transfer to somebody who is not there."""

    def __init__(self, operator: str) -> None:
        super().__init__(
            f"{operator} 目前不在线，请转给在线的同事或工作组。",
            f"{operator} is not there; transfer to somebody present or to a team.",
        )


class TextError(HandoverError):
    """A text is empty or too long."""


class UnknownTeamError(HandoverError):
    """A team that `city.yml` does not name."""

    def __init__(self, team: str) -> None:
        super().__init__(f"没有名为 {team} 的工作组。", f"There is no team {team!r}.")


class FullError(HandoverError):
    """An operator holds as many conversations as one may."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"您已同时接待 {most} 个会话，请先结束或转出一个。",
            f"You hold {most} conversations already; end or transfer one first.",
        )


class RulesError(HandoverError):
    """A file of rules or canned replies cannot be used."""
