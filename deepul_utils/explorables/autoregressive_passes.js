// AF and IAF side by side: circles of x below and z above, the parameters h between them, filled pass by pass.

const subscript = (n) => String.fromCharCode(0x2080 + n);
const range = (n) => Array.from({ length: n }, (_, i) => i);

function render({ model, el }) {
  const set = setter(model);

  // The network of an AF reads x, that of an IAF reads z: one pass does it if that side is known, else one for each dimension.
  const flows = [
    { name: "AF", long: "the network reads x", reads: "x" },
    { name: "IAF", long: "the network reads z", reads: "z" },
  ];
  const needed = (flow) => (flow.reads === (model.get("direction") === "density" ? "x" : "z") ? 1 : model.get("dims"));

  const name = `direction-${Math.random()}`; // a group of its own for each figure on the page
  const choices = ["density", "sample"].map((direction) => {
    const input = h("input", { type: "radio", name, value: direction, style: `accent-color:${COLOURS.data}`, onchange: () => set({ direction, passes: 0 }) });
    return { direction, input, label: h("label", { style: "display:flex;gap:.4em;align-items:center" }, input, direction === "density" ? "density: x is given, find z" : "sample: z is given, find x") };
  });
  const group = h("div", { role: "radiogroup", "aria-label": "direction", style: "display:flex;flex-wrap:wrap;gap:.2em 1.4em" }, ...choices.map((choice) => choice.label));
  const pass = button("One pass", () => set({ passes: model.get("passes") + 1 }));
  const again = button("Start again", () => set({ passes: 0 }));
  const panels = h("div", { style: "display:flex;flex-wrap:wrap;gap:.6em 1.2em" });
  const told = status();
  el.append(
    group,
    row(slider(model, "dims", { label: "dimensions", min: 2, max: 6 }), pass, again),
    panels,
    legend([[COLOURS.data, "given, or found before"], [COLOURS.model, "found in this pass"]]),
    told,
  );

  function draw(flow) {
    const dims = model.get("dims");
    const total = needed(flow);
    const done = Math.min(model.get("passes"), total);
    const given = model.get("direction") === "density" ? "x" : "z";
    const wanted = given === "x" ? "z" : "x";
    const found = done === 0 ? 0 : total === 1 ? dims : done; // dimensions of the wanted side that are known
    const before = done === 0 ? 0 : total === 1 ? 0 : done - 1; // of these, known before the latest pass
    const fresh = (i) => i >= before && i < found;

    const [width, height] = [300, 250];
    const X = (i) => (width * (i + 0.5)) / dims;
    const Y = { z: 34, h: 120, x: 206 };
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "figure", "aria-label": `${flow.name}: ${flow.long}; ${found} of ${dims} found after ${done} passes`, style: "width:100%;height:auto;display:block" });
    const line = (x1, y1, x2, y2, on, more) => s("line", { x1, y1, x2, y2, stroke: on ? COLOURS.model : "currentColor", "stroke-opacity": on ? 1 : 0.15, "stroke-width": on ? 2 : 1, ...more });
    const faint = s("g", { "aria-hidden": "true" });
    const bright = s("g", { "aria-hidden": "true" });
    range(dims).forEach((i) => {
      range(i).forEach((j) => {
        const edge = Y[flow.reads] < Y.h ? 14 : -14; // from the rim of the circle that is read
        (fresh(i) ? bright : faint).append(line(X(j), Y[flow.reads] + edge, X(i), Y.h - Math.sign(edge) * 10, fresh(i), { "data-edge": fresh(i) ? 1 : 0 }));
      });
      // The bend between x_i and z_i goes round h_i, which shapes it.
      const side = s("path", { d: `M${X(i) + 9} ${Y[given] + (given === "z" ? 11 : -11)} Q${X(i) + 22} ${Y.h} ${X(i) + 9} ${Y[wanted] + (wanted === "z" ? 11 : -11)}`, fill: "none", stroke: fresh(i) ? COLOURS.model : "currentColor", "stroke-opacity": fresh(i) ? 1 : 0.25, "stroke-width": fresh(i) ? 2 : 1 });
      (fresh(i) ? bright : faint).append(side);
    });
    svg.append(faint, bright);
    const circle = (row, i, colour) => svg.append(
      s("circle", { cx: X(i), cy: Y[row], r: 14, fill: colour ?? "transparent", "fill-opacity": colour ? 0.35 : 0, stroke: colour ?? COLOURS.quiet, "stroke-width": colour ? 2.5 : 1.5, "data-row": row, "data-known": colour ? 1 : 0 }),
      s("text", { x: X(i), y: Y[row] + 5, "text-anchor": "middle", "font-size": 14, fill: "currentColor" }, `${row}${subscript(i)}`),
    );
    range(dims).forEach((i) => {
      circle(given, i, COLOURS.data);
      circle(wanted, i, fresh(i) ? COLOURS.model : i < found ? COLOURS.data : undefined);
      const used = i < found;
      svg.append(
        s("rect", { x: X(i) - 13, y: Y.h - 10, width: 26, height: 20, rx: 4, fill: fresh(i) ? COLOURS.model : "currentColor", "fill-opacity": fresh(i) ? 0.35 : used ? 0.1 : 0, stroke: fresh(i) ? COLOURS.model : COLOURS.quiet, "stroke-width": fresh(i) ? 2 : 1 }),
        s("text", { x: X(i), y: Y.h + 5, "text-anchor": "middle", "font-size": 13, fill: "currentColor" }, `h${subscript(i)}`),
      );
    });
    svg.append(s("text", { x: width / 2, y: height - 6, "text-anchor": "middle", "font-size": 13, fill: "currentColor" }, `passes: ${done} of ${total}`));
    return h("div", { style: "flex:1 1 250px;min-width:240px" }, h("div", { style: "text-align:center" }, h("strong", {}, flow.name), `: ${flow.long}`), svg);
  }

  function show() {
    const [dims, passes] = [model.get("dims"), model.get("passes")];
    const longest = Math.max(...flows.map(needed));
    if (passes > longest) return set({ passes: longest });
    choices.forEach(({ direction, input }) => (input.checked = direction === model.get("direction")));
    panels.replaceChildren(...flows.map(draw));
    pass.disabled = passes >= longest;
    again.disabled = passes === 0;
    const wanted = model.get("direction") === "density" ? "z" : "x";
    told.textContent = flows.map((flow) => {
      const [total, done] = [needed(flow), Math.min(passes, needed(flow))];
      if (done === 0) return `${flow.name}: nothing found yet.`;
      if (done === total) return `${flow.name}: all of ${wanted} after ${total} ${total === 1 ? "pass" : "passes"}.`;
      const earlier = done === 1 ? "which depends on no other" : done === 2 ? `since ${wanted}₀ was known` : `since ${wanted}₀ to ${wanted}${subscript(done - 2)} were known`;
      return `${flow.name}: pass ${done} of ${total} found ${wanted}${subscript(done - 1)}, ${earlier}.`;
    }).join(" ");
  }

  model.on("change:dims", () => set({ passes: 0 }));
  for (const name of ["dims", "direction", "passes"]) model.on(`change:${name}`, show);
  show();
}

export default { render };
