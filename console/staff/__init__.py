"""Staff accounts, their sessions, and the log of what they changed."""

from console.staff.audit import AuditEntry, AuditLog
from console.staff.errors import (
    LastAdminError,
    StaffError,
    UnknownUserError,
    UserExistsError,
    WeakPasswordError,
    WrongRoleError,
)
from console.staff.passwords import make_password
from console.staff.roles import ROLES, at_least
from console.staff.store import StaffSession, StaffStore, StaffUser

__all__ = [
    "ROLES",
    "AuditEntry",
    "AuditLog",
    "LastAdminError",
    "StaffError",
    "StaffSession",
    "StaffStore",
    "StaffUser",
    "UnknownUserError",
    "UserExistsError",
    "WeakPasswordError",
    "WrongRoleError",
    "at_least",
    "make_password",
]
