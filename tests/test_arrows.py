"""Which module may import which: the architecture, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module of snn_core imports lower ranks only; modules of one rank are strangers.
RANKS = {
    "tables": 0,
    "wording": 0,
    "gaussian": 0,
    "cache": 0,
    "statistics": 0,
    "thinning": 0,
    "jobs": 1,
    "draws": 1,
    "activations": 1,
    "initializers": 1,
    "constraints": 1,
    "normalizations": 1,
    "datasets": 1,
    "settings": 2,
    "cost": 3,
    "network": 3,
    "theory": 3,
    "propagate": 4,
    "train": 5,
    "diagnosis": 6,
    "sweep": 6,
    "export": 7,
}
# The same inside these packages; inside others every module may import every other.
INSIDE_RANKS = {
    "settings": {
        "knobs": 0, "network": 1, "training": 1, "plan": 2, "experiment": 3, "codec": 4, "arms": 5,
    },
    "theory": {"moments": 0, "mean_field": 1, "certificates": 1},
}  # fmt: skip
# Outside the core: pages know ui and the core, never each other; the frame is above them.
# Inside a folder of pages a module imports lower ranks only.
PAGE_RANKS = {
    "propagate": {
        "cell_grid": 0, "contrast": 0, "text": 0, "figures": 0, "pin_figures": 1,
        "failures": 1, "training": 1, "downloads": 1, "opening": 1,
        "verdict": 2, "fan_in": 2, "grid": 3, "pins": 3, "tabs": 4, "live": 5, "page": 5,
    },
    "moment_map": {
        "designer": 0, "proofs": 0, "plane": 1, "text": 2, "figures": 3, "phase_figures": 4,
        "mean_field": 5, "live": 6, "page": 6,
    },
    "train": {
        "job": 0, "look": 0, "arm_traces": 0, "text": 0, "figures": 1, "layer_figures": 1,
        "downloads": 2, "tabs": 2, "transport": 2, "live": 3, "page": 4,
    },
    "ui": {
        "assets": 0, "page_link": 0, "page_settings": 0,
        "panels": 0, "visitor": 0,
        "chart": 1, "drawer": 1, "live": 1, "session": 1, "text": 1, "words": 1, "warm_up": 3,
        "formula": 2, "layout": 2, "notices": 2, "results": 2, "slider": 2, "views": 2,
        "setting": 3, "controls": 4,
    },
}  # fmt: skip
FRONT_ENDS = ("streamlit", "plotly")
ASIDE = ("tests", "benchmarks", "docs")


def imports(source: str, module: str, package: bool = False) -> list[str]:
    """Returns every dotted name that a source imports, anywhere in it, relative ones resolved."""
    found = []
    home = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            base = [*base, node.module] if node.module else base
            found += [".".join([*base, name.name]) for name in node.names]
    return found


def complaints(module: str, imported: Iterable[str]) -> list[str]:
    """Returns a sentence for every import that the architecture forbids to the module."""
    judge = _inside_core if module.split(".")[0] == "snn_core" else _outside_core
    found = (judge(module.split("."), name.split(".")) for name in imported)
    return sorted({f"{module}: {line}" for line in found if line})


def _outside_core(here: list[str], there: list[str]) -> str:
    """app -> pages.frame, pages.ui; a page -> pages.ui, snn_core; pages.ui -> snn_core."""
    name = ".".join(here[:3])
    if here[-1].endswith("figures") and there[0] == "streamlit":
        return f"{name} may not import streamlit"
    if name == "app" and there[0] == "snn_core":
        return "app may not import snn_core; ask pages.ui"
    if there[0] != "pages":
        return f"{name} may not import {there[0]}" if there[0] in {"app", *ASIDE} else ""
    if here[:2] == there[:2]:
        return _inside_pages(here, there)
    if there[1:2] != ["ui"] and name not in ("pages.frame", "app"):
        return f"{name} may not import {'.'.join(there[:3])}; of pages only pages.ui"
    return ""


def _inside_pages(here: list[str], there: list[str]) -> str:
    if len(there) < 3 or here[2:3] == there[2:3]:  # a package's own parts
        return ""
    return _by_rank(here[2], there[2], PAGE_RANKS[here[1]])


def _inside_core(here: list[str], there: list[str]) -> str:
    if there[0] in {*FRONT_ENDS, "app", "pages", *ASIDE}:
        return f"snn_core may not import {there[0]}"
    if there[0] != "snn_core" or here == ["snn_core"]:  # the public face imports everything
        return ""
    if len(there) == 1:
        return "import from the module that has the name, not from the public face"
    if here[1] == there[1]:
        return _inside_package(here[2:], there[2:], INSIDE_RANKS.get(here[1], {}))
    return _by_rank(here[1], there[1], RANKS)


def _inside_package(here: list[str], there: list[str], ranks: dict[str, int]) -> str:
    if not ranks or not here or here[:1] == there[:1]:  # its own face, or its own part
        return ""
    return _by_rank(here[0], there[0] if there else "__init__", ranks)


def _by_rank(here: str, there: str, ranks: dict[str, int]) -> str:
    for name in (here, there):
        if name not in ranks:
            return f"give {name} a rank in {Path(__file__).name}"
    if ranks[there] < ranks[here]:
        return ""
    relation = "same" if ranks[there] == ranks[here] else "higher"
    return f"{here} may not import {there} ({relation} rank)"


def sources() -> Iterator[tuple[str, bool, str]]:
    """Yields every module of the project: dotted name, whether it is a package, source."""
    files = [ROOT / "app.py", *sorted(ROOT.glob("snn_core/**/*.py"))]
    for path in [*files, *sorted(ROOT.glob("pages/**/*.py"))]:
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        package = parts[-1] == "__init__"
        yield ".".join(parts[:-1] if package else parts), package, path.read_text("utf-8")


def test_every_import_points_downwards() -> None:
    found = [
        line
        for module, package, source in sources()
        for line in complaints(module, imports(source, module, package))
    ]
    assert not found, "\n".join(found)


def test_every_module_of_the_core_has_a_rank() -> None:
    entries = [p for p in (ROOT / "snn_core").iterdir() if p.suffix == ".py" or p.is_dir()]
    names = {p.stem for p in entries} - {"__init__", "__pycache__"}
    missing = sorted(names - set(RANKS))
    assert not missing, f"give {', '.join(missing)} a rank in {Path(__file__).name}"


def test_every_module_of_the_pages_has_a_rank() -> None:
    for folder, ranks in PAGE_RANKS.items():
        entries = [p for p in (ROOT / "pages" / folder).iterdir() if p.name != "__pycache__"]
        names = {p.stem for p in entries if p.suffix == ".py" or any(p.glob("*.py"))} - {
            "__init__"
        }
        assert names == set(ranks)


def test_the_frame_names_every_page_and_nothing_else_stands_beside_it() -> None:
    """A script beside it would be taken for a page until it has run once."""
    tree = ast.parse((ROOT / "pages/frame.py").read_text("utf-8"))
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    named = {t for t in texts if isinstance(t, str) and t.endswith("page.py")}
    assert named == {str(p.relative_to(ROOT / "pages")) for p in ROOT.glob("pages/*/page.py")}
    assert [p.name for p in ROOT.glob("pages/*.py")] == ["frame.py"]


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("snn_core.theory.moments.maps", "from snn_core.network import build", "(same rank)"),
        ("snn_core.tables", "import snn_core.settings.codec", "(higher rank)"),
        ("snn_core.tables", "def f():\n    from . import sweep", "sweep (higher rank)"),
        ("snn_core.settings.plan", "from snn_core.settings.codec import x", "codec (higher rank)"),
        ("snn_core.activations.elu", "from snn_core import constraints", "(same rank)"),
        ("snn_core.network", "import streamlit as st", "snn_core may not import streamlit"),
        ("snn_core.theory.moments.maps", "from plotly import express", "may not import plotly"),
        ("snn_core.propagate", "from snn_core.news import x", "give news a rank"),
        ("snn_core.gaussian", "from pages.ui import x", "snn_core may not import pages"),
        ("pages.train.figures", "import streamlit", "figures may not import streamlit"),
        ("pages.ui.state", "from pages.propagate import page", "may not import pages.propagate"),
        ("pages.propagate.page", "import app", "may not import app"),
        ("pages.propagate.page", "from pages.train import job", "not import pages.train"),
        ("pages.propagate.text", "from pages.propagate import page", "page (higher rank)"),
        ("pages.ui.views", "from pages.ui import results", "results (same rank)"),
        ("app", "import snn_core as snn", "app may not import snn_core"),
        ("snn_core.sweep", "import snn_core as snn", "not from the public face"),
        ("snn_core.settings.knobs", "from snn_core.settings import knob", "give knob a rank"),
        ("snn_core.theory.moments.maps", "import snn_core.theory.mean_field.edge", "higher rank"),
    ],
)
def test_an_arrow_that_points_upwards_is_named(module: str, source: str, said: str) -> None:
    assert any(said in line for line in complaints(module, imports(source, module)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("snn_core.propagate", "from snn_core.network import build\nfrom .theory import maps"),
        ("snn_core.settings.codec", "from snn_core.settings.knobs import knob\nimport numpy"),
        ("snn_core.activations.elu", "from snn_core.activations.activation import Activation"),
        ("pages.train.figures", "import plotly.graph_objects as go\nimport snn_core as snn"),
        ("pages.propagate.page", "from pages.ui import state\nimport streamlit as st"),
        ("pages.propagate.page", "from pages.propagate import text"),
        ("pages.frame", "from pages.train import job"),
        ("app", "from pages.ui import state"),
        ("snn_core", "from snn_core.sweep import run\nfrom snn_core.tables import pick"),
    ],
)
def test_an_arrow_that_points_downwards_passes(module: str, source: str) -> None:
    assert complaints(module, imports(source, module)) == []
