import subprocess
import sys

import pytest

from bot import patches


def run(code: str) -> str:
    """Run code in a fresh interpreter: these patches change a process for good."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_tensorflow_stays_out_of_the_server() -> None:
    code = (
        "from bot import patches; patches.keep_tensorflow_out(); patches.apply()\n"
        "import rasa.core.agent, sys\n"
        "print(type(sys.modules.get('tensorflow')).__name__, 'keras.engine' in sys.modules)"
    )
    assert run(code) in {"NoneType False", "_StubModule False"}


def test_a_stub_says_why_it_cannot_work() -> None:
    code = (
        "from bot import patches; patches.keep_tensorflow_out()\n"
        "from tensorflow.keras import Model\n"
        "try:\n    Model()\nexcept patches.PatchError as error:\n    print(error)"
    )
    assert "needs TensorFlow" in run(code)


def test_another_rasa_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import rasa.version

    monkeypatch.setattr(rasa.version, "__version__", "3.7.0")
    with pytest.raises(patches.PatchError, match=r"3\.7\.0.*3\.6\.21"):
        patches.apply()


def test_validator_still_refuses_a_wrong_result_and_is_compiled() -> None:
    code = (
        "from bot import patches; patches.keep_tensorflow_out(); patches.apply()\n"
        "import time, jsonschema\n"
        "from rasa.core.actions.action import RemoteAction\n"
        "action = RemoteAction('action_x', None)\n"
        "good = {'events': [{'event': 'slot', 'timestamp': None, 'name': 'a', 'value': 1}], 'responses': []}\n"
        "assert action._validate_action_result(good)\n"
        "try:\n    action._validate_action_result({'events': 'nonsense'}); print('accepted')\n"
        "except jsonschema.ValidationError:\n    print('refused')"
    )
    assert run(code) == "refused"


def test_event_types_resolve_as_before() -> None:
    code = (
        "from bot import patches; patches.keep_tensorflow_out(); patches.apply()\n"
        "from rasa.shared.core.events import Event, UserUttered, SlotSet\n"
        "assert Event.resolve_by_type('user') is UserUttered is Event.resolve_by_type('user')\n"
        "assert Event.resolve_by_type('nothing', SlotSet) is SlotSet\n"
        "assert Event.resolve_by_type('topic') is None\n"
        "try:\n    Event.resolve_by_type('nothing')\nexcept ValueError:\n    print('unknown refused')"
    )
    assert run(code) == "unknown refused"


def test_citizens_words_stay_out_of_the_log() -> None:
    code = (
        "from bot import patches; patches.keep_tensorflow_out(); patches.apply()\n"
        "import structlog; structlog.get_logger().debug('secret words'); structlog.get_logger().info('more words')"
    )
    assert "words" not in run(code)
