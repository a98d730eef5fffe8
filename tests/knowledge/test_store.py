"""Versions, publishing, locking and imports of the article store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from knowledge.article import ArticleError, ArticleNotFound, StaleVersion, WrongStatus
from knowledge.importing import import_articles, sync_folder
from knowledge.store import ArticleStore
from tests.knowledge.conftest import article, small_base, write_folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ArticleStore]:
    opened = ArticleStore(f"sqlite:///{tmp_path / 'articles.db'}")
    yield opened
    opened.close()


def test_publish_then_read_back(store: ArticleStore) -> None:
    saved = store.publish(article(), author="li", base_version=None)
    assert (saved.version, saved.status) == (1, "published")
    read = store.get("library-hours")
    assert read.answer == article().answer
    assert (read.updated_by, read.status) == ("li", "published")


def test_draft_of_a_published_article_leaves_the_public_one(store: ArticleStore) -> None:
    store.publish(article(), author="li", base_version=None)
    draft = store.save(replace(article(), answer={"zh": "新答案"}), author="wang", base_version=1)
    assert (draft.version, draft.status) == (2, "draft")
    assert store.published() == {"library-hours": 1}
    assert store.get("library-hours", 1).status == "published"
    store.set_status("library-hours", "review", author="wang", base_version=2)
    store.set_status("library-hours", "published", author="li", base_version=2)
    assert store.published() == {"library-hours": 2}
    assert (store.published_version("library-hours"), store.published_version("nothing")) == (2, None)


def test_second_editor_is_told_who_was_quicker(store: ArticleStore) -> None:
    store.publish(article(), author="li", base_version=None)
    store.save(article(), author="wang", base_version=1)
    with pytest.raises(StaleVersion, match="wang saved version 2"):
        store.save(article(), author="zhao", base_version=1)
    with pytest.raises(StaleVersion, match="exists already"):
        store.save(article(), author="zhao", base_version=None)
    with pytest.raises(StaleVersion):
        store.set_status("library-hours", "published", author="zhao", base_version=1)


def test_of_many_editors_at_once_exactly_one_wins(store: ArticleStore) -> None:
    store.publish(article(), author="li", base_version=None)
    won: list[int] = []
    lost: list[Exception] = []

    def edit(number: int) -> None:
        try:
            store.save(replace(article(), answer={"zh": f"答案{number}"}), author=str(number), base_version=1)
            won.append(number)
        except StaleVersion as error:
            lost.append(error)

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert store.get("library-hours").answer["zh"] == f"答案{won[0]}"


def test_rollback_is_a_new_version_and_public_at_once(store: ArticleStore) -> None:
    store.publish(article(), author="li", base_version=None)
    store.publish(replace(article(), answer={"zh": "错误"}), author="wang", base_version=1)
    back = store.rollback("library-hours", 1, author="zhao")
    assert (back.version, back.status, back.answer) == (3, "published", article().answer)
    assert [(item.version, item.action, item.author) for item in store.history("library-hours")] == [
        (3, "rollback", "zhao"),
        (2, "publish", "wang"),
        (1, "publish", "li"),
    ]


def test_archived_article_is_no_longer_public_and_can_come_back(store: ArticleStore) -> None:
    store.publish(article(), author="li", base_version=None)
    store.set_status("library-hours", "archived", author="li")
    assert store.published() == {}
    assert store.pieces()[1] == []
    with pytest.raises(WrongStatus, match="is archived"):
        store.set_status("library-hours", "review", author="li")
    store.set_status("library-hours", "published", author="li")
    assert store.published() == {"library-hours": 1}


def test_unknown_article_and_version(store: ArticleStore) -> None:
    for act in (
        lambda: store.get("nothing"),
        lambda: store.history("nothing"),
        lambda: store.save(article("nothing"), author="a", base_version=3),
        lambda: store.set_status("nothing", "published", author="a"),
        lambda: store.rollback("nothing", 1, author="a"),
    ):
        with pytest.raises(ArticleNotFound, match="nothing"):
            act()
    store.publish(article(), author="li", base_version=None)
    with pytest.raises(ArticleNotFound, match="no version 7"):
        store.rollback("library-hours", 7, author="a")


def test_piece_keys_are_never_used_twice(store: ArticleStore) -> None:
    seen: set[int] = set()
    version = None
    for number in range(4):
        version = store.publish(
            replace(article(), answer={"zh": f"第{number}版"}), author="a", base_version=version
        ).version
        keys = {piece.key for piece in store.pieces()[1]}
        assert not keys & seen
        seen |= keys


def test_changed_file_is_taken_over(store: ArticleStore, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "articles", small_base())
    assert len(sync_folder(store, folder).added) == 8
    assert len(sync_folder(store, folder).unchanged) == 8
    write_folder(folder, [replace(article(), answer={"zh": "改过的答案"})])
    assert sync_folder(store, folder).updated == ["library-hours"]
    assert store.get("library-hours").answer == {"zh": "改过的答案"}


def test_import_never_overwrites_a_staff_edit(store: ArticleStore, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "articles", small_base())
    sync_folder(store, folder)
    store.publish(replace(article(), answer={"zh": "员工改的"}), author="staff", base_version=1)
    write_folder(folder, [replace(article(), answer={"zh": "文件改的"})])
    report = sync_folder(store, folder)
    assert report.kept == ["library-hours"]
    assert any("staff edited it" in line for line in report.lines())
    assert store.version("library-hours", store.published()["library-hours"]).answer == {"zh": "员工改的"}


def test_removed_file_is_archived_only_when_asked_and_unedited(store: ArticleStore, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "articles", small_base())
    sync_folder(store, folder, prune=True)
    sync_folder(store, write_folder(tmp_path / "other", [article("from-elsewhere")]))
    store.publish(replace(article(), answer={"zh": "员工改的"}), author="staff", base_version=1)
    (folder / "library" / "library-hours.md").unlink()
    (folder / "pets" / "dog-licence.md").unlink()
    assert sync_folder(store, folder).archived == []
    assert sync_folder(store, folder, prune=True).archived == ["dog-licence"]
    assert {"library-hours", "from-elsewhere"} <= set(store.published())


def test_broken_file_is_reported_and_its_article_stays(store: ArticleStore, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "articles", small_base())
    sync_folder(store, folder)
    (folder / "pets" / "dog-licence.md").write_text("---\nid: dog-licence\ntitle: [oops\n---\n")
    (folder / "pets" / "latin.md").write_bytes(b"---\nid: caf\xe9\n---\n")
    (folder / "pets" / "twin.md").write_text(
        (folder / "waste" / "bulky-waste.md").read_text().replace("旧", "老")
    )
    report = sync_folder(store, folder, prune=True)
    text = "\n".join(report.problems)
    assert "pets/dog-licence.md, line" in text
    assert "pets/twin.md: `id` bulky-waste is already taken by bulky-waste.md" in text
    assert "not UTF-8" in text
    assert report.archived == []
    assert "dog-licence" in store.published()


def test_second_file_with_the_same_id_is_refused(store: ArticleStore, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "articles", [article()])
    (folder / "z.md").write_text((folder / "library" / "library-hours.md").read_text() + "\n")
    report = sync_folder(store, folder)
    assert report.added == ["library-hours"]
    assert "already taken" in report.problems[0]


def test_article_of_no_folder(store: ArticleStore, tmp_path: Path) -> None:
    with pytest.raises(ArticleError, match="no such folder"):
        sync_folder(store, tmp_path / "missing")


def test_a_table_is_not_undone_by_the_citys_own_file_at_the_next_start(
    store: ArticleStore, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "articles", small_base())
    sync_folder(store, folder, prune=True)
    changed = replace(article(), answer={"zh": "表格改的"})
    assert import_articles(store, [(changed, "hash-of-the-row")]).updated == ["library-hours"]
    assert "library-hours" in sync_folder(store, folder, prune=True).unchanged
    assert store.get("library-hours").answer == {"zh": "表格改的"}
    # The table may change again, and so may the file.
    again = replace(article(), answer={"zh": "表格又改了"})
    assert import_articles(store, [(again, "another-hash")]).updated == ["library-hours"]
    write_folder(folder, [replace(article(), answer={"zh": "文件改的"})])
    assert sync_folder(store, folder, prune=True).updated == ["library-hours"]


def test_what_was_exported_and_read_back_makes_no_new_version(store: ArticleStore, tmp_path: Path) -> None:
    sync_folder(store, write_folder(tmp_path / "articles", small_base()))
    store.publish(replace(article(), answer={"zh": "员工改的"}), author="staff", base_version=1)
    items = [(store.get(name), f"row-of-{name}") for name in store.published()]
    report = import_articles(store, items)
    assert (len(report.unchanged), report.changed, report.kept) == (8, 0, [])
    assert store.get("library-hours").version == 2
    # Still the staff's: a file that says something else does not overwrite it.
    other = replace(article(), answer={"zh": "文件改的"})
    assert import_articles(store, [(other, "row-changed")]).kept == ["library-hours"]


def test_version_zero_is_no_version(store: ArticleStore) -> None:
    store.publish(article(), author="a", base_version=None)
    with pytest.raises(ArticleNotFound, match="no version 0"):
        store.get("library-hours", 0)
