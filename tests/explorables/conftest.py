"""An explorable in Chromium, drawn as the site draws it: from its stored state, without a kernel."""

import json
from pathlib import Path

import pytest

SITE_SCRIPT = Path(__file__).parents[2] / "book" / "_static" / "explorables.js"


@pytest.fixture
def show(browser):
    """show(widget, width=760) -> page; at the end nothing may have been logged, thrown or asked of another host."""
    pages, trouble = [], []

    def open_page(widget, width=760):
        page = browser.new_page(viewport={"width": width, "height": 800})
        pages.append(page)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("blob:") else trouble.append(request.url))
        # What a notebook stores is JSON, so only what JSON keeps may matter.
        states = json.dumps({"state": {widget.model_id: {"state": widget.get_state(), "buffers": []}}})
        scripts = {
            "application/vnd.jupyter.widget-state+json": states.replace("</", "<\\/"),
            "application/vnd.jupyter.widget-view+json": json.dumps({"model_id": widget.model_id}),
            "text/javascript": SITE_SCRIPT.read_text(encoding="utf-8"),
        }
        tags = (f'<script type="{kind}">{text}</script>' for kind, text in scripts.items())
        page.set_content(f"<!doctype html><body>{''.join(tags)}</body>")
        page.wait_for_selector(".explorable > *")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert trouble == []


@pytest.fixture
def drag():
    """drag(handle, by): grasp a handle in its middle, move it `by` pixels to the right, and let go."""

    def move(handle, by):
        page, box = handle.page, handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + by, y, steps=4)
        page.mouse.up()

    return move
