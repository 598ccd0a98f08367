// A continuous flow as a film: where the points are, the path of one of them, and the trace along it.

function render({ model, el }) {
  const paths = model.get("paths").map((row) => row.map((value) => value / 1000));
  const traces = model.get("traces").map((row) => row.map((value) => value / 1000));
  const last = paths.length - 1;
  const points = traces[0].length;
  const time = (step) => step / last;
  const set = setter(model);

  // The trapezoidal rule, up to each time.
  const logDet = (which) => {
    const sums = [0];
    for (let t = 1; t <= last; t++) sums.push(sums[t - 1] + (traces[t - 1][which] + traces[t][which]) / 2 / last);
    return sums;
  };

  let timer;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    play.textContent = "Play";
  };
  const play = button("Play", () => {
    if (timer) return stop();
    play.textContent = "Pause";
    if (model.get("step") === last) set({ step: 0 });
    const advance = () => {
      if (!el.isConnected || model.get("step") >= last) return stop();
      set({ step: model.get("step") + 1 });
    };
    timer = setInterval(advance, 120);
    advance();
  });
  play.style.minWidth = "5.2em"; // as wide as "Pause", so that nothing jumps

  const plane = h("div", { style: "flex:1 1 17em;min-width:15em" });
  const rate = h("div", { style: "flex:1 1 17em;min-width:15em" });
  const told = status();
  el.append(
    row(
      slider(model, "step", { label: "time t", min: 0, max: last, format: (step) => time(step).toFixed(2) }),
      play,
      slider(model, "which", { label: "follow point", min: 0, max: points - 1 }),
    ),
    legend([[COLOURS.data, "points"], [COLOURS.model, "the one that is followed"]]),
    h("div", { style: "display:flex;flex-wrap:wrap;gap:1em;align-items:center" }, plane, rate),
    told,
  );

  const all = paths.flat();
  const side = Math.ceil(Math.max(...all.map(Math.abs)));
  const bounds = [1, 2, 5, 10, 20, 50, 100];

  function show() {
    const [step, which] = [model.get("step"), model.get("which")];
    const at = (t) => [paths[t][2 * which], paths[t][2 * which + 1]];

    const map = chart({ width: 380, height: 370, x: [-side, side], y: [-side, side], xLabel: "first coordinate", yLabel: "second coordinate", label: `Where ${points} points are at time ${time(step).toFixed(2)}` });
    for (let i = 0; i < points; i++) {
      const dot = s("circle", { cx: map.X(paths[step][2 * i]), cy: map.Y(paths[step][2 * i + 1]), r: 3, fill: COLOURS.data, "fill-opacity": 0.75, style: "cursor:pointer" });
      dot.addEventListener("click", () => set({ which: i }));
      map.plot.append(dot);
    }
    const trail = paths.map((_, t) => at(t)).map(([x, y]) => [map.X(x), map.Y(y)]);
    map.plot.append(path(trail, { stroke: COLOURS.model, "stroke-opacity": 0.4 }), path(trail.slice(0, step + 1), { stroke: COLOURS.model, "stroke-width": 3 }));
    map.plot.append(s("circle", { cx: trail[step][0], cy: trail[step][1], r: 6, fill: COLOURS.model, stroke: "currentColor" }));
    plane.replaceChildren(map.svg);

    const steepest = Math.max(...traces.map((row) => Math.abs(row[which])));
    const bound = bounds.find((limit) => limit >= steepest) ?? Math.ceil(steepest);
    const along = chart({ width: 380, height: 280, x: [0, 1], y: [-bound, bound], xLabel: "time t", yLabel: "trace on its path", label: "The trace of the velocity's Jacobian along the followed path; its area so far is the log-determinant" });
    const curve = traces.map((row, t) => [along.X(time(t)), along.Y(row[which])]);
    const zero = along.Y(0);
    const area = [[along.X(0), zero], ...curve.slice(0, step + 1), [along.X(time(step)), zero]];
    along.plot.append(
      path(area, { fill: COLOURS.model, "fill-opacity": 0.3, stroke: "none" }),
      s("line", { x1: along.X(0), x2: along.X(1), y1: zero, y2: zero, stroke: "currentColor" }),
      path(curve, { stroke: COLOURS.model }),
      s("circle", { cx: curve[step][0], cy: curve[step][1], r: 5, fill: COLOURS.model }),
    );
    rate.replaceChildren(along.svg);

    const sum = logDet(which)[step];
    const factor = Math.exp(sum);
    const size = factor >= 1 ? `${factor.toFixed(2)} times as large as` : `${(1 / factor).toFixed(2)} times smaller than`;
    const [x, y, shaded] = [...at(step), sum].map((value) => minus(value));
    told.textContent = `At time ${time(step).toFixed(2)} point ${which} is at (${x}, ${y}). The shaded area is ${shaded}: a small patch around the point is now ${size} at the start.`;
  }

  for (const name of ["step", "which"]) model.on(`change:${name}`, show);
  show();
  return () => clearInterval(timer);
}

export default { render };
