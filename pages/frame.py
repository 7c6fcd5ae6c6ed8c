"""What every page stands in: the navigation, the style sheet, a word while the server starts."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import layout, warm_up

STYLE = Path(__file__).parent / "ui/page.css"
# Name in an address -> the page's script, its title. The first is the root's.
PAGES = {
    "propagate": ("propagate/page.py", "Propagate"),
    "map": ("moment_map/page.py", "Moment map"),
    "train": ("train/page.py", "Train"),
}


def style() -> None:
    """Brings the style sheet of all pages, with the first message.

    Not by `st.html`, whose code the browser has to fetch first: a phone's page was wider than its
    screen until then.
    """
    with st.container(key="page_style"):
        narrow = f"@media (max-width: 900px) {{ {layout.NARROW} }}"
        st.markdown(f"<style>{STYLE.read_text()}{narrow}</style>", unsafe_allow_html=True)


def main() -> None:
    """Sets up the frame, follows a root link to its page, and runs the page."""
    st.set_page_config(page_title="Self-normalizing networks", page_icon="〰️", layout="wide")
    pages = {
        name: st.Page(file, title=title, url_path=name, default=name == "propagate")
        for name, (file, title) in PAGES.items()
    }
    current = st.navigation(list(pages.values()), position="top")
    style()
    asked = st.query_params.get("page")
    if asked in pages and pages[asked] != current:
        rest = {k: v for k, v in st.query_params.to_dict().items() if k != "page"}
        st.switch_page(pages[asked], query_params=rest)
    with st.spinner("Loading PyTorch, once after the server's start"):
        warm_up.done()
    from pages.train import job  # now that torch is there

    if current != pages["train"]:
        with st.container(key="elsewhere"):
            job.page_link(pages["train"])
    current.run()
    job.clear_up()  # last, so that no plot waits for it
    warm_up.SHOWN.set()


main()
