"""Access keys, and the signatures that prove who calls.

An access key is the public half of an Ed25519 key pair, named by its
fingerprint; the secret key never leaves its owner. Signatures are HTTP message
signatures of RFC 9421 in one of two fixed forms, byte for byte as
sdk/conformance/signatures has them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPMessage
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ACCESS_KEY_VARIABLE = "STRATA_ACCESS_KEY"
SECRET_KEY_VARIABLE = "STRATA_SECRET_KEY"

HEADER_INPUT = "Signature-Input"
HEADER_SIGNATURE = "Signature"
HEADER_DIGEST = "Content-Digest"
HEADER_AUDIENCE = "Strata-Audience"
HEADER_SERVER_TIME = "Strata-Server-Time"
HEADER_ERROR = "Strata-Auth-Error"
CLOCK_SKEW = "clock_skew"

_ACCESS_PREFIX = "sak_"
_SECRET_PREFIX = "ssk_"
_FINGERPRINT_BYTES = 15
_FINGERPRINT_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz234567")
_ACCESS_KEY_LENGTH = len(_ACCESS_PREFIX) + _FINGERPRINT_BYTES * 8 // 5
_SEED_BYTES = 32
_CHECKSUM_BYTES = 4
_SECRET_KEY_LENGTH = len(_SECRET_PREFIX) + (_SEED_BYTES + _CHECKSUM_BYTES) * 4 // 3
_CHECKSUM_DOMAIN = b"strata secret key"
_NONCE_BYTES = 16
_WRONG_LETTER = (
    f"the secret key ({SECRET_KEY_VARIABLE}) has a character that is in none: "
    "want A-Z, a-z, 0-9, - and _"
)

_MAX_HEADER_BYTES = 1024
_MAX_TIME = 253402300799  # the last second of the year 9999

_REQUEST_LIFETIME = 60
_SESSION_LIFETIME = 600
# How long before its end a session is no longer used, so that it is still good
# when it arrives.
_RENEWAL = 60
# Bounds what a server can say of the time. One that is not who it says to be
# must not get signatures for years to come.
_MAX_CORRECTION = 24 * 60 * 60


@dataclass(frozen=True)
class Profile:
    """What never changes in the signatures of one form."""

    tag: str
    components: str
    max_lifetime: int
    """In seconds."""


REQUEST = Profile(
    "strata-req-v1", '("@method" "@path" "content-type" "content-digest" "strata-audience")', 300
)
"""Covers one request: its method, path, type and content. It is good once."""

SESSION = Profile("strata-sess-v1", '("strata-audience")', _SESSION_LIFETIME)
"""Covers the audience alone, and can be used again until it ends. It is for calls
that change nothing."""


@dataclass(frozen=True)
class Message:
    """What a signature covers. A SESSION covers the audience alone."""

    audience: str
    method: str = ""
    path: str = ""
    """Escaped as it is sent, without a query."""
    content_type: str = ""
    digest: str = ""
    """That of the content as it is sent, with envelopes."""


@dataclass(frozen=True)
class Signature:
    """The headers Signature-Input and Signature, and the text that was signed."""

    input: str
    value: str
    base: str


class Key:
    """An access key together with its secret key.

    However it is printed, logged or pickled, only the access key is seen. It
    never changes, and is safe for concurrent use. It comes from parse_key.
    """

    __slots__ = ("_sign", "access_key", "public_key")

    access_key: str
    public_key: bytes

    def __init__(self, seed: bytes) -> None:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        fingerprint = base64.b32encode(
            hashlib.sha256(self.public_key).digest()[:_FINGERPRINT_BYTES]
        )
        self.access_key = _ACCESS_PREFIX + fingerprint.decode().lower()
        # A function shows nothing of what it knows, and can not be pickled.
        self._sign: Callable[[bytes], bytes] = private.sign

    def __repr__(self) -> str:
        return self.access_key

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key can not be pickled, or its secret would be in what comes of it")

    def sign(
        self, profile: Profile, created: int, expires: int, message: Message, nonce: str = ""
    ) -> Signature:
        """Signs a message.

        created and expires are seconds since 1970. A REQUEST gets a random nonce
        if that is empty; a SESSION must have none. It raises ValueError if a
        signature must not have such parameters, or the message can not be signed.
        """
        if profile is REQUEST and not nonce:
            nonce = _base64url(secrets.token_bytes(_NONCE_BYTES))
        if created < 0 or expires > _MAX_TIME:
            raise ValueError("created and expires are seconds since 1970")
        if not 1 <= expires - created <= profile.max_lifetime:
            raise ValueError(f"expires has to be 1 to {profile.max_lifetime} seconds after created")
        if profile is SESSION and nonce:
            raise ValueError("a session has no nonce")
        params = f"{profile.components};created={created};expires={expires}"
        if profile is REQUEST:
            params += f';nonce="{nonce}"'
        params += f';keyid="{self.access_key}";alg="ed25519";tag="{profile.tag}"'
        base = _base(profile, message, params)
        value = base64.b64encode(self._sign(base.encode())).decode()
        return Signature("strata=" + params, f"strata=:{value}:", base)


def parse_key(access_key: str, secret_key: str) -> Key:
    """Reads a secret key, and the access key that it has to belong to.

    An empty access key is the one of the secret key. White space around them does
    not count. It raises ValueError, which says which environment variable the
    value is expected in, and nothing of a secret.
    """
    access_key, secret_key = access_key.strip(), secret_key.strip()
    if access_key.startswith(_SECRET_PREFIX) or secret_key.startswith(_ACCESS_PREFIX):
        raise ValueError(
            "the access key and the secret key are exchanged: "
            f"{ACCESS_KEY_VARIABLE} begins with {_ACCESS_PREFIX!r}, "
            f"{SECRET_KEY_VARIABLE} with {_SECRET_PREFIX!r}"
        )
    if not secret_key:
        raise ValueError(f"the secret key ({SECRET_KEY_VARIABLE}) is empty")
    if len(secret_key) != _SECRET_KEY_LENGTH or not secret_key.startswith(_SECRET_PREFIX):
        raise ValueError(
            f"the secret key ({SECRET_KEY_VARIABLE}) is not one: want {_SECRET_PREFIX!r} "
            f"and {_SECRET_KEY_LENGTH - len(_SECRET_PREFIX)} characters"
        )
    if access_key and not _well_formed(access_key):
        raise ValueError(
            f"the access key ({ACCESS_KEY_VARIABLE}) is not one: want {_ACCESS_PREFIX!r} "
            f"and {_ACCESS_KEY_LENGTH - len(_ACCESS_PREFIX)} characters of a-z and 2-7"
        )
    try:
        data = base64.b64decode(secret_key[len(_SECRET_PREFIX) :], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        # Not chained: the cause would show the text.
        raise ValueError(_WRONG_LETTER) from None
    # The decoder also takes the letters of plain base64.
    if _base64url(data) != secret_key[len(_SECRET_PREFIX) :]:
        raise ValueError(_WRONG_LETTER)
    seed, checksum = data[:_SEED_BYTES], data[_SEED_BYTES:]
    if hashlib.sha256(_CHECKSUM_DOMAIN + seed).digest()[:_CHECKSUM_BYTES] != checksum:
        raise ValueError(
            f"the secret key ({SECRET_KEY_VARIABLE}) is not as it was made: its checksum is wrong"
        )
    key = Key(seed)
    if access_key and access_key != key.access_key:
        raise ValueError(
            f"the secret key ({SECRET_KEY_VARIABLE}) is that of the access key {key.access_key}, "
            f"and the access key ({ACCESS_KEY_VARIABLE}) is {access_key}"
        )
    return key


def digest(content: bytes) -> str:
    """Returns the header Content-Digest of a request's content."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


