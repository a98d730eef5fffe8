"""Conversations: search, the whole trace of each turn, export, erasure."""
