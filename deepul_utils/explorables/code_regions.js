// Codes on a plane of points: each is dragged, and has the points that are nearest to it.

const STEP = 0.05;
const squared = ([a, b], [c, d]) => (a - c) ** 2 + (b - d) ** 2;
const mean = (places) => [0, 1].map((i) => sum(places.map((place) => place[i])) / places.length);

function render({ model, el }) {
  const flat = model.get("points").split(" ").map((part) => Number(part) / 100);
  const points = Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n], flat[2 * n + 1]]);
  const [height, width] = model.get("shape");
  const pixels = [...model.get("images")].map(Number);
  const imageOf = (n) => pixels.slice(n * height * width, (n + 1) * height * width);
  const K = model.get("codes").length;
  const colour = (j) => `hsl(${Math.round(210 + 137.5 * j) % 360} 65% ${j % 2 ? 66 : 74}%)`;

  const range = [0, 1].map((i) => [Math.min(...points.map((p) => p[i])) - 0.2, Math.max(...points.map((p) => p[i])) + 0.2]);
  const size = narrow() ? 360 : 480;
  const unit = (size - 74) / (range[0][1] - range[0][0]);
  const { svg, plot, X, Y } = chart({
    width: size, height: Math.round(unit * (range[1][1] - range[1][0])) + 54, x: range[0], y: range[1], xLabel: "h₀", yLabel: "h₁",
    label: "A plane of points, each in the colour of the code that is nearest to it; the codes can be dragged",
  });
  Object.assign(svg.style, { maxWidth: `${size}px`, flex: "1 1 320px" });
  const cells = 44;
  const regions = s("g", { opacity: 0.16, "shape-rendering": "crispEdges", "aria-hidden": "true" });
  const side = [0, 1].map((i) => (range[i][1] - range[i][0]) / cells);
  const tiles = Array.from({ length: cells * cells }, (_, n) => {
    const at = [range[0][0] + (n % cells) * side[0], range[1][1] - Math.floor(n / cells) * side[1]];
    const tile = regions.appendChild(s("rect", { x: X(at[0]), y: Y(at[1]), width: X(side[0]) - X(0) + 0.3, height: Y(0) - Y(side[1]) + 0.3 }));
    return { tile, middle: [at[0] + side[0] / 2, at[1] - side[1] / 2] };
  });
  const cloud = s("g", { "fill-opacity": 0.75, "aria-hidden": "true" });
  const dots = points.map(([a, b]) => cloud.appendChild(s("circle", { cx: X(a), cy: Y(b), r: 2.6 })));
  plot.append(regions, cloud);

  const set = (codes) => {
    model.set("codes", codes);
    model.save_changes();
  };
  const put = (j, place) =>
    set(model.get("codes").map((code, i) => (i === j ? place.map((value, d) => +Math.min(range[d][1], Math.max(range[d][0], value)).toFixed(2)) : code)));
  const handles = Array.from({ length: K }, (_, j) => {
    const handle = knob(colour(j), j, { stroke: "white", "stroke-width": 2 });
    fill(handle, { tabindex: 0, role: "slider", "aria-roledescription": "code on the plane", "aria-label": `Code ${j}: the arrow keys move it`, "aria-valuemin": range[0][0], "aria-valuemax": range[0][1], style: "cursor:grab;touch-action:none" }, []);
    dragged(handle, svg, (x, y) => put(j, [X.invert(x), Y.invert(y)]));
    handle.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
      if (!by) return;
      event.preventDefault();
      put(j, model.get("codes")[j].map((value, i) => value + by[i] * STEP * (event.shiftKey ? 5 : 1)));
    });
    svg.append(handle);
    return handle;
  });

  const shown = Array.from({ length: K }, (_, j) => {
    const picture = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", style: `width:100%;height:auto;display:block;outline:2px solid ${colour(j)}` });
    const squares = Array.from({ length: height * width }, (_, k) =>
      picture.appendChild(s("rect", { x: k % width, y: Math.floor(k / width), width: 1.02, height: 1.02 })));
    const text = h("div", { style: "font-size:.8em;text-align:center;font-variant-numeric:tabular-nums;white-space:nowrap" });
    return { picture, squares, text };
  });
  const start = model.get("codes");
  const told = status();
  el.append(
    row(
      button("A round of k-means", () => set(kMeans())),
      button("All codes into a corner", () => set(Array.from({ length: K }, (_, j) => [+(range[0][1] - 0.15 - 0.03 * j).toFixed(2), +(range[1][0] + 0.15 + 0.02 * j).toFixed(2)]))),
      button("Restart dead codes", () => set(restarted())),
      button("As at first", () => set(start)),
    ),
    h("div", { style: "display:flex;flex-wrap:wrap;gap:1em;align-items:center;justify-content:center" },
      svg,
      h("div", { style: "flex:1 1 190px;max-width:300px;display:grid;grid-template-columns:repeat(4,1fr);gap:.6em" },
        ...shown.map(({ picture, text }) => h("div", {}, picture, text)))),
    told,
  );

  const nearest = (place, codes) => codes.reduce((best, code, j) => (squared(place, code) < squared(place, codes[best]) ? j : best), 0);
  const choices = () => points.map((point) => nearest(point, model.get("codes")));
  const membersOf = (j, chosen) => points.flatMap((_, n) => (chosen[n] === j ? [n] : []));

  function kMeans() {
    const chosen = choices();
    return model.get("codes").map((code, j) => {
      const members = membersOf(j, chosen);
      return members.length === 0 ? code : mean(members.map((n) => points[n])).map((value) => +value.toFixed(2));
    });
  }

  // Each dead code at the point that is farthest from all codes so far.
  function restarted() {
    const chosen = choices();
    const codes = [...model.get("codes")];
    const alive = codes.filter((_, j) => chosen.includes(j));
    codes.forEach((_, j) => {
      if (chosen.includes(j)) return;
      const gaps = points.map((point) => Math.min(...alive.map((code) => squared(point, code))));
      codes[j] = points[gaps.indexOf(Math.max(...gaps))];
      alive.push(codes[j]);
    });
    return codes;
  }

  function draw() {
    const codes = model.get("codes");
    const chosen = choices();
    dots.forEach((dot, n) => dot.setAttribute("fill", colour(chosen[n])));
    tiles.forEach(({ tile, middle }) => tile.setAttribute("fill", colour(nearest(middle, codes))));
    const shares = codes.map((_, j) => chosen.filter((k) => k === j).length / points.length);
    let missed = 0;
    codes.forEach((code, j) => {
      const members = membersOf(j, chosen);
      const images = members.map(imageOf);
      const average = Array.from({ length: height * width }, (_, k) => (images.length ? sum(images.map((image) => image[k])) / images.length : null));
      missed += sum(images.map((image) => sum(image.map((value, k) => (value - average[k]) ** 2))));
      shown[j].squares.forEach((square, k) => {
        const grey = average[k] === null ? 128 : Math.round(255 * (1 - average[k]));
        square.setAttribute("fill", `rgb(${grey},${grey},${grey})`);
      });
      const percent = `${Math.round(100 * shares[j])} %`;
      shown[j].text.textContent = members.length ? `${j}: ${percent}` : `${j}: dead`;
      shown[j].picture.setAttribute("aria-label", members.length ? `What code ${j} shows: the mean of its images` : `Code ${j} is dead and shows nothing`);
      handles[j].setAttribute("transform", `translate(${X(code[0]).toFixed(1)} ${Y(code[1]).toFixed(1)})`);
      handles[j].setAttribute("aria-valuenow", code[0]);
      handles[j].setAttribute("aria-valuetext", `(${code.map((v) => minus(v)).join(", ")}), ${percent} of the points`);
    });
    const distance = sum(points.map((point, n) => squared(point, codes[chosen[n]]))) / points.length;
    const used = shares.filter((share) => share > 0);
    const perplexity = Math.exp(-sum(used.map((share) => share * Math.log(share))));
    told.textContent = `Mean squared distance to the nearest code ${minus(distance, 3)}, and of the images to what their code shows ${minus(missed / points.length)}. ` +
      `${used.length} of ${K} codes in use, perplexity ${minus(perplexity, 1)}; an index costs at most ${minus(Math.log2(K), 1)} bits.`;
  }

  model.on("change:codes", draw);
  draw();
}

export default { render };
