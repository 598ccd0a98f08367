// A logistic density cut into bins, draggable, above the bins' probabilities and their sum.

const THREE_QUARTERS = Math.log(3); // the logistic has three quarters of its mass below loc + scale * log 3

const oneDigit = (value) => minus(value, 1);
const sigmoid = (z) => 1 / (1 + Math.exp(-z));

function render({ model, el }) {
  const K = model.get("num_values");
  const domain = [-3.5, K + 2.5];
  const means = { min: -1, max: K, step: 0.1 };
  const scales = { min: 0.5, max: 2, step: 0.05 };
  const values = Array.from({ length: K }, (_, k) => k);
  const loc = () => model.get("loc");
  const scale = () => model.get("scale");
  const cdf = (z) => sigmoid((z - loc()) / scale());
  const density = (z) => (cdf(z) * (1 - cdf(z))) / scale();
  const set = (name) => (value) => {
    model.set(name, value);
    model.save_changes();
  };

  const { svg, plot, X, Y, box } = chart({
    height: 200, x: domain, y: [0, 0.52], xTicks: values, yTicks: [0, 0.25, 0.5], yLabel: "density",
    label: "The logistic's density, cut into bins; its mean and its scale can be dragged",
  });
  const stem = s("line", { y1: box.bottom, stroke: "currentColor", "stroke-dasharray": "3 3" });
  const knob = (colour) => s("g", {}, s("circle", { r: 14, fill: "transparent" }), s("circle", { r: 8, fill: colour, stroke: "white", "stroke-width": 2 }));
  const mean = knob(COLOURS.model);
  const spread = knob(COLOURS.truth);
  const announce = [
    draggable(mean, { svg, X, label: "mean", ...means, get: loc, move: set("loc") }),
    draggable(spread, {
      svg, label: "scale", ...scales, get: scale, move: set("scale"),
      X: { invert: (pixel) => (X.invert(pixel) - loc()) / THREE_QUARTERS },
    }),
  ];
  svg.append(stem, mean, spread);

  const checkbox = h("input", { type: "checkbox", style: `accent-color:${COLOURS.model}`, onchange: () => set("tails")(checkbox.checked) });
  const key = h("div");
  const bars = h("div");
  const told = status();
  el.append(
    row(
      slider(model, "loc", { label: "mean μ", ...means, format: oneDigit }),
      slider(model, "scale", { label: "scale s", ...scales, format: (v) => v.toFixed(2) }),
      h("label", { style: "display:flex;gap:.5em;align-items:center" }, checkbox, `0 and ${K - 1} take the tails`),
    ),
    key,
    svg,
    bars,
    told,
  );

  // The area under the density from one latent value to another.
  function area(from, to, attributes) {
    const steps = Math.ceil((to - from) * 12);
    const curve = Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps);
    const points = [[X(from), Y(0)], ...curve.map((z) => [X(z), Y(density(z))]), [X(to), Y(0)]];
    return path(points, { "stroke-width": 0, ...attributes });
  }

  function drawDensity(tail) {
    const curve = Array.from({ length: 241 }, (_, i) => domain[0] + ((domain[1] - domain[0]) * i) / 240);
    plot.replaceChildren(
      area(domain[0], -0.5, { fill: tail, "fill-opacity": 0.45 }),
      area(K - 0.5, domain[1], { fill: tail, "fill-opacity": 0.45 }),
      ...values.map((k) => area(k - 0.5, k + 0.5, { fill: COLOURS.model, "fill-opacity": k % 2 ? 0.35 : 0.6 })),
      path(curve.map((z) => [X(z), Y(density(z))]), { stroke: "currentColor" }),
    );
    const quarter = loc() + scale() * THREE_QUARTERS;
    fill(stem, { x1: X(loc()), x2: X(loc()), y2: Y(density(loc())) }, []);
    fill(mean, { transform: `translate(${X(loc())} ${Y(density(loc()))})` }, []);
    fill(spread, { transform: `translate(${X(quarter)} ${Y(density(quarter))})` }, []);
    announce.forEach((update) => update());
  }

  function drawBars(inside, tails, tail) {
    const top = [0.25, 0.5, 1].find((limit) => inside.every((mass, k) => mass + tails[k] <= 0.9 * limit)) ?? 1.1;
    const { svg, plot, X, Y } = chart({
      height: 210, x: domain, y: [0, top], xTicks: values, xLabel: "value x", yLabel: "probability",
      label: "The probability of each value",
    });
    for (const k of values) {
      const bar = (from, to, attributes) => s("rect", { x: X(k - 0.44), width: X(0.88) - X(0), y: Y(to), height: Y(from) - Y(to), ...attributes });
      const counted = inside[k] + (model.get("tails") ? tails[k] : 0);
      plot.append(bar(0, inside[k], { fill: COLOURS.model, "fill-opacity": 0.8 }));
      if (tails[k]) {
        const empty = { fill: "none", stroke: tail, "stroke-dasharray": "4 3" };
        plot.append(bar(inside[k], inside[k] + tails[k], model.get("tails") ? { fill: tail, "fill-opacity": 0.6 } : empty));
      }
      const total = inside[k] + tails[k];
      const beside = Y(counted) - Y(total) > 18 ? counted : total; // not across the outline of a lost tail
      const number = { x: X(k), y: Y(beside) - 4, "text-anchor": "middle", "font-size": 12, fill: "currentColor" };
      if (!narrow()) plot.append(s("text", number, counted.toFixed(2)));
    }
    bars.replaceChildren(svg);
  }

  function draw() {
    const counted = model.get("tails");
    const tail = counted ? COLOURS.data : COLOURS.bad;
    const inside = values.map((k) => cdf(k + 0.5) - cdf(k - 0.5));
    const tails = values.map((k) => (k === 0 ? cdf(-0.5) : 0) + (k === K - 1 ? 1 - cdf(K - 0.5) : 0));
    const beyond = tails[0] + tails[K - 1];
    const sum = inside.reduce((a, b) => a + b, 0) + (counted ? beyond : 0);
    checkbox.checked = counted;
    key.replaceChildren(legend([
      [COLOURS.model, "mass of a bin"],
      [tail, counted ? "tails, counted with the end values" : "tails, counted nowhere"],
    ]));
    drawDensity(tail);
    drawBars(inside, tails, tail);
    told.textContent =
      `μ = ${oneDigit(loc())}, s = ${scale().toFixed(2)}: the ${K} probabilities sum to ${sum.toFixed(6)}.` +
      (counted ? "" : ` The tails hold the missing ${beyond.toFixed(6)}.`);
    told.style.fontWeight = counted ? "" : "bold";
  }

  for (const name of ["loc", "scale", "tails"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
