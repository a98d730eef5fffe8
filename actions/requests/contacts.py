"""How somebody can be reached: found in a text, checked, and masked for everyone who need not know it."""

from __future__ import annotations

import re

from nlp.entities.rules import find_phones

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+(?![\w-])")


def find_contact(text: str) -> str | None:
    """Return the first telephone number or e-mail address in a text, as written."""
    email = _EMAIL.search(text)
    if email:
        return email[0].rstrip(".")
    phone = next(iter(find_phones(text)), None)
    return phone.value.strip() if phone else None


def mask_contact(contact: str) -> str:
    """Return a contact with its middle hidden: 138****8000, a***@example.org."""
    name, at, host = contact.partition("@")
    if at:
        return f"{name[:1]}***@{host}"
    digits = [i for i, c in enumerate(contact) if c.isdigit()]
    if not digits:
        return ""
    hidden = set(digits[3:-4] if len(digits) >= 9 else digits[1:-2])
    return "".join("*" if i in hidden else c for i, c in enumerate(contact))


def hide_contacts(text: str) -> str:
    """Return a text with every contact in it masked; for pages that others read."""
    text = _EMAIL.sub(lambda m: mask_contact(m[0]), text)
    for phone in reversed(list(find_phones(text))):
        text = text[: phone.start] + mask_contact(text[phone.start : phone.end]) + text[phone.end :]
    return text
