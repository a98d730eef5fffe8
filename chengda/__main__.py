"""`python -m chengda`."""

from chengda.cli import app

app()
