"""Inbox: what citizens asked in vain, grouped, and what staff make of it."""
