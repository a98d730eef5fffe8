"""Signing in and out, the language, one's own account."""

from console.signin.routes import AT_ONCE, BUCKETS, HASHING, PER_ADDRESS, routes
from console.signin.texts import TEXTS

__all__ = ["AT_ONCE", "BUCKETS", "HASHING", "PER_ADDRESS", "TEXTS", "routes"]
