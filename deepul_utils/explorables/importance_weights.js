// Importance sampling on a line: prior, posterior and a proposal that is dragged; its draws with their weights below.

const RANGE = [-4, 4];
const TOP = 1.7; // of the density's axis
const NOISE = 0.5; // standard deviation of x given z

const logSumExp = (logs) => Math.max(...logs) + Math.log(sum(logs.map((value) => Math.exp(value - Math.max(...logs)))));

function render({ model, el }) {
  const set = setter(model);
  const x = () => model.get("x");
  const logPrior = (z) => logNormal(z, 0, 1);
  const logJoint = (z) => logPrior(z) + logNormal(x(), z * z, NOISE);
  const logProposal = (z) => logNormal(z, model.get("loc"), model.get("scale"));
  const grid = Array.from({ length: 401 }, (_, i) => RANGE[0] + ((RANGE[1] - RANGE[0]) * i) / 400);

  // log p(x), by the midpoint rule over a wider interval.
  function exact() {
    const step = 0.005;
    return logSumExp(Array.from({ length: 2400 }, (_, i) => logJoint(-6 + (i + 0.5) * step))) + Math.log(step);
  }

  const { svg, plot, X, Y, box } = chart({
    height: narrow() ? 230 : 240, x: RANGE, y: [0, TOP], yLabel: "density", yTicks: [0, 0.5, 1, 1.5],
    label: "Prior, posterior and proposal over z; the proposal's mean and width can be dragged",
  });
  const drawn = s("g");
  plot.append(drawn);
  const put = normalKnobs(model, { svg, X, box, letter: "t", means: [-3, 3], scales: [0.05, 2.5] });

  const below = h("div");
  const told = status();
  el.append(
    row(
      slider(model, "x", { label: "observed x", min: -1, max: 4, step: 0.1, format: (v) => minus(v, 1) }),
      slider(model, "num_samples", { label: "draws K", min: 1, max: 200 }),
    ),
    row(
      button("Propose from the prior", () => set({ loc: 0, scale: 1 })),
      button("New draws", () => set({ first: (model.get("first") + 100) % model.get("noise").length })),
    ),
    legend([[COLOURS.quiet, "prior p(z)"], [COLOURS.truth, "posterior p(z|x)"], [COLOURS.model, "proposal q(z), draws and weights"]]),
    svg,
    below,
    told,
  );

  function draw() {
    const [loc, scale, count] = [model.get("loc"), model.get("scale"), model.get("num_samples")];
    const noise = model.get("noise");
    const z = Array.from({ length: count }, (_, k) => loc + scale * noise[(model.get("first") + k) % noise.length]);
    const logWeights = z.map((value) => logJoint(value) - logProposal(value));
    const total = logSumExp(logWeights);
    const shares = logWeights.map((value) => Math.exp(value - total));
    const size = 1 / sum(shares.map((share) => share * share));
    const evidence = exact();

    const curve = (log) => grid.map((value) => [X(value), Y(Math.min(TOP, Math.exp(log(value))))]);
    const closed = (points) => [[X(RANGE[0]), Y(0)], ...points, [X(RANGE[1]), Y(0)]];
    const posterior = curve((value) => logJoint(value) - evidence);
    drawn.replaceChildren(
      path(closed(posterior), { fill: COLOURS.truth, "fill-opacity": 0.25, "stroke-width": 0 }),
      path(posterior, { stroke: COLOURS.truth }),
      path(curve(logProposal), { stroke: COLOURS.model, "stroke-width": 3 }),
      path(curve(logPrior), { stroke: COLOURS.quiet, "stroke-dasharray": "5 4" }), // seen where the two are the same
    );
    put((z) => Y(Math.min(TOP, Math.exp(logProposal(z)))));

    const tallest = Math.max(...shares);
    const bars = chart({
      height: narrow() ? 190 : 180, x: RANGE, y: [0, tallest * 1.08], xLabel: "z", yLabel: "share of a draw", yTicks: ticks([0, tallest], 3),
      label: "The normalised weight of every draw",
    });
    z.forEach((value, k) => {
      if (value < RANGE[0] || value > RANGE[1]) return;
      bars.plot.append(
        s("line", { x1: bars.X(value), x2: bars.X(value), y1: bars.Y(0), y2: bars.Y(shares[k]), stroke: COLOURS.model, "stroke-width": 1.5 }),
        s("circle", { cx: bars.X(value), cy: bars.Y(shares[k]), r: 3, fill: COLOURS.model }),
      );
    });
    below.replaceChildren(bars.svg);
    told.textContent = `${count} draws count as ${size.toFixed(1)}. log p(x): estimate ${minus(total - Math.log(count), 3)}, exact ${minus(evidence, 3)}.`;
  }

  for (const name of ["x", "loc", "scale", "num_samples", "first"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
