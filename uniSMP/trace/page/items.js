/* An item is what can be pointed at: { what: "event" | "slice" | "halt" | "handler" | "function", ref }.
   `ref` is the event (the first one of a slice or a halt), the handler or the span. */

class Items {
  constructor(model, view, lanes, marks, hidden) {
    Object.assign(this, { model, view, lanes, marks, hidden });
  }

  /* The event that an item stands for; a function has none. */
  event({ what, ref }) {
    return what === "function" ? -1 : what === "handler" ? this.model.handlers.event[ref] : ref;
  }

  core(item) {
    return item.what === "function" ? this.model.spans.core[item.ref] : this.model.events.core[this.event(item)];
  }

  /* Begin and end on an axis. */
  stretch(item, axis) {
    const { model } = this;
    if (item.what === "event") return [model.at(item.ref, axis), model.at(item.ref, axis)];
    const bars = this.bars(item), place = search(bars.refs, item.ref); // rows are in the order of their refs
    return [bars.begin[axis][place], bars.end[axis][place]];
  }

  bars(item) {
    const lane = this.model.lane(this.core(item));
    const row = { slice: lane.slices, halt: lane.halts, function: lane.functions }[item.what];
    return row ?? lane.handlers[this.model.handlers.depth[item.ref]];
  }

  /* The item of an event, as it is drawn: an interrupt's delivery is its handler's bar. */
  ofEvent(event) {
    const handler = this.model.handlerOf.get(event);
    const kind = this.model.kind(event);
    if (kind === "interrupt_delivered" && handler !== undefined) return { what: "handler", ref: handler };
    if (kind === "slice_begin") return { what: "slice", ref: event };
    if (kind === "halt") return { what: "halt", ref: event };
    return { what: "event", ref: event };
  }

  /* What lies under a pixel, or null. */
  find(x, y) {
    const { lanes, model } = this;
    if (x < GUTTER || y < TOP) return null;
    const place = model.lanes.findIndex((_, i) => y >= lanes.top(i) && y < lanes.top(i) + lanes.rows[i].height);
    if (place < 0) return null;
    const lane = model.lanes[place], rows = lanes.rows[place], height = y - lanes.top(place);
    for (let track = rows.tracks.length - 1; track >= 0; track--) {
      if (lane.tracks[track].length && height >= rows.tracks[track] && height < rows.tracks[track] + TRACK) return this.findMark(place, track, x);
    }
    return lane.core === NO_CORE ? null : this.findBar(lane, rows, height, x);
  }

  findMark(place, track, x) {
    const { events, times } = this.marks.tracks[place][track];
    const at = times[this.view.axis], here = this.view.at(x);
    const after = search(at, here);
    const near = [after - 1, after].filter((i) => i >= 0 && i < events.length)
      .map((i) => [Math.abs(this.view.x(at[i]) - x), i]).sort((a, b) => a[0] - b[0])[0];
    return near && near[0] <= MARK ? { what: "event", ref: events[near[1]] } : null;
  }

  findBar(lane, rows, height, x) {
    if (height >= rows.slice && height < rows.slice + rows.sliceHeight) {
      return (!this.hidden.has("slices") && this.inRow(lane.slices, x)) || (!this.hidden.has("halts") && this.inRow(lane.halts, x)) || null;
    }
    const depth = rows.handlers.findIndex((y) => height >= y && height < y + rows.handlerHeight);
    if (depth >= 0) return this.hidden.has("handlers") ? null : this.inRow(lane.handlers[depth], x);
    const isFunction = height >= rows.function && height < rows.function + rows.functionHeight;
    return isFunction && !this.hidden.has("functions") ? this.inRow(lane.functions, x) : null;
  }

  inRow(bars, x) {
    const { axis } = this.view, here = this.view.at(x);
    const before = search(bars.begin[axis], here, 0, true) - 1;
    const distances = [before, before + 1].filter((i) => i >= 0 && i < bars.size).map((i) => {
      const left = this.view.x(bars.begin[axis][i]), right = Math.max(this.view.x(bars.end[axis][i]), left + 1);
      return [Math.max(left - x, x - right, 0), i];
    }).sort((a, b) => a[0] - b[0]);
    return distances.length && distances[0][0] <= 2 ? { what: bars.what, ref: bars.refs[distances[0][1]] } : null;
  }

