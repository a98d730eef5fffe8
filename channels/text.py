"""Cleaning what a citizen typed: normal form, no invisible controls, nothing that hides or reorders text."""

from __future__ import annotations

import re
import unicodedata

# Unicode UAX #9, table of explicit and implicit bidirectional formatting characters.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# C0 and C1 controls except tab and newline; soft hyphen; zero-width space, word joiner and the invisible
# operators; byte order mark; deprecated and interlinear format characters; noncharacters.
_INVISIBLE = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065"
    "\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\U000e0001"
)
_STRIP = re.compile(f"[{_BIDI}{_INVISIBLE}]")
_NEWLINE = re.compile("\r\n|[\r\u0085\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")

# Joiners carry meaning only inside emoji sequences (UTS #51) and between letters of joining scripts.
_EMOJI = "\u00a9\u00ae\u2190-\u2bff\ufe0f\u20e3\U0001f000-\U0001faff"
_JOINING = "\u0600-\u1aff"
_LOOSE_JOINER = re.compile(
    f"(?<![{_EMOJI}{_JOINING}])[\u200c\u200d]+|[\u200c\u200d]+(?![{_EMOJI}{_JOINING}\u200c\u200d])"
    "|[\u200c\u200d]{2,}"
)
# Tag characters are valid only in subdivision flags: black flag, tags, cancel tag (UTS #51, ED-14a).
_TAGS = re.compile(
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]+\U000e007f)|[\U000e0020-\U000e007f]"
)


def clean_text(text: str) -> str:
    """Return `text` in Unicode NFC, trimmed, without control, bidi or other invisible characters.

    Newline, tab, emoji joiners and flag tags stay; lone surrogates become U+FFFD. Cleaning twice changes
    nothing. HTML is left as it is: it is text, and everything that shows it escapes it.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    text = _SURROGATE.sub("\ufffd", text)
    text = _NEWLINE.sub("\n", text)
    text = _STRIP.sub("", text)
    text = _TAGS.sub(lambda match: match.group(1) or "", text)
    text = _LOOSE_JOINER.sub("", text)
    return unicodedata.normalize("NFC", text).strip()
