/* Mouse, keys, buttons: what each does with the application. */

const KEYS = [
  ["+  -", "zoom in, out (W and S too; wheel: about the pointer)"], ["← →", "pan (A and D too; or drag; Shift: far)"],
  ["↑ ↓", "scroll the lanes (Shift + wheel)"], ["0", "show everything"], ["T", "steps or virtual time"],
  ["/", "search"], ["N  Shift+N", "next, previous match"], [".  ,", "next, previous event of the chosen core"],
  ["Z", "zoom to what is chosen"], ["I", "the run as a whole"], ["Esc", "close the panel"], ["?", "these keys"],
];

const byId = (id) => document.getElementById(id);

class Controls {
  constructor(app) {
    this.app = app;
    this.bindButtons();
    this.bindPointer();
    this.bindSearch();
    this.makeFilters();
    this.makeHelp();
    document.addEventListener("keydown", (event) => this.press(event));
  }

  bindButtons() {
    const { app } = this, actions = {
      "zoom-in": () => app.view.zoom(1.6), "zoom-out": () => app.view.zoom(1 / 1.6), fit: () => app.view.fit(),
      "axis-step": () => app.setAxis("step"), "axis-ticks": () => app.setAxis("ticks"), help: () => byId("keys").showModal(),
      summary: () => app.toggleRun(), next: () => app.goToMatch(1), previous: () => app.goToMatch(-1),
    };
    for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  }

  bindPointer() {
    const { app } = this, { canvas } = app.painter;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.shiftKey) app.scroll(event.deltaY || event.deltaX);
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) app.view.pan(event.deltaX);
      else app.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), Math.max(event.offsetX, GUTTER));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.drag = { x: event.offsetX, y: event.offsetY, moved: 0, isOverview: event.offsetY < OVERVIEW };
      if (this.drag.isOverview) this.centre(event.offsetX);
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => {
      const { drag } = this;
      this.drag = null;
      canvas.classList.remove("dragging");
      if (drag && drag.moved < 4 && !drag.isOverview) app.choose(app.items.find(event.offsetX, event.offsetY));
    });
    canvas.addEventListener("pointercancel", () => { this.drag = null; });
    canvas.addEventListener("pointerleave", () => app.tooltip.hide());
    canvas.addEventListener("dblclick", (event) => { if (event.offsetY >= OVERVIEW) app.view.zoom(4, event.offsetX); });
  }

  move(event) {
    const { app, drag } = this;
    if (!drag) {
      const item = app.items.find(event.offsetX, event.offsetY);
      app.painter.canvas.classList.toggle("pointing", item !== null);
      app.tooltip.show(item, event.offsetX, event.offsetY);
      return;
    }
    drag.moved += Math.abs(event.offsetX - drag.x) + Math.abs(event.offsetY - drag.y);
    if (drag.isOverview) this.centre(event.offsetX);
    else if (drag.moved >= 4) {
      app.tooltip.hide();
      app.painter.canvas.classList.add("dragging");
      app.scroll(drag.y - event.offsetY);
      app.view.pan(drag.x - event.offsetX);
    }
    [drag.x, drag.y] = [event.offsetX, event.offsetY];
  }

  /* Move the part that is seen to a place of the overview. */
  centre(x) {
    const { view, overview } = this.app, middle = overview.at(x), { span } = view;
    view.show(middle - span / 2, middle + span / 2);
  }

  bindSearch() {
    const { app } = this;
    let waiting = 0;
    byId("query").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => app.search(byId("query").value), 120);
    });
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(waiting);
      if (app.query !== byId("query").value) app.search(byId("query").value);
      app.goToMatch(1);
    });
  }

  makeFilters() {
    const { app } = this;
    const numbers = new Map();
    app.model.events.kind.numbers.forEach((number) => numbers.set(number, (numbers.get(number) ?? 0) + 1));
    const events = (group) => app.model.events.kind.words.reduce((sum, kind, number) => sum + (GROUP_OF_KIND.get(kind) === group ? numbers.get(number) ?? 0 : 0), 0);
    const labels = GROUPS.map((group) => {
      const size = group.id === "functions" ? app.model.spans.step.length : group.id === "slices" || group.id === "halts" ? Math.ceil(events(group) / 2)
        : group.id === "handlers" ? app.model.handlers.event.length : events(group);
      if (!size) return null;
      const box = make("input", { type: "checkbox", checked: "" });
      box.addEventListener("change", () => app.setShown(group.id, box.checked));
      box.style.accentColor = `var(--${group.color})`;
      const title = group.kinds.length ? group.kinds.join(", ") : "stretches of executed code between two labels";
      return make("label", { title }, box, group.label, make("span", { class: "count" }, count(size)));
    });
    byId("filters").replaceChildren(...labels.filter(Boolean));
  }

  makeHelp() {
    const rows = KEYS.map(([keys, text]) => make("tr", {}, make("th", { scope: "row" }, ...keys.split("  ").flatMap((key) => [make("kbd", {}, key), " "])), make("td", {}, text)));
    const close = make("button", { type: "button", onclick: () => byId("keys").close() }, "Close");
    const words = "Search takes parts of names, 0x addresses and vectors; kind: symbol: vector: core: address: value: say which.";
    byId("keys").replaceChildren(make("h2", { id: "keys-title" }, "Keys"), make("table", {}, ...rows), make("p", {}, words), close);
  }

  press(event) {
    const isTyping = event.target instanceof HTMLInputElement && event.target.type === "search";
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    if (isTyping) {
      if (event.key === "Escape") this.app.painter.canvas.focus();
      return;
    }
    const action = this.actions(event)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || (event.target instanceof HTMLButtonElement && event.key === "Enter")) return;
    event.preventDefault();
    action();
  }

  actions({ shiftKey }) {
    const { app } = this, { view } = app, far = (view.width - GUTTER) * (shiftKey ? 0.8 : 0.12);
    const closer = () => view.zoom(1.4), away = () => view.zoom(1 / 1.4), left = () => view.pan(-far), right = () => view.pan(far);
    return {
      "+": closer, "=": closer, w: closer, "-": away, _: away, s: away, ArrowLeft: left, a: left, ArrowRight: right, d: right,
      ArrowUp: () => app.scroll(-60), ArrowDown: () => app.scroll(60), 0: () => view.fit(), f: () => view.fit(),
      t: () => app.setAxis(view.axis === "step" ? "ticks" : "step"), "/": () => byId("query").focus(),
      n: () => app.goToMatch(shiftKey ? -1 : 1), ".": () => app.goToEvent(1), ",": () => app.goToEvent(-1),
      z: () => app.zoomToChosen(), i: () => app.toggleRun(), Escape: () => app.choose(null), "?": () => byId("keys").showModal(),
    };
  }
}
