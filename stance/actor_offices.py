"""Whose office a description names: "Russlands Präsident", "der Kreml-Chef", "die Außenministerin".

An office is a state, where the words tell it, and a function. Two descriptions of offices of two
states mean two persons; a description of the office that somebody was introduced with means that
person. The states, their capitals and adjectives are those of a gazetteer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stance.gazetteer import KnownActor

HEADS_OF_STATE = frozenset(["präsident", "staatschef", "staatspräsident", "machthaber", "chef"])
HEADS_OF_GOVERNMENT = frozenset(
    [
        "ministerpräsident",
        "regierungschef",
        "premier",
        "premierminister",
        "kanzler",
        "bundeskanzler",
    ]
)
_ELSEWHERE = ("in", "aus", "nach", "bei", "für", "gegen", "mit", "zu")
"""A state after these is not the one whose office it is."""


@dataclass(frozen=True)
class Office:
    """An office: the name of the state, None where it is not told, and the function in lower case
    and without endings of gender and case ("präsident")."""

    state: str | None
    function: str

    def is_same(self, other: Office) -> bool:
        """Whether both are the same office of the same state; False where a state is not told."""
        return self.state is not None and self.state == other.state and self.is_like(other)

    def is_like(self, other: Office) -> bool:
        """Whether the functions are the same, or names for the head of a state or a government."""
        return self.function == other.function or any(
            {self.function, other.function} <= names
            for names in (HEADS_OF_STATE, HEADS_OF_GOVERNMENT)
        )

    def is_of_another_state(self, other: Office) -> bool:
        """Whether both states are told and differ."""
        return None not in (self.state, other.state) and self.state != other.state


def read_office(description: str, states: Sequence[KnownActor]) -> Office | None:
    """The office that a description without a person's name names; None without any word."""
    words = description.split()
    if not words:
        return None
    state: KnownActor | None = None
    for before, word in zip(["", *words[:-1]], words, strict=True):
        if before.lower() not in _ELSEWHERE:
            state = state or _find_state(word, states)
    function = words[-1]
    prefix, hyphen, rest = function.rpartition("-")
    if hyphen and _find_state(prefix, states):
        function = rest
    elif state is not None:  # "Kremlchef"
        for name in state.names:
            if function.startswith(name) and _normalise(function[len(name) :]) in HEADS_OF_STATE:
                function = function[len(name) :]
    return Office(None if state is None else state.name, _normalise(function))


def _find_state(word: str, states: Sequence[KnownActor]) -> KnownActor | None:
    parts = [part for part in word.split("-") if part]
    for state in states:
        adjective = state.adjective
        if adjective and re.fullmatch(f"{re.escape(adjective)}(e[mnrs]?)?", word.lower()):
            return state
        for name in state.names:
            if word in (name, f"{name}s") or (len(parts) > 1 and parts[0] == name):
                return state
            rest = word[len(name) :]
            if word.startswith(name) and _normalise(rest) in HEADS_OF_STATE:
                return state
    return None


def _normalise(function: str) -> str:
    """In lower case, without "-in" or "-innen" and the endings of the cases."""
    word = function.lower()
    if word.endswith(("in", "innen")):
        word = re.sub("in(nen)?$", "", word)
    return re.sub("(?<=.{4})(en|es|s)$", "", word)
