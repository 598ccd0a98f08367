// A mixture of Gaussians that is dragged: its density above, the map x -> z below, samples that go from z to x.

const RANGE = [-5, 5];
const SAMPLES = 200;
const TRACED = 8; // of which so many show their way


// The standard normal distribution function, by a series in t that has converged long before 1e-10 for |t| < 7.
function normalCdf(t) {
  if (Math.abs(t) > 7) return t > 0 ? 1 : 0;
  let sum = t;
  let term = t;
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
    term *= (t * t) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI);
}

// x with f(x) = target, f increasing.
function bisect(f, target, low, high) {
  for (let k = 0; k < 50; k++) {
    const middle = (low + high) / 2;
    if (f(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

const quantile = (u) => bisect(normalCdf, u, -7, 7);

function render({ model, el }) {
  const list = (name) => model.get(name);
  const weights = () => list("weight").map((w) => w / list("weight").reduce((a, b) => a + b, 0));
  const mixture = (f) => (x) => weights().reduce((total, w, m) => total + w * f((x - list("loc")[m]) / list("scale")[m], m), 0);
  const density = mixture((t, m) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI) / list("scale")[m]);
  const cdf = mixture((t) => normalCdf(t));
  const clipped = (u) => Math.min(1 - 1e-12, Math.max(1e-12, u));
  const map = (x) => (model.get("normal") ? quantile(clipped(cdf(x))) : cdf(x));
  // dz/dx: the density of x over that of z.
  const slope = (x) => density(x) / (model.get("normal") ? Math.exp(-(map(x) ** 2) / 2) / Math.sqrt(2 * Math.PI) : 1);
  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const replaced = (name, m, value) => set(name, list(name).map((old, k) => (k === m ? value : old)));

  const top = chart({
    height: narrow() ? 190 : 210, x: RANGE, y: [0, 0.8], yTicks: [0, 0.2, 0.4, 0.6, 0.8], yLabel: "density p(x)",
    label: "The density of the mixture, with samples below it; the means can be dragged",
  });
  const bumps = s("g");
  top.plot.append(bumps);
  const knobs = list("loc").map((_, m) => {
    const handle = knob(COLOURS.model, m + 1, { "stroke-width": 2.5 });
    fill(handle, { onpointerdown: () => set("chosen", m), onfocus: () => set("chosen", m) }, []);
    top.svg.append(handle);
    const announce = draggable(handle, {
      svg: top.svg, X: top.X, label: `mean of bump ${m + 1}`, min: -4, max: 4, step: 0.1,
      get: () => list("loc")[m], move: (value) => replaced("loc", m, value),
    });
    return { handle, announce };
  });

  const below = h("div");
  const told = status();
  // A slider of the chosen bump's entry of a list.
  function entry(name, text, options) {
    const output = h("output", { style: "min-width:2.5em;font-variant-numeric:tabular-nums" });
    const input = h("input", { type: "range", ...options, style: `flex:1 1 7em;min-width:6em;accent-color:${COLOURS.data}`, oninput: () => replaced(name, model.get("chosen"), Number(input.value)) });
    const label = h("span");
    const show = () => {
      const value = list(name)[model.get("chosen")];
      label.textContent = `${text} of bump ${model.get("chosen") + 1}`;
      input.setAttribute("aria-label", label.textContent);
      input.value = value;
      output.textContent = value.toFixed(1);
    };
    return { show, element: h("label", { style: "display:flex;gap:.6em;align-items:center;flex:1 1 15em" }, label, input, output) };
  }
  const width = entry("scale", "width", { min: 0.1, max: 1.5, step: 0.1 });
  const weight = entry("weight", "weight", { min: 0, max: 10, step: 0.5 });
  const checkbox = h("input", { type: "checkbox", style: `accent-color:${COLOURS.data}`, onchange: () => set("normal", checkbox.checked) });
  el.append(
    row(width.element, weight.element),
    top.svg,
    below,
    row(
      slider(model, "x", { label: "look at x", min: -4.5, max: 4.5, step: 0.1, format: (v) => minus(v, 1) }),
      button("New samples", () => set("seed", model.get("seed") + 1)),
      h("label", { style: "display:flex;gap:.5em;align-items:center" }, checkbox, "normal latent, z = Φ⁻¹(F(x))"),
    ),
    told,
  );

  const grid = Array.from({ length: 301 }, (_, i) => RANGE[0] + ((RANGE[1] - RANGE[0]) * i) / 300);

  function drawDensity(samples) {
    const { X, Y, box } = top;
    const inside = (p) => Y(Math.min(p, 0.8));
    bumps.replaceChildren(
      path([[X(RANGE[0]), Y(0)], ...grid.map((x) => [X(x), inside(density(x))]), [X(RANGE[1]), Y(0)]], { fill: COLOURS.model, "fill-opacity": 0.3, "stroke-width": 0 }),
      path(grid.map((x) => [X(x), inside(density(x))]), { stroke: COLOURS.model }),
      ...samples.map(([, x]) => s("line", { x1: X(x), x2: X(x), y1: box.bottom - 9, y2: box.bottom, stroke: COLOURS.data, "stroke-opacity": 0.5, "stroke-width": 1.2 })),
      s("line", { x1: X(model.get("x")), x2: X(model.get("x")), y1: inside(density(model.get("x"))), y2: box.bottom, stroke: "currentColor", "stroke-width": 2 }),
    );
    knobs.forEach(({ handle, announce }, m) => {
      const at = list("loc")[m];
      fill(handle, { transform: `translate(${X(at)} ${Math.max(box.top + 4, inside(density(at)))})` }, []);
      fill(handle.children[1], { stroke: m === model.get("chosen") ? "currentColor" : "none" }, []);
      announce();
    });
  }

  function drawMap(samples) {
    const normal = model.get("normal");
    const range = normal ? [-3.2, 3.2] : [0, 1];
    const { svg, plot, X, Y, box } = chart({
      height: narrow() ? 270 : 290, x: RANGE, y: range, yTicks: normal ? [-3, -2, -1, 0, 1, 2, 3] : [0, 0.25, 0.5, 0.75, 1], xLabel: "x", yLabel: normal ? "z = Φ⁻¹(F(x))" : "z = F(x)",
      label: "The map from x to z; samples go from the latent on the left across to the curve and down to x",
    });
    const seen = ([z]) => z > range[0] && z < range[1];
    for (const [z, x] of samples.slice(0, TRACED).filter(seen)) plot.append(path([[box.left, Y(z)], [X(x), Y(z)], [X(x), box.bottom]], { stroke: COLOURS.data, "stroke-width": 1.2, "stroke-dasharray": "4 3" }));
    for (const [z, x] of samples.filter(seen)) {
      plot.append(s("line", { x1: box.left, x2: box.left + 9, y1: Y(z), y2: Y(z), stroke: COLOURS.truth, "stroke-opacity": 0.5, "stroke-width": 1.2 }));
      plot.append(s("line", { x1: X(x), x2: X(x), y1: box.bottom - 9, y2: box.bottom, stroke: COLOURS.data, "stroke-opacity": 0.5, "stroke-width": 1.2 }));
    }
    const curve = grid.map((x) => [x, map(x)]).filter(([, z]) => z >= range[0] && z <= range[1]);
    plot.append(path(curve.map(([x, z]) => [X(x), Y(z)]), { stroke: COLOURS.model, "stroke-width": 2.5 }));
    // The tangent at x, as far as it stays in the picture.
    const at = model.get("x");
    const [z, rise] = [map(at), slope(at)];
    const half = Math.min(0.9, 0.12 * (range[1] - range[0]) / Math.max(rise, 1e-9));
    if (seen([z])) plot.append(
      path([[X(at - half), Y(z - half * rise)], [X(at + half), Y(z + half * rise)]], { stroke: "currentColor", "stroke-width": 2 }),
      s("circle", { cx: X(at), cy: Y(z), r: 4.5, fill: "currentColor" }),
    );
    below.replaceChildren(legend([[COLOURS.truth, normal ? "z, drawn from N(0, 1)" : "z, drawn from U(0, 1)"], [COLOURS.data, "x = f⁻¹(z)"], [COLOURS.model, "density and map"]]), svg);
    return [z, rise];
  }

  function draw() {
    const uniform = random(model.get("seed") + 1);
    const samples = Array.from({ length: SAMPLES }, () => {
      const u = clipped(uniform());
      return [model.get("normal") ? quantile(u) : u, bisect(cdf, u, -20, 20)];
    });
    width.show();
    weight.show();
    checkbox.checked = model.get("normal");
    drawDensity(samples);
    const [z, rise] = drawMap(samples);
    const at = model.get("x");
    const base = rise > 0 ? density(at) / rise : 0;
    told.textContent = `At x = ${minus(at, 1)}: z = ${minus(z, 3)}, slope dz/dx = ${rise.toFixed(3)}; density ${density(at).toFixed(3)} = ${base.toFixed(3)} × ${rise.toFixed(3)}, the base's at z times the slope.`;
  }

  for (const name of ["loc", "scale", "weight", "chosen", "x", "normal", "seed"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
