// Three Gaussians on the line: examples coloured by responsibility, EM a step at a time, the loss of every step.

const RANGE = [-6, 6];
const TOP = 0.6; // of the density's axis
const PARTS = [COLOURS.data, COLOURS.truth, COLOURS.model];
const SMALLEST = 1e-6; // a Gaussian of one example has no width


function render({ model, el }) {
  const list = (name) => model.get(name);
  const data = list("data");
  const set = setter(model);
  // log p(x, z) for each z.
  const logJoint = (x) => list("loc").map((mean, m) => Math.log(list("weight")[m]) - ((x - mean) / list("scale")[m]) ** 2 / 2 - Math.log(list("scale")[m] * Math.sqrt(2 * Math.PI)));
  const logSumExp = (logs) => Math.max(...logs) + Math.log(sum(logs.map((value) => Math.exp(value - Math.max(...logs)))));
  const shares = (x) => logJoint(x).map((value, _, all) => Math.exp(value - logSumExp(all)));
  const loss = () => -sum(data.map((x) => logSumExp(logJoint(x)))) / data.length;

  const chartTop = chart({
    height: narrow() ? 250 : 260, x: RANGE, y: [0, TOP], xLabel: "x", yLabel: "density p(x)",
    label: "Three Gaussians and their sum; the means can be dragged; below, the examples in the colours of those who made them",
  });
  const { svg, plot, X, Y, box } = chartTop;
  const drawn = s("g");
  plot.append(drawn);
  const knobs = PARTS.map((colour, m) => {
    const handle = knob(colour, m + 1);
    svg.append(handle);
    const announce = draggable(handle, {
      svg, X, label: `mean of component ${m + 1}`, min: -5, max: 5, step: 0.1,
      get: () => list("loc")[m],
      move: (value) => set({ loc: list("loc").map((old, k) => (k === m ? value : old)), losses: [] }),
    });
    return { handle, announce };
  });

  function emStep() {
    const r = data.map(shares); // the E step
    const parts = PARTS.map((_, m) => {
      const total = sum(r.map((row) => row[m]));
      if (total === 0) return { weight: 0, loc: list("loc")[m], scale: list("scale")[m] };
      const mean = sum(r.map((row, n) => row[m] * data[n])) / total;
      const variance = sum(r.map((row, n) => row[m] * (data[n] - mean) ** 2)) / total;
      return { weight: total / data.length, loc: mean, scale: Math.sqrt(Math.max(variance, SMALLEST)) };
    });
    const changes = Object.fromEntries(["weight", "loc", "scale"].map((name) => [name, parts.map((part) => part[name])]));
    const before = list("losses").length ? list("losses") : [loss()];
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.set("losses", [...before, loss()]);
  }
  const steps = (count) => () => {
    for (let k = 0; k < count; k++) emStep();
    model.save_changes();
  };
  const apart = { loc: list("loc"), scale: list("scale"), weight: list("weight") };
  const below = h("div");
  const told = status();
  el.append(
    row(
      button("One EM step", steps(1)),
      button("Ten EM steps", steps(10)),
      button("Start again", () => set({ ...apart, losses: [] })),
    ),
    legend([...PARTS.map((colour, m) => [colour, `component ${m + 1}`]), ["currentColor", "their sum"]]),
    svg,
    row(slider(model, "x", { label: "look at x", min: -5, max: 5, step: 0.1, format: (v) => minus(v, 1) })),
    told,
    below,
  );

  const grid = Array.from({ length: 301 }, (_, i) => RANGE[0] + ((RANGE[1] - RANGE[0]) * i) / 300);
  const height = (p) => Y(Math.min(p, TOP));
  // The colours of the components, mixed in the shares of x.
  function mixed(x) {
    const r = shares(x);
    const channels = [1, 3, 5].map((at) => Math.round(sum(PARTS.map((colour, m) => r[m] * parseInt(colour.slice(at, at + 2), 16)))));
    return `rgb(${channels.join(" ")})`;
  }

  function drawLosses() {
    const losses = list("losses");
    if (!losses.length) return below.replaceChildren();
    const last = Math.max(10, losses.length - 1);
    const low = Math.floor(Math.min(...losses) * 10) / 10;
    const { svg: curve, plot: inside, X: A, Y: B } = chart({
      height: narrow() ? 170 : 160, x: [0, last], y: [low, Math.max(low + 0.2, Math.ceil(losses[0] * 10) / 10)],
      xLabel: "steps of EM", yLabel: "loss, nats", label: "The loss after every step",
      yTicks: ticks([low, Math.max(low + 0.2, losses[0])]),
    });
    inside.append(
      path(losses.map((value, k) => [A(k), B(value)]), { stroke: "currentColor" }),
      ...losses.map((value, k) => s("circle", { cx: A(k), cy: B(value), r: 3, fill: "currentColor" })),
    );
    below.replaceChildren(curve);
  }

  function draw() {
    const at = list("x");
    const total = (x) => Math.exp(logSumExp(logJoint(x)));
    drawn.replaceChildren(
      ...PARTS.map((colour, m) => path([[X(RANGE[0]), Y(0)], ...grid.map((x) => [X(x), height(Math.exp(logJoint(x)[m]))]), [X(RANGE[1]), Y(0)]], { stroke: colour, "stroke-width": 1.5, fill: colour, "fill-opacity": 0.22 })),
      path(grid.map((x) => [X(x), height(total(x))]), { stroke: "currentColor" }),
      ...data.map((x) => s("line", { x1: X(x), x2: X(x), y1: box.bottom - 16, y2: box.bottom, stroke: mixed(x), "stroke-width": 2 })),
      s("line", { x1: X(at), x2: X(at), y1: box.top, y2: box.bottom, stroke: "currentColor", "stroke-dasharray": "4 3" }),
    );
    knobs.forEach(({ handle, announce }, m) => {
      const peak = Math.exp(logJoint(list("loc")[m])[m]);
      const where = Math.min(RANGE[1], Math.max(RANGE[0], list("loc")[m]));
      fill(handle, { transform: `translate(${X(where)} ${Math.max(box.top + 6, height(peak))})` }, []);
      announce();
    });
    const r = shares(at).map((share) => share.toFixed(3));
    told.textContent = `Loss ${minus(loss(), 3)} nats after ${Math.max(0, list("losses").length - 1)} steps. At x = ${minus(at, 1)}: responsibilities ${r.join(", ")}.`;
    drawLosses();
  }

  for (const name of ["loc", "scale", "weight", "losses", "x"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
