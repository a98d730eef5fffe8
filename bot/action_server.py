"""The same actions over HTTP, for plain Rasa: `rasa run actions --actions bot.action_server`.

Importing this module opens the city modules' services as `city.yml` says, and loads every action.
"""

from actions import setup
from actions.loading import load_actions

setup.configure()
load_actions()
