/* The application: puts the parts together and draws a frame when something changed. */

class Application {
  constructor(model) {
    this.model = model;
    this.hidden = new Set();
    this.chosen = null;
    this.query = "";
    this.painter = new Painter(byId("canvas"));
    this.view = new View(model, () => this.redraw());
    this.lanes = new Lanes(model, this.view, this.painter, this.hidden);
    this.marks = new Marks(model, this.view, this.painter, this.lanes, this.hidden);
    this.overview = new Overview(model, this.view, this.painter);
    this.items = new Items(model, this.view, this.lanes, this.marks, this.hidden);
    this.finder = new Finder(model);
    this.panel = new Panel(byId("panel"), this.items, (item) => this.choose(item, true), () => this.choose(null));
    this.tooltip = new Tooltip(byId("tooltip"), this.items);
    this.controls = new Controls(this);
    this.showAxis();
    this.showNotes();
    if (window.matchMedia("(min-width: 1000px)").matches) this.toggleRun();
    new ResizeObserver(() => this.redraw()).observe(byId("stage"));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.painter.readColors();
      this.redraw();
    });
  }

  redraw() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.draw();
    });
  }

  draw() {
    this.painter.begin();
    this.view.width = this.painter.width;
    this.lanes.arrange(this.painter.height);
    this.lanes.draw();
    this.marks.draw();
    this.drawFound();
    if (this.chosen) this.drawChosen(this.chosen);
    this.lanes.drawNames();
    this.overview.draw(this.finder);
    this.painter.end();
  }

  /* Frames about the matches in sight, one for each few pixels. */
  drawFound() {
    const { painter, view, finder } = this, times = finder.times[view.axis];
    painter.clip(GUTTER, TOP, painter.width - GUTTER, painter.height - TOP, () => {
      const ends = new Map();
      for (let i = search(times, view.begin); i < times.length && times[i] <= view.end; ) {
        painter.frame.visited++;
        const item = this.asDrawn(finder.items[i]), [top, height] = this.items.place(item);
        const [begin, end] = this.items.stretch(item, view.axis);
        const isMark = end === begin;
        const x = view.x(begin) - (isMark ? 6 : 0), width = isMark ? 12 : Math.max(view.x(end) - view.x(begin), 2);
        if (x >= (ends.get(top) ?? -1)) {
          painter.frameRect(x, top, width, height, painter.colors.match, 1.5);
          ends.set(top, x + width);
        }
        i = times.length > 2000 ? Math.max(search(times, view.at(view.x(times[i]) + 0.25), i + 1), i + 1) : i + 1;
      }
    });
  }

  /* An interrupt's delivery is seen in its handler's bar; other events where they are. */
  asDrawn(item) {
    const drawn = item.what === "event" ? this.items.ofEvent(item.ref) : item;
    return drawn.what === "handler" ? drawn : item;
  }

  drawChosen(item) {
    const { painter, view } = this, [begin, end] = this.items.stretch(item, view.axis);
    const [top, height] = this.items.place(item), isMark = item.what === "event";
    const left = view.x(begin), width = Math.max(view.x(end) - left, 2);
    painter.clip(GUTTER, TOP, painter.width - GUTTER, painter.height - TOP, () => {
      painter.alpha(0.5);
      painter.rect(Math.round(left), TOP, 1, painter.height, painter.colors.chosen);
      painter.alpha(1);
      painter.frameRect(isMark ? left - 7 : left, top - 1, isMark ? 14 : width, height + 2, painter.colors.chosen, 2);
    });
  }

  /* Choose an item, or none; `moves` brings it into sight. */
  choose(item, moves = false) {
    this.chosen = item;
    this.isRunShown = false;
    if (item === null) byId("panel").hidden = true;
    else {
      this.panel.showItem(item);
      byId("live").textContent = `${coreName(this.items.core(item))}: ${this.items.title(item)}`;
      this.measure();
      if (moves) this.revealStretch(item);
      this.revealLane(item);
    }
    byId("summary").setAttribute("aria-expanded", "false");
    this.redraw();
  }

  /* The panel took room: what is placed next has to know the stage as it is now. */
  measure() {
    [this.painter.width, this.painter.height] = this.painter.resize();
    this.view.width = this.painter.width;
    this.lanes.arrange(this.painter.height);
  }

  revealStretch(item) {
    const [begin, end] = this.items.stretch(item, this.view.axis);
    this.view.reveal(begin, end);
  }

  /* Scroll an item's lane into sight. */
  revealLane(item) {
    const place = this.model.laneOf.get(this.items.core(item)), { height } = this.lanes.rows[place];
    const top = this.lanes.top(place);
    if (top < TOP) this.view.scroll += top - TOP;
    else if (top + height > this.painter.height) this.view.scroll += Math.min(top + height - this.painter.height, top - TOP);
  }

  zoomToChosen() {
    if (!this.chosen) return;
    const [begin, end] = this.items.stretch(this.chosen, this.view.axis), size = Math.max(end - begin, 20);
    this.view.show((begin + end) / 2 - size, (begin + end) / 2 + size);
  }

  toggleRun() {
    this.isRunShown = !(this.isRunShown && !byId("panel").hidden);
    this.chosen = null;
    if (this.isRunShown) this.panel.showRun();
    else byId("panel").hidden = true;
    byId("summary").setAttribute("aria-expanded", String(this.isRunShown));
    this.redraw();
  }

  /* The next event of the chosen item's core, of a kind that is shown. */
  goToEvent(by) {
    const { model } = this, core = this.chosen ? this.items.core(this.chosen) : model.lanes[model.lanes.length > 1 ? 1 : 0].core;
    const here = this.chosen ? (this.items.event(this.chosen) >= 0 ? this.items.event(this.chosen) : search(model.events.step, model.spans.step[this.chosen.ref])) : search(model.events[this.view.axis], this.view.begin) - by;
    for (let i = here + by; i >= 0 && i < model.size; i += by) {
      if (model.events.core[i] !== core || this.hidden.has(model.group(i).id)) continue;
      this.choose(this.items.ofEvent(i), true);
      return;
    }
  }

  search(query) {
    this.query = query;
    this.finder.find(query);
    this.showMatches();
    this.redraw();
  }

  goToMatch(by) {
    const item = this.finder.step(by, this.view.axis, this.view.begin);
    if (item === null) return;
    this.choose(item.what === "event" ? this.items.ofEvent(item.ref) : item, true);
    this.showMatches();
  }

  showMatches() {
    const { items, current } = this.finder;
    byId("matches").textContent = !this.query.trim() ? "" : !items.length ? "none" : current < 0 ? count(items.length) : `${count(current + 1)}/${count(items.length)}`;
  }

  setAxis(axis) {
    this.view.setAxis(axis);
    this.showAxis();
  }

  showAxis() {
    for (const axis of ["step", "ticks"]) byId(`axis-${axis}`).setAttribute("aria-pressed", String(this.view.axis === axis));
  }

  setShown(group, isShown) {
    if (isShown) this.hidden.delete(group);
    else this.hidden.add(group);
    this.marks.filter();
    this.redraw();
  }

  scroll(pixels) {
    this.view.scroll += pixels;
    this.redraw();
  }

  showNotes() {
    byId("notes").textContent = this.model.notes.join(" ");
    byId("notes").hidden = !this.model.notes.length;
  }
}

async function start() {
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old: it lacks DecompressionStream");
  const model = new Model(await unpack(byId("data").textContent.trim()));
  byId("state").hidden = true;
  window.unismp = new Application(model); // for the console of the browser, and for tests
}

start().catch((error) => {
  byId("state").hidden = false;
  byId("state").textContent = `The trace cannot be shown: ${error.message}`;
  console.error(error);
});
