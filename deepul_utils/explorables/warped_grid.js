// A grid over the plane and its image under a matrix or coupling layers; cells are coloured by log|det J|.

const HALF = 2; // the grid goes from -HALF to HALF
const CELLS = 16;
const FINE = 4; // pieces of a cell's side, so that it may bend


function render({ model, el }) {
  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  // z and log|det J| at a point.
  function warp([p, q]) {
    const z = [p, q];
    if (model.get("matrix")) {
      const [[a, b], [c, d]] = model.get("a");
      return [[a * p + b * q, c * p + d * q], Math.log(Math.abs(a * d - b * c))];
    }
    let logDet = 0;
    model.get("couplings").slice(0, model.get("layers")).forEach(([a, b, c, d, e, f], layer) => {
      const stays = z[layer % 2];
      const s = model.get("strength") * a * Math.sin(b * stays + c);
      z[1 - (layer % 2)] = z[1 - (layer % 2)] * Math.exp(s) + model.get("strength") * d * Math.sin(e * stays + f);
      logDet += s;
    });
    return [z, logDet];
  }

  // Orange where areas grow, blue where they shrink, faint where they stay.
  const colour = (logDet) => ({ fill: logDet > 0 ? COLOURS.model : COLOURS.data, "fill-opacity": Math.min(0.85, 0.06 + 0.55 * Math.abs(Math.max(logDet, -9))).toFixed(3) });

  function panel(range, label, name) {
    const size = 320;
    const scale = linear([-range, range], [26, size - 8]);
    const X = scale;
    const Y = (value) => size - scale(value);
    const svg = s("svg", { viewBox: `0 0 ${size} ${size + 8}`, role: "figure", "aria-label": label, style: "flex:1 1 260px;min-width:0;height:auto;max-width:100%;touch-action:pan-y" });
    const axes = s("g", { "aria-hidden": "true" });
    for (const t of [-range + (range % 2), 0, range - (range % 2)]) {
      axes.append(s("text", { x: X(t), y: size + 4, "text-anchor": "middle", "font-size": 12, fill: "currentColor" }, minus(t, 0)));
      axes.append(s("text", { x: 20, y: Y(t) + 4, "text-anchor": "end", "font-size": 12, fill: "currentColor" }, minus(t, 0)));
    }
    axes.append(s("text", { x: size - 10, y: 14, "text-anchor": "end", "font-size": 14, fill: "currentColor" }, name));
    const plot = s("g");
    svg.append(plot, axes);
    return { svg, plot, X, Y, range };
  }

  const before = panel(2.4, "The grid over x, each cell coloured by log-det", "x");
  const after = panel(5, "The grid over z = f(x), each cell coloured by log-det", "z = f(x)");
  before.svg.style.cursor = "pointer";
  before.svg.addEventListener("pointerdown", (event) => {
    const frame = before.svg.getBoundingClientRect();
    const unit = frame.width / 320;
    const limit = (value) => Math.max(-1.9, Math.min(1.9, Math.round(value * 10) / 10));
    model.set("x0", limit(before.X.invert((event.clientX - frame.left) / unit)));
    model.set("x1", limit(before.X.invert(320 - (event.clientY - frame.top) / unit)));
    model.save_changes();
  });

  const name = `warp-${Math.random()}`; // a group of its own for each figure on the page
  const choice = [["matrix", true], ["coupling layers", false]].map(([label, value]) => {
    const input = h("input", { type: "radio", name, style: `accent-color:${COLOURS.model}`, onchange: () => set("matrix", value) });
    return { input, value, element: h("label", { style: "display:flex;gap:.4em;align-items:center" }, input, label) };
  });
  const entries = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([i, j]) => {
    const output = h("output", { style: "min-width:2.6em;font-variant-numeric:tabular-nums" });
    const input = h("input", { type: "range", min: -2, max: 2, step: 0.1, "aria-label": `matrix entry, row ${i}, column ${j}`, style: `flex:1 1 6em;min-width:5em;accent-color:${COLOURS.model}`,
      oninput: () => set("a", model.get("a").map((line, k) => line.map((old, l) => (k === i && l === j ? Number(input.value) : old)))) });
    const show = () => {
      input.value = model.get("a")[i][j];
      output.textContent = minus(model.get("a")[i][j], 1);
    };
    return { show, element: h("label", { style: "display:flex;gap:.5em;align-items:center;flex:1 1 12em" }, h("span", {}, `A`, h("sub", {}, `${i}${j}`)), input, output) };
  });
  const forMatrix = row(...entries.map(({ element }) => element));
  const forLayers = row(
    slider(model, "layers", { label: "layers", min: 0, max: model.get("couplings").length }),
    slider(model, "strength", { label: "strength", min: 0, max: 1.5, step: 0.1, format: (v) => v.toFixed(1) }),
  );
  const told = status();
  el.append(
    row(...choice.map(({ element }) => element)),
    forMatrix,
    forLayers,
    legend([[COLOURS.model, "areas grow, log|det| > 0"], [COLOURS.data, "areas shrink, log|det| < 0"]]),
    h("div", { style: "display:flex;flex-wrap:wrap;gap:.6em" }, before.svg, after.svg),
    row(
      slider(model, "x0", { label: "mark at x₀", min: -1.9, max: 1.9, step: 0.1, format: (v) => minus(v, 1) }),
      slider(model, "x1", { label: "mark at x₁", min: -1.9, max: 1.9, step: 0.1, format: (v) => minus(v, 1) }),
    ),
    told,
  );

  // The outline of a square, in pieces.
  function outline(left, bottom, side) {
    const steps = Array.from({ length: FINE }, (_, i) => (side * i) / FINE);
    return [
      ...steps.map((t) => [left + t, bottom]),
      ...steps.map((t) => [left + side, bottom + t]),
      ...steps.map((t) => [left + side - t, bottom + side]),
      ...steps.map((t) => [left, bottom + side - t]),
    ];
  }

  const polygon = ({ X, Y }, points, attributes) => s("path", { d: points.map(([p, q], i) => `${i ? "L" : "M"}${X(p).toFixed(1)} ${Y(q).toFixed(1)}`).join("") + "Z", ...attributes });

  function draw() {
    const matrix = model.get("matrix");
    choice.forEach(({ input, value }) => (input.checked = value === matrix));
    forMatrix.style.display = matrix ? "flex" : "none";
    forLayers.style.display = matrix ? "none" : "flex";
    entries.forEach(({ show }) => show());

    const side = (2 * HALF) / CELLS;
    const clip = `warp-${Math.random().toString(36).slice(2)}`;
    const frame = s("clipPath", { id: clip }, s("rect", { x: 26, y: 8, width: 286, height: 286 }));
    const images = s("g", { "clip-path": `url(#${clip})` });
    before.plot.replaceChildren();
    after.plot.replaceChildren(frame, images);
    for (let i = 0; i < CELLS; i++) for (let j = 0; j < CELLS; j++) {
      const [left, bottom] = [-HALF + i * side, -HALF + j * side];
      const look = { ...colour(warp([left + side / 2, bottom + side / 2])[1]), stroke: "currentColor", "stroke-opacity": 0.45, "stroke-width": 0.6 };
      const square = outline(left, bottom, side);
      before.plot.append(polygon(before, square, look));
      images.append(polygon(after, square.map((point) => warp(point)[0]), look));
    }
    const [p, q] = [model.get("x0"), model.get("x1")];
    const mark = outline(p - 0.125, q - 0.125, 0.25);
    const bold = { fill: "none", stroke: "currentColor", "stroke-width": 2.5 };
    before.plot.append(polygon(before, mark, bold));
    images.append(polygon(after, mark.map((point) => warp(point)[0]), bold));

    const [[z0, z1], logDet] = warp([p, q]);
    const where = `x = (${minus(p, 1)}, ${minus(q, 1)}) goes to z = (${minus(z0)}, ${minus(z1)})`;
    told.textContent = Number.isFinite(logDet) && logDet > -30
      ? `${where}; log|det J| = ${minus(logDet, 3)}: a small area there becomes ${Math.exp(logDet).toFixed(2)} times as large.`
      : `${where}; det A = 0: the plane falls onto a line, and nothing can be undone.`;
  }

  for (const name of ["matrix", "a", "layers", "strength", "x0", "x1"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
