import shutil
from pathlib import Path

import pytest

from bot.training import DialogueTrainingError, dialogue_model, train_dialogue


@pytest.fixture
def project(small_project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_project, tmp_path / "bot"))


def test_the_model_is_named_after_what_it_was_made_from(project: Path, tmp_path: Path) -> None:
    before = dialogue_model(tmp_path, project)
    assert dialogue_model(tmp_path, project) == before
    with (project / "domain" / "core.yml").open("a") as file:
        file.write("# a comment\n")
    assert dialogue_model(tmp_path, project) != before


def test_broken_yaml_is_named_with_its_line(project: Path, tmp_path: Path) -> None:
    (project / "domain" / "smalltalk.yml").write_text('version: "3.1"\nintents: [a, b\n', "utf-8")
    with pytest.raises(DialogueTrainingError, match=r"smalltalk\.yml, line \d+: is no valid YAML"):
        train_dialogue(tmp_path / "models", project)


def test_contradicting_rules_leave_no_model(project: Path, tmp_path: Path) -> None:
    (project / "data" / "rules" / "more.yml").write_text(
        'version: "3.1"\nrules:\n- rule: other\n  steps:\n  - intent: greet\n  - action: utter_goodbye\n',
        "utf-8",
    )
    with pytest.raises(DialogueTrainingError, match="could not be trained"):
        train_dialogue(tmp_path / "models", project)
    assert list((tmp_path / "models").iterdir()) == []
