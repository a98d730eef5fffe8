"""What can be wrong with staff accounts; each message names the account and the mend."""

from __future__ import annotations


class StaffError(Exception):
    """A staff account cannot be made, found or changed."""


class UserExistsError(StaffError):
    """The name is taken."""


class UnknownUserError(StaffError):
    """There is no account of this name."""


class WeakPasswordError(StaffError):
    """The password is too short, too long or the name itself."""


class WrongRoleError(StaffError):
    """The role is none of the staff roles."""


class LastAdminError(StaffError):
    """The change would leave the console without an administrator."""
