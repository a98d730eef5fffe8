"""Notices: written, cancelled and followed by staff; CAP alerts beside them."""
