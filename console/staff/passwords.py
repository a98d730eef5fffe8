"""Passwords: argon2id hashes (RFC 9106) and what a password must be."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from console.staff.errors import WeakPasswordError

MIN_CHARS = 10
MAX_CHARS = 256
# No letters or digits that are easily taken for one another when read from a screen.
_LETTERS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"


def check_password(name: str, password: str) -> None:
    """Check a new password (NIST SP 800-63B: length, no composition rules).

    Raises:
        WeakPasswordError: when it is too short, too long, one repeated character, or holds the account's name.
    """
    if len(password) < MIN_CHARS:
        raise WeakPasswordError(
            f"密码至少 {MIN_CHARS} 个字符。 / The password has {len(password)} characters; use {MIN_CHARS} or more."
        )
    if len(password) > MAX_CHARS:
        raise WeakPasswordError(
            f"密码最多 {MAX_CHARS} 个字符。 / The password is longer than {MAX_CHARS} characters."
        )
    if len(set(password)) < 4 or name.casefold() in password.casefold():
        raise WeakPasswordError(
            "密码太容易猜到：请勿使用用户名或重复字符。 / "
            "The password is easily guessed: leave out the account's name and repeated characters."
        )


def make_password(chars: int = 16) -> str:
    """Return a random password of about 5.7 bits per character."""
    return "".join(secrets.choice(_LETTERS) for _ in range(chars))


def verify(hasher: PasswordHasher, hashed: str, password: str) -> bool:
    """Return whether `password` belongs to the hash; a hash that is none never matches."""
    try:
        return hasher.verify(hashed, password[:MAX_CHARS])
    except (VerificationError, InvalidHashError):
        return False
