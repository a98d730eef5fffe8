"""Photos in the database: whose they are, and which request has taken them up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.engine import Engine, Row

from actions.requests import tables as t
from actions.requests.records import Photo
from city.db import reading, writing


class PhotoRows:
    """The photos' part of the requests' tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add_photo(self, photo: Photo, conversation_id: str | None, sha256: str) -> None:
        """Note a stored photo."""
        values = {
            "id": photo.id,
            "request_id": photo.request_id,
            "conversation_id": conversation_id,
            "width": photo.width,
            "height": photo.height,
            "bytes": photo.bytes,
            "sha256": sha256,
            "lat": photo.lat,
            "lon": photo.lon,
            "created_at": photo.created_at,
        }
        with writing(self.engine) as session:
            session.execute(insert(t.photos).values(values))

    def unfiled_photo(self, conversation_id: str, sha256: str) -> Photo | None:
        """Return a conversation's unfiled photo that was made from these bytes."""
        query = select(t.photos).where(
            t.photos.c.conversation_id == conversation_id,
            t.photos.c.request_id.is_(None),
            t.photos.c.sha256 == sha256,
        )
        with reading(self.engine) as session:
            row = session.execute(query.limit(1)).first()
        return None if row is None else _photo(row)

    def photo(self, photo_id: str) -> Photo | None:
        """Return a photo by its id."""
        with reading(self.engine) as session:
            row = session.execute(select(t.photos).where(t.photos.c.id == photo_id)).first()
        return None if row is None else _photo(row)

    def photo_from(self, conversation_id: str, photo_id: str) -> Photo | None:
        """Return a photo that a conversation sent, filed or not; another's is none."""
        query = select(t.photos).where(t.photos.c.id == photo_id)
        with reading(self.engine) as session:
            row = session.execute(query.where(t.photos.c.conversation_id == conversation_id)).first()
        return None if row is None else _photo(row)

    def photos(self, *, request_id: int | None = None, conversation_id: str | None = None) -> list[Photo]:
        """Return a request's photos, or a conversation's unfiled ones, oldest first."""
        query = select(t.photos).order_by(t.photos.c.created_at, t.photos.c.id)
        if request_id is not None:
            query = query.where(t.photos.c.request_id == request_id)
        else:
            query = query.where(
                t.photos.c.conversation_id == conversation_id, t.photos.c.request_id.is_(None)
            )
        with reading(self.engine) as session:
            return [_photo(row) for row in session.execute(query)]

    def drop_photos(self, before: datetime | None = None, conversation_id: str | None = None) -> list[str]:
        """Delete unfiled photos older than `before` or of one conversation; return their ids."""
        condition = t.photos.c.request_id.is_(None)
        if before is not None:
            condition = and_(condition, t.photos.c.created_at < before)
        if conversation_id is not None:
            condition = and_(condition, t.photos.c.conversation_id == conversation_id)
        with writing(self.engine) as session:
            ids = [row.id for row in session.execute(select(t.photos.c.id).where(condition))]
            if ids:
                session.execute(delete(t.photos).where(t.photos.c.id.in_(ids)))
        return ids


def _photo(row: Row) -> Photo:
    return Photo(row.id, row.width, row.height, row.bytes, row.lat, row.lon, row.created_at, row.request_id)
