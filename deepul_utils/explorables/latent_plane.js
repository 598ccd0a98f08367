// A walk over a VAE's latent plane: the codes of examples, and the decoder's image of the place where one stands.

const SHADES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; // from white to black
const HUES = [215, 22, 145, 350, 265, 48, 180, 310, 95, 0]; // of the digits 0..9; the last is grey

function render({ model, el }) {
  const [grid, height, width] = model.get("shape");
  const [rows, reach, labels] = ["rows", "reach", "labels"].map((name) => model.get(name));
  const flat = model.get("codes").split(" ").map((part) => Number(part) / 100);
  const codes = [...labels].map((label, k) => ({ label, at: [flat[2 * k], flat[2 * k + 1]] }));
  const shade = (i, j, pixel) => SHADES.indexOf(rows[i][j * height * width + pixel]) / (SHADES.length - 1);

  // The image at a place, between those of the four corners of its cell.
  function decoded([a, b]) {
    const place = [a, b].map((value) => Math.min(grid - 1, Math.max(0, ((value + reach) / (2 * reach)) * (grid - 1))));
    const [i, j] = place.map((value) => Math.min(grid - 2, Math.floor(value)));
    const [u, v] = [place[0] - i, place[1] - j];
    return Array.from({ length: height * width }, (_, pixel) =>
      (1 - u) * ((1 - v) * shade(i, j, pixel) + v * shade(i, j + 1, pixel)) + u * ((1 - v) * shade(i + 1, j, pixel) + v * shade(i + 1, j + 1, pixel)));
  }

  const colour = (label) => `hsl(${HUES[label]} ${label === "9" ? 0 : 70}% 48%)`;
  const size = narrow() ? 350 : 430;
  const { svg, plot, X, Y } = chart({ width: size, height: size - 32, x: [-reach, reach], y: [-reach, reach], xLabel: "z₀", yLabel: "z₁", label: "The plane of latents, with the codes of test images" });
  Object.assign(svg.style, { maxWidth: `${size}px`, flex: "1 1 300px", touchAction: "none", cursor: "crosshair" });
  const rings = s("g", { fill: "none", stroke: "currentColor", "stroke-dasharray": "4 4", "stroke-opacity": 0.55 });
  for (const radius of [1, 2]) rings.append(s("ellipse", { cx: X(0), cy: Y(0), rx: X(radius) - X(0), ry: Y(0) - Y(radius) }));
  const cloud = s("g", { "font-size": narrow() ? 12 : 11, "text-anchor": "middle", "font-weight": 600, "aria-hidden": "true" });
  for (const { label, at } of codes) {
    if (Math.max(...at.map(Math.abs)) < reach) cloud.append(s("circle", { cx: X(at[0]), cy: Y(at[1]), r: 7, fill: colour(label), "fill-opacity": 0.45 }), s("text", { x: X(at[0]), y: Y(at[1]) + 4, fill: "currentColor" }, label));
  }
  const walker = s("g", { tabindex: 0, role: "slider", "aria-roledescription": "place on the plane", "aria-label": "Place on the plane: the arrow keys walk", "aria-valuemin": -reach, "aria-valuemax": reach, style: "cursor:grab" });
  walker.append(s("circle", { r: 22, fill: "transparent" }), s("circle", { r: 9, fill: COLOURS.model, stroke: "white", "stroke-width": 2.5 }));
  plot.append(rings, cloud, walker);

  const side = 26;
  const picture = s("svg", { viewBox: `0 0 ${width * side} ${height * side}`, role: "img", style: "width:min(100%,230px);height:auto;display:block;border:1px solid #8a8f98" });
  const pixels = Array.from({ length: height * width }, (_, k) =>
    picture.appendChild(s("rect", { x: (k % width) * side, y: Math.floor(k / width) * side, width: side + 0.5, height: side + 0.5 })));
  const told = status();
  const toggle = button("", () => set({ shown: !model.get("shown") }));
  el.append(
    row(toggle, button("To the middle", () => set({ z: [0, 0] })), button("A draw from the prior", () => set({ z: [normal(), normal()] }))),
    h("div", { style: "display:flex;flex-wrap:wrap;gap:1em;align-items:center;justify-content:center" }, svg, h("div", { style: "flex:0 1 230px;min-width:150px" }, picture)),
    told,
  );

  const uniform = random(1);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  function set(changes) {
    if (changes.z) changes.z = changes.z.map((value) => Math.round(100 * Math.min(reach, Math.max(-reach, value))) / 100);
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  }
  function follow(event) {
    const frame = svg.getBoundingClientRect();
    const unit = svg.viewBox.baseVal.width / frame.width;
    set({ z: [X.invert((event.clientX - frame.left) * unit), Y.invert((event.clientY - frame.top) * unit)] });
  }
  svg.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    walker.focus();
    svg.setPointerCapture(event.pointerId);
    follow(event);
  });
  svg.addEventListener("pointermove", (event) => svg.hasPointerCapture(event.pointerId) && follow(event));
  walker.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    const step = event.shiftKey ? 0.5 : 0.1;
    set({ z: model.get("z").map((value, k) => value + step * by[k]) });
  });

  // What the codes nearby are.
  function around([a, b]) {
    const near = codes.filter(({ at }) => Math.hypot(at[0] - a, at[1] - b) < 0.3);
    const counts = new Map();
    near.forEach(({ label }) => counts.set(label, (counts.get(label) ?? 0) + 1));
    const most = [...counts].sort((p, q) => q[1] - p[1] || p[0] - q[0]);
    return near.length === 0 ? "No code is near." : `Codes within 0.3: ${most.map(([label, n]) => `${n} of ${label}`).join(", ")}.`;
  }

  function draw() {
    const z = model.get("z");
    const place = `z = (${z.map((v) => minus(v)).join(", ")})`;
    fill(walker, { "aria-valuenow": z[0], "aria-valuetext": place }, []);
    walker.setAttribute("transform", `translate(${X(z[0]).toFixed(1)} ${Y(z[1]).toFixed(1)})`);
    decoded(z).forEach((p, k) => {
      const grey = Math.round(255 * (1 - p));
      pixels[k].setAttribute("fill", `rgb(${grey},${grey},${grey})`);
    });
    picture.setAttribute("aria-label", `The decoder's image at ${place}`);
    cloud.setAttribute("visibility", model.get("shown") ? "visible" : "hidden");
    toggle.textContent = model.get("shown") ? "Hide the codes" : "Show the codes";
    const outside = Math.exp(-(z[0] ** 2 + z[1] ** 2) / 2); // the prior's mass beyond this ring
    told.textContent = `${place}. ${Math.round(100 * outside)} % of the prior lies further out. ${around(z)}`;
  }

  for (const name of ["z", "shown"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
