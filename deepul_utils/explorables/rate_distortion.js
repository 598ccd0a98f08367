// The plane of rate and distortion: a point for each trained model, and what the chosen one makes of some images.

const SHADES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; // from white to black

function render({ model, el }) {
  const [betas, rates, distortions, entropy, images] = ["betas", "rates", "distortions", "entropy", "images"].map((name) => model.get(name));
  const [count, height, width] = model.get("shape");
  const choose = (index) => {
    model.set("chosen", index);
    model.save_changes();
  };

  const range = [0, 1.08 * Math.max(...rates, entropy)];
  const { svg, plot, X, Y } = chart({
    height: narrow() ? 280 : 330, x: range, y: [0, 1.08 * Math.max(...distortions, entropy)], xLabel: "rate R (nats)", yLabel: "distortion D (nats)",
    label: "Rate against distortion: one point for each model, the line of the entropy, and lines through the chosen model",
  });
  // D = level - price R, where it is on the chart.
  const line = (level, price, look) => path([[X(0), Y(level)], [X(level / price), Y(0)]], look);
  const clip = s("clipPath", { id: `inside-${Math.random().toString(36).slice(2)}` }, s("rect", { x: X(0), y: 0, width: X(range[1]) - X(0), height: Y(0) }));
  const lines = s("g", { "clip-path": `url(#${clip.id})` });
  const dots = betas.map((beta, k) => {
    const dot = s("g", { transform: `translate(${X(rates[k])} ${Y(distortions[k])})`, style: "cursor:pointer", onclick: () => choose(k) });
    dot.append(s("circle", { r: 16, fill: "transparent" }), s("circle", { r: 6, fill: COLOURS.model, stroke: "white", "stroke-width": 1.5 }));
    return dot;
  });
  const below = path([[X(0), Y(entropy)], [X(entropy), Y(0)], [X(0), Y(0)]], { fill: COLOURS.quiet, "fill-opacity": 0.35, "stroke-width": 0 });
  plot.append(clip, below, lines, path(betas.map((_, k) => [X(rates[k]), Y(distortions[k])]), { stroke: COLOURS.model, "stroke-opacity": 0.4 }), ...dots);

  // A row of images, side by side.
  const gap = 2;
  function strip(name) {
    const box = s("svg", { viewBox: `0 0 ${count * (width + gap) - gap} ${height}`, role: "img", style: "display:block;width:100%;height:auto;background:white;border:1px solid #8a8f98", "shape-rendering": "crispEdges" });
    const pixels = Array.from({ length: count * height * width }, (_, at) => {
      const [k, i, j] = [Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width];
      return box.appendChild(s("rect", { x: k * (width + gap) + j, y: i, width: 1, height: 1 }));
    });
    for (let k = 1; k < count; k++) box.append(s("rect", { x: k * (width + gap) - gap, y: 0, width: gap, height, fill: "#d9dce1" }));
    return {
      element: h("div", { style: "flex:1 1 17em;min-width:0" }, h("div", {}, name), box),
      show(text, label) {
        box.setAttribute("aria-label", label);
        pixels.forEach((pixel, at) => {
          const grey = Math.round(255 * (1 - SHADES.indexOf(text[at]) / (SHADES.length - 1)));
          pixel.setAttribute("fill", `rgb(${grey},${grey},${grey})`);
        });
      },
    };
  }
  const [originals, reconstructions, samples] = ["images", "their reconstructions", "draws from the prior, decoded"].map(strip);
  originals.show(images.originals, "Images");

  const told = status();
  el.append(
    row(slider(model, "chosen", { label: "model, by its β", min: 0, max: betas.length - 1, format: (k) => `β = ${betas[k]}` })),
    legend([[COLOURS.model, "trained models"], [COLOURS.truth, "R + D = entropy"], [COLOURS.data, "equal D + βR"], [COLOURS.quiet, "equal D + R; grey: no model can be here"]]),
    svg,
    h("div", { style: "display:grid;gap:.5em;max-width:34em" }, originals.element, reconstructions.element, samples.element),
    told,
  );

  function draw() {
    const k = model.get("chosen");
    const [beta, rate, distortion] = [betas[k], rates[k], distortions[k]];
    lines.replaceChildren(
      line(entropy, 1, { stroke: COLOURS.truth }),
      line(rate + distortion, 1, { stroke: COLOURS.quiet, "stroke-dasharray": "5 4" }),
      line(distortion + beta * rate, beta, { stroke: COLOURS.data, "stroke-dasharray": "2 3" }),
    );
    dots.forEach((dot, n) => dot.lastChild.setAttribute("r", n === k ? 9 : 6));
    reconstructions.show(images.reconstructions[k], `Their reconstructions with beta = ${beta}`);
    samples.show(images.samples[k], `Decoded draws from the prior with beta = ${beta}`);
    told.textContent = `β = ${beta}: rate ${rate.toFixed(1)}, distortion ${distortion.toFixed(1)}, together ${(rate + distortion).toFixed(1)} nats; entropy ${entropy.toFixed(1)}.`;
  }
  model.on("change:chosen", draw);
  draw();
}

export default { render };
