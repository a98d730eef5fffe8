"""Service requests, for operators."""
