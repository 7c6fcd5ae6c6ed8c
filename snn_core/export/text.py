"""Tables as CSV text, and names in them that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["csv_text", "plain"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]], line_end: str = "\n") -> str:
    """Returns the table with a header, quoted as RFC 4180 has it; floats to the last digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def plain(name: str) -> str:
    """Returns the name as a spreadsheet takes it for text."""
    return f"'{name}" if name.startswith(_FORMULA) else name
