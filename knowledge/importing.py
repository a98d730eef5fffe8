"""Imports the article folder: new and changed files, never over a staff edit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from knowledge.article import Article, ArticleError
from knowledge.markdown import article_files, parse_article
from knowledge.store import ArticleStore, bare_hash

Progress = Callable[[str, int, int], None]
IMPORTER = "import"
OWNED = "site:"


@dataclass
class ImportReport:
    """What an import took and what it did not, and why."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # Parts of a document that are no article, each with the reason; no mistake of anybody's.
    skipped: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """How many articles are different now."""
        return len(self.added) + len(self.updated) + len(self.archived)

    def lines(self) -> list[str]:
        """Return the report for people, one fact per line."""
        lines = [
            f"{len(self.added)} added, {len(self.updated)} updated, {len(self.unchanged)} unchanged, "
            f"{len(self.archived)} archived, {len(self.kept)} kept as edited by staff, "
            f"{len(self.problems)} not taken"
        ]
        lines += [f"kept {name}: staff edited it since the last import" for name in self.kept]
        lines += [f"left out: {reason}" for reason in self.skipped]
        return lines + [f"not taken: {problem}" for problem in self.problems]


def import_articles(
    store: ArticleStore,
    items: Iterable[tuple[Article, str]],
    *,
    author: str = IMPORTER,
    report: ImportReport | None = None,
) -> ImportReport:
    """Import articles, each with the hash of its source; see `ArticleStore.import_article`."""
    report = report or ImportReport()
    for article, content_hash in items:
        try:
            outcome = store.import_article(article, content_hash, author=author)
        except ArticleError as error:
            report.problems.append(str(error))
            continue
        getattr(report, outcome).append(article.id)
    return report


def sync_folder(
    store: ArticleStore,
    folder: Path,
    *,
    author: str = IMPORTER,
    prune: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Bring the store up to date with a folder of article files.

    Args:
        store: the article store.
        folder: the folder; a broken file is reported and the others are taken.
        author: who imports.
        prune: the folder is the city's own: archive articles that came from it when their file is gone and staff have
            not edited them.
        progress: told what is done, how many files of how many.

    Returns:
        What was taken and what not.

    Raises:
        ArticleError: when the folder does not exist.
    """
    if not folder.is_dir():
        raise ArticleError(f"{folder}: no such folder; set `knowledge.articles` in city.yml to your articles")
    report = ImportReport()
    imported = store.imported()
    known = {bare_hash(file_hash): name for name, (file_hash, _edited) in imported.items()}
    files = article_files(folder)
    seen: dict[str, Path] = {}
    changed: list[tuple[Path, bytes, str]] = []
    for path in files:
        raw = path.read_bytes()
        file_hash = hashlib.sha256(raw).hexdigest()
        if known.get(file_hash, path.stem) in seen or file_hash not in known:
            changed.append((path, raw, file_hash))
        else:
            seen[known[file_hash]] = path
            report.unchanged.append(known[file_hash])
    for number, (path, raw, file_hash) in enumerate(changed):
        if progress and number % 10 == 0:
            progress("articles", len(files) - len(changed) + number, len(files))
        where = path.relative_to(folder).as_posix()
        try:
            article = parse_article(raw.decode("utf-8-sig"), where=where)
        except UnicodeDecodeError as error:
            report.problems.append(f"{where}: is not UTF-8 (byte {error.start}); save it as UTF-8")
            seen.setdefault(path.stem, path)
            continue
        except ArticleError as error:
            report.problems.append(str(error))
            # The article itself stays as it was: a broken file is no wish to remove it.
            seen.setdefault(path.stem, path)
            continue
        if article.id in seen:
            report.problems.append(f"{where}: `id` {article.id} is already taken by {seen[article.id].name}")
            continue
        seen[article.id] = path
        owned = f"{OWNED}{file_hash}" if prune else file_hash
        import_articles(store, [(article, owned)], author=author, report=report)
    if prune:
        published = store.published()
        for name, (file_hash, edited) in imported.items():
            if name not in seen and name in published and not edited and file_hash.startswith(OWNED):
                store.set_status(name, "archived", author=author)
                report.archived.append(name)
    if progress:
        progress("articles", len(files), len(files))
    return report
