"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A loaded machine is slow now and then; that is no failure of the code.
settings.register_profile("chengda", deadline=None)
settings.load_profile("chengda")
