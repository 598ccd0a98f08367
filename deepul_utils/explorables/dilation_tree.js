// Causal convolutions as layers of dots over time; the paths that lead to one output are drawn strong.

function render({ model, el }) {
  const steps = model.get("steps");
  const set = setter(model);

  const [width, gap] = narrow() ? [380, 40] : [640, 46];
  const X = linear([0, steps - 1], [12, width - 12]);
  const drawing = h("div");
  const told = status();
  el.append(
    row(
      slider(model, "layers", { label: "layers", min: 1, max: 5 }),
      slider(model, "growth", { label: "dilations grow", min: 1, max: 4, format: (g) => `× ${g}` }),
      slider(model, "kernel_size", { label: "kernel", min: 2, max: 4 }),
      slider(model, "output", { label: "output t", min: 0, max: steps - 1 }),
    ),
    drawing,
    legend([[COLOURS.model, "the output"], [COLOURS.data, "inputs that it sees"], [COLOURS.bad, "inputs left out within its receptive field"]]),
    told,
  );

  function draw() {
    const [layers, k, growth] = ["layers", "kernel_size", "growth"].map((name) => model.get(name));
    const output = Math.min(model.get("output"), steps - 1);
    const dilations = Array.from({ length: layers }, (_, i) => growth ** i);
    const sum = dilations.reduce((a, b) => a + b, 0);
    const field = 1 + (k - 1) * sum;
    const taps = (t, layer) => Array.from({ length: k }, (_, j) => t - j * dilations[layer]);

    // active[layer]: the steps whose values reach the output; layer 0 holds the inputs.
    const active = Array.from({ length: layers + 1 }, () => new Set());
    active[layers].add(output);
    for (let layer = layers; layer >= 1; layer--)
      for (const t of active[layer]) for (const from of taps(t, layer - 1)) active[layer - 1].add(from);
    const real = [...active[0]].filter((t) => t >= 0);
    const missing = (t) => t <= output && t > output - field && !active[0].has(t);

    const height = layers * gap + 64;
    const Y = (layer) => 16 + (layers - layer) * gap;
    const faint = s("g", { stroke: "currentColor", "stroke-opacity": 0.1, "stroke-width": 0.8 });
    const strong = s("g", { stroke: COLOURS.data, "stroke-opacity": 0.8, "stroke-width": 1.6 });
    for (let layer = 1; layer <= layers; layer++)
      for (let t = 0; t < steps; t++)
        for (const from of taps(t, layer - 1)) {
          if (from < 0) continue; // the padding
          const line = s("line", { x1: X(from), y1: Y(layer - 1), x2: X(t), y2: Y(layer) });
          (active[layer].has(t) ? strong : faint).append(line);
        }
    const dots = s("g");
    for (let layer = 0; layer <= layers; layer++)
      for (let t = 0; t < steps; t++) {
        const isOutput = layer === layers && t === output;
        const on = active[layer].has(t);
        const colour = isOutput ? COLOURS.model : layer === 0 && missing(t) ? COLOURS.bad : on ? COLOURS.data : COLOURS.quiet;
        const role = { "data-layer": layer, "data-step": t, "data-on": on ? 1 : 0 };
        dots.append(s("circle", { cx: X(t), cy: Y(layer), r: isOutput ? 6.5 : on || (layer === 0 && missing(t)) ? 4.2 : 2.4, fill: colour, ...role }));
      }
    const hits = s("g", {}, ...Array.from({ length: steps }, (_, t) => s("rect", {
      x: X(t) - X(1) / 2 + X(0) / 2, y: 0, width: X(1) - X(0), height: Y(0) + 12, fill: "transparent",
      style: "cursor:pointer", onclick: () => set({ output: t }),
    })));
    const text = (content, attributes) => s("text", { fill: "currentColor", "font-size": 13, ...attributes }, content);
    const labels = s("g", { "aria-hidden": "true" },
      ...[...new Set([0, 8, 16, 24, steps - 1])].filter((t) => t < steps).map((t) => text(String(t), { x: X(t), y: Y(0) + 22, "text-anchor": "middle" })),
      text("input step", { x: width / 2, y: height - 4, "text-anchor": "middle" }),
      ...dilations.map((d, i) => text(`d = ${d}`, { x: X(0) - 6, y: (Y(i) + Y(i + 1)) / 2 + 4, "font-size": 12, "paint-order": "stroke" })),
    );
    drawing.replaceChildren(s("svg", { viewBox: `0 0 ${width} ${height}`, role: "figure", "aria-label": "Layers of dots over time, inputs below; the connections that lead to the chosen output are drawn strong", style: "width:100%;height:auto;display:block;touch-action:pan-y" }, faint, strong, dots, labels, hits));

    const inside = Math.min(output + 1, field);
    told.textContent =
      `Receptive field: 1 + (${k} − 1)(${dilations.join(" + ")}) = ${field}. Output ${output} sees ${real.length} inputs` +
      (inside > real.length ? `, and misses ${inside - real.length} between them: the dilations grow faster than the kernel.` : field > output + 1 ? "; the rest is padding." : ".");
  }

  for (const name of ["layers", "kernel_size", "growth", "output"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
