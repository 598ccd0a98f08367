// The bound of K draws against K, for a proposal that is dragged, beside the exact log p(x).

const RANGE = [-2.5, 3.5]; // of z
const TOP = 1.4; // of the density's axis
const [X0, SLOPE] = [2, 2]; // what is observed; x = SLOPE z + noise
const [REPEATS, LEVELS] = [200, 9]; // estimates; K goes up to 2^LEVELS
const SPAN = [-3, 1]; // of the bound's axis, around log p(x)

const VARIANCE = 1 + SLOPE ** 2; // of x
const EXACT = logNormal(X0, 0, Math.sqrt(VARIANCE));
const POSTERIOR = [(SLOPE * X0) / VARIANCE, Math.sqrt(1 / VARIANCE)];

// Standard normal numbers in pairs, by Box and Muller.
function normals(count, seed) {
  const uniform = random(seed);
  const noise = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    noise[i] = radius * Math.cos(angle);
    noise[i + 1] = radius * Math.sin(angle);
  }
  return noise;
}

function render({ model, el }) {
  const set = setter(model);
  const most = 2 ** LEVELS;
  const grid = Array.from({ length: 301 }, (_, i) => RANGE[0] + ((RANGE[1] - RANGE[0]) * i) / 300);
  let noise = normals(REPEATS * most, model.get("seed"));

  const { svg, plot, X, Y, box } = chart({
    height: 220, x: RANGE, y: [0, TOP], xLabel: "z", yLabel: "density", yTicks: [0, 0.4, 0.8, 1.2],
    label: "Posterior and proposal over z; the proposal's mean and width can be dragged",
  });
  const drawn = s("g");
  plot.append(drawn);
  const put = normalKnobs(model, { svg, X, box, letter: "s", means: [-1, 2.5], scales: [0.1, 1.5] });

  const below = h("div");
  const told = status();
  el.append(
    row(slider(model, "log2_draws", { label: "draws K", min: 0, max: LEVELS, format: (v) => String(2 ** v) })),
    row(
      button("Propose from the prior", () => set({ loc: 0, scale: 1 })),
      button("From the posterior", () => set({ loc: POSTERIOR[0], scale: POSTERIOR[1] })),
      button("New draws", () => set({ seed: model.get("seed") + 1 })),
    ),
    legend([[COLOURS.truth, "posterior p(z|x), exact log p(x)"], [COLOURS.model, "proposal q(z), bound of K draws"]]),
    svg,
    below,
    told,
  );

  // (LEVELS + 1) lists of REPEATS estimates: the logarithm of the mean of the first 2^level weights.
  function estimates() {
    const [loc, scale] = [model.get("loc"), model.get("scale")];
    const result = Array.from({ length: LEVELS + 1 }, () => new Float64Array(REPEATS));
    const constant = Math.log(scale) - Math.log(2 * Math.PI) / 2;
    for (let r = 0; r < REPEATS; r++) {
      let total = 0;
      let level = 0;
      for (let k = 0; k < most; k++) {
        const e = noise[r * most + k];
        const z = loc + scale * e;
        total += Math.exp((e * e - z * z - (X0 - SLOPE * z) ** 2) / 2 + constant);
        if (k + 1 === 2 ** level) result[level++][r] = Math.log(total / (k + 1));
      }
    }
    return result;
  }

  function draw() {
    const [loc, scale, at] = [model.get("loc"), model.get("scale"), model.get("log2_draws")];
    const curve = (mu, sd) => grid.map((z) => [X(z), Y(Math.min(TOP, Math.exp(logNormal(z, mu, sd))))]);
    drawn.replaceChildren(
      path([[X(RANGE[0]), Y(0)], ...curve(...POSTERIOR), [X(RANGE[1]), Y(0)]], { fill: COLOURS.truth, "fill-opacity": 0.25, stroke: COLOURS.truth }),
      path(curve(loc, scale), { stroke: COLOURS.model, "stroke-width": 2.5 }),
    );
    put((z) => Y(Math.min(TOP, Math.exp(logNormal(z, loc, scale)))));

    const all = estimates();
    const sorted = all.map((list) => [...list].sort((a, b) => a - b));
    const means = all.map((list) => sum(list) / REPEATS);
    const bars = chart({
      height: narrow() ? 240 : 260, x: [-0.4, LEVELS + 0.4], y: SPAN.map((offset) => EXACT + offset), xTicks: [], yTicks: [-5, -4, -3, -2],
      xLabel: "", yLabel: "nats", label: "The bound of K draws against K, with the range of single estimates, and the exact log p(x)",
    });
    const inside = (value) => bars.Y(Math.min(EXACT + SPAN[1], Math.max(EXACT + SPAN[0], value)));
    const levels = Array.from({ length: LEVELS + 1 }, (_, k) => k);
    const band = [...levels.map((k) => [bars.X(k), inside(sorted[k][0.1 * REPEATS])]), ...levels.map((k) => [bars.X(k), inside(sorted[k][0.9 * REPEATS])]).reverse()];
    bars.plot.append(
      ...levels.map((k) => s("text", { x: bars.X(k), y: bars.box.bottom + 18, "text-anchor": "middle", "font-size": 13, fill: "currentColor" }, String(2 ** k))),
      s("text", { x: (bars.box.left + bars.box.right) / 2, y: bars.box.bottom + 36, "text-anchor": "middle", "font-size": 13, fill: "currentColor" }, "draws K"),
      path(band, { fill: COLOURS.model, "fill-opacity": 0.18, "stroke-width": 0 }),
      path([[bars.box.left, bars.Y(EXACT)], [bars.box.right, bars.Y(EXACT)]], { stroke: COLOURS.truth, "stroke-dasharray": "6 4" }),
      ...Array.from(all[at], (value, r) => [at + 0.5 * (r / REPEATS - 0.5), value]).filter(([, value]) => Math.abs(value - EXACT - (SPAN[0] + SPAN[1]) / 2) < (SPAN[1] - SPAN[0]) / 2)
        .map(([k, value]) => s("circle", { cx: bars.X(k), cy: bars.Y(value), r: 2, fill: COLOURS.model, "fill-opacity": 0.45 })),
      path(levels.map((k) => [bars.X(k), inside(means[k])]), { stroke: COLOURS.model, "stroke-width": 2.5 }),
      ...levels.map((k) => s("circle", { cx: bars.X(k), cy: inside(means[k]), r: k === at ? 7 : 4, fill: COLOURS.model, stroke: "currentColor", "stroke-width": k === at ? 2 : 0 })),
    );
    below.replaceChildren(bars.svg);
    told.textContent = `K = ${2 ** at}: ${REPEATS} estimates have the mean ${minus(means[at], 3)}; log p(x) = ${minus(EXACT, 3)}. Eight in ten lie between ${minus(sorted[at][0.1 * REPEATS], 2)} and ${minus(sorted[at][0.9 * REPEATS], 2)}.`;
  }

  model.on("change:seed", () => {
    noise = normals(REPEATS * most, model.get("seed"));
    draw();
  });
  for (const name of ["loc", "scale", "log2_draws"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
