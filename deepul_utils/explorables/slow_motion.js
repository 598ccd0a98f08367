// Sampling in slow motion: what has been drawn so far, and the law of the value that comes next.

function render({ model, el }) {
  const [samples, probs, visits, columns, labels] = ["samples", "probs", "visits", "columns", "labels"].map((name) => model.get(name));
  const D = visits.length;
  const K = probs[0][0].length;
  const rows = D / columns;
  const text = labels.length > 0;
  const named = (value) => (text ? (labels[value] === " " ? "a space" : `“${labels[value]}”`) : String(value));
  const set = setter(model);
  const go = (by) => set({ step: Math.min(D, Math.max(0, model.get("step") + by)) });

  const picture = h("div", { style: text ? "" : "flex:0 1 15em;min-width:11em" });
  const law = h("div", { style: text ? "" : "flex:1 1 17em;min-width:16em" });
  const told = status();
  const another = () => set({ which: (model.get("which") + 1) % samples.length, step: 0 });
  el.append(
    row(
      slider(model, "step", { label: "drawn", min: 0, max: D }),
      button("Draw one", () => go(1)),
      text ? null : button("Draw a row", () => go(columns)),
      samples.length > 1 ? button("Another sample", another) : null,
    ),
    h("div", { style: text ? "" : "display:flex;flex-wrap:wrap;gap:1em;align-items:center" }, picture, law),
    told,
  );

  // A text as letters in boxes, an image as squares, as dark as their values; what comes next has a frame.
  function drawPicture(sample, step) {
    const wrap = text ? Math.min(columns, narrow() ? 16 : 32) : columns;
    const cell = text ? (narrow() ? 22 : 19) : 24;
    const high = text ? Math.ceil(D / wrap) * (cell + 8) : rows * cell;
    const place = (i) => [(i % wrap) * cell, Math.floor(i / wrap) * (text ? cell + 8 : cell)];
    const svg = s("svg", { viewBox: `-2 -2 ${wrap * cell + 4} ${high + 4}`, role: "img", "aria-label": `What has been drawn after ${step} of ${D} steps`, style: "width:100%;height:auto;display:block" });
    visits.forEach((i, t) => {
      const [x, y] = place(i);
      const done = t < step;
      if (text) {
        svg.append(s("rect", { x, y, width: cell, height: cell + 4, fill: "currentColor", "fill-opacity": 0.06, stroke: "none" }));
        if (done) svg.append(s("text", { x: x + cell / 2, y: y + cell - 2, "text-anchor": "middle", "font-size": 16, "font-family": "monospace", fill: "currentColor", "font-weight": t === step - 1 ? "bold" : "normal" }, labels[sample[i]]));
      } else svg.append(s("rect", { x, y, width: cell, height: cell, fill: done ? "currentColor" : COLOURS.quiet, "fill-opacity": done ? sample[i] / (K - 1) : 0.22, stroke: "currentColor", "stroke-opacity": 0.15 }));
      if (t === step) svg.append(s("rect", { x, y, width: cell, height: text ? cell + 4 : cell, fill: "none", stroke: COLOURS.model, "stroke-width": 3 }));
    });
    picture.replaceChildren(svg);
  }

  function drawLaw(parts, drawn) {
    const total = parts.reduce((a, b) => a + b, 0);
    const top = [0.25, 0.5, 1].find((limit) => Math.max(...parts) / total <= limit);
    const { svg, plot, X, Y } = chart({ height: text ? 190 : 230, width: text && !narrow() ? 640 : 380, x: [-0.5, K - 0.5], y: [0, top], yTicks: [0, top / 2, top], xTicks: text ? [] : ticks([0, K - 1], Math.min(K - 1, 8)).filter(Number.isInteger), xLabel: text ? "next character" : "next value", yLabel: "probability", label: "The law of the next value" });
    parts.forEach((part, k) => {
      plot.append(s("rect", { x: X(k - 0.45), y: Y(part / total), width: X(0.9) - X(0), height: Y(0) - Y(part / total), fill: COLOURS.model, "fill-opacity": k === drawn ? 1 : 0.6 }));
      if (text) plot.append(s("text", { x: X(k), y: Y(0) + 15, "text-anchor": "middle", "font-size": narrow() ? 12 : 13, "font-family": "monospace", fill: "currentColor", "aria-hidden": "true" }, labels[k] === " " ? "␣" : labels[k]));
    });
    law.replaceChildren(svg);
  }

  function show() {
    const [which, step] = [model.get("which"), model.get("step")];
    const [sample, laws] = [samples[which], probs[which]];
    drawPicture(sample, step);
    const next = Math.min(step, D - 1);
    drawLaw(laws[next], step === D ? sample[visits[next]] : undefined);
    const part = (t) => (laws[t][sample[visits[t]]] / laws[t].reduce((a, b) => a + b, 0)).toFixed(2);
    const where = (i) => (text ? `character ${i}` : `the pixel in row ${Math.floor(i / columns)}, column ${i % columns}`);
    told.textContent =
      (step ? `Drawn: ${named(sample[visits[step - 1]])}, which had the probability ${part(step - 1)}. ` : "") +
      (step < D ? `Next comes ${where(visits[step])}.` : "That was the last one.");
  }

  for (const name of ["step", "which"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
