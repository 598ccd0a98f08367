"""book/_static/explorables.js alone: the model that it gives to an explorable, and what it says when one fails."""

import base64
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "book" / "_static" / "explorables.js"

ESM = """
export default {
  render({ model, el }) {
    const said = [];
    const listener = (_, value) => said.push(value);
    model.on("change:size", listener);
    model.set("size", 2);
    model.set("size", 2);
    model.set("other", 5);
    model.off("change:size", listener);
    model.set("size", 3);
    model.save_changes();
    const bytes = [0, 1, 2].map((i) => model.get("image").pixels.getUint8(i));
    el.textContent = JSON.stringify({ said, size: model.get("size"), other: model.get("other"), bytes });
  },
};
"""


@pytest.fixture
def page(browser, tmp_path):
    """Opens a page with stored widgets, each given by its state, and returns it when they are drawn."""
    opened = browser.new_page()

    def show(*states):
        buffers = [
            {"path": ["image", "pixels"], "encoding": "base64", "data": base64.b64encode(b"\x07\x08\xff").decode()}
        ]
        stored = {
            f"id{i}": {"state": state, "buffers": buffers if "image" in state else []} for i, state in enumerate(states)
        }
        views = [
            f'<script type="application/vnd.jupyter.widget-view+json">{{"model_id": "{name}"}}</script>'
            for name in stored
        ]
        widgets = json.dumps({"state": stored})
        (tmp_path / "page.html").write_text(
            f'<!doctype html><script type="application/vnd.jupyter.widget-state+json">{widgets}</script>'
            f'<script src="{SCRIPT.as_uri()}"></script>{"".join(views)}'
        )
        opened.goto((tmp_path / "page.html").as_uri())
        opened.wait_for_function("[...document.querySelectorAll('.explorable')].every((el) => el.childNodes.length)")
        return opened

    yield show
    opened.close()


def test_model_keeps_values_tells_listeners_and_decodes_buffers(page):
    drawn = page({"_esm": ESM, "size": 1, "other": 4, "image": {}}).locator(".explorable").text_content()
    assert json.loads(drawn) == {"said": [2], "size": 3, "other": 5, "bytes": [7, 8, 255]}


def test_two_widgets_with_their_own_style(page):
    esm = "export default { render({ model, el }) { el.innerHTML = `<b>${model.get('size')}</b>`; } };"
    opened = page({"_esm": esm, "size": 1, "_css": "b { color: rgb(1, 2, 3) }"}, {"_esm": esm, "size": 2})
    assert opened.locator(".explorable b").all_text_contents() == ["1", "2"]
    assert opened.locator("b").first.evaluate("(element) => getComputedStyle(element).color") == "rgb(1, 2, 3)"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"_esm": "export default { render() { throw new Error('no canvas'); } };"}, "no canvas"),
        ({"_esm": "export default {"}, "Unexpected"),
        ({"size": 1}, "no drawing is stored with this page"),
    ],
)
def test_failure_is_one_sentence_and_harms_no_other(page, state, reason):
    esm = "export default { render({ el }) { el.textContent = 'drawn'; } };"
    opened = page(state, {"_esm": esm})
    sentence = opened.locator(".explorable[role=alert]").text_content()
    assert sentence.startswith("This interactive figure could not be drawn here (")
    assert reason in sentence
    assert opened.locator(".explorable").nth(1).text_content() == "drawn"
