// Samples of a law over K values, counted in bins, with smoothing: bars beside the law, NLL beside the floor.

const TEST_SIZE = 1000;
const TEST_SEED = 123456789;
const NATS = [3.4, 5.4];


// How often each value comes among the first n draws of a seed; more draws keep the earlier ones.
function count(law, n, seed) {
  const counts = law.map(() => 0);
  const uniform = random(seed);
  for (let drawn = 0; drawn < n; drawn++) {
    const u = uniform();
    let value = 0;
    for (let mass = law[0]; mass <= u && value < law.length - 1; mass += law[value]) value++;
    counts[value]++;
  }
  return counts;
}

// p(x) for every value x: the smoothed frequency of its bin, shared by the values in the bin.
function histogram(counts, bins, smoothing) {
  const binOf = counts.map((_, value) => Math.floor((value * bins) / counts.length));
  const mass = Array(bins).fill(smoothing);
  const width = Array(bins).fill(0);
  binOf.forEach((bin, value) => {
    mass[bin] += counts[value];
    width[bin]++;
  });
  const total = sum(mass);
  return binOf.map((bin) => mass[bin] / total / width[bin]);
}

// Mean of -log p over counted values; a value that did not come costs nothing, whatever its probability.
function nll(counts, p) {
  return sum(counts.map((n, value) => (n ? -n * Math.log(p[value]) : 0))) / sum(counts);
}

const nats = (value) => (value === Infinity ? "∞" : value.toFixed(3));

function render({ model, el }) {
  const law = model.get("law");
  const K = law.length;
  const test = count(law, TEST_SIZE, TEST_SEED);
  const floor = nll(test, law);
  const samples = () => Math.round(10 ** model.get("log10_samples"));
  let train, scores;

  const bars = h("div");
  const { svg, plot, X, Y, box } = chart({
    height: 260, x: [0, K], y: NATS, yTicks: [3.5, 4, 4.5, 5], xLabel: "number of bins", yLabel: "nats",
    label: "Train and test NLL against the number of bins, with the floor of the true law",
  });
  const line = s("line", { y1: box.top, y2: box.bottom, stroke: "currentColor", "stroke-width": 1, "stroke-dasharray": "2 3" });
  const handle = s("circle", { cy: box.bottom, r: 8, fill: COLOURS.model, stroke: "white", "stroke-width": 2 });
  const marker = s("g", {}, line, handle);
  const announce = draggable(marker, {
    svg, X, label: "number of bins", min: 1, max: K, step: 1,
    get: () => model.get("bins"),
    move(value) {
      model.set("bins", value);
      model.save_changes();
    },
  });
  svg.append(marker);
  const told = status();
  el.append(
    row(
      slider(model, "log10_samples", { label: "samples", min: 1, max: 4, step: 0.05, format: (v) => String(Math.round(10 ** v)) }),
      slider(model, "bins", { label: "bins", min: 1, max: K }),
      slider(model, "smoothing", { label: "smoothing α", min: 0, max: 5, step: 0.1, format: (v) => v.toFixed(1) }),
      button("New samples", () => {
        model.set("seed", model.get("seed") + 1);
        model.save_changes();
      }),
    ),
    legend([[COLOURS.data, "histogram of the samples"], [COLOURS.truth, "true law"]]),
    bars,
    legend([[COLOURS.data, "train NLL"], [COLOURS.model, "test NLL"], [COLOURS.bad, "test NLL is infinite"], [COLOURS.truth, "floor: the true law on the test data"]]),
    svg,
    told,
  );

  function drawBars(p) {
    const top = [0.06, 0.12, 0.25, 0.5, 1].find((limit) => Math.max(...p) <= limit);
    const { svg, plot, X, Y } = chart({ height: 230, x: [0, K], y: [0, top], xLabel: "value x", yLabel: "probability", label: "The histogram's law and the true law" });
    p.forEach((height, value) => {
      plot.append(s("rect", { x: X(value), y: Y(height), width: X(1) - X(0) + 0.3, height: Y(0) - Y(height), fill: COLOURS.data, "fill-opacity": 0.6 }));
    });
    plot.append(path(law.flatMap((mass, value) => [[X(value), Y(mass)], [X(value + 1), Y(mass)]]), { stroke: COLOURS.truth }));
    bars.replaceChildren(svg);
  }

  function drawCurves() {
    // The parts of a curve that lie inside the chart; a test NLL may be infinite in between.
    const curve = (values, attributes) => {
      const runs = [[]];
      values.forEach((value, i) => {
        if (NATS[0] <= value && value <= NATS[1]) runs.at(-1).push([X(i + 1), Y(value)]);
        else runs.push([]);
      });
      return runs.map((run) => path(run, attributes));
    };
    const infinite = scores.flatMap(({ test }, i) => (test === Infinity ? [i + 1] : []));
    plot.replaceChildren(
      ...curve(Array(K).fill(floor), { stroke: COLOURS.truth, "stroke-dasharray": "6 4" }),
      ...curve(scores.map(({ train }) => train), { stroke: COLOURS.data }),
      ...curve(scores.map(({ test }) => test), { stroke: COLOURS.model }),
      ...infinite.map((bins) => s("circle", { cx: X(bins), cy: box.top, r: 2.5, fill: COLOURS.bad })),
      s("text", { x: box.left - 6, y: box.top + 6, "text-anchor": "end", "font-size": 18, fill: COLOURS.bad }, infinite.length ? "∞" : ""),
    );
    const at = X(model.get("bins"));
    fill(line, { x1: at, x2: at }, []);
    fill(handle, { cx: at }, []);
    announce();
  }

  function drawAll() {
    const p = histogram(train, model.get("bins"), model.get("smoothing"));
    drawBars(p);
    drawCurves();
    const lost = sum(test.filter((_, value) => p[value] === 0));
    const { train: onTrain, test: onTest } = scores[model.get("bins") - 1];
    told.textContent =
      `${samples()} samples, ${model.get("bins")} bins, α = ${model.get("smoothing").toFixed(1)}: train ${nats(onTrain)}, test ${nats(onTest)}, floor ${nats(floor)} nats.` +
      (lost ? ` ${lost} of ${TEST_SIZE} test values fall into empty bins.` : "");
  }

  function refit() {
    scores = Array.from({ length: K }, (_, i) => {
      const p = histogram(train, i + 1, model.get("smoothing"));
      return { train: nll(train, p), test: nll(test, p) };
    });
    drawAll();
  }

  function resample() {
    train = count(law, samples(), model.get("seed"));
    refit();
  }

  model.on("change:bins", drawAll);
  model.on("change:smoothing", refit);
  model.on("change:log10_samples", resample);
  model.on("change:seed", resample);
  resample();
}

export default { render };
