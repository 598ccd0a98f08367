// Clouds of gradient estimates: a law that is dragged under f, and below what two estimators make of the same noise.

const RANGE = [-4, 4];
const ESTIMATES = 100;
const LARGEST = 16; // draws stored for an estimate
const FUNCTIONS = {
  square: { f: (z) => (z - 1) ** 2, slope: (z) => 2 * (z - 1), y: [0, 25], yTicks: [0, 5, 10, 15, 20, 25], gradients: [-30, 30] },
  wave: { f: (z) => Math.sin(3 * z), slope: (z) => 3 * Math.cos(3 * z), y: [-1.5, 1.5], yTicks: [-1, 0, 1], gradients: [-6, 6] },
  step: { f: (z) => (z > 1 ? 1 : 0), slope: () => 0, y: [-0.2, 1.3], yTicks: [0, 1], gradients: [-3, 3] },
};

const mean = (numbers) => sum(numbers) / numbers.length;
const deviation = (numbers) => Math.sqrt(mean(numbers.map((value) => (value - mean(numbers)) ** 2)));

// E[g(noise)] of standard normal noise, by the midpoint rule.
function expectation(g) {
  const step = 0.004;
  let total = 0;
  for (let k = 0; k < 4000; k++) {
    const noise = -8 + (k + 0.5) * step;
    total += g(noise) * Math.exp(-noise * noise / 2);
  }
  return (total * step) / Math.sqrt(2 * Math.PI);
}

