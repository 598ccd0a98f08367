// Where a head looks: left the image as far as it is known, right the head's weights on the pixels that it sees.

function render({ model, el }) {
  const [visits, images, ink, width] = ["visits", "images", "ink", "width"].map((name) => model.get(name));
  const parse = (text) => text.split(";").map((row) => row.split(",").map(Number));
  const rows = model.get("rows").map((layers) => layers.map((heads) => heads.map(parse)));
  const D = visits.length;
  const height = D / width;
  const set = setter(model);
  const where = (pixel) => `row ${Math.floor(pixel / width)}, column ${pixel % width}`;
  const percent = (parts) => (parts > 0 && parts < 10 ? "under 1 %" : `${Math.round(parts / 10)} %`);

  const [across, side, top] = narrow() ? [380, 176, 34] : [640, 290, 34];
  const cell = side / Math.max(width, height);
  const svg = s("svg", { viewBox: `0 0 ${across} ${top + cell * height + 4}`, role: "figure", "aria-label": "Left, the image as far as it is known; right, where the head looks", style: "width:100%;height:auto;display:block;touch-action:pan-y" });
  const panels = [["image", "known so far", 2], ["weights", "where it looks", across - side - 2]].map(([name, title, left]) => {
    const place = (pixel) => ({ x: left + (pixel % width) * cell, y: top + Math.floor(pixel / width) * cell });
    const cells = images[0].map((_, pixel) => s("rect", {
      ...place(pixel), width: cell, height: cell, stroke: "currentColor", "stroke-opacity": 0.3, "stroke-width": 0.6,
      style: "cursor:pointer", onclick: () => set({ pixel }),
    }));
    const mark = s("rect", { width: cell - 3, height: cell - 3, fill: "none", stroke: COLOURS.data, "stroke-width": 3, "pointer-events": "none" });
    svg.append(s("g", { "data-panel": name }, s("text", { x: left, y: 20, "font-size": 14, "font-weight": "bold", fill: "currentColor" }, title), ...cells, mark));
    return { place, cells, mark };
  });
  // The start token stands outside of the image, above the weights.
  const start = s("rect", { x: across - 24, y: 4, width: 22, height: 22, stroke: "currentColor", "stroke-opacity": 0.3, "data-start": "" });
  svg.append(start, s("text", { x: across - 30, y: 20, "font-size": 13, "text-anchor": "end", fill: "currentColor" }, "start"));

  const told = status();
  const count = (label) => (k) => `${label} ${k + 1}`;
  el.append(
    row(
      slider(model, "pixel", { label: "pixel", min: 0, max: D - 1, format: where }),
      slider(model, "image", { label: "image", min: 0, max: images.length - 1, format: count("no.") }),
      slider(model, "layer", { label: "layer", min: 0, max: rows[0].length - 1, format: count("no.") }),
      slider(model, "head", { label: "head", min: 0, max: rows[0][0].length - 1, format: count("no.") }),
    ),
    svg,
    legend([[COLOURS.model, "weight of the head"], [COLOURS.data, "pixel that is predicted"], [COLOURS.quiet, "ink"]]),
    told,
  );

  function draw() {
    const [n, pixel] = [model.get("image"), model.get("pixel")];
    const step = visits.indexOf(pixel);
    const weights = rows[n][model.get("layer")][model.get("head")][step]; // of the start, then of the pixels visited
    const largest = Math.max(...weights);
    const shade = (parts) => ({ fill: COLOURS.model, "fill-opacity": Math.sqrt(parts / largest).toFixed(3), "data-parts": parts });
    visits.forEach((at, visit) => {
      const known = visit < step;
      fill(panels[0].cells[at], known ? { fill: images[n][at] ? COLOURS.quiet : "currentColor", "fill-opacity": images[n][at] ? 1 : 0.04, "data-known": images[n][at] } : { fill: "transparent", "data-known": "" }, []);
      fill(panels[1].cells[at], known ? shade(weights[visit + 1]) : { fill: "transparent", "data-parts": "" }, []);
    });
    fill(start, shade(weights[0]), []);
    for (const { place, mark } of panels) {
      const { x, y } = place(pixel);
      fill(mark, { x: x + 1.5, y: y + 1.5 }, []);
    }
    const named = weights.map((parts, visit) => [parts, visit ? where(visits[visit - 1]) : "the start"]);
    const best = named.sort((a, b) => b[0] - a[0]).filter(([parts]) => parts > 0).slice(0, 3);
    told.replaceChildren(
      h("div", {}, "It looks most at " + best.map(([parts, name]) => `${name} (${percent(parts)})`).join("; ") + "."),
      h("div", {}, `The model's p(ink) here is ${(ink[n][pixel] / 1000).toFixed(2)}, and it is ${images[n][pixel] ? "ink" : "paper"}.`),
    );
  }

  for (const name of ["image", "layer", "head", "pixel"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
