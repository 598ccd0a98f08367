// A joint law as a heat map: p(x0) above, p(x1 | x0) beside, and ancestral sampling, one number at a time.

const normalise = (parts) => parts.map((part) => part / sum(parts));

// The smallest k with F(k) > u.
function inverse(p, u) {
  let k = 0;
  for (let below = p[0]; below <= u && k < p.length - 1; below += p[k]) k++;
  return k;
}

function render({ model, el }) {
  const first = normalise(model.get("first"));
  const rows = model.get("rows").map(normalise);
  const K = first.length;
  const second = first.map((_, k) => sum(first.map((p, x0) => p * rows[x0][k]))); // p(x1)
  const darkest = Math.max(...first.flatMap((p, x0) => rows[x0].map((q) => p * q)));
  const forget = () => model.get("forget");
  const given = (x0) => (forget() ? second : rows[x0]);
  const set = setter(model);

  // One drawing: the map, p(x0) above it in the same columns, p(x1 | x0) beside it in the same rows, the strip below.
  const [width, side, above] = narrow() ? [380, 218, 46] : [640, 330, 60];
  const map = { left: 40, right: 40 + side, top: above + 18, bottom: above + 18 + side };
  const beside = { left: map.right + 12, right: width - 16 };
  const strip = { top: map.bottom + 76, bottom: map.bottom + 96 };
  const X = linear([0, K], [map.left, map.right]);
  const Y = linear([0, K], [map.bottom, map.top]);
  const U = linear([0, 1], [map.left, beside.right]);
  const cell = side / K;
  const text = (content, attributes) => s("text", { fill: "currentColor", "font-size": 13, ...attributes }, content);
  const svg = s("svg", { viewBox: `0 0 ${width} ${strip.bottom + 26}`, role: "figure", "aria-label": "The joint law as a heat map, the law of x0 above it, the law of x1 beside it", style: "width:100%;height:auto;display:block;touch-action:pan-y" });

  const axes = s("g", { "aria-hidden": "true" });
  for (const t of ticks([0, K - 1], 4)) {
    axes.append(text(String(t), { x: X(t + 0.5), y: map.bottom + 22, "text-anchor": "middle" }));
    axes.append(text(String(t), { x: map.left - 6, y: Y(t + 0.5) + 4, "text-anchor": "end" }));
  }
  axes.append(text("x₀", { x: (map.left + map.right) / 2, y: map.bottom + 40, "text-anchor": "middle" }));
  axes.append(text("x₁", { transform: `translate(12 ${(map.top + map.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }));
  axes.append(text("p(x₀)", { x: map.right + 12, y: map.top - 6 - above / 2 }));
  for (const u of [0, 0.5, 1]) axes.append(text(String(u), { x: U(u), y: strip.bottom + 18, "text-anchor": "middle" }));
  axes.append(s("rect", { x: map.left, y: map.top, width: side, height: side, fill: "none", stroke: "currentColor", "stroke-opacity": 0.3 }));

  const cells = s("g", { "aria-hidden": "true", style: "cursor:pointer" }, s("rect", { x: map.left, y: map.top, width: side, height: side, fill: "transparent" }));
  first.forEach((p, x0) => rows[x0].forEach((q, x1) => {
    // The square root lets faint cells be seen beside dark ones.
    const opacity = Math.sqrt((p * q) / darkest).toFixed(3);
    if (opacity > 0.01) cells.append(s("rect", { x: X(x0), y: Y(x1 + 1), width: cell + 0.2, height: cell + 0.2, fill: COLOURS.model, "fill-opacity": opacity }));
  }));
  cells.addEventListener("pointerdown", (event) => {
    const frame = svg.getBoundingClientRect();
    const pixel = ((event.clientX - frame.left) / frame.width) * width;
    set({ x0: Math.min(K - 1, Math.max(0, Math.floor(X.invert(pixel)))) });
  });

  const columns = s("g", { "aria-hidden": "true" });
  const bars = s("g", { "aria-hidden": "true" });
  const dots = s("g", { "aria-hidden": "true", "pointer-events": "none" });
  const segments = s("g", { "aria-hidden": "true" });
  const column = s("rect", { y: map.top, width: cell, height: side, fill: "none", stroke: "currentColor", "stroke-width": 1.5, "pointer-events": "none" });
  const knob = s("circle", { cy: map.bottom, r: 8, fill: COLOURS.model, stroke: "white", "stroke-width": 2 });
  const handle = s("g", {}, knob);
  const announce = draggable(handle, {
    svg, label: "x0 in the map", min: 0, max: K - 1, step: 1,
    X: { invert: (pixel) => X.invert(pixel) - 0.5 },
    get: () => model.get("x0"),
    move: (x0) => set({ x0 }),
  });
  svg.append(axes, cells, columns, bars, dots, column, segments, handle);

  const step = button("", () => draw(model.get("steps") + 1));
  const checkbox = h("input", { type: "checkbox", style: `accent-color:${COLOURS.bad}`, onchange: () => set({ forget: checkbox.checked }) });
  const told = status();
  el.append(
    row(
      slider(model, "x0", { label: "x₀", min: 0, max: K - 1 }),
      step,
      button("Draw 100", () => draw(model.get("steps") - (model.get("steps") % 2) + 200)),
      button("Clear", () => set({ steps: 0, seed: model.get("seed") + 1 })),
      h("label", { style: "display:flex;gap:.5em;align-items:center" }, checkbox, "forget x₀: draw x₁ from p(x₁)"),
    ),
    svg,
    told,
  );

  function draw(steps) {
    const samples = ancestral(steps);
    set({ steps, x0: samples.at(-1).x0 });
  }

  // What the first `steps` uniform numbers of the seed draw: pairs, the last without its x1 where `steps` is odd.
  function ancestral(steps) {
    const uniform = random(model.get("seed"));
    return Array.from({ length: Math.ceil(steps / 2) }, (_, i) => {
      const [u0, u1] = [uniform(), uniform()];
      const x0 = inverse(first, u0);
      return 2 * i + 1 < steps ? { u0, x0, u1, x1: inverse(given(x0), u1) } : { u0, x0 };
    });
  }

  function show() {
    const x0 = model.get("x0");
    const samples = ancestral(model.get("steps"));
    const last = samples.at(-1);
    const half = last && last.x1 === undefined;
    const drawn = last && last.x0 === x0 ? last : {};
    const law = given(x0);
    const colour = forget() ? COLOURS.bad : COLOURS.model;
    const name = forget() ? "p(x₁)" : `p(x₁ | x₀ = ${x0})`;

    const P = linear([0, Math.max(...first)], [map.top - 6, map.top - 6 - above]);
    columns.replaceChildren(...first.map((p, k) => s("rect", { x: X(k), y: P(p), width: cell - 0.5, height: P(0) - P(p), fill: COLOURS.model, "fill-opacity": k === x0 ? 1 : 0.4 })));
    const top = [0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1].find((limit) => Math.max(...law) <= limit) ?? 1;
    const Q = linear([0, top], [beside.left, beside.right]);
    bars.replaceChildren(
      ...law.map((q, k) => s("rect", { x: beside.left, y: Y(k + 1), width: Q(q) - Q(0), height: cell - 0.5, fill: colour, "fill-opacity": k === drawn.x1 ? 1 : 0.55 })),
      s("line", { x1: beside.left, x2: beside.left, y1: map.top, y2: map.bottom, stroke: "currentColor", "stroke-opacity": 0.3 }),
      text("0", { x: Q(0), y: map.bottom + 22, "text-anchor": "middle" }),
      text(String(top), { x: Q(top), y: map.bottom + 22, "text-anchor": "middle" }),
      text(name, { x: (beside.left + beside.right) / 2, y: map.bottom + 40, "text-anchor": "middle" }),
    );

    const jitter = random(99); // so that samples of one cell do not hide each other
    dots.replaceChildren(...samples.filter(({ x1 }) => x1 !== undefined).map(({ x0, x1 }) =>
      s("circle", { cx: X(x0 + 0.2 + 0.6 * jitter()), cy: Y(x1 + 0.2 + 0.6 * jitter()), r: narrow() ? 1.8 : 2.2, fill: forget() ? COLOURS.bad : "currentColor", "fill-opacity": 0.75 })));
    if (drawn.x1 !== undefined) dots.append(s("rect", { x: X(x0), y: Y(drawn.x1 + 1), width: cell, height: cell, fill: "none", stroke: "currentColor", "stroke-width": 2.5 }));

    // The strip: [0, 1] cut into the probabilities that the last uniform number chose from.
    const [u, strips, chosen, whose] = half ? [last.u0, first, last.x0, "p(x₀)"] : [drawn.u1, law, drawn.x1, name];
    let start = 0;
    segments.replaceChildren(...strips.map((p, k) => {
      const x = U(start);
      start += p;
      return s("rect", { x, y: strip.top, width: U(start) - x, height: strip.bottom - strip.top, fill: half ? COLOURS.model : colour, "fill-opacity": k === chosen ? 1 : k % 2 ? 0.25 : 0.45 });
    }), text(u === undefined ? `0 to 1, cut by ${whose}` : `u = ${u.toFixed(3)} falls into ${half ? "x₀" : "x₁"} = ${chosen}, cut by ${whose}`, { x: map.left, y: strip.top - 12 }));
    if (u !== undefined) segments.append(s("path", { d: `M${U(u)} ${strip.top + 2}l-5 -9h10z`, fill: "currentColor" }));

    fill(column, { x: X(x0) }, []);
    fill(knob, { cx: X(x0 + 0.5) }, []);
    announce();
    step.textContent = half ? "Draw x₁" : "Draw x₀";
    checkbox.checked = forget();
    const count = samples.length - (half ? 1 : 0);
    told.textContent =
      (half ? `Drawn: x₀ = ${last.x0} with p(x₀) = ${first[last.x0].toFixed(4)}; next, x₁ from ${forget() ? "p(x₁)" : "its row"}.`
        : drawn.x1 !== undefined ? `Drawn: (${last.x0}, ${last.x1}) with p = ${first[last.x0].toFixed(4)} × ${law[last.x1].toFixed(4)}.`
        : `x₀ = ${x0}: p(x₀) = ${first[x0].toFixed(4)}.`) + (count ? ` ${count} sample${count > 1 ? "s" : ""} so far.` : "");
  }

  for (const name of ["x0", "steps", "forget", "seed"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
