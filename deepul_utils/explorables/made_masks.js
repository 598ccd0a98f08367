// MADE's masks: a network from x at the bottom to the logits at the top, whose connections follow from the degrees.

const RADIUS = 15; // of a unit
const range = (n) => Array.from({ length: n }, (_, i) => i);
const spread = (dims, units) => range(units).map((j) => Math.floor((j * Math.max(dims - 1, 1)) / units));
const subscript = (n) => String.fromCharCode(0x2080 + n);
const list = (indices) => indices.map((i) => `x${subscript(i)}`).join(", ").replace(/, ([^,]*)$/, " and $1");

// masks[l][out][in] between neighbouring rows of degrees: a hidden unit keeps what has no higher degree than its own,
// an output only what has a lower one.
function masksOf(order, degrees, strict) {
  const rows = [order, ...degrees];
  const masks = degrees.map((after, l) => after.map((d) => rows[l].map((below) => d >= below)));
  return [...masks, order.map((position) => rows.at(-1).map((below) => (strict ? position > below : position >= below)))];
}

// How many paths lead from each input to each output: the product of the masks.
function pathsOf(masks) {
  return masks.reduce((product, mask) => mask.map((row) => range(product[0].length).map((j) =>
    row.reduce((total, kept, k) => total + (kept ? product[k][j] : 0), 0))), range(masks[0][0].length).map((i) => range(masks[0][0].length).map((j) => +(i === j))));
}

// Which units of each row lie on a path from an input to the picked output.
function litOf(masks, picked) {
  const down = [masks.at(-1).map((_, i) => i === picked)];
  for (const mask of [...masks].reverse()) down.unshift(mask[0].map((_, k) => mask.some((row, j) => row[k] && down[0][j])));
  const up = [masks[0][0].map(() => true)];
  masks.forEach((mask, l) => up.push(mask.map((row) => row.some((kept, k) => kept && up[l][k]))));
  return down.map((row, l) => row.map((reaches, k) => reaches && up[l][k]));
}

