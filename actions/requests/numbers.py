"""Request numbers that cannot be guessed, and the codes that open a request from another conversation."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata

# Without I, L, O, U, 0 and 1: no character is taken for another, on paper or on the telephone.
_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODE_LENGTH = 8
_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])([A-Za-z]{2,4})[-\s]?(20\d{2})[-\s]?(\d{8})(?!\d)(?:[-/\s]*(?:查询码|code)?[:：\s]*)?"
)
_CODE = re.compile(
    rf"(?<![0-9A-Za-z])([{_ALPHABET}]{{4}})-?([{_ALPHABET}]{{4}})(?![0-9A-Za-z])", re.IGNORECASE
)
_SAID = re.compile(
    r"(?:查询码|密码|access code|code)\s*(?:是|为|is|[:：])?\s*([0-9A-Za-z-]{6,12})", re.IGNORECASE
)


def new_number(prefix: str, year: int) -> str:
    """Return a number such as LC-2026-48210375; its eight digits are random."""
    return f"{prefix}-{year}-{secrets.randbelow(10**8):08d}"


def new_code() -> str:
    """Return an access code such as K7PM-2QXR: 39 random bits, slowed down by the limit on wrong ones."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))
    return f"{code[:4]}-{code[4:]}"


def hash_code(number: str, code: str) -> str:
    """Return what is kept of a code, salted with its number."""
    plain = re.sub(r"[^0-9A-Z]", "", code.upper())
    return hashlib.scrypt(plain.encode(), salt=number.encode(), n=2**10, r=8, p=1, dklen=32).hex()


def code_fits(number: str, code: str, kept: str) -> bool:
    """Return whether a code is the one whose hash is kept, in constant time."""
    return hmac.compare_digest(hash_code(number, code), kept)


def find_number(text: str) -> str | None:
    """Return the first request number in a text in its normal form, or `None`."""
    match = _NUMBER.search(unicodedata.normalize("NFKC", text))
    return f"{match[1].upper()}-{match[2]}-{match[3]}" if match else None


def find_code(text: str) -> str | None:
    """Return an access code in a text: said as such, or a word of that form beside the number."""
    plain = unicodedata.normalize("NFKC", text)
    said = _SAID.search(plain)
    if said:
        return said[1].upper()
    rest = _NUMBER.sub(" ", plain)
    for match in _CODE.finditer(rest):
        word = match[0]
        # A plain lower-case word of eight letters is no code.
        if "-" in word or any(c.isdigit() for c in word) or word.isupper():
            return word.upper()
    return None
