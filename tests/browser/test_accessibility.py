"""Every page by WCAG 2.2 AA: axe-core's rules, the keyboard, narrow and wide screens, motion."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, expect

from tests.browser.charts import FIRST_PLOT, drawn, settled

OpenPage = Callable[..., Page]
LONG = 60_000  # ms
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What is not asked for, each with its reason. None of them is of WCAG; nothing of a page is left
# out, and no rule of WCAG.
NOT_ASKED = {
    "region": "Streamlit puts what floats (popovers, menus, tooltips) beside the landmarks.",
}
OPTIONS = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {"target-size": {"enabled": True}} | {rule: {"enabled": False} for rule in NOT_ASKED},
    "resultTypes": ["violations"],
}
SIZES = {390: 844, 1440: 900, 2560: 1440}
PROPAGATE = "/?width=16&depth=4&batch=16&seeds=2&initializer=he_normal&pin.a=depth%3D4"
TRAIN = "/?page=train&arms=2&data=moons&depth=3&width=16&seeds=2&b.activation=relu&steps=100000"
MAP = "/?page=map&width=16&depth=4&batch=16&seeds=2&activation=gelu"
WRONG = "&no_such_setting=1"  # the page warns of it
schemes = pytest.mark.parametrize("scheme", ["light", "dark"])
# Every width and both schemes; all six pairs would take twice the time.
looks = pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (1440, "dark"), (2560, "light")]
)
pages = pytest.mark.parametrize(
    "address", [PROPAGATE, TRAIN, MAP], ids=["propagate", "train", "map"]
)


def violations(page: Page, *parts: str) -> list[str]:
    """Returns what axe finds on the page as it is: rule, help, why, and the nodes' HTML.

    Of these parts alone, where any are named; it is an error if none of them is there.
    """
    still(page)
    found = page.evaluate(
        "async ([script, parts, options]) => {"
        " if (!window.axe) (0, eval)(script);"
        " const place = parts.length ? { include: parts.map(part => [part]) } : document;"
        " return (await axe.run(place, options)).violations; }",
        [AXE_SCRIPT, parts, OPTIONS],
    )
    return [
        "\n  ".join([f"{rule['id']}: {rule['help']}", *map(_node, rule["nodes"])])
        for rule in found
    ]


def _node(node: dict[str, Any]) -> str:
    why = " ".join(node["failureSummary"].split())
    return f"{node['html'][:400]}\n    {why}"


def still(page: Page) -> None:
    """Waits until nothing fades or slides: half transparent text has not its own contrast."""
    page.evaluate(
        "async () => { const moving = () => document.getAnimations().filter("
        " a => a.effect.getComputedTiming().endTime < 5000 && a.playState == 'running');"
        " for (let n = 0; moving().length && n < 50; n++)"
        "  await new Promise(done => setTimeout(done, 50)); }"
    )


def sideways(page: Page) -> list[str]:
    """Returns what can be scrolled sideways, and by how much."""
    places = (
        "document.scrollingElement",
        "document.querySelector('main')",
        "document.querySelector('[data-testid=stMain]')",
    )
    beyond = {p: page.evaluate(f"{p}.scrollWidth - {p}.clientWidth") for p in places}
    return [f"{place} by {pixels} px" for place, pixels in beyond.items() if pixels > 0]


class Inspection:
    """Collects what is violated in the states that a page is brought into.

    A state that differs from one before by a part alone is looked at in that part.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: dict[str, list[str]] = {}

    def look(self, state: str, *parts: str) -> None:
        """Notes the violations of this state that no earlier one had."""
        settled(self.page)
        caption = self.page.get_by_test_id("stCaptionContainer").first
        expect(caption).to_have_css("opacity", "0.75", timeout=LONG)  # the style sheet is there
        self.glance(state, *parts)

    def glance(self, state: str, *parts: str) -> None:
        """As `look`, while scripts may run."""
        known = {each for found in self.found.values() for each in found}
        found = violations(self.page, *parts) + sideways(self.page)
        if new := [each for each in found if each not in known]:
            self.found[state] = new

    def popovers(self) -> None:
        """Looks into every popover, and with the first of them open at the page around it."""
        buttons = self.page.get_by_test_id("stPopoverButton").locator("visible=true").all()
        for index, button in enumerate(buttons):
            name = button.inner_text().partition("\n")[0]
            button.click()
            expect(self.page.get_by_test_id("stPopoverBody")).to_be_visible()
            self.look(f"popover {name}", *(["[data-testid=stPopoverBody]"] if index else []))
            self.page.keyboard.press("Escape")
            expect(self.page.get_by_test_id("stPopoverBody")).to_have_count(0)

    def expanders(self, *parts: str) -> None:
        """Opens every expander, and looks at these parts of the page with all of them open."""
        for summary in self.page.locator(".stExpander summary").all():
            summary.click()
            inside = summary.locator("xpath=..").get_by_test_id("stElementContainer")
            expect(inside.first).to_be_visible()  # it is built when it is asked for
        self.look("expanders", *parts)

    def selectbox(self) -> None:
        """Opens the first selectbox."""
        field = self.page.get_by_role("combobox").first
        field.scroll_into_view_if_needed()
        self.page.wait_for_timeout(500)  # whatever scrolls closes the list
        field.click()
        expect(self.page.get_by_role("listbox")).to_be_visible()
        self.look("selectbox", "[role=listbox]", ".stSelectbox")
        self.page.keyboard.press("Escape")

    def help(self) -> None:
        """Looks at a widget's help, which floats while the pointer is over its mark."""
        self.page.get_by_test_id("stTooltipIcon").locator("visible=true").first.hover()
        expect(self.page.get_by_test_id("stTooltipContent").first).to_be_visible()
        self.look("help", "[data-testid=stTooltipContent]")
        self.page.mouse.move(0, 0)

    def tabs(self) -> None:
        """Opens one tab after the other."""
        for tab in self.page.get_by_role("tab").all():
            tab.click()
            expect(tab).to_have_attribute("aria-selected", "true")
            figure = self.page.get_by_role("tabpanel").locator(
                ".plotly-view[role=img], [data-testid=stBidiComponentIsolated], table, .stButton"
            )
            expect(figure.first).to_be_visible(timeout=LONG)
            self.look(f"tab {tab.inner_text()}", "[role=tablist]", "[role=tabpanel]")

    def report(self) -> None:
        """Fails where anything was found."""
        said = [f"{state}\n  " + "\n  ".join(found) for state, found in self.found.items()]
        assert not said, "\n\n".join(said)


