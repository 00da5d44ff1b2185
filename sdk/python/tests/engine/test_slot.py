"""From a key to a slot."""

from __future__ import annotations

import math
import random
from collections import Counter
from decimal import Decimal
from enum import IntEnum, StrEnum

import pytest

from strata._engine import SLOTS, key_of, key_text, slot


def test_known_answer() -> None:
    assert slot("click_exp_2024", "user_12345") == 7622


class Text(str):
    def __str__(self) -> str:
        raise AssertionError("its own code is run")

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("its own code is run")


class Color(StrEnum):
    RED = "red"


class Number(IntEnum):
    SEVEN = 7


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("user", "user"),
        ("", None),
        (" ", " "),
        (12, "12"),
        (12.0, "12"),
        (-0.0, "0"),
        (-7, "-7"),
        (2**53 - 1, "9007199254740991"),
        (2**53, None),
        (-(2**53), None),
        (float(2**53), None),
        (10**400, None),
        (0.5, None),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        (False, None),
        (None, None),
        ([], None),
        ({}, None),
        (b"user", None),
        (Decimal(12), None),
        (Text("user"), "user"),
        (Color.RED, "red"),
        (Number.SEVEN, "7"),
        ("a\ud800", "a\ufffd"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
)
def test_key_text(value: object, key: str | None) -> None:
    assert key_text(value) == key
    assert key_of({"user_id": value}, "user_id") == key
    assert type(key_text(value)) in (str, type(None))


def test_lone_surrogates_are_hashed_as_replacement_characters() -> None:
    assert slot("s", "a\ud800b") == slot("s", "a\ufffdb")


def test_slots_are_uniform() -> None:
    draws = 200_000
    counts = Counter(slot("salt", f"user_{i}") * 100 // SLOTS for i in range(draws))
    expected = draws / 100
    chi2 = sum((counts[i] - expected) ** 2 / expected for i in range(100))
    # 99 degrees of freedom: larger than this once in 10^6 salts, and this is one salt.
    assert chi2 < 175


def test_salts_are_independent() -> None:
    both = Counter(
        (slot("one", f"u{i}") * 10 // SLOTS, slot("two", f"u{i}") * 10 // SLOTS)
        for i in range(100_000)
    )
    chi2 = sum((both[i, j] - 1000) ** 2 / 1000 for i in range(10) for j in range(10))
    assert chi2 < 175


def test_salt_and_key_are_kept_apart() -> None:
    r = random.Random(1)
    texts = ["".join(r.choices("ab", k=8)) for _ in range(50)]
    assert any(slot(t[:3], t[3:]) != slot(t[:4], t[4:]) for t in texts)
    assert slot("ab", "c") != slot("a", "bc")
