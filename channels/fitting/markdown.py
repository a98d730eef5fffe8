"""From the Markdown of our replies to a platform's dialect, block by block so that a split breaks no markup."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PARSER = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")


def _same(text: str) -> str:
    return text


@dataclass(frozen=True)
class Dialect:
    """How a platform writes bold, italics, code, links and lists; `escape` protects plain text."""

    bold: tuple[str, str] = ("", "")
    italic: tuple[str, str] = ("", "")
    code: tuple[str, str] = ("", "")
    link: Callable[[str, str], str] = lambda text, url: text if text == url else f"{text}（{url}）"
    bullet: str = "• "
    escape: Callable[[str], str] = _same


def _html_link(text: str, url: str) -> str:
    return f'<a href="{html.escape(url)}">{text}</a>'


def _markdown_escape(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)


def _slack_escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lark_escape(text: str) -> str:
    # Lark's cards know HTML entities only for what would begin markup (card documentation, "escape").
    for character, entity in (("<", "&#60;"), (">", "&#62;"), ("*", "&#42;"), ("[", "&#91;"), ("]", "&#93;")):
        text = text.replace(character, entity)
    return text


DIALECTS: Mapping[str, Dialect] = {
    "plain": Dialect(),
    "telegram": Dialect(
        ("<b>", "</b>"),
        ("<i>", "</i>"),
        ("<code>", "</code>"),
        _html_link,
        escape=lambda t: html.escape(t, False),
    ),
    "html": Dialect(("<b>", "</b>"), ("<i>", "</i>"), ("<code>", "</code>"), _html_link, escape=html.escape),
    # WeChat's texts know links and nothing else.
    "wechat": Dialect(link=_html_link),
    "whatsapp": Dialect(("*", "*"), ("_", "_"), ("```", "```")),
    "slack": Dialect(
        ("*", "*"), ("_", "_"), ("`", "`"), lambda text, url: f"<{url}|{text}>", escape=_slack_escape
    ),
    "markdown": Dialect(
        ("**", "**"), ("*", "*"), ("`", "`"), lambda text, url: f"[{text}]({url})", "- ", _markdown_escape
    ),
    "dingtalk": Dialect(("**", "**"), ("*", "*"), ("`", "`"), lambda text, url: f"[{text}]({url})", "- "),
    "lark": Dialect(
        ("**", "**"), ("*", "*"), ("`", "`"), lambda text, url: f"[{text}]({url})", "- ", _lark_escape
    ),
}


@dataclass(frozen=True)
class Block:
    """One paragraph or list item: in the platform's dialect, and as plain text for splitting."""

    text: str
    plain: str
    tight: bool = False


def blocks(source: str, dialect: Dialect) -> list[Block]:
    """Return the blocks of a Markdown text; `tight` ones follow the block before without an empty line."""
    found: list[Block] = []
    lists: list[tuple[str, int]] = []
    marker, first = "", True
    for token in _PARSER.parse(source):
        if token.type in {"bullet_list_open", "ordered_list_open"}:
            lists.append((token.type, int(token.attrGet("start") or 1)))
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            lists.pop()
        elif token.type == "list_item_open":
            kind, number = lists[-1]
            marker = dialect.bullet if kind == "bullet_list_open" else f"{number}. "
            lists[-1] = (kind, number + 1)
            first = True
        elif token.type == "inline":
            indent = "  " * max(0, len(lists) - 1)
            lead = indent + (marker if first else "  ") if lists else ""
            text = _inline(token.children or [], dialect)
            plain = _inline(token.children or [], DIALECTS["plain"])
            tight = bool(lists) and bool(found) and not (len(lists) == 1 and marker and _starts(found))
            found.append(Block(lead + text, lead + plain, tight))
            marker, first = "", False
        elif token.type in {"fence", "code_block"}:
            content = token.content.rstrip("\n")
            opening, closing = dialect.code
            found.append(Block(f"{opening}{dialect.escape(content)}{closing}", content))
    return found


def _starts(found: Sequence[Block]) -> bool:
    # The first item of a list stands right under the sentence that introduces it.
    return not found


def _inline(tokens: Sequence[Token], dialect: Dialect) -> str:
    out: list[str] = []
    marks: list[tuple[str, int]] = []
    for token in tokens:
        if token.type == "text":
            out.append(dialect.escape(token.content))
        elif token.type == "code_inline":
            out.append(f"{dialect.code[0]}{dialect.escape(token.content)}{dialect.code[1]}")
        elif token.type in {"softbreak", "hardbreak"}:
            out.append("\n")
        elif token.type == "strong_open":
            out.append(dialect.bold[0])
        elif token.type == "strong_close":
            out.append(dialect.bold[1])
        elif token.type == "em_open":
            out.append(dialect.italic[0])
        elif token.type == "em_close":
            out.append(dialect.italic[1])
        elif token.type == "link_open":
            marks.append((str(token.attrGet("href") or ""), len(out)))
        elif token.type == "link_close":
            url, start = marks.pop()
            text = "".join(out[start:])
            del out[start:]
            out.append(dialect.link(text, url))
        elif token.type == "image":
            out.append(dialect.escape(token.content))
        else:
            out.append(dialect.escape(token.content))
    return "".join(out)
