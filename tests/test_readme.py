"""The README tells the truth: its table, its example, its paths and its commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.make_readme import README, rewritten
from snn_core.activations import ACTIVATIONS

ROOT = Path(__file__).resolve().parents[1]
TEXT = README.read_text("utf-8")


def test_the_table_of_activations_is_what_the_script_makes() -> None:
    assert rewritten(TEXT) == TEXT, "run `make readme`"


def test_the_table_has_a_row_for_every_activation() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, flags=re.MULTILINE)
    assert rows == list(ACTIVATIONS)


def said(example: str) -> str:
    """Returns what an example of the README prints."""
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_in_ten_lines_runs() -> None:
    example, proofs, training = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) <= 10
    printed = said(example)
    assert "The fixed point at mean 0 and variance 1 is attracting" in printed
    assert "{'seeds': '16'}" in printed
    printed = said(proofs)
    assert printed.startswith("True 0.0037") and "Refuted" in printed and "repelling" in printed
    assert said(training).startswith("Learned: validation accuracy")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./]+(?:/|\.\w+))`", TEXT))))
def test_every_path_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)
    assert pictures and all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)


def test_every_page_is_told() -> None:
    pages = {p.parent.name for p in ROOT.glob("pages/*/page.py")}
    (section,) = re.findall(r"## What the pages answer\n(.*?)\n## ", TEXT, flags=re.DOTALL)
    told = re.findall(r"^\| ([\w ]+) \| \w", section, flags=re.MULTILINE)[1:]
    assert {name.lower().replace(" ", "_") for name in told} == pages


def test_every_make_target_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"\bmake (\w+)", TEXT.split("## Licence")[0])) - {"it"}
    assert named and named <= targets


def test_torch_is_pinned_alike_everywhere() -> None:
    (pin,) = re.findall(r"^torch==\S+$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pin in TEXT
