"""The same actions over HTTP, for plain Rasa: `rasa run actions --actions bot.action_server`.

Importing this module opens the city modules' services as `city.yml` says, and loads every action.
"""

from rasa_sdk.executor import ActionExecutor

from actions import setup

setup.configure()
ActionExecutor().register_package("actions")
