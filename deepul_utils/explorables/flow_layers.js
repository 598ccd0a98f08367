// Points on their way through the layers of a flow, from data to latents or from latents to samples.

function render({ model, el }) {
  const parse = (text) => {
    const numbers = text.split(" ").map((part) => Number(part) / 100);
    return numbers.flatMap((_, k) => (k % 2 ? [] : [[numbers[k], numbers[k + 1]]]));
  };
  const clouds = { data: model.get("data").map(parse), samples: model.get("samples").map(parse) };
  const [names, logDets, reach] = ["names", "log_dets", "reach"].map((name) => model.get(name));
  const last = names.length;
  const set = setter(model);

  const domain = [-reach, reach];
  const inside = (value) => Math.min(reach, Math.max(-reach, value));
  const size = narrow() ? 350 : 470;
  const { svg, plot, X, Y } = chart({ width: size, height: size - 32, x: domain, y: domain, xLabel: "dimension 0", yLabel: "dimension 1", label: "The points after the layers passed so far" });
  svg.style.maxWidth = `${size}px`;
  svg.style.margin = "0 auto";
  const unit = X(1) - X(0);
  const rings = s("g", { fill: "none", stroke: "currentColor", "stroke-dasharray": "4 4", "stroke-opacity": 0.6 });
  for (const radius of [1, 2]) rings.append(s("ellipse", { cx: X(0), cy: Y(0), rx: radius * unit, ry: radius * (Y(0) - Y(1)) }));
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const groups = Object.fromEntries(Object.entries(clouds).map(([name, states]) => {
    const group = s("g", { "data-cloud": name });
    for (const [a, b] of states[last]) {
      const hue = Math.round((Math.atan2(b, a) * 180) / Math.PI + 360) % 360;
      group.append(s("circle", { r: narrow() ? 2.4 : 2.8, fill: `hsl(${hue} 75% 48%)`, "fill-opacity": 0.8, style: still ? "" : "transition:cx .5s,cy .5s" }));
    }
    return [name, group];
  }));
  plot.append(rings, ...Object.values(groups));

  const told = status();
  const direction = button("", () => set(model.get("back") ? { back: false, step: 0 } : { back: true, step: last }));
  const go = (by) => () => set({ step: Math.min(last, Math.max(0, model.get("step") + by)) });
  el.append(
    row(
      slider(model, "step", { label: "layers", min: 0, max: last, format: (k) => `${k} of ${last}` }),
      button("← inverse", go(-1)),
      button("forward →", go(1)),
      direction,
    ),
    svg,
    told,
  );

  function draw() {
    const [step, back] = [model.get("step"), model.get("back")];
    const shown = back ? "samples" : "data";
    for (const [name, group] of Object.entries(groups)) {
      group.setAttribute("visibility", name === shown ? "visible" : "hidden");
      clouds[name][step].forEach(([a, b], k) => fill(group.children[k], { cx: X(inside(a)).toFixed(1), cy: Y(inside(b)).toFixed(1) }, []));
    }
    rings.setAttribute("visibility", step === last ? "visible" : "hidden");
    direction.textContent = back ? "Show the data" : "Show samples";
    const what = back ? "Samples" : "Test data";
    const place = step === 0
      ? (back ? "as they come out, x" : "as they are, x")
      : `after ${step === 1 ? "one layer" : `${step} layers`}; the last: ${names[step - 1]}`;
    const end = step === last ? (back ? " These are draws from the Gaussian." : " The rings are those of the Gaussian, at one and two standard deviations.") : "";
    told.textContent = `${what}, ${place}.` + (back ? "" : ` Mean log|det| so far: ${logDets[step].toFixed(2)}.`) + end;
  }

  for (const name of ["step", "back"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
