"""Every page of the built site, as a reader's browser sees it: wide and narrow, light and dark, served and from disk.

With DEEPUL_SCREENSHOTS=folder, pictures of all pages are left in that folder.
"""

import contextlib
import os
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WIDE, NARROW = 1280, 390
PROBES = Path(__file__).with_name("probes.js")

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]), "search"]
CHAPTERS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]


@contextlib.contextmanager
def reading(browser, url, width=WIDE, touch=False):
    """The page at `url`, loaded to the end; fails afterwards if it complained or asked for anything elsewhere."""
    complaints = []

    def loud(message):
        if message.type in ("error", "warning"):
            complaints.append(f"console: {message.text}")

    def foreign(request):
        home = "file:" if url.startswith("file:") else "/".join(url.split("/")[:3])
        if not request.url.startswith((home, "data:", "blob:")):
            complaints.append(f"another host: {request.url}")

    def refused(response):
        if response.status >= 400:
            complaints.append(f"{response.status}: {response.url}")

    with contextlib.closing(browser.new_context(viewport={"width": width, "height": 900}, has_touch=touch)) as context:
        page = context.new_page()
        page.on("console", loud)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", foreign)
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on("response", refused)
        page.goto(url, wait_until="networkidle")
        page.add_script_tag(path=PROBES)
        page.evaluate("() => window.MathJax?.startup?.promise")
        page.evaluate("() => document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        yield page
        assert complaints == []


def probe(page, *names):
    assert {name: found for name in names if (found := page.evaluate(f"probes.{name}()"))} == {}


def picture(page, name):
    if folder := os.environ.get("DEEPUL_SCREENSHOTS"):
        page.wait_for_timeout(400)  # the sidebars slide
        page.screenshot(path=Path(folder) / f"{name.replace('/', '-')}.png", full_page=True)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", PAGES)
def test_page_reads_well(browser, server, name, width):
    with reading(browser, f"{server}/{name}.html", width) as page:
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'", timeout=5000)
            probe(page, "spills", "faintWords")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            picture(page, f"{name}-{width}-{theme}")
        probe(page, "unrenderedMaths", "badPictures", "namelessControls", "tinyLetters", "undrawnExplorables")
        assert page.locator(":is(article, .bd-search-container) h1").count() == 1


@pytest.mark.parametrize("name", PAGES)
def test_page_reads_from_disk(browser, site, name):
    with reading(browser, (site / f"{name}.html").as_uri()) as page:
        probe(page, "unrenderedMaths", "missingFonts", "badPictures", "undrawnExplorables")


def test_search_finds_an_idea(browser, server):
    with reading(browser, f"{server}/search.html?q=entropy") as page:
        page.locator("#search-results a[href*='notation']").first.wait_for(timeout=5000)


def changes(explorable, act):
    """Whether `act` changes what the explorable draws or says."""
    before = explorable.evaluate("drawing")
    act()
    explorable.page.wait_for_timeout(50)
    return explorable.evaluate("drawing") != before


def drag(slider, distance, touch):
    """Grasp a slider, move along it and let go, with the mouse or with a finger."""
    slider.scroll_into_view_if_needed()
    page, start = slider.page, slider.evaluate("grip")
    points = [{"x": start["x"] + distance * step / 4, "y": start["y"]} for step in range(5)]
    if touch:
        finger = page.context.new_cdp_session(page)
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for point in points[1:]:
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.move(**points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(**point)
        page.mouse.up()


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", CHAPTERS)
def test_explorables_react_without_a_kernel(browser, server, name, width):
    touch = width == NARROW
    with reading(browser, f"{server}/{name}.html", width, touch) as page:
        explorables = page.locator(".explorable").all()
        assert explorables, "the chapter has no explorable"
        for explorable in explorables:
            sliders = explorable.locator("input[type=range], [role=slider]").all()
            assert sliders, "nothing to drag"
            switches = explorable.locator("button:enabled, input[type=checkbox]").all()
            idle = set(range(len(switches)))

            def press_all(explorable=explorable, switches=switches, idle=idle):
                for i, switch in enumerate(switches):
                    switch.focus()
                    if changes(explorable, lambda: page.keyboard.press("Space")):
                        idle.discard(i)

            press_all()
            hidden = set(range(len(sliders)))  # some are shown only in one of several modes
            for mode in [None, *explorable.locator("input[type=radio]").all()]:
                if mode:
                    mode.check()
                for i in [i for i in hidden if sliders[i].is_visible()]:
                    hidden.remove(i)
                    slider = sliders[i]
                    html = slider.evaluate("(element) => element.outerHTML.slice(0, 200)")
                    slider.focus()
                    keys = [lambda key=key: page.keyboard.press(key) for key in ("ArrowRight", "ArrowLeft")]
                    assert any(changes(explorable, press) for press in keys), f"no key moves {html}"
                    moves = [lambda way=way, slider=slider: drag(slider, way, touch) for way in (60, -60)]
                    assert any(changes(explorable, move) for move in moves), f"it cannot be dragged: {html}"
            assert hidden == set(), "a slider is never shown"
            press_all()  # one such as "Clear" works only after another, one has no effect at the sliders' ends
            assert [switches[i].evaluate("(element) => element.outerHTML") for i in idle] == []
