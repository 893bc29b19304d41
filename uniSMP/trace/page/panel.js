/* The panel on the side: the chosen item with its story and its code, or the run as a whole. */

const CODE_AROUND = 9; // instructions before and behind
const MOST_CONSOLE = 65536;

/* Make an element; texts are texts, never markup. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") element.addEventListener("click", value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function factTable(facts) {
  return make("table", {}, ...facts.map(([name, text]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, text))));
}

class Panel {
  constructor(element, items, choose, closed) {
    Object.assign(this, { element, items, model: items.model, choose, closed });
  }

  show(title, ...parts) {
    const close = make("button", { type: "button", class: "close", "aria-label": "Close details", title: "Close (Esc)", onclick: () => this.closed() }, "×");
    this.element.replaceChildren(make("h2", {}, title, close), ...parts.filter((part) => part !== null));
    this.element.hidden = false;
    this.element.scrollTop = 0;
  }

  showItem(item) {
    const event = this.items.event(item);
    const rip = item.what === "function" ? this.model.spans.rip.of(item.ref) : this.model.events.rip.of(event);
    this.show(
      this.items.title(item),
      factTable(itemFacts(this.items, item)),
      event < 0 ? null : this.story(event),
      this.code(rip, item.what === "handler" ? "Interrupted code" : "Code"),
      item.what === "handler" ? this.code(this.entry(event), "Handler") : null,
    );
  }

  /* Where a handler begins: the first function that its core was in then, or null. */
  entry(event) {
    const { model } = this, { functions } = model.lane(model.events.core[event]);
    const place = search(functions.begin.step, model.at(event, "step"));
    const isFirst = place < functions.size && functions.begin.step[place] - model.at(event, "step") === 0;
    return isFirst ? model.spans.rip.of(functions.refs[place]) : null;
  }

  /* Raised, accepted, delivered, EOI, return: each with the time since the first. */
  story(chosen) {
    const { model } = this, events = model.story(chosen);
    const rows = events.map((event) => ({ event, ticks: model.at(event, "ticks"), text: eventTitle(model, event), item: this.items.ofEvent(event) }));
    for (const event of events) {
      const handler = model.handlerOf.get(event);
      if (handler === undefined || model.handlers.end[handler] < 0 || !model.code.line.length) continue;
      const [, ticks] = this.items.stretch({ what: "handler", ref: handler }, "ticks");
      rows.push({ event, ticks, text: "returns (IRET)", item: { what: "handler", ref: handler }, isReturn: true });
    }
    if (rows.length < 2) return null;
    rows.sort((a, b) => a.ticks - b.ticks || a.event - b.event);
    const list = rows.map((row) => this.storyRow(row, rows[0].ticks, row.event === chosen && !row.isReturn));
    return make("div", {}, make("h3", {}, "Story"), make("ol", { class: "story" }, ...list));
  }

  storyRow(row, start, isChosen) {
    const color = this.model.group(row.event).color;
    const attributes = { type: "button", onclick: () => this.choose(row.item) };
    if (isChosen) attributes["aria-current"] = "true";
    const since = row.ticks === start ? time(row.ticks, 6) : `+${time(row.ticks - start)}`;
    const button = make("button", attributes,
      make("span", {}, `${coreName(this.model.events.core[row.event])}: ${row.text}`), make("span", { class: "when" }, since));
    const element = make("li", {}, button);
    element.style.setProperty("--dot", `var(--${color})`);
    return element;
  }

  /* The instructions around an address, with the source line beside each. */
  code(rip, title) {
    if (rip === null || rip === undefined) return null;
    const { model } = this, at = model.codeAt.get(rip);
    const heading = make("h3", {}, title);
    if (at === undefined) {
      const why = model.code.line.length ? `${rip} is in no block that ran here.` : "This trace has no code: trace at level blocks or above.";
      return make("div", {}, heading, make("p", {}, why));
    }
    let first = at, last = at;
    const follows = (i) => i > 0 && model.code.end.of(i - 1) === model.code.rip.of(i);
    while (at - first < CODE_AROUND && follows(first)) first--;
    while (last - at < CODE_AROUND && last + 1 < model.code.line.length && follows(last + 1)) last++;
    const rows = [];
    for (let i = first; i <= last; i++) rows.push(...this.codeRows(i, i === at, i === first));
    return make("div", {}, heading, make("div", { class: "scroll" }, make("table", { class: "code" }, ...rows)));
  }

  codeRows(i, isHere, isFirst) {
    const { code } = this.model, file = this.model.files[code.file[i] - 1], rows = [];
    const wide = (kind, text) => make("tr", { class: kind }, make("td", { colspan: "3" }, text));
    if (isFirst || code.file[i] !== code.file[i - 1]) rows.push(wide("file", file ?? "source not known"));
    for (const name of this.labels().get(code.rip.of(i)) ?? []) rows.push(wide("label", `${name}:`));
    const isNewLine = isFirst || code.line[i] !== code.line[i - 1] || code.file[i] !== code.file[i - 1];
    const text = this.model.sources[file]?.[code.line[i] - 1]?.trim() ?? "";
    const source = isNewLine && code.line[i] ? `${code.line[i]}  ${text}` : "";
    rows.push(make("tr", isHere ? { class: "at", "aria-current": "true" } : {},
      make("td", { title: code.bytes.of(i) }, code.rip.of(i).slice(2)), make("td", {}, code.text.of(i)), make("td", { class: "source" }, source)));
    return rows;
  }

  labels() {
    if (!this.labelsByAddress) {
      this.labelsByAddress = new Map();
      for (const [name, address] of Object.entries(this.model.symbols)) {
        if (this.labelsByAddress.has(address)) this.labelsByAddress.get(address).push(name);
        else this.labelsByAddress.set(address, [name]);
      }
    }
    return this.labelsByAddress;
  }

  showRun() {
    const { manifest, notes, size } = this.model;
    const facts = [["target", manifest.target], ["outcome", manifest.outcome ?? "not known"], ["traced at", `level ${manifest.level}`],
      ["schedule", [manifest.schedule, manifest.seed === null ? null : `seed ${manifest.seed}`, `quantum ${count(manifest.quantum)}`].filter(Boolean).join(", ")],
      ["steps", count(manifest.steps ?? 0)], ["virtual time", time(manifest.ticks ?? 0, 6)], ["shown", plural(size, "event")],
      ["digest", manifest.digest ?? "not known"]];
    const missing = notes.length ? make("div", {}, make("h3", {}, "To know"), ...notes.map((note) => make("p", {}, note))) : null;
    const text = this.console();
    this.show("The run", factTable(facts), missing, text ? make("div", {}, make("h3", {}, "Console"), make("pre", { tabindex: "0", "aria-label": "Console output" }, text)) : null);
  }

  console() {
    const { model } = this;
    const parts = [];
    for (let i = 0, length = 0; i < model.size && length < MOST_CONSOLE; i++) {
      if (model.kind(i) !== "console") continue;
      parts.push(model.events.detail.of(i) ?? "");
      length += parts[parts.length - 1].length;
    }
    return parts.join("");
  }
}