def opened(page: Page, address: str) -> None:
    page.goto(address)
    if "page=train" in address:
        curves = page.locator(".st-key-curves .plotly-view[role=img]")
        expect(curves).to_have_attribute("aria-label", re.compile("step 0"), timeout=FIRST_PLOT)
    elif "page=map" in address:
        plane = page.locator(".st-key-plane .js-plotly-plot .xtick")
        expect(plane.first).to_be_attached(timeout=FIRST_PLOT)
        settled(page)
        return
    else:
        drawn(page)
        expect(page.locator(".st-key-verdict")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("tabpanel").locator(".plotly-view[role=img]").first).to_be_attached(
        timeout=LONG
    )
    settled(page)


@looks
@pages
def test_no_rule_is_violated(open_page: OpenPage, address: str, width: int, scheme: str) -> None:
    page = open_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme)
    opened(page, address + WRONG)
    expect(page.get_by_test_id("stAlert")).to_be_visible()
    inspection = Inspection(page)
    inspection.look("opened, with a warning")
    if width == max(SIZES):  # as at 1440, in colours that 390 has: only more room
        inspection.tabs()
        inspection.expanders()
        inspection.report()
        return
    inspection.popovers()
    inspection.tabs()
    drawer = page.get_by_role("button", name="Controls")
    if drawer.is_visible():
        drawer.click()
        # what lies below it is covered, and looked at in every other state
        inspection.look("the drawer of controls open", ".st-key-controls")
    inspection.selectbox()
    inspection.help()
    inspection.expanders(*([".st-key-controls"] if drawer.is_visible() else []))
    if drawer.is_visible():
        drawer.click()
    if "page=train" in address:
        page.get_by_role("button", name=re.compile("^Play")).click()
        pause = page.get_by_role("button", name=re.compile("^Pause"))
        expect(pause).to_be_visible(timeout=LONG)
        inspection.glance("running")
        pause.click()
        expect(page.get_by_role("slider", name="Step shown")).to_be_attached(timeout=LONG)
        inspection.look("paused")
    inspection.report()


