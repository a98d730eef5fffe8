"""Errors that all city modules share."""


class NotConfiguredError(RuntimeError):
    """A module's service was asked for but `city.yml` does not configure it."""
