"""The operators' desk: conversations that citizens have with people."""
