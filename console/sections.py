"""The sections of the console, in one place; `console.section` says what a section is."""

from __future__ import annotations

from console.analytics.section import SECTION as ANALYTICS
from console.audit.section import SECTION as AUDIT
from console.conversations.section import SECTION as CONVERSATIONS
from console.desk.section import SECTION as DESK
from console.home.section import SECTION as HOME
from console.inbox.section import SECTION as INBOX
from console.knowledge.section import SECTION as KNOWLEDGE
from console.nlu.section import SECTION as NLU
from console.notices.section import SECTION as NOTICES
from console.overview.section import SECTION as OVERVIEW
from console.requests.section import SECTION as REQUESTS
from console.section import Section
from console.settings.section import SECTION as SETTINGS
from console.users.section import SECTION as USERS

SECTIONS: tuple[Section, ...] = (
    HOME,
    KNOWLEDGE,
    DESK,
    REQUESTS,
    NOTICES,
    INBOX,
    CONVERSATIONS,
    NLU,
    ANALYTICS,
    OVERVIEW,
    SETTINGS,
    USERS,
    AUDIT,
)
