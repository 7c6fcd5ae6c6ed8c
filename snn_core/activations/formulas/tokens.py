"""A formula's text as tokens, each with its place, in one spelling."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from snn_core.activations.formulas.functions import CALLABLE, CONSTANTS
from snn_core.tables import nearest

__all__ = ["LONGEST", "Refused", "Token", "readable", "tokenize"]

LONGEST = 200  # characters after the equals sign
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*|π)|(?P<sign>\*\*|<=|>=|[-+*/^(),<>≤≥])"
    r"|(?P<space>\s+)|(?P<other>.)"
)
_TYPED = str.maketrans("−–·×", "--**")
_SPELLED = {
    "x": "z", "π": "pi", "^": "**", "≤": "<=", "≥": ">=", "minimum": "min", "maximum": "max",
}  # fmt: skip
_READABLE = (("**", "^"), ("*", "·"), ("-", "−"), (",", ", "), ("<=", "≤"), (">=", "≥"),
             ("<", " < "), (">", " > "), ("≤", " ≤ "), ("≥", " ≥ "))  # fmt: skip
_KNOWN = ("z", *CONSTANTS, *sorted(CALLABLE))
_OTHERWISE = {
    "if": "Use where(z > 0, a, b).",
    "ln": "The natural logarithm is log.",
    "pow": "Write a power as z**2.",
    "square": "Write a square as z**2.",
    "lambda": "Write its number.",
    "alpha": "Write its number; SELU's alpha is 1.6732632423543772.",
    "scale": "Write its number; SELU's scale is 1.0507009873554805.",
}


class Refused(Exception):
    """Why a text is not a formula, and at which character, from 1; 0 is the whole formula."""

    def __init__(self, place: int, sentence: str) -> None:
        super().__init__(place, sentence)
        self.place, self.sentence = place, sentence


class Token(NamedTuple):
    """A number, word or sign as it is spelled, and the character at which it begins, from 1."""

    kind: str
    text: str
    place: int


def tokenize(typed: str) -> list[Token]:
    """Returns the formula's tokens: z for x, ** for ^, and so on.

    Between them values and operators alternate, so that only brackets may still be wrong.

    Raises:
        Refused: It is empty or too long, has an unknown sign or name, or an operator or a value
            is missing.
    """
    if len(typed) > LONGEST:
        raise Refused(0, f"it has {len(typed)} characters, at most {LONGEST} are allowed.")
    found = [
        _token(each.lastgroup or "", each.group(), typed, each.start())
        for each in _TOKEN.finditer(typed.translate(_TYPED))
        if each.lastgroup != "space"
    ]
    for before, token in pairwise([Token("sign", "", 0), *found, Token("end", "", 0)]):
        _check_neighbours(before, token)
    length = sum(len(token.text) for token in found)
    if length > LONGEST:  # in a link it stands as it is spelled
        raise Refused(0, f"it has {length} characters where ^ is written **, at most "
                      f"{LONGEST} are allowed.")  # fmt: skip
    return found


def readable(spelled: str, longest: int = 0) -> str:
    """Returns the formula as it is shown, cut to ``longest`` characters where that is not 0.

    Without signs that Markdown or HTML would take for its own.

    >>> readable("where(z>0,z,2*z**3)")
    'where(z > 0, z, 2·z^3)'
    """
    for plain, nice in _READABLE:
        spelled = spelled.replace(plain, nice)
    return spelled if not 0 < longest < len(spelled) else f"{spelled[: longest - 1]}…"


def _token(kind: str, text: str, typed: str, start: int) -> Token:
    if kind == "other" and typed[start] in "=!":
        raise Refused(start + 1, "compare with <, <=, > or >=.")
    if kind == "other":
        said = f"{typed[start]!r} has no meaning here. Signs are + - * / ** ( ) , < >."
        raise Refused(start + 1, said)
    text = _SPELLED.get(text, text)
    if kind == "word" and text not in _KNOWN:
        raise Refused(start + 1, _unknown(text))
    return Token(kind, re.sub(r"^0+(?=[0-9])", "", text), start + 1)


def _unknown(word: str) -> str:
    shown = word if len(word) <= 30 else f"{word[:27]}..."
    if word.lower() in _OTHERWISE:
        return f"{shown!r} is not known here. {_OTHERWISE[word.lower()]}"
    hint = nearest(word, _KNOWN)
    return f"{shown!r} is not known here.{hint} Known: {', '.join(_KNOWN)}."


def _check_neighbours(before: Token, token: Token) -> None:
    """Refuses a missing operator or a missing value, at its place."""
    last, new, place = before.text, token.text, token.place
    ends_value = before.kind != "sign" or last == ")"
    begins_value = token.kind in ("number", "word") or new == "("
    if ends_value and begins_value and not (last in CALLABLE and new == "("):
        if last in CALLABLE:
            raise Refused(place, f"{last} has its argument in brackets, as in {last}(z).")
        said = f"an operator is missing between {last!r} and {new!r}, as in 2*z."
        raise Refused(place, said)
    if ends_value or begins_value or new in ("+", "-"):
        return
    if token.kind == "end":
        said = f"it ends after {last!r}" if last else "it is empty"
        raise Refused(0, f"{said}. An example: 1.6*tanh(z).")
    after = f"after {last!r}" if last else "at the beginning"
    raise Refused(place, f"{after} a number, z or a function has to follow, not {new!r}.")