  /* Top and height of an item's row, in pixels. */
  place(item) {
    const { model, lanes } = this, core = this.core(item), place = model.laneOf.get(core);
    const rows = lanes.rows[place], top = lanes.top(place);
    if (item.what === "handler") return [top + (rows.handlers[model.handlers.depth[item.ref]] ?? rows.slice), rows.handlerHeight];
    if (item.what === "function") return [top + rows.function, rows.functionHeight];
    const track = item.what === "event" ? model.group(item.ref).track : undefined;
    if (track !== undefined) return [top + rows.tracks[track], TRACK];
    return rows.slice === undefined ? [top, rows.height] : [top + rows.slice, rows.sliceHeight];
  }

  /* A line that says what an item is. */
  title(item) {
    const { model } = this, { events, spans } = model;
    if (item.what === "function") {
      const name = model.functions[spans.function[item.ref]];
      return spans.pieces[item.ref] > 1 ? `mostly ${name}` : name;
    }
    const event = this.event(item);
    if (item.what === "slice") return "slice";
    if (item.what === "halt") return "halted";
    if (item.what === "handler") return `handler of ${handlerName(model.kind(event), events.vector[event])}`;
    return eventTitle(model, event);
  }
}

function eventTitle(model, event) {
  const { events } = model, kind = model.kind(event), vector = events.vector[event];
  if (kind === "exception") return handlerName(kind, vector);
  const words = [kind.replaceAll("_", " ")];
  if (vector !== NO_VECTOR) words.push(hex(vector));
  if (kind === "console") words.push(JSON.stringify(events.detail.of(event)));
  if (kind === "mode") words.push(events.mode.of(event));
  return words.join(" ");
}

/* All that is known of an event: pairs of name and text. */
function eventFacts(model, event) {
  const { events } = model, kind = model.kind(event), facts = [["kind", kind]];
  const add = (name, text) => { if (text !== null && text !== undefined && text !== "") facts.push([name, text]); };
  add("core", events.core[event] === NO_CORE ? "none: the machine" : String(events.core[event]));
  add("step", count(events.step[event]));
  add("time", `${count(events.ticks[event])} ns`);
  if (events.vector[event] !== NO_VECTOR) add("vector", `${events.vector[event]} (${hex(events.vector[event])})`);
  add("rip", events.rip.of(event) && [events.rip.of(event), model.symbol(event)].filter(Boolean).join("  "));
  for (const name of ["source", "mode", "targets", "address"]) add(name, events[name].of(event));
  if (events.size[event]) add("size", plural(events.size[event], "byte"));
  const value = events.value.of(event);
  add("value", value !== null && DECIMAL_VALUES.has(kind) ? BigInt(value).toLocaleString("en-US") : value);
  add("error code", events.error_code.of(event));
  add("cr2", events.cr2.of(event));
  add("detail", kind === "console" ? JSON.stringify(events.detail.of(event)) : events.detail.of(event));
  return facts;
}

/* The same of any item; a bar also says how long it is. */
function itemFacts(items, item) {
  const { model } = items;
  const facts = item.what === "function" ? spanFacts(model, item.ref) : eventFacts(model, items.event(item));
  if (item.what === "event") return facts;
  const [steps, ticks] = ["step", "ticks"].map((axis) => items.stretch(item, axis)).map(([begin, end]) => end - begin);
  const isOpen = item.what === "handler" && model.handlers.end[item.ref] < 0;
  return [...facts, ["lasts", isOpen ? "not seen to end" : `${time(ticks)}, ${plural(steps, "step")} of all cores`]];
}

function spanFacts(model, span) {
  const { spans } = model, facts = [["function", model.functions[spans.function[span]]]];
  facts.push(["core", String(spans.core[span])], ["step", count(spans.step[span])]);
  facts.push(["begins at", spans.rip.of(span)], ["instructions", count(spans.length[span])]);
  if (spans.pieces[span] > 1) facts.push(["merged", `${count(spans.pieces[span])} functions' stretches; this one has most instructions`]);
  return facts;
}
