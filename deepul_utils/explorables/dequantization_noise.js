// Densities trained on integers with noise of several widths: the density, the masses of its cells, and the claims.

const MIDPOINTS = Array.from({ length: 32 }, (_, i) => (i + 0.5) / 32 - 0.5); // of u - 1/2

const logSigmoid = (z) => Math.min(z, 0) - Math.log1p(Math.exp(-Math.abs(z)));

function logSumExp(terms) {
  const largest = Math.max(...terms);
  return largest + Math.log(sum(terms.map((t) => Math.exp(t - largest))));
}

// A mixture of logistics from its logits, means and log-scales: log density and distribution function.
function mixture([logits, means, logScales]) {
  const normaliser = logSumExp(logits);
  const parts = logits.map((l, m) => ({ logWeight: l - normaliser, mean: means[m], scale: Math.exp(logScales[m]) }));
  return {
    means,
    logDensity: (y) => logSumExp(parts.map(({ logWeight, mean, scale }) => {
      const z = Math.abs(y - mean) / scale; // the logistic is symmetric
      return logWeight - z - 2 * Math.log1p(Math.exp(-z)) - Math.log(scale);
    })),
    // sigma(high) - sigma(low) = sigma(high) sigma(-low) (1 - exp(low - high)), which does not round to 0.
    logMass: (a, b) => logSumExp(parts.map(({ logWeight, mean, scale }) => {
      const [low, high] = [(a - mean) / scale, (b - mean) / scale];
      return logWeight + logSigmoid(high) + logSigmoid(-low) + Math.log1p(-Math.exp(low - high));
    })),
  };
}

