// Drawing helpers in scope of every explorable: elements, scales, axes, controls, colours. No library.
// Colours are the page's own where they can be (currentColor), so that light and dark pages both read well.

const COLOURS = { data: "#3b7dd8", model: "#e0723a", truth: "#2e9b6a", bad: "#d1495b", quiet: "#8a8f98" };

// h("button", {class: "x", onclick: f}, child, ...): an HTML element.
function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

// s("line", {x1: 0, ...}): an SVG element.
function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A linear scale from [a, b] to [p, q]; scale.invert goes back.
function linear([a, b], [p, q]) {
  const scale = (value) => p + ((value - a) / (b - a)) * (q - p);
  scale.invert = (pixel) => a + ((pixel - p) / (q - p)) * (b - a);
  return scale;
}

// About `count` round numbers that cover [a, b].
function ticks([a, b], count = 5) {
  const raw = (b - a) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= raw);
  const result = [];
  for (let k = Math.ceil(a / step); k * step <= b + 1e-9 * step; k++) result.push(+(k * step).toPrecision(12));
  return result;
}

// On a phone a figure is drawn with fewer units across, so that its letters stay legible.
const narrow = () => window.matchMedia("(max-width: 600px)").matches;

// A chart: an SVG that scales with its column, with axes and labels. `plot` is the group to draw into.
// x, y: domains [low, high]; label: what a screen reader says of the whole figure.
function chart({ width = narrow() ? 380 : 640, height = narrow() ? 260 : 300, x, y, xLabel = "", yLabel = "", label, xTicks, yTicks }) {
  const box = { left: 60, right: width - 14, top: 12, bottom: height - 42 };
  const X = linear(x, [box.left, box.right]);
  const Y = linear(y, [box.bottom, box.top]);
  const text = (content, attributes) => s("text", { fill: "currentColor", "font-size": 13, ...attributes }, content);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "figure", "aria-label": label, style: "width:100%;height:auto;display:block;touch-action:pan-y" });
  const axes = s("g", { "aria-hidden": "true" });
  for (const t of xTicks ?? ticks(x)) {
    axes.append(s("line", { x1: X(t), x2: X(t), y1: box.bottom, y2: box.bottom + 4, stroke: "currentColor" }));
    axes.append(text(String(t), { x: X(t), y: box.bottom + 18, "text-anchor": "middle" }));
  }
  for (const t of yTicks ?? ticks(y, 4)) {
    axes.append(s("line", { x1: box.left, x2: box.right, y1: Y(t), y2: Y(t), stroke: "currentColor", "stroke-opacity": 0.12 }));
    axes.append(text(String(t), { x: box.left - 6, y: Y(t) + 4, "text-anchor": "end" }));
  }
  axes.append(s("line", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, stroke: "currentColor" }));
  axes.append(text(xLabel, { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }));
  axes.append(text(yLabel, { transform: `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }));
  const plot = s("g");
  svg.append(axes, plot);
  return { svg, plot, X, Y, box };
}

// An SVG path through points [[x, y], ...] in pixels.
function path(points, attributes) {
  const d = points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
  return s("path", { d, fill: "none", "stroke-width": 2, ...attributes });
}

// A labelled slider, bound both ways to a number of the model. `format` shows the value.
function slider(model, name, { label, min, max, step = 1, format = String }) {
  const output = h("output", { style: "min-width:3.5em;font-variant-numeric:tabular-nums" });
  const input = h("input", { type: "range", min, max, step, "aria-label": label, style: "flex:1 1 8em;min-width:6em;accent-color:" + COLOURS.data });
  const show = () => {
    input.value = model.get(name);
    output.textContent = format(model.get(name));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    model.set(name, Number(input.value));
    model.save_changes();
  });
  model.on(`change:${name}`, show);
  show();
  return h("label", { style: "display:flex;gap:.6em;align-items:center;flex:1 1 16em" }, h("span", {}, label), input, output);
}

function button(label, onclick) {
  return h("button", { type: "button", onclick, style: "font:inherit;color:inherit;background:transparent;border:1px solid currentColor;border-radius:4px;padding:.2em .8em;cursor:pointer" }, label);
}

// Controls in a row that wraps on a phone.
function row(...children) {
  return h("div", { style: "display:flex;flex-wrap:wrap;gap:.4em 1.4em;align-items:center;margin:.3em 0" }, ...children);
}

// A line of text that screen readers announce when it changes.
function status() {
  return h("div", { role: "status", style: "font-variant-numeric:tabular-nums;min-height:1.5em" });
}

// A key to colours: legend([[COLOURS.data, "train"], ...]).
function legend(entries) {
  return row(...entries.map(([colour, label]) => h("span", {}, h("span", { style: `display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;background:${colour}`, "aria-hidden": "true" }), label)));
}

// set({ name: value, ... }) in the model, all at once for whoever listens to it.
function setter(model) {
  return (changes) => {
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  };
}

// A round handle with a letter.
function knob(colour, letter, look = {}) {
  return s("g", {},
    s("circle", { r: 15, fill: "transparent" }), // a finger's width
    s("circle", { r: 10, fill: colour, ...look }),
    s("text", { y: 4.5, "text-anchor": "middle", "font-size": 13, "font-weight": "bold", fill: "black", "pointer-events": "none" }, String(letter)));
}

// Call to(x, y), in units of the drawing, while a pointer drags the handle.
function dragged(handle, svg, to) {
  handle.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    handle.focus();
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const frame = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / frame.width;
    to((event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale);
  });
}

// Two knobs for the mean, model.get("loc"), and the standard deviation, model.get("scale"), of a normal law whose
// density is drawn over z with X. What comes back is to be called with its height in pixels at a z when it has changed.
function normalKnobs(model, { svg, X, box, letter, means, scales }) {
  const set = setter(model);
  const [mean, width] = [knob(COLOURS.model, "m"), knob(COLOURS.quiet, letter)];
  svg.append(width, mean);
  const sayMean = draggable(mean, { svg, X, label: "mean of the proposal", min: means[0], max: means[1], step: 0.05, get: () => model.get("loc"), move: (loc) => set({ loc }) });
  const sayWidth = draggable(width, {
    svg, label: "standard deviation of the proposal", min: scales[0], max: scales[1], step: 0.05,
    X: { invert: (pixel) => Math.abs(X.invert(pixel) - model.get("loc")) },
    get: () => model.get("scale"),
    move: (scale) => set({ scale }),
  });
  return (height) => {
    const [loc, edge] = [model.get("loc"), model.get("loc") + model.get("scale")];
    fill(mean, { transform: `translate(${X(loc)} ${Math.max(box.top + 4, height(loc))})` }, []);
    fill(width, { transform: `translate(${Math.min(X(edge), box.right)} ${Math.max(box.top + 4, height(edge))})` }, []);
    sayMean();
    sayWidth();
  };
}

// Make an SVG handle draggable by pointer and movable by keys along x, from min to max in steps: move(value) is
// called with data values. What comes back is to be called whenever the value has changed.
function draggable(handle, { svg, X, label, min, max, step, get, move }) {
  const go = (value) => move(Math.min(max, Math.max(min, +(min + Math.round((value - min) / step) * step).toPrecision(12))));
  fill(handle, { tabindex: 0, role: "slider", "aria-label": label, "aria-valuemin": min, "aria-valuemax": max, style: "cursor:ew-resize;touch-action:none" }, []);
  dragged(handle, svg, (x) => go(X.invert(x)));
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -10 * step, PageUp: 10 * step }[event.key];
    const to = event.key === "Home" ? min : event.key === "End" ? max : by && get() + by;
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });
  return () => handle.setAttribute("aria-valuenow", get());
}

// A number with a true minus sign, and none before 0.
function minus(value, digits = 2) {
  return value.toFixed(digits).replace("-", "−").replace(/^−(0(\.0*)?)$/, "$1");
}

function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

// log N(x; loc, scale^2).
function logNormal(x, loc, scale) {
  return -(((x - loc) / scale) ** 2) / 2 - Math.log(scale * Math.sqrt(2 * Math.PI));
}

// A small deterministic generator (mulberry32), so that a figure shows the same draws every time.
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
