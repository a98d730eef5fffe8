"""Photos: told by their bytes, bounded, drawn anew without metadata; the position they carried is read before."""

from __future__ import annotations

import hashlib
import io
import secrets
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import GPS, IFD

from actions.requests.errors import PhotoError
from actions.requests.records import Photo
from actions.requests.settings import PhotosSection
from actions.requests.store import RequestStore

_FORMATS = ("JPEG", "PNG", "WEBP")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


@dataclass(frozen=True)
class Cleaned:
    """A photo drawn anew as JPEG, its size in pixels, and the position its EXIF told (degrees, WGS 84)."""

    data: bytes
    width: int
    height: int
    lat: float | None
    lon: float | None


def looks_like_photo(data: bytes) -> bool:
    """Return whether the first bytes are those of JPEG, PNG or WebP, whatever name or type was claimed."""
    return data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def clean(data: bytes, limits: PhotosSection) -> Cleaned:
    """Check a photo and draw it anew.

    Raises:
        PhotoError: it is too large, no photo, damaged, or has too many pixels.
    """
    if len(data) > limits.max_bytes:
        mib = limits.max_bytes / 1024 / 1024
        raise PhotoError(
            f"照片超过 {mib:g} MB，请压缩后再发。",
            f"The photo is larger than {mib:g} MB; send a smaller one.",
        )
    if not looks_like_photo(data):
        raise PhotoError(
            "这个文件不是 JPEG、PNG 或 WebP 照片，请换一张。",
            "This file is no JPEG, PNG or WebP photo; send another.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if image.width * image.height > limits.max_pixels:
                    raise PhotoError(
                        f"照片像素过大（{image.width}×{image.height}），请缩小后再发。",
                        f"The photo has too many pixels ({image.width}×{image.height}); send a smaller one.",
                    )
                lat, lon = _position(image)
                upright = ImageOps.exif_transpose(image).convert("RGB")
        upright.thumbnail((limits.max_side_px, limits.max_side_px))
        # A new image carries no EXIF, no comment, no thumbnail and nothing appended to the file.
        bare = Image.new("RGB", upright.size)
        bare.paste(upright)
        out = io.BytesIO()
        bare.save(out, "JPEG", quality=85)
    except PhotoError:
        raise
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        MemoryError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise PhotoError(
            "照片已损坏，无法打开，请重新拍一张。", "The photo is damaged and cannot be opened; take another."
        ) from error
    return Cleaned(out.getvalue(), *bare.size, lat, lon)


def _position(image: Image.Image) -> tuple[float | None, float | None]:
    """Read latitude and longitude from EXIF 2.32, section 4.6.6; nonsense gives nothing."""
    try:
        gps = image.getexif().get_ifd(IFD.GPSInfo)
        lat = _degrees(gps[GPS.GPSLatitude], gps.get(GPS.GPSLatitudeRef), "S")
        lon = _degrees(gps[GPS.GPSLongitude], gps.get(GPS.GPSLongitudeRef), "W")
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError, OSError, SyntaxError):
        return None, None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180) or (lat == 0 and lon == 0):
        return None, None
    return lat, lon


def _degrees(parts: object, reference: object, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)  # type: ignore[attr-defined]
    value = degrees + minutes / 60 + seconds / 3600
    if value != value:
        raise ValueError("not a number")
    return round(-value if str(reference).strip("\x00 ").upper() == negative else value, 6)


class PhotoBox:
    """Stored photos: files below `folder`, named by random ids that cannot be guessed.

    Args:
        store: notes whose they are.
        folder: where the files lie; made when missing.
        limits: see `PhotosSection`.
    """

    def __init__(self, store: RequestStore, folder: Path, limits: PhotosSection) -> None:
        self._store, self._folder, self.limits = store, folder, limits

    def put(self, conversation_id: str | None, data: bytes, now: datetime) -> Photo:
        """Store a photo for a conversation; one that waits there already is returned as it is.

        Raises:
            PhotoError: it is no usable photo, or the conversation has too many unfiled ones.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if conversation_id is not None:
            known = self._store.unfiled_photo(conversation_id, sha256)
            if known is not None:
                return known
            self.check_room(conversation_id)
        cleaned = clean(data, self.limits)
        photo = Photo(
            secrets.token_urlsafe(18),
            cleaned.width,
            cleaned.height,
            len(cleaned.data),
            cleaned.lat,
            cleaned.lon,
            now,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self.path(photo.id)
        assert path is not None
        temporary = path.with_suffix(".part")
        temporary.write_bytes(cleaned.data)
        temporary.replace(path)
        self._store.add_photo(photo, conversation_id, sha256)
        return photo

    def check_room(self, conversation_id: str) -> None:
        """Raise `PhotoError` when a conversation has as many unfiled photos as it may."""
        waiting = len(self._store.photos(conversation_id=conversation_id))
        if waiting >= self.limits.unfiled_per_conversation:
            raise PhotoError(
                f"已有 {waiting} 张照片待提交，请先完成或取消当前上报。",
                f"{waiting} photos are waiting already; finish or cancel the report first.",
            )

    def path(self, photo_id: str) -> Path | None:
        """Return where a photo lies, or `None` when the id is no id."""
        if not photo_id or not all(c.isalnum() or c in "-_" for c in photo_id):
            return None
        return self._folder / f"{photo_id}.jpg"

    def sweep(self, now: datetime) -> int:
        """Delete photos that were never filed; return how many."""
        return self._remove(self._store.drop_photos(now - timedelta(hours=self.limits.keep_unfiled_h)))

    def forget(self, conversation_id: str) -> int:
        """Delete a conversation's unfiled photos; return how many."""
        return self._remove(self._store.drop_photos(conversation_id=conversation_id))

    def _remove(self, ids: list[str]) -> int:
        for photo_id in ids:
            path = self.path(photo_id)
            if path is not None:
                path.unlink(missing_ok=True)
        return len(ids)