function render({ model, el }) {
  let setting = false; // several values at once are drawn once, when they fit together again
  const set = (changes) => {
    setting = true;
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    setting = false;
    model.save_changes();
    show();
  };
  const evenly = () => range(model.get("layers")).map(() => spread(model.get("dims"), model.get("units")));
  function resized() {
    const dims = model.get("dims");
    const order = model.get("order").length === dims ? model.get("order") : range(dims);
    set({ order, degrees: evenly(), picked: order.indexOf(dims - 1) });
  }
  function shuffle() {
    const next = random(model.get("seed") + 1);
    const order = range(model.get("dims"));
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    set({ order, picked: order.indexOf(order.length - 1), seed: model.get("seed") + 1 });
  }
  const network = h("div");
  const grids = h("div");
  const told = status();
  const respread = button("Spread the degrees", () => set({ degrees: evenly() }));
  const strict = h("input", { type: "checkbox", style: `accent-color:${COLOURS.bad}`, onchange: () => set({ strict: !strict.checked }) });
  el.append(
    row(
      slider(model, "dims", { label: "dimensions", min: 2, max: 6 }),
      slider(model, "layers", { label: "hidden layers", min: 1, max: 3 }),
      slider(model, "units", { label: "units in each", min: 1, max: 8 }),
    ),
    row(
      button("Shuffle the ordering", shuffle),
      button("In order", () => set({ order: range(model.get("dims")), picked: model.get("dims") - 1 })),
      respread,
      h("label", { style: "display:flex;gap:.5em;align-items:center" }, strict, "≥ into the outputs: a mistake"),
    ),
    network,
    told,
    grids,
  );

  // An SVG group that is pressed by pointer, Enter or the space bar.
  function pressable(name, label, pressed, action, ...children) {
    const group = s("g", { tabindex: 0, role: "button", "aria-label": label, "aria-pressed": pressed, "data-name": name, style: "cursor:pointer" }, ...children);
    const press = () => {
      action();
      el.querySelector(`[data-name="${name}"]`)?.focus(); // it was drawn anew
    };
    group.addEventListener("click", press);
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      press();
    });
    return group;
  }

  function drawNetwork(rows, masks, lit, bad) {
    const [width, gap] = narrow() ? [380, 76] : [640, 84];
    const height = gap * (rows.length - 1) + 84;
    const X = (row, k) => (width * (k + 0.5)) / rows[row].length;
    const Y = (row) => height - 42 - row * gap;
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "figure", "aria-label": "The network, inputs below and outputs above", style: "width:100%;height:auto;display:block" });
    const edges = s("g", { "aria-hidden": "true" });
    const above = s("g", { "aria-hidden": "true" });
    masks.forEach((mask, l) => mask.forEach((row, j) => row.forEach((kept, k) => {
      const bright = kept && lit[l][k] && lit[l + 1][j];
      const colour = bad && bright ? COLOURS.bad : COLOURS.model;
      const [dx, dy] = [X(l + 1, j) - X(l, k), Y(l + 1) - Y(l)];
      const part = RADIUS / Math.hypot(dx, dy); // from rim to rim
      if (kept) (bright ? above : edges).append(s("line", { x1: X(l, k) + part * dx, y1: Y(l) + part * dy, x2: X(l + 1, j) - part * dx, y2: Y(l + 1) - part * dy, stroke: bright ? colour : "currentColor", "stroke-opacity": bright ? 1 : 0.22, "stroke-width": bright ? 2.2 : 1 }));
    })));
    svg.append(edges, above);
    const circle = (row, k, on, colour, text) => [
      s("circle", { cx: X(row, k), cy: Y(row), r: RADIUS, fill: colour, "fill-opacity": on ? 0.3 : 0, "pointer-events": "all", stroke: on ? colour : COLOURS.quiet, "stroke-width": on ? 3 : 2 }),
      s("text", { x: X(row, k), y: Y(row) + 5, "text-anchor": "middle", "font-size": 14, fill: "currentColor" }, String(text)),
    ];
    const label = (row, k, dy, text) => s("text", { x: X(row, k), y: Y(row) + dy, "text-anchor": "middle", "font-size": 13, fill: "currentColor" }, text);
    rows.forEach((degrees, row) => degrees.forEach((degree, k) => {
      const on = lit[row][k];
      if (row === 0) svg.append(s("g", { "aria-hidden": "true" }, ...circle(row, k, on, COLOURS.data, degree), label(row, k, 34, `x${subscript(k)}`)));
      else if (row === rows.length - 1) {
        svg.append(pressable(`output-${k}`, `output ${k}, position ${degree}`, k === model.get("picked"), () => set({ picked: k }), ...circle(row, k, k === model.get("picked"), COLOURS.model, degree), label(row, k, -24, `p(x${subscript(k)} | …)`)));
      } else {
        const next = (degree + 1) % model.get("dims");
        const raise = () => set({ degrees: model.get("degrees").map((units, l) => (l === row - 1 ? units.map((d, j) => (j === k ? next : d)) : units)) });
        svg.append(pressable(`unit-${row}-${k}`, `unit ${k} of hidden layer ${row}, degree ${degree}: make it ${next}`, undefined, raise, ...circle(row, k, on, COLOURS.quiet, degree)));
      }
    }));
    network.replaceChildren(svg);
  }

  // Each mask as a grid, one row for each unit above, and their product; the picked output's rows are framed.
  function drawGrids(masks, paths, order) {
    const cell = narrow() ? 8 : 13;
    const grid = (mask, title, colour, framed) => {
      const [high, wide] = [mask.length, mask[0].length];
      const svg = s("svg", { width: wide * cell + 2, height: high * cell + 2, viewBox: `-1 -1 ${wide * cell + 2} ${high * cell + 2}`, "aria-hidden": "true", style: "display:block;margin:.2em auto" });
      mask.forEach((row, i) => row.forEach((value, j) =>
        svg.append(s("rect", { x: j * cell, y: i * cell, width: cell, height: cell, fill: value ? colour(i, j) : "transparent", "fill-opacity": 0.85, stroke: "currentColor", "stroke-opacity": 0.3 }))));
      if (framed) svg.append(s("rect", { x: 0, y: model.get("picked") * cell, width: wide * cell, height: cell, fill: "none", stroke: "currentColor", "stroke-width": 2 }));
      return h("div", { style: "text-align:center;font-size:.85em" }, svg, title);
    };
    const last = masks.length - 1;
    grids.replaceChildren(row(
      ...masks.map((mask, l) => grid(mask, l === last ? "into the outputs" : `into layer ${l + 1}`, () => COLOURS.model, l === last)),
      grid(paths, "who sees whom", (i, j) => (order[j] < order[i] ? COLOURS.truth : COLOURS.bad), true),
    ));
  }

  function show() {
    if (setting) return;
    const [order, degrees, picked] = [model.get("order"), model.get("degrees"), model.get("picked")];
    const masks = masksOf(order, degrees, model.get("strict"));
    const paths = pathsOf(masks);
    const sees = range(order.length).filter((j) => paths[picked][j] > 0);
    const wrong = sees.filter((j) => order[j] >= order[picked]);
    const missed = range(order.length).filter((j) => order[j] < order[picked] && !paths[picked][j]);
    drawNetwork([order, ...degrees, order], masks, litOf(masks, picked), wrong.length > 0);
    drawGrids(masks, paths, order);
    strict.checked = !model.get("strict");
    respread.disabled = String(degrees) === String(evenly());
    const number = sees.reduce((total, j) => total + paths[picked][j], 0);
    told.textContent =
      `x${subscript(picked)} comes at position ${order[picked]}. Its output sees ${sees.length ? `${list(sees)}, by ${number} path${number > 1 ? "s" : ""}` : "nothing but its bias"}.` +
      (wrong.length ? ` It must not see ${list(wrong)}.` : "") +
      (missed.length ? ` It misses ${list(missed)}: no unit of the right degree lies between.` : "");
  }

  for (const name of ["dims", "layers", "units"]) model.on(`change:${name}`, resized);
  for (const name of ["order", "degrees", "picked", "strict"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