class Signer:
    """Makes the headers of signed requests to one audience.

    It takes the server's time into account, once that has said that it is another
    one, and uses a session again until shortly before it ends. It is safe for
    concurrent use, and says the same in a process that was forked.
    """

    def __init__(self, key: Key, audience: str, now: Callable[[], float] = time.time) -> None:
        if not _plain(audience):
            raise ValueError(
                f"the audience is {audience!r}: "
                f"want 1 to {_MAX_HEADER_BYTES} printable characters of ASCII"
            )
        self._key = key
        self._audience = audience
        self._now = now
        self._offset = 0.0  # seconds that the server's clock is ahead
        self._session: tuple[dict[str, str], float, float] | None = None

    def __repr__(self) -> str:
        return f"Signer({self._key!r}, {self._audience!r})"

    def headers(
        self, profile: Profile, method: str, path: str, content_type: str, content: bytes
    ) -> dict[str, str]:
        """Returns the headers that sign a request, another nonce each time."""
        offset = self._offset
        now = self._now() + offset
        if profile is SESSION:
            return self._session_headers(now, offset)
        content_digest = digest(content)
        created = int(now)
        message = Message(self._audience, method, path, content_type, content_digest)
        signature = self._key.sign(REQUEST, created, created + _REQUEST_LIFETIME, message)
        return {**self._headers(signature), HEADER_DIGEST: content_digest}

    def _session_headers(self, now: float, offset: float) -> dict[str, str]:
        session = self._session
        if session is not None:
            headers, made_with, until = session
            # A session that lasts for longer than one can was made before the
            # clock was set back.
            if made_with == offset and now < until <= now + _SESSION_LIFETIME:
                return headers
        expires = int(now + _SESSION_LIFETIME)
        signature = self._key.sign(
            SESSION, expires - _SESSION_LIFETIME, expires, Message(self._audience)
        )
        headers = self._headers(signature)
        # That two threads may do so at once costs no more than a signature.
        self._session = (headers, offset, float(expires - _RENEWAL))
        return headers

    def _headers(self, signature: Signature) -> dict[str, str]:
        return {
            HEADER_AUDIENCE: self._audience,
            HEADER_INPUT: signature.input,
            HEADER_SIGNATURE: signature.value,
        }

    def correct(self, headers: HTTPMessage) -> bool:
        """Reports whether a server does not agree on the time, and takes its word.

        headers are those of its answer.
        """
        if headers.get(HEADER_ERROR) != CLOCK_SKEW:
            return False
        text = headers.get(HEADER_SERVER_TIME) or ""
        if not (text.isascii() and text.isdigit() and len(text) <= 15):
            return False
        millis = int(text)
        if millis > _MAX_TIME * 1000:
            return False
        offset = millis / 1000 - self._now()
        if abs(offset) > _MAX_CORRECTION:
            return False
        self._offset = offset
        return True


def _base(profile: Profile, message: Message, params: str) -> str:
    """Returns the signature base of RFC 9421, section 2.5: what is signed."""
    covered = [("strata-audience", message.audience)]
    if profile is REQUEST:
        covered = [
            ("@method", message.method),
            ("@path", message.path),
            ("content-type", message.content_type),
            ("content-digest", message.digest),
            *covered,
        ]
    lines = []
    for name, value in covered:
        if not _plain(value):
            raise ValueError(
                f"{name} can not be signed: "
                f"want 1 to {_MAX_HEADER_BYTES} printable characters of ASCII"
            )
        lines.append(f'"{name}": {value}\n')
    return "".join(lines) + f'"@signature-params": {params}'


def _plain(value: str) -> bool:
    return (
        0 < len(value) <= _MAX_HEADER_BYTES
        and value.isascii()
        and value.isprintable()
        and value.strip() == value
    )


def _well_formed(access_key: str) -> bool:
    return (
        len(access_key) == _ACCESS_KEY_LENGTH
        and access_key.startswith(_ACCESS_PREFIX)
        and _FINGERPRINT_LETTERS.issuperset(access_key[len(_ACCESS_PREFIX) :])
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