@schemes
def test_an_error_violates_no_rule(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.goto("/?depth=512&width=4096&seeds=64&batch=4096")
    expect(page.get_by_test_id("stAlertContentError")).to_be_visible(timeout=FIRST_PLOT)
    inspection = Inspection(page)
    inspection.look("error")
    inspection.report()


# Notes every control in sight; returns how many. What the arrow keys do is no stop of its own: to
# choose another tab or radio button of a group, to open a field's list, to step its number.
CONTROLS = """() => {
  const all = (root) => [...root.querySelectorAll("*")].flatMap(
    (e) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
  const control = "a[href], button, input, select, textarea, summary, [role=tab], "
    + "[tabindex='0']:not([role=tabpanel])"; // a panel is a stop only while nothing in it is one
  const inGroup = "[role=tab][aria-selected=false], [role=radio][aria-checked=false], "
    + ".stSelectbox button[aria-haspopup=listbox], .step"; // arrow keys do what these buttons do
  window.controls = all(document).filter((e) => e.matches(control) && !e.matches(inGroup)
    && !e.disabled && !e.closest("[inert]") && e.checkVisibility({visibilityProperty: true}));
  return window.controls.length;
}"""
# Takes the focused control from those left; returns what it looks like, itself and the boxes
# around it, and what the one before looks like now that it has lost the focus.
STEP = """() => {
  let e = document.activeElement;
  while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  const looks = (node) => {
    const found = [];
    for (let n = node; n && found.length < 4; n = n.parentElement) {
      const s = getComputedStyle(n);
      const ring = s.outlineStyle != "none" && parseFloat(s.outlineWidth) >= 2;
      found.push([ring ? s.outlineColor + s.outlineWidth : "", s.boxShadow]);
    }
    return JSON.stringify(found);
  };
  const last = window.last;
  const end = e == document.body || e == window.first; // some browsers begin anew at once
  window.first ??= e;
  const answer = {before: last && last.isConnected ? looks(last) : null, end};
  window.controls = window.controls.filter((each) => each != e);
  window.last = e;
  answer.now = looks(e);
  answer.html = e.outerHTML.slice(0, 300);
  const {left, top, width, height} = e.getBoundingClientRect();
  const at = (x, y) => {
    let found = document.elementFromPoint(x, y);
    while (found?.shadowRoot) {
      const inner = found.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner == found) break;
      found = inner;
    }
    return found;
  };
  const box = e.closest("label") || e;
  const over = at(left + width / 2, top + height / 2);
  answer.hidden = !(over && (box.contains(over) || over.contains(e)));
  return answer;
}"""
# Puts the focus before everything else on the page, or after it.
FROM = """(where) => {
  window.place?.remove();
  const place = window.place = document.createElement("div");
  place.tabIndex = -1;
  document.body[where](place);
  place.focus();
  window.first = window.last = undefined;
}"""
MOST_STOPS = 200


def walk(page: Page, key: str) -> tuple[int, list[str], list[str], list[str]]:
    """Presses Tab to the end of the page, or Shift+Tab to its beginning.

    Returns the number of stops, the controls that were none, those without a sign of the focus,
    and those that something covers.
    """
    page.evaluate(FROM, "prepend" if key == "Tab" else "append")
    page.evaluate(CONTROLS)
    unseen, covered, previous = [], [], None
    for count in range(MOST_STOPS):
        page.keyboard.press(key)
        step = page.evaluate(STEP)
        if previous and step["before"] == previous["now"]:
            unseen.append(previous["html"])
        if step["end"]:
            left = page.evaluate("window.controls.map(e => e.outerHTML.slice(0, 300))")
            return count, left, unseen, covered
        if step["hidden"]:
            covered.append(step["html"])
        previous = step
    raise AssertionError(f"{key} does not come to an end, but to {previous}")


@pytest.mark.parametrize(
    ("address", "scheme"),
    [(PROPAGATE, "light"), (TRAIN, "dark"), (MAP, "light")],
    ids=["propagate", "train", "map"],
)
def test_tab_reaches_every_control_and_nothing_scrolls_sideways(
    open_page: OpenPage, address: str, scheme: str
) -> None:
    page = open_page(color_scheme=scheme)
    opened(page, address)
    if "page=train" in address:
        page.get_by_role("button", name=re.compile(r"^\+10\b")).click()
        expect(page.get_by_role("slider", name="Step shown")).to_be_attached(timeout=LONG)
        settled(page)
    for summary in page.locator("summary").all():
        summary.click()
    settled(page)
    still(page)
    there = walk(page, "Tab")
    assert there[0] > 30 and there[1:] == ([], [], [])
    back = walk(page, "Shift+Tab")
    assert back[0] > 30 and back[1:] == ([], [], [])
    hero = page.locator(".st-key-hero")
    for width in (320, 390, 768, 1280, 1440, 2560):  # 320: a screen of 1280 at 400 %
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_timeout(500)  # the figures follow
        still(page)
        assert sideways(page) == [], f"at {width} px"
        box = hero.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width


def lasting(page: Page) -> list[str]:
    """Returns the transitions and animations that a person could see.

    Streamlit lets an expander grow by script; one that has its full height at once does not.
    """
    return page.evaluate(
        "document.getAnimations().filter(a => a.effect.getComputedTiming().endTime > 20)"
        ".filter(a => !(a.effect.target.matches('details')"
        " && a.effect.target.offsetHeight >= a.effect.target.scrollHeight))"
        ".map(a => `${a.animationName || a.transitionProperty} of ${a.effect.target.outerHTML}`)"
        ".map(text => text.slice(0, 300))"
    )


def test_nothing_moves_for_a_person_who_asked_for_that(open_page: OpenPage) -> None:
    def moved(motion: str) -> list[str]:
        page = open_page(reduced_motion=motion)
        opened(page, TRAIN)
        seen = []

        def press(button: Locator) -> None:
            button.click()
            for _ in range(6):
                seen.extend(lasting(page))
                page.wait_for_timeout(30)

        press(page.get_by_test_id("stPopoverButton").locator("visible=true").first)
        page.keyboard.press("Escape")
        press(page.locator("summary").first)
        press(page.get_by_role("tab").last)
        press(page.get_by_role("button", name=re.compile("^Play")))
        return seen

    assert moved("no-preference") != []  # else this test sees nothing
    assert moved("reduce") == []
