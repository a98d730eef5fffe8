"""The message encryption of WeChat and WeCom (消息加解密): AES-256-CBC, PKCS#7 to 32 bytes, SHA-1 signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 32


class CryptError(Exception):
    """A ciphertext is damaged, or meant for another receiver."""


def signature(*parts: str) -> str:
    """Return the SHA-1 over the sorted parts, in hexadecimal."""
    return hashlib.sha1("".join(sorted(parts)).encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


class WxCrypt:
    """Encrypts and decrypts for one receiver.

    Args:
        aes_key: the 43 characters of EncodingAESKey.
        receiver: AppID of the account or CorpID of the company.
    """

    def __init__(self, aes_key: str, receiver: str) -> None:
        try:
            self._key = base64.b64decode(aes_key + "=", validate=True)
        except binascii.Error:
            self._key = b""
        if len(self._key) != 32:
            raise CryptError("EncodingAESKey must be the 43 characters that the platform shows")
        self._receiver = receiver.encode()

    def _cipher(self) -> Cipher:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16]))

    def encrypt(self, text: str) -> str:
        """Return `text` encrypted, in base64."""
        content = text.encode()
        plain = os.urandom(16) + struct.pack(">I", len(content)) + content + self._receiver
        pad = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return the text in `encrypted`.

        Raises:
            CryptError: damaged, or for another receiver.
        """
        try:
            raw = base64.b64decode(encrypted, validate=True)
            decryptor = self._cipher().decryptor()
            plain = decryptor.update(raw) + decryptor.finalize()
        except (binascii.Error, ValueError) as error:
            raise CryptError("the message is not encrypted as agreed") from error
        pad = plain[-1] if plain else 0
        if not 1 <= pad <= _BLOCK or len(plain) < 20 + pad or plain[-pad:] != bytes([pad]) * pad:
            raise CryptError("the message is damaged or encrypted with another key")
        plain = plain[16:-pad]
        (length,) = struct.unpack(">I", plain[:4])
        content, receiver = plain[4 : 4 + length], plain[4 + length :]
        if len(content) != length or receiver != self._receiver:
            raise CryptError("the message is meant for another receiver")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CryptError("the message is no UTF-8") from error