function render({ model, el }) {
  const set = setter(model);
  const toggle = (text, onclick) => {
    const made = button(text, onclick);
    const pressed = (on) => {
      made.setAttribute("aria-pressed", on);
      made.style.fontWeight = on ? "bold" : "normal";
      made.style.boxShadow = on ? "inset 0 0 0 1px currentColor" : "none";
    };
    return [made, pressed];
  };
  const choices = Object.keys(FUNCTIONS).map((name) => [name, ...toggle(name, () => set({ function: name }))]);
  const [baseline, baselineOn] = toggle("best constant baseline", () => set({ baseline: !model.get("baseline") }));
  const above = h("div");
  const below = h("div");
  const told = status();

  el.append(
    row(h("span", {}, "f:"), ...choices.map(([, made]) => made), baseline),
    row(
      slider(model, "scale", { label: "width s", min: 0.2, max: 2, step: 0.1, format: (v) => v.toFixed(1) }),
      slider(model, "num_samples", { label: "draws K", min: 1, max: LARGEST }),
    ),
    legend([[COLOURS.quiet, "law q and K draws"], [COLOURS.model, "score function"], [COLOURS.data, "f, pathwise"], [COLOURS.truth, "exact gradient"]]),
    above,
    below,
    told,
  );

  // The chart of f is drawn anew with another f only, so that the handle stays in the pointer's hand.
  let scene;
  function stage() {
    const { f, y, yTicks } = FUNCTIONS[model.get("function")];
    const { svg, plot, X, Y, box } = chart({ height: 230, x: RANGE, y, yTicks, xLabel: "z", yLabel: "f(z)", label: "f over z and the law q, whose mean can be dragged" });
    const drawn = s("g");
    const lift = (value) => Y(Math.min(y[1], Math.max(y[0], value)));
    const curve = Array.from({ length: 801 }, (_, k) => RANGE[0] + ((RANGE[1] - RANGE[0]) * k) / 800).map((z) => [X(z), lift(f(z))]);
    plot.append(drawn, path(curve, { stroke: COLOURS.data, "stroke-width": 2.5 }));
    const handle = knob(COLOURS.quiet, "m");
    svg.append(handle);
    const say = draggable(handle, { svg, X, label: "mean m of the law", min: -3, max: 3, step: 0.05, get: () => model.get("loc"), move: (value) => set({ loc: value }) });
    above.replaceChildren(svg);
    scene = { drawn, handle, say, X, lift, box };
  }

  function draw() {
    const { f, slope, gradients } = FUNCTIONS[model.get("function")];
    const [loc, scale, count, noise] = ["loc", "scale", "num_samples", "noise"].map((name) => model.get(name));
    const { drawn, handle, say, X, lift, box } = scene;
    choices.forEach(([name, , pressed]) => pressed(name === model.get("function")));
    baselineOn(model.get("baseline"));

    // The law, a quarter of the chart high at s = 1, and the draws of the first estimate.
    const bell = (z) => box.bottom - ((0.25 * (box.bottom - box.top)) / Math.max(scale, 0.35)) * Math.exp(-(((z - loc) / scale) ** 2) / 2);
    const outline = Array.from({ length: 161 }, (_, k) => RANGE[0] + k / 20).map((z) => [X(z), bell(z)]);
    const seen = (z) => z > RANGE[0] && z < RANGE[1];
    const draws = noise.slice(0, count).map((each) => loc + scale * each).filter(seen);
    drawn.replaceChildren(
      path([[X(RANGE[0]), box.bottom], ...outline, [X(RANGE[1]), box.bottom]], { fill: COLOURS.quiet, "fill-opacity": 0.3, stroke: COLOURS.quiet }),
      ...draws.map((z) => s("line", { x1: X(z), x2: X(z), y1: box.bottom, y2: lift(f(z)), stroke: COLOURS.quiet, "stroke-dasharray": "2 3" })),
      ...draws.map((z) => s("circle", { cx: X(z), cy: lift(f(z)), r: 4.5, fill: COLOURS.quiet })),
    );
    handle.setAttribute("transform", `translate(${X(loc)} ${bell(loc)})`);
    say();

    const exact = expectation((each) => f(loc + scale * each) * each) / scale;
    const b = model.get("baseline") ? expectation((each) => f(loc + scale * each) * each * each) : 0;
    const rows = Array.from({ length: ESTIMATES }, (_, k) => noise.slice(LARGEST * k, LARGEST * k + count));
    const clouds = {
      score: rows.map((row) => mean(row.map((each) => ((f(loc + scale * each) - b) * each) / scale))),
      path: rows.map((row) => mean(row.map((each) => slope(loc + scale * each)))),
    };
    const bottom = chart({ height: narrow() ? 190 : 180, x: gradients, y: [0, 2], yTicks: [], xLabel: "estimate of dL/dm", label: "A hundred estimates by each method, and the exact gradient" });
    let outside = 0;
    for (const [name, middle, colour] of [["score", 1.5, COLOURS.model], ["path", 0.5, COLOURS.data]]) {
      clouds[name].forEach((value, k) => {
        const at = Math.min(gradients[1], Math.max(gradients[0], value));
        outside += at !== value;
        bottom.plot.append(s("circle", { cx: bottom.X(at), cy: bottom.Y(middle + 0.7 * (((k * 0.618) % 1) - 0.5)), r: 3, fill: colour, "fill-opacity": at === value ? 0.6 : 0.15, stroke: at === value ? "none" : colour }));
      });
    }
    bottom.plot.append(s("line", { x1: bottom.X(exact), x2: bottom.X(exact), y1: bottom.Y(0), y2: bottom.Y(2), stroke: COLOURS.truth, "stroke-width": 2 }));
    below.replaceChildren(bottom.svg);
    const said = (cloud) => `${minus(mean(cloud))} ± ${deviation(cloud).toFixed(2)}`;
    told.textContent = `Exact ${minus(exact)}. Mean ± standard deviation of ${ESTIMATES} estimates: score function ${said(clouds.score)}, pathwise ${said(clouds.path)}.${outside ? ` Hollow dots (${outside}) lie further out.` : ""}`;
  }

  model.on("change:function", stage); // before draw, which draws into it
  for (const name of ["function", "loc", "scale", "num_samples", "baseline"]) model.on(`change:${name}`, draw);
  stage();
  draw();
}

export default { render };