function render({ model, el }) {
  const [widths, steps, params] = ["widths", "steps", "params"].map((name) => model.get(name));
  const [train, test, law] = ["train", "test", "law"].map((name) => model.get(name));
  const K = law.length;
  const values = Array.from({ length: K }, (_, k) => k);
  const present = values.filter((k) => train[k] + test[k] > 0);
  const domain = [Math.max(0, present[0] - 1), Math.min(K, present.at(-1) + 2)];
  const shown = values.filter((k) => k >= domain[0] && k < domain[1]);
  const mean = (counts, f) => sum(present.map((k) => (counts[k] ? counts[k] * f(k) : 0))) / sum(counts);
  const floor = mean(test, (k) => Math.log(law[k]));

  // What the model of a width and step claims of the data, and the law that it is.
  const known = new Map();
  function measure(w, t) {
    const key = `${w},${t}`;
    if (!known.has(key)) {
      const p = mixture(params[w][t]);
      const claim = new Map(present.map((k) => [k, sum(MIDPOINTS.map((u) => p.logDensity(k + 0.5 + widths[w] * u))) / MIDPOINTS.length]));
      const logMasses = values.map((k) => p.logMass(k === 0 ? -Infinity : k, k === K - 1 ? Infinity : k + 1));
      known.set(key, {
        p,
        masses: logMasses.map(Math.exp),
        train: mean(train, (k) => claim.get(k)),
        test: mean(test, (k) => claim.get(k)),
        law: mean(test, (k) => logMasses[k]),
      });
    }
    return known.get(key);
  }

  const top = h("div");
  const middle = h("div");
  const bottom = h("div");
  const told = status();
  el.append(
    row(
      slider(model, "width", { label: "noise width w", min: 0, max: widths.length - 1, format: (i) => minus(widths[i]) }),
      slider(model, "step", { label: "training steps", min: 0, max: steps.length - 1, format: (i) => String(steps[i]) }),
    ),
    told, top,
    legend([[COLOURS.model, "P(x): mass of the cell"], [COLOURS.data, "training data"], [COLOURS.truth, "true law"]]),
    middle,
    legend([[COLOURS.data, "claimed, training data"], [COLOURS.model, "claimed, test data"], [COLOURS.bad, "log P(x), test data"], [COLOURS.truth, "true law"]]),
    bottom,
  );

  function drawDensity({ p }) {
    const grid = Array.from({ length: 401 }, (_, i) => domain[0] + ((domain[1] - domain[0]) * i) / 400);
    const inside = p.means.filter((m) => m > domain[0] && m < domain[1]);
    const near = inside.flatMap((m) => [m - 0.02, m - 0.005, m, m + 0.005, m + 0.02]); // spikes are narrow
    const curve = [...grid, ...near].sort((a, b) => a - b).map((y) => [y, Math.exp(p.logDensity(y))]);
    const peak = Math.max(...curve.map(([, density]) => density));
    const limit = 10 ** Math.ceil(Math.log10(peak));
    const high = [0.2, 0.5, 1].map((part) => part * limit).find((value) => value >= peak);
    const { svg, plot, X, Y, box } = chart({
      height: 200, x: domain, y: [0, high], xTicks: shown, yTicks: [0, high / 2, high].map((t) => +t.toPrecision(3)), yLabel: "density",
      label: "The density of y, over the cells of the integers",
    });
    for (const k of shown) plot.append(s("line", { x1: X(k), x2: X(k), y1: box.top, y2: box.bottom, stroke: "currentColor", "stroke-opacity": 0.15 }));
    plot.append(path(curve.map(([y, density]) => [X(y), Y(density)]), { stroke: COLOURS.model }));
    top.replaceChildren(svg);
  }

  function drawMasses({ masses }) {
    const total = sum(train);
    const largest = Math.max(...shown.map((k) => Math.max(masses[k], train[k] / total, law[k])));
    const { svg, plot, X, Y } = chart({
      height: 190, x: domain, y: [0, Math.ceil(largest * 10) / 10], xTicks: shown, xLabel: "x; its cell runs to x + 1", yLabel: "probability",
      label: "The probability of each value: the model's, the training data's and the true one",
    });
    for (const k of shown) {
      const bar = (from, to, height, colour) => s("rect", { x: X(k + from), width: X(to) - X(from), y: Y(height), height: Y(0) - Y(height), fill: colour, "fill-opacity": 0.8 });
      plot.append(bar(0.08, 0.48, masses[k], COLOURS.model), bar(0.5, 0.74, train[k] / total, COLOURS.data));
      plot.append(s("line", { x1: X(k + 0.05), x2: X(k + 0.95), y1: Y(law[k]), y2: Y(law[k]), stroke: COLOURS.truth, "stroke-width": 3 }));
    }
    middle.replaceChildren(svg);
  }

  function drawClaims(t) {
    const all = widths.map((_, w) => measure(w, t));
    const every = [...all.flatMap((m) => [m.train, m.test, m.law]), floor];
    const { svg, plot, X, Y, box } = chart({
      height: 230, x: [widths[0], widths.at(-1)], y: [Math.min(...every) - 0.2, Math.max(0, ...every) + 0.2], xLabel: "noise width w", yLabel: "nats per value",
      label: "Log-likelihood against the width of the noise",
    });
    const now = X(widths[model.get("width")]);
    plot.append(s("line", { x1: now, x2: now, y1: box.top, y2: box.bottom, stroke: "currentColor", "stroke-opacity": 0.5 }));
    plot.append(path(widths.map((w) => [X(w), Y(floor)]), { stroke: COLOURS.truth, "stroke-dasharray": "6 4" }));
    for (const [name, colour] of [["train", COLOURS.data], ["test", COLOURS.model], ["law", COLOURS.bad]]) {
      plot.append(path(widths.map((w, i) => [X(w), Y(all[i][name])]), { stroke: colour }));
      plot.append(s("circle", { cx: now, cy: Y(all[model.get("width")][name]), r: 5, fill: colour, stroke: "white", "stroke-width": 1.5 }));
    }
    bottom.replaceChildren(svg);
  }

  function draw() {
    const [w, t] = [model.get("width"), model.get("step")];
    const now = measure(w, t);
    drawDensity(now);
    drawMasses(now);
    drawClaims(t);
    told.textContent =
      `w = ${minus(widths[w])} after ${steps[t]} steps: the density claims ${minus(now.train)} nats a training value and ` +
      `${minus(now.test)} a test value. As a law over integers it gives the test values ${minus(now.law)}; the true law, ${minus(floor)}.`;
  }

  for (const name of ["width", "step"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
