"""A formula's text cut into words, with the place of each, and refused where one is wrong."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from snn_core.activations.formulas.functions import CALLABLE, CONSTANTS
from snn_core.tables import nearest

__all__ = ["LONGEST", "Text", "cut", "refusal"]

LONGEST = 200  # characters after the equals sign
VARIABLES = ("z", "x")
_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|<=|>=|[-+*/^(),<>≤≥])",
    re.ASCII,
)
_TYPED = str.maketrans({"−": "-", "–": "-", "·": "*", "×": "*"})
_SPELLED = {"x": "z", "^": "**", "≤": "<=", "≥": ">=", "minimum": "min", "maximum": "max"}
_KNOWN = (*VARIABLES[:1], *CONSTANTS, *sorted(CALLABLE))
_OTHERWISE = {
    "if": "Use where(z > 0, a, b).",
    "ln": "The natural logarithm is log.",
    "pow": "Write a power as z**2.",
    "square": "Write a square as z**2.",
    "lambda": "Write its number.",
    "alpha": "Write its number; SELU's alpha is 1.6732632423543772.",
    "scale": "Write its number; SELU's scale is 1.0507009873554805.",
}


@dataclass(frozen=True)
class Text:
    """A formula in canonical spelling, and where its words stood in what was typed.

    Attributes:
        typed: What a person wrote, without the equals sign.
        spelled: The same without spaces, z for x, ** for ^.
        places: Where each word begins, ``(in spelled, in typed)``.
    """

    typed: str
    spelled: str
    places: tuple[tuple[int, int], ...]

    def place(self, index: int) -> int:
        """Returns the place in ``typed`` of one in ``spelled``, from 1."""
        starts = [start for start, _ in self.places]
        at = max(bisect_right(starts, index) - 1, 0)
        return self.places[at][1] + 1


def refusal(typed: str, place: int, sentence: str) -> ValueError:
    """Returns the error about a place, from 1, in a formula; 0 is the formula as a whole."""
    shown = typed if len(typed) <= 60 else f"{typed[:57]}..."
    where = f", character {place}" if place else ""
    return ValueError(f"Formula {shown!r}{where}: {sentence}")


def cut(typed: str) -> Text:
    """Returns the formula's words in canonical spelling.

    Raises:
        ValueError: It is empty or too long, has an unknown sign or name, or two neighbours or
            brackets that do not go together.
    """
    if len(typed) > LONGEST:
        raise refusal(typed, 0, f"it has {len(typed)} characters, at most {LONGEST} are allowed.")
    words: list[tuple[str, str, int]] = []
    line, place = typed.translate(_TYPED), 0
    while place < len(line):
        if line[place].isspace():
            place += 1
            continue
        kind, word, length = _next(typed, line, place)
        words.append((kind, word, place))
        place += length
    _check_order(typed, words)
    _check_brackets(typed, words)
    spelled, places = "", []
    for _, word, at in words:
        places.append((len(spelled), at))
        spelled += word
    if len(spelled) > LONGEST:  # in a link it stands as it is spelled
        raise refusal(typed, 0, f"it has {len(spelled)} characters where ^ is written **, at most "
                      f"{LONGEST} are allowed.")  # fmt: skip
    return Text(typed, spelled, tuple(places))


def _next(typed: str, line: str, place: int) -> tuple[str, str, int]:
    """Returns the kind of the word that begins here, its spelling, and its length as typed."""
    if line[place] == "π":
        return "word", "pi", 1
    found = _TOKEN.match(line, place)
    if not found:
        sign = typed[place]
        if sign in "=!":
            raise refusal(typed, place + 1, "compare with <, <=, > or >=.")
        raise refusal(
            typed, place + 1, f"{sign!r} has no meaning here. Signs are + - * / ** ( ) , < >."
        )
    kind, word = found.lastgroup or "", found.group()
    if kind == "word" and word not in (*_KNOWN, "x"):
        raise refusal(typed, place + 1, _unknown(word))
    if kind == "number":
        word = re.sub(r"^0+(?=\d)", "", word)
    return kind, _SPELLED.get(word, word), len(found.group())


def _unknown(word: str) -> str:
    shown = word if len(word) <= 30 else f"{word[:27]}..."
    if word.lower() in _OTHERWISE:
        return f"{shown!r} is not known here. {_OTHERWISE[word.lower()]}"
    hint = nearest(word, _KNOWN)
    return f"{shown!r} is not known here.{hint} Known: {', '.join(_KNOWN)}."


def _check_order(typed: str, words: Sequence[tuple[str, str, int]]) -> None:
    """Refuses what has a missing operator or a missing value, at its place."""
    before = ""  # the last word, where a value has to follow it
    for index, (kind, word, place) in enumerate(words):
        value_follows = index == 0 or before != ""
        begins = kind != "sign" or word == "("
        if not value_follows and begins:
            last = words[index - 1][1]
            if last not in CALLABLE:
                said = f"an operator is missing between {last!r} and {word!r}, as in 2*z."
                raise refusal(typed, place + 1, said)
            if word != "(":
                said = f"{last} has its argument in brackets, as in {last}(z)."
                raise refusal(typed, place + 1, said)
        if value_follows and not begins and word not in "+-":
            after = f"after {before!r}" if before else "at the beginning"
            raise refusal(
                typed, place + 1, f"{after} a number, z or a function has to follow, not {word!r}."
            )
        before = word if kind == "sign" and word != ")" else ""
    if not words or before:
        what = f"it ends after {before!r}" if before else "it is empty"
        raise refusal(typed, 0, f"{what}. An example: 1.6*tanh(z).")


def _check_brackets(typed: str, words: Sequence[tuple[str, str, int]]) -> None:
    opened: list[int] = []
    for _, word, place in words:
        if word == "(":
            opened.append(place)
        elif word == ")" and not opened:
            raise refusal(typed, place + 1, "this bracket closes none.")
        elif word == ")":
            opened.pop()
    if opened:
        raise refusal(typed, opened[-1] + 1, "this bracket is never closed.")
