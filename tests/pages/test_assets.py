"""Files that the browser is sent: the chart library is the one that plotly.py is made for."""

from __future__ import annotations

import re

from plotly.offline import get_plotlyjs_version

from pages.ui import assets


def test_the_chart_library_is_of_the_version_that_plotly_is_made_for() -> None:
    head = assets.PLOTLY.read_text("utf-8")[:500]
    found = re.search(r"plotly\.js \(cartesian - minified\) v([\d.]+)", head)
    assert found is not None and found[1] == get_plotlyjs_version()


def test_its_licence_stands_beside_it() -> None:
    assert "MIT" in (assets.PLOTLY.parent / "plotly-LICENSE.txt").read_text("utf-8")


def test_no_private_function_of_it_is_patched() -> None:
    source = (assets.PLOTLY.parent / "view.js").read_text("utf-8")
    assert "PlotSchema" not in source
