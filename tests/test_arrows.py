"""Which module may import which: the architecture, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from app import PAGES

ROOT = Path(__file__).resolve().parents[1]

# A module of snn_core imports lower ranks only; modules of one rank are strangers.
RANKS = {
    "tables": 0,
    "wording": 0,
    "gaussian": 0,
    "jobs": 0,
    "activations": 1,
    "initializers": 1,
    "constraints": 1,
    "normalizations": 1,
    "datasets": 1,
    "spec": 2,
    "cost": 3,
    "network": 3,
    "statistics": 3,
    "theory": 3,
    "propagate": 4,
    "train": 5,
    "probes": 5,
    "sweep": 6,
    "export": 7,
}
# The same inside the package spec; inside other packages every module may import every other.
SPEC_RANKS = {
    "knobs": 0,
    "network": 1,
    "training": 1,
    "plan": 2,
    "experiment": 3,
    "codec": 4,
    "arms": 5,
}
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
    """app -> pages.ui; pages/<section> -> pages.ui, snn_core; pages.ui -> snn_core.

    A script directly in pages/ is an address and knows app only.
    """
    name = ".".join(here[:3])
    if here[0] == "pages" and len(here) == 2:
        return "" if there[0] == "app" else f"{name} may import app only"
    if name == "pages.ui.figures" and there[0] == "streamlit":
        return f"{name} may not import streamlit"
    if name == "app" and there[0] == "snn_core":
        return "app may not import snn_core; ask pages.ui"
    if there[0] == "pages" and there[1:2] != ["ui"]:  # app.py reaches the pages by their paths
        return f"{name} may not import {'.'.join(there[:3])}; of pages only pages.ui"
    return f"{name} may not import {there[0]}" if there[0] in {"app", *ASIDE} else ""


def _inside_core(here: list[str], there: list[str]) -> str:
    if there[0] in {*FRONT_ENDS, "app", "pages", *ASIDE}:
        return f"snn_core may not import {there[0]}"
    if there[0] != "snn_core" or here == ["snn_core"]:  # the public face imports everything
        return ""
    if len(there) == 1:
        return "import from the module that has the name, not from the public face"
    if here[1] == there[1]:
        return _inside_spec(here[2:], there[2:]) if here[1] == "spec" else ""
    return _by_rank(here[1], there[1], RANKS)


def _inside_spec(here: list[str], there: list[str]) -> str:
    if not here:  # the package's own face
        return ""
    return _by_rank(here[0], there[0] if there else "__init__", SPEC_RANKS)


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


def test_a_script_directly_in_pages_is_the_address_of_a_page_and_runs_the_app() -> None:
    """On a server that has not run app.py yet Streamlit runs pages/*.py in its place."""
    first, *others = PAGES
    found = {p.stem.partition("_")[2]: p for p in (ROOT / "pages").glob("*.py")}
    assert set(found) == set(others) and PAGES[first]
    for path in found.values():
        _, *body = ast.parse(path.read_text("utf-8")).body  # after the docstring
        assert [ast.unparse(node) for node in body] == ["from app import main", "main()"]


def test_every_page_that_the_app_names_exists() -> None:
    tree = ast.parse((ROOT / "app.py").read_text("utf-8"))
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    named = {t for t in texts if isinstance(t, str) and t.startswith("pages/") and t[-3:] == ".py"}
    sections = ROOT.glob("pages/*/*.py")
    there = {str(p.relative_to(ROOT)) for p in sections if p.parent.name != "ui"}
    assert named == {p for p in there if not p.endswith("__init__.py")}


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("snn_core.theory.maps", "from snn_core.network import build", "(same rank)"),
        ("snn_core.tables", "import snn_core.spec.codec", "(higher rank)"),
        ("snn_core.tables", "def f():\n    from . import sweep", "sweep (higher rank)"),
        ("snn_core.spec.plan", "from snn_core.spec.codec import x", "codec (higher rank)"),
        ("snn_core.activations.elu", "from snn_core import constraints", "(same rank)"),
        ("snn_core.network", "import streamlit as st", "snn_core may not import streamlit"),
        ("snn_core.theory.maps", "from plotly import express", "may not import plotly"),
        ("snn_core.propagate", "from snn_core.news import x", "give news a rank"),
        ("snn_core.theory.maps", "from pages.ui import x", "snn_core may not import pages"),
        ("pages.ui.figures", "import streamlit", "figures may not import streamlit"),
        ("pages.ui.state", "from pages.explore import propagate", "may not import pages.explore"),
        ("pages.explore.propagate", "import app", "may not import app"),
        ("pages.1_map", "import snn_core", "may import app only"),
        ("pages.explore.propagate", "from pages.train import arena", "not import pages.train"),
        ("app", "import snn_core as snn", "app may not import snn_core"),
        ("snn_core.sweep", "import snn_core as snn", "not from the public face"),
        ("snn_core.spec.knobs", "from snn_core.spec import knob", "give knob a rank"),
    ],
)
def test_an_arrow_that_points_upwards_is_named(module: str, source: str, said: str) -> None:
    assert any(said in line for line in complaints(module, imports(source, module)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("snn_core.propagate", "from snn_core.network import build\nfrom .theory import maps"),
        ("snn_core.spec.codec", "from snn_core.spec.knobs import knob\nimport numpy"),
        ("snn_core.activations.elu", "from snn_core.activations.activation import Activation"),
        ("pages.ui.figures", "import plotly.graph_objects as go\nimport snn_core as snn"),
        ("pages.explore.propagate", "from pages.ui import state\nimport streamlit as st"),
        ("app", "from pages.ui import state"),
        ("snn_core", "from snn_core.sweep import run\nfrom snn_core.tables import pick"),
    ],
)
def test_an_arrow_that_points_downwards_passes(module: str, source: str) -> None:
    assert complaints(module, imports(source, module)) == []
