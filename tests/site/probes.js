// What the tests ask of a page. Each probe returns what is wrong with it, so that a good page gives an empty list.

const probes = {
  // What does not fit into the page and does not scroll in a box of its own.
  spills() {
    const fits = (element) => element.getBoundingClientRect().right <= innerWidth + 1;
    const clipped = (element) => getComputedStyle(element).overflowX !== "visible" && fits(element);
    const unseen = "mjx-assistive-mml, .visually-hidden, .headerlink";
    const contained = (element) => {
      for (let box = element.parentElement; box && box.tagName !== "ARTICLE"; box = box.parentElement) if (clipped(box)) return true;
      return false;
    };
    return probes.find("article *", (element) => !fits(element) && !element.closest(unseen) && !contained(element));
  },

  unrenderedMaths() {
    const rendered = (element) => element.querySelector("mjx-container") && !element.querySelector("mjx-merror");
    return probes.find(".math", (element) => !rendered(element));
  },

  missingFonts: () => [...document.fonts].filter((font) => font.status === "error").map((font) => font.family),

  badPictures() {
    const good = (image) => image.complete && image.naturalWidth && image.alt.trim() && !image.alt.includes(".png");
    return probes.find("article img", (image) => !good(image));
  },

  namelessControls() {
    const named = (element) =>
      element.getAttribute("aria-label") || element.title || element.textContent.trim() || element.querySelector("img[alt]") ||
      [...(element.labels ?? [])].some((label) => label.textContent.trim());
    return probes.find("article :is(a, button, input, select, [role=slider])", (element) => !named(element));
  },

  // Words too like their background: below a contrast of 4.5, or 3 for large ones (Web Content Accessibility Guidelines).
  faintWords() {
    const numbers = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = ([red, green, blue]) => 0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
    const ground = (element) => {
      const knob = element.previousElementSibling; // a letter stands on its disc
      if (element.tagName === "text" && knob?.tagName === "circle" && getComputedStyle(knob).fillOpacity === "1") {
        const [disc, letter] = [knob, element].map((part) => part.getBoundingClientRect());
        const colour = numbers(getComputedStyle(knob).fill);
        const covered = disc.left <= letter.left && letter.right <= disc.right;
        if (covered && (colour[3] ?? 1) > 0.9) return colour;
      }
      for (let box = element; box; box = box.parentElement) {
        const colour = numbers(getComputedStyle(box).backgroundColor);
        if ((colour[3] ?? 1) > 0.9) return colour;
      }
      return [255, 255, 255];
    };
    const faint = (element) => {
      if (!element.textContent.trim() || !element.getClientRects().length) return false;
      const style = getComputedStyle(element);
      const ink = numbers(element.tagName === "text" ? style.fill : style.color);
      const [low, high] = [luminance(ink), luminance(ground(element))].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05) < (parseFloat(style.fontSize) >= 18 ? 3 : 4.5);
    };
    return probes.find("article :is(p, li, td, th, summary), .explorable :is(label, output, button, text, [role=status])", faint);
  },

  // Letters of explorables below 10 pixels.
  tinyLetters() {
    const size = (text) => parseFloat(getComputedStyle(text).fontSize) * Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b);
    return probes.find(".explorable text", (text) => text.textContent && size(text) < 10);
  },

  undrawnExplorables() {
    const stored = document.querySelectorAll("script[type='application/vnd.jupyter.widget-view+json']");
    const drawn = (script) => script.nextElementSibling?.matches("style, .explorable:not([role=alert])");
    return [...stored].filter((script) => !drawn(script) || document.querySelector(".explorable[role=alert]")).map((script) => script.outerHTML);
  },

  find: (selector, bad) => [...document.querySelectorAll(selector)].filter(bad).map((element) => element.outerHTML.slice(0, 200)),
};

// Everything that an explorable draws or says, its controls' own values left out.
function drawing(explorable) {
  const canvases = [...explorable.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL());
  return [...explorable.querySelectorAll("svg, [role=status]")].map((part) => part.outerHTML).concat(canvases).join();
}

// Where a control can be grasped, on the line down its middle.
function grip(control) {
  const box = control.getBoundingClientRect();
  const x = box.left + box.width / 2;
  const heights = Array.from({ length: 41 }, (_, i) => box.bottom - (box.height * (i + 0.5)) / 41);
  return { x, y: heights.find((y) => control.contains(document.elementFromPoint(x, y))) };
}
