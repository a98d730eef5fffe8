"""Where CAP alerts come from by themselves: a folder of files and addresses that are asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from xml.etree.ElementTree import ParseError

import aiohttp
import defusedxml.ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from actions.notices.cap import NAMESPACE
from actions.notices.errors import CapError
from actions.notices.service import NoticeService

logger = logging.getLogger(__name__)

_MAX_FILES, _MAX_LINKS = 1000, 100
DONE, REFUSED = "taken", "refused"


def read_folder(service: NoticeService, folder: Path) -> int:
    """Take in the files `*.xml` and `*.cap` of a folder; return how many were new.

    A file is moved to `taken/` or `refused/` below it; beside a refused one a `.txt` says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    files = sorted(
        file for file in folder.iterdir() if file.suffix.lower() in (".xml", ".cap") and file.is_file()
    )
    for file in files[:_MAX_FILES]:
        try:
            if file.stat().st_size > service.section.cap.max_bytes:
                raise CapError(f"it has more than {service.section.cap.max_bytes} bytes")
            made = service.take_in(file.read_bytes(), author=file.name)
        except CapError as error:
            logger.warning("%s: %s", file, error)
            _put_away(file, REFUSED, f"{error.zh}\n{error.en}\n")
            continue
        count += made is not None
        _put_away(file, DONE)
    return count


def _put_away(file: Path, where: str, why: str = "") -> None:
    target = file.parent / where
    target.mkdir(exist_ok=True)
    name = file.name
    number = 1
    while (target / name).exists():
        number += 1
        name = f"{file.stem}-{number}{file.suffix}"
    file.rename(target / name)
    if why:
        (target / f"{name}.txt").write_text(why, "utf-8")


async def read_address(service: NoticeService, session: aiohttp.ClientSession, url: str) -> int:
    """Take in what an address gives: one alert, or an Atom or RSS list of links to alerts; return how many were new."""
    data = await _fetch(service, session, url)
    links = links_in(data)
    if not links:
        return int(await asyncio.to_thread(service.take_in, data, author=url) is not None)
    count = 0
    for link in links:
        try:
            found = await _fetch(service, session, link)
            count += await asyncio.to_thread(service.take_in, found, author=link) is not None
        except (CapError, aiohttp.ClientError, asyncio.TimeoutError) as error:
            logger.warning("%s: %s", link, error or type(error).__name__)
    return count


async def _fetch(service: NoticeService, session: aiohttp.ClientSession, url: str) -> bytes:
    limit = service.section.cap.max_bytes
    async with session.get(url) as response:
        response.raise_for_status()
        data = bytearray()
        async for chunk in response.content.iter_chunked(65536):
            data += chunk
            if len(data) > limit:
                raise CapError(f"{url} gives more than {limit} bytes")
    return bytes(data)


def links_in(data: bytes) -> list[str]:
    """Return the addresses that a feed lists, none when the document is no feed."""
    try:
        root = SafeTree.fromstring(data, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError, RecursionError):
        return []
    name = root.tag.rpartition("}")[2]
    if root.tag == f"{{{NAMESPACE}}}alert" or name not in ("feed", "rss"):
        return []
    found: dict[str, None] = {}
    for item in root.iter():
        if item.tag.rpartition("}")[2] not in ("entry", "item"):
            continue
        for child in item:
            if child.tag.rpartition("}")[2] == "link":
                address = (child.get("href") or child.text or "").strip()
                kind = child.get("type") or ""
                if address.startswith(("https://", "http://")) and ("cap" in kind or address not in found):
                    found[address] = None
    return list(found)[:_MAX_LINKS]


async def read_all(service: NoticeService, folder: Path | None) -> int:
    """Look at the folder and every address once; what fails is logged and tried again next time."""
    count = 0
    if folder is not None:
        try:
            count += await asyncio.to_thread(read_folder, service, folder)
        except OSError as error:
            logger.warning("%s: cannot be read (%s)", folder, error)
    if service.section.cap.urls:
        timeout = aiohttp.ClientTimeout(total=service.section.cap.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for url in service.section.cap.urls:
                try:
                    count += await read_address(service, session, url)
                except (CapError, aiohttp.ClientError, asyncio.TimeoutError) as error:
                    logger.warning("%s: %s", url, error or type(error).__name__)
    return count


class Carrier:
    """Looks for alerts and tells subscribers, as long as the server runs.

    Args:
        service: the notices.
        folder: where alert files are put.
        every_s: seconds between two looks for people to tell.
    """

    def __init__(self, service: NoticeService, folder: Path | None = None, every_s: float = 2.0) -> None:
        self._service = service
        self._folder = folder
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End; what is under way is finished."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        look_at, purge_at = loop.time(), loop.time()
        while not self._stopping.is_set():
            try:
                if loop.time() >= look_at:
                    look_at = loop.time() + self._service.section.cap.poll_s
                    await read_all(self._service, self._folder)
                if loop.time() >= purge_at:
                    purge_at = loop.time() + 3600
                    await asyncio.to_thread(self._service.purge)
                await asyncio.to_thread(self._service.deliver)
            except Exception:
                logger.exception("notices are not told yet; trying again")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every_s)
