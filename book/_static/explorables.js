// Draws the explorables of a page from the widget state stored in it: no kernel, no library, no other host.

// The part of an anywidget model that an explorable uses, over stored values.
function storedModel({ state, buffers = [] }) {
  for (const { path, data } of buffers) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const parent = path.slice(0, -1).reduce((value, key) => value[key], state);
    parent[path.at(-1)] = new DataView(bytes.buffer);
  }
  const listeners = {};
  const fire = (event, ...rest) => [...(listeners[event] ?? [])].forEach((listener) => listener(...rest));
  const model = {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      fire(`change:${name}`, model, value);
      fire("change", model);
    },
    save_changes() {},
    on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
    off: (event, listener) => listeners[event]?.delete(listener),
  };
  return model;
}

async function draw(script, states) {
  const el = document.createElement("div");
  el.className = "explorable";
  script.after(el);
  try {
    const stored = states[JSON.parse(script.textContent).model_id];
    if (!stored?.state._esm) throw new Error("no drawing is stored with this page");
    const source = URL.createObjectURL(new Blob([stored.state._esm], { type: "text/javascript" }));
    const { default: widget } = await import(source).finally(() => URL.revokeObjectURL(source));
    const style = document.createElement("style");
    style.textContent = stored.state._css ?? "";
    el.before(style);
    await widget.render({ model: storedModel(stored), el });
  } catch (error) {
    el.setAttribute("role", "alert");
    el.textContent = `This interactive figure could not be drawn here (${error.message}); the plain figure beside it shows the same idea.`;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const stored = document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]');
  const states = stored ? JSON.parse(stored.textContent).state : {};
  document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').forEach((script) => draw(script, states));
});
