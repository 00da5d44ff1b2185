"""Keys and signatures, against the vectors that all SDKs share."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from http.client import HTTPMessage
from typing import Any

import pytest
from support import ROOT, Owner

from strata._accesskey import REQUEST, SESSION, Key, Message, Signer, digest, parse_key

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (ROOT / "sdk" / "conformance" / "signatures" / "vectors.json").read_text()
)


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda v: v["access_key"])
def test_keys(vector: dict[str, Any]) -> None:
    for access_key in ("", vector["access_key"], f" {vector['access_key']}\n"):
        key = parse_key(access_key, vector["secret_key"])
        assert key.access_key == vector["access_key"]
        assert key.public_key.hex() == vector["public_key_hex"]
    assert Owner(bytes.fromhex(vector["seed_hex"])).secret == vector["secret_key"]


@pytest.mark.parametrize("vector", VECTORS["refused_keys"], ids=lambda v: v["name"])
def test_refused_keys(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        parse_key(vector["access_key"], vector["secret_key"])
    shown: BaseException | None = refused.value
    while shown is not None:
        for secret in (vector["secret_key"], vector["access_key"]):
            assert not secret.startswith("ssk_") or secret[4:20] not in str(shown)
        shown = None if shown.__suppress_context__ else shown.__cause__ or shown.__context__


@pytest.mark.parametrize("vector", VECTORS["signatures"], ids=lambda v: v["name"])
def test_signatures(vector: dict[str, Any]) -> None:
    request = vector["request"]
    headers = {name: values[0] for name, values in request["headers"].items()}
    profile = {p.tag: p for p in (REQUEST, SESSION)}[vector["profile"]]
    message = Message(vector["audience"])
    if profile is REQUEST:
        content_digest = digest(bytes.fromhex(request["content_hex"]))
        assert content_digest == headers["Content-Digest"]
        message = Message(
            vector["audience"],
            request["method"],
            request["path"],
            headers["Content-Type"],
            content_digest,
        )
    signature = Key(bytes.fromhex(vector["seed_hex"])).sign(
        profile, vector["created"], vector["expires"], message, vector.get("nonce", "")
    )
    assert signature.base == vector["signature_base"]
    assert signature.input == headers["Signature-Input"]
    assert signature.value == headers["Signature"]


@pytest.mark.parametrize(
    ("created", "expires", "message"),
    [
        (-1, 10, Message("a")),
        (10, 10, Message("a")),
        (10, 1000, Message("a")),
        (253402300799, 253402300800, Message("a")),
        (10, 20, Message("")),
        (10, 20, Message("a\nb")),
        (10, 20, Message(" a")),
        (10, 20, Message("a" * 1025)),
        (10, 20, Message("ä")),
    ],
)
def test_what_can_not_be_signed(created: int, expires: int, message: Message) -> None:
    with pytest.raises(ValueError, match=r"expires|signed"):
        Owner().key.sign(SESSION, created, expires, message)


def test_a_secret_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    owner = Owner()
    key = parse_key("", owner.secret)
    logging.getLogger("test").warning("%s %r", key, {"key": key})
    shown = f"{key} {key!r} {[key]} {Signer(key, 'a')!r} {caplog.text}"
    assert key.access_key in shown
    for secret in (owner.secret, owner.seed.hex(), repr(owner.seed)):
        assert secret not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        copy.deepcopy(key)


def skewed(millis: str) -> HTTPMessage:
    headers = HTTPMessage()
    headers["strata-auth-error"] = "clock_skew"
    headers["Strata-Server-Time"] = millis
    return headers


def test_a_session_is_used_again_until_shortly_before_its_end() -> None:
    now = 1000.0
    signer = Signer(Owner().key, "data-plane", lambda: now)

    def session() -> str:
        return signer.headers(SESSION, "POST", "/", "t", b"")["Signature-Input"]

    first = session()
    assert ";created=1000;expires=1600;" in first
    now = 1539
    assert session() == first
    now = 1540
    second = session()
    assert ";created=1540;expires=2140;" in second
    now = 1400  # the clock was set back
    assert ";created=1400;" in session()
    assert signer.correct(skewed("5000000"))
    assert ";created=5000;" in session()


def test_a_request_is_signed_anew_each_time() -> None:
    signer = Signer(Owner().key, "data-plane", lambda: 1000.0)
    first, second = (signer.headers(REQUEST, "POST", "/p", "t", b"c") for _ in range(2))
    assert ";created=1000;expires=1060;" in first["Signature-Input"]
    assert first["Signature-Input"] != second["Signature-Input"]
    assert first["Content-Digest"] == digest(b"c")


@pytest.mark.parametrize(
    "millis", ["", "x", "-1", "1e3", str(1000_000 + 86_401_000), "9" * 15, "9" * 40, "٣"]
)
def test_what_a_server_says_of_the_time_is_bounded(millis: str) -> None:
    assert not Signer(Owner().key, "a", lambda: 1000.0).correct(skewed(millis))


def test_an_audience_that_can_not_be_signed() -> None:
    with pytest.raises(ValueError, match="audience"):
        Signer(Owner().key, "a b\n")
