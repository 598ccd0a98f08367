// Which pixels an output depends on in a PixelCNN and in a Gated PixelCNN, found by following the kernels backwards.

const DEEP = 40; // layers after which nothing new comes into sight in a small image

const LOOKS = {
  seen: ["seen", { fill: COLOURS.data, "fill-opacity": 0.75 }],
  far: ["earlier, in sight with more layers", { fill: COLOURS.data, "fill-opacity": 0.2 }],
  blind: ["earlier, in sight never: the blind spot", { fill: COLOURS.bad, "fill-opacity": 0.9 }],
  leak: ["seen, although it must not be", { fill: COLOURS.model, "fill-opacity": 1 }],
  later: ["later", { fill: "currentColor", "fill-opacity": 0.08 }],
};

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const pairs = (rows, columns) => rows.flatMap((r) => columns.map((c) => [r, c]));

function render({ model, el }) {
  const size = model.get("size");
  const set = setter(model);

  // The cells that lie by one of the offsets (rows up, columns left) before one of the cells, within the image.
  const before = (cells, offsets) => new Set([...cells].flatMap((cell) => offsets.flatMap(([up, left]) => {
    const [r, c] = [Math.floor(cell / size) - up, (cell % size) - left];
    return r >= 0 && r < size && c >= 0 && c < size ? [r * size + c] : [];
  })));

  // What the output at `cell` sees, from the last layer back to the image.
  function pixelcnn(cell, layers, half, itself) {
    const above = pairs(range(1, half), range(-half, half));
    let cells = new Set([cell]);
    for (let layer = layers; layer >= 1; layer--) {
      const own = pairs([0], range(layer > 1 || itself ? 0 : 1, half));
      cells = before(cells, [...above, ...own]);
    }
    return cells;
  }

  function gated(cell, layers, half, itself) {
    let across = new Set([cell]);
    let down = new Set();
    for (let layer = layers; layer >= 1; layer--) {
      const shift = layer === 1 || model.get("shift_every_layer") ? 1 : 0;
      down = before(new Set([...down, ...across]), pairs(range(shift, shift + half), range(-half, half)));
      across = before(across, pairs([0], range(layer > 1 || itself ? 0 : 1, half)));
    }
    return new Set([...across, ...down]);
  }

  const unit = narrow() ? [380, 172] : [640, 290];
  const top = 30;
  const cellSize = unit[1] / size;
  const svg = s("svg", { viewBox: `0 0 ${unit[0]} ${top + unit[1] + 4}`, role: "figure", "aria-label": "What one pixel sees in a PixelCNN, left, and in a Gated PixelCNN, right", style: "width:100%;height:auto;display:block;touch-action:pan-y" });
  const panels = [["PixelCNN", pixelcnn, 2], ["Gated PixelCNN", gated, unit[0] - unit[1] - 2]].map(([name, sees, left]) => {
    const cells = range(0, size * size - 1).map((cell) => s("rect", {
      x: left + (cell % size) * cellSize, y: top + Math.floor(cell / size) * cellSize,
      width: cellSize, height: cellSize, stroke: "currentColor", "stroke-opacity": 0.25, "stroke-width": 0.6,
      style: "cursor:pointer", onclick: () => set({ row: Math.floor(cell / size), column: cell % size }),
    }));
    const mark = s("rect", { width: cellSize - 2, height: cellSize - 2, fill: "none", stroke: "currentColor", "stroke-width": 2.5, "pointer-events": "none" });
    const title = s("text", { x: left, y: 18, "font-size": 14, "font-weight": "bold", fill: "currentColor" }, name);
    svg.append(s("g", { "data-panel": name }, title, ...cells, mark));
    return { name, sees, left, cells, mark };
  });

  const tick = (name, label) => {
    const box = h("input", { type: "checkbox", style: `accent-color:${COLOURS.model}`, onchange: () => set({ [name]: box.checked }) });
    const show = () => (box.checked = model.get(name));
    model.on(`change:${name}`, show);
    show();
    return h("label", { style: "display:flex;gap:.5em;align-items:center" }, box, label);
  };
  const told = status();
  el.append(
    row(
      slider(model, "layers", { label: "layers", min: 1, max: 10 }),
      slider(model, "kernel_size", { label: "kernel", min: 3, max: 7, step: 2, format: (k) => `${k} × ${k}` }),
      slider(model, "row", { label: "row", min: 0, max: size - 1 }),
      slider(model, "column", { label: "column", min: 0, max: size - 1 }),
      tick("first_sees_itself", "kind B in the first layer, too"),
      tick("shift_every_layer", "Gated: shift the vertical stack in every layer"),
    ),
    svg,
    legend(Object.values(LOOKS).map(([label, { fill, "fill-opacity": opacity }]) => [fill === "currentColor" ? COLOURS.quiet : fill + Math.round(opacity * 255).toString(16).padStart(2, "0"), label])),
    told,
  );

  function draw() {
    const [layers, half] = [model.get("layers"), (model.get("kernel_size") - 1) / 2];
    const at = Math.min(model.get("row"), size - 1) * size + Math.min(model.get("column"), size - 1);
    const itself = model.get("first_sees_itself");
    const sentences = panels.map(({ name, sees, left, cells, mark }) => {
      const now = sees(at, layers, half, itself);
      const ever = sees(at, DEEP, half, itself);
      const kinds = cells.map((rect, cell) => {
        const kind = now.has(cell) ? (cell < at ? "seen" : "leak") : cell >= at ? "later" : ever.has(cell) ? "far" : "blind";
        fill(rect, { "data-kind": kind, ...LOOKS[kind][1] }, []);
        return kind;
      });
      fill(mark, { x: left + (at % size) * cellSize + 1, y: top + Math.floor(at / size) * cellSize + 1 }, []);
      const count = (kind) => kinds.filter((k) => k === kind).length;
      return `${name}: ${count("seen")} of ${at} earlier pixels seen, ${count("blind")} in the blind spot` + (count("leak") ? ", and the pixel itself, which it should predict." : ".");
    });
    told.replaceChildren(...sentences.map((sentence) => h("div", {}, sentence)));
  }

  for (const name of ["layers", "kernel_size", "row", "column", "first_sees_itself", "shift_every_layer"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
