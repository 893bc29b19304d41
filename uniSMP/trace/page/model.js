/* The trace as rows of bars and marks, each sorted by time, so that drawing can search in them. */

/* First place in a sorted array whose number is not below (or, `past`: is above) a limit. */
function search(array, limit, from = 0, past = false) {
  let low = from, high = array.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (past ? array[middle] <= limit : array[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* Bars that do not overlap. `refs` are places in the table that they came from. */
class Bars {
  constructor(what, bars) {
    this.what = what;
    this.size = bars.length;
    this.refs = Int32Array.from(bars, (bar) => bar.ref);
    this.begin = { step: Float64Array.from(bars, (bar) => bar.step), ticks: Float64Array.from(bars, (bar) => bar.ticks) };
    this.end = { step: Float64Array.from(bars, (bar) => bar.endStep), ticks: Float64Array.from(bars, (bar) => bar.endTicks) };
    this.covered = { step: this.sums("step"), ticks: this.sums("ticks") };
  }

  /* How much the bars before each one cover; so a pixel knows how full it is. */
  sums(axis) {
    const sums = new Float64Array(this.size + 1);
    for (let i = 0; i < this.size; i++) sums[i + 1] = sums[i] + this.end[axis][i] - this.begin[axis][i];
    return sums;
  }
}

class Model {
  constructor(data) {
    Object.assign(this, data);
    const table = (name) => Object.fromEntries(
      Object.entries(data.columns).filter(([key]) => key.startsWith(`${name}.`))
        .map(([key, column]) => [key.slice(name.length + 1), column]));
    this.events = table("event");
    this.spans = table("span");
    this.handlers = table("handler");
    this.code = table("code");
    this.size = this.events.step.length;
    this.perStep = data.manifest.ticks_per_instruction || 1;
    this.groups = this.events.kind.words.map((kind) => GROUP_OF_KIND.get(kind) ?? GROUPS[10]);
    this.symbolOfRip = data.columns["rip.symbol"];
    this.findBounds();
    this.findEffects();
    this.makeLanes();
    this.makeArrows();
    this.codeAt = new Map();
    for (let i = this.code.line.length - 1; i >= 0; i--) this.codeAt.set(this.code.rip.of(i), i);
  }

  kind(event) { return this.events.kind.of(event); }
  group(event) { return this.groups[this.events.kind.numbers[event]]; }
  symbol(event) {
    const number = this.events.rip.numbers[event];
    return number ? this.symbolOfRip.of(number - 1) : null;
  }
  at(event, axis) { return this.events[axis][event]; }

  /* Virtual time of a step: before what happened at it (the end of a bar), or after it. */
  ticksOf(step, isEnd) {
    const found = search(this.events.step, step, 0, !isEnd) - 1;
    const event = Math.max(found, 0);
    return this.events.ticks[event] + (step - this.events.step[event]) * this.perStep;
  }

  findBounds() {
    const last = this.spans.step.length - 1;
    const end = Math.max(this.events.step[this.size - 1], last < 0 ? 0 : this.spans.step[last] + this.spans.length[last]);
    const begin = Math.min(this.events.step[0], last < 0 ? Infinity : this.spans.step[0]);
    const ticks = this.events.ticks;
    this.bounds = {
      step: [begin, Math.max(end, begin + 1)],
      ticks: [Math.min(ticks[0], this.ticksOf(begin, false)), Math.max(ticks[this.size - 1], this.ticksOf(end, true), ticks[0] + 1)],
    };
  }

  /* The inverse of causes; handlers by the event that entered them. */
  findEffects() {
    this.effects = new Map();
    const causes = this.events.cause;
    for (let i = 0; i < this.size; i++) {
      if (causes[i] < 0) continue;
      if (this.effects.has(causes[i])) this.effects.get(causes[i]).push(i);
      else this.effects.set(causes[i], [i]);
    }
    this.handlerOf = new Map();
    this.handlers.event.forEach((event, handler) => this.handlerOf.set(event, handler));
  }

  makeLanes() {
    const used = new Set(this.events.core);
    this.spans.core.forEach((core) => used.add(core));
    const cores = [...used].filter((core) => core !== NO_CORE).sort((a, b) => a - b);
    this.lanes = [NO_CORE, ...cores].map((core) => ({ core, slices: [], halts: [], handlers: [], functions: [], tracks: [[], [], []] }));
    this.laneOf = new Map(this.lanes.map((lane, place) => [lane.core, place]));
    this.fillPairs("slice_end", "slices");
    this.fillPairs("wake", "halts");
    this.fillHandlers();
    this.fillFunctions();
    for (let i = 0; i < this.size; i++) {
      const track = this.group(i).track;
      if (track !== undefined) this.lane(this.events.core[i]).tracks[track].push(i);
    }
    for (const lane of this.lanes) {
      lane.slices = new Bars("slice", lane.slices);
      lane.halts = new Bars("halt", lane.halts);
      lane.handlers = lane.handlers.map((bars) => new Bars("handler", bars ?? []));
      lane.functions = new Bars("function", lane.functions);
      lane.tracks = lane.tracks.map((events) => Int32Array.from(events));
    }
  }

  lane(core) { return this.lanes[this.laneOf.get(core)]; }

  /* Bars from an event to the one that it is the cause of; one without lasts to the end. */
  fillPairs(endKind, row) {
    const beginKind = endKind === "wake" ? "halt" : "slice_begin";
    for (let i = 0; i < this.size; i++) {
      if (this.kind(i) !== beginKind) continue;
      const end = (this.effects.get(i) ?? []).find((effect) => this.kind(effect) === endKind);
      const [endStep, endTicks] = end === undefined ? [this.bounds.step[1], this.bounds.ticks[1]] : [this.at(end, "step"), this.at(end, "ticks")];
      this.lane(this.events.core[i])[row].push({ ref: i, step: this.at(i, "step"), ticks: this.at(i, "ticks"), endStep, endTicks });
    }
  }

  fillHandlers() {
    this.handlers.event.forEach((event, handler) => {
      const rows = this.lane(this.events.core[event]).handlers;
      const end = this.handlers.end[handler];
      const isOpen = end < 0;
      (rows[this.handlers.depth[handler]] ??= []).push({
        ref: handler, step: this.at(event, "step"), ticks: this.at(event, "ticks"),
        endStep: isOpen ? this.bounds.step[1] : end,
        endTicks: isOpen ? this.bounds.ticks[1] : Math.max(this.ticksOf(end, true), this.at(event, "ticks")),
      });
    });
  }

  fillFunctions() {
    this.spans.step.forEach((step, span) => {
      const endStep = step + this.spans.length[span];
      this.lane(this.spans.core[span]).functions.push({
        ref: span, step, endStep, ticks: this.ticksOf(step, false), endTicks: this.ticksOf(endStep, true),
      });
    });
  }

  /* From who raised an interrupt to who took it: pairs of events, sorted by the first. */
  makeArrows() {
    this.arrows = [];
    for (let i = 0; i < this.size; i++) {
      const kind = this.kind(i);
      let from = this.events.cause[i];
      if (kind === "interrupt_delivered" && from >= 0 && this.kind(from) === "interrupt_accepted") from = this.events.cause[from];
      const isTaken = ["interrupt_delivered", "init", "start_up", "nmi", "smi"].includes(kind);
      if (!isTaken || from < 0 || this.events.core[from] === this.events.core[i]) continue;
      this.arrows.push({ from, to: i, group: this.group(from).id });
    }
    this.arrows.sort((a, b) => a.from - b.from);
    const starts = (axis) => Float64Array.from(this.arrows, (arrow) => this.at(arrow.from, axis));
    this.arrowStarts = { step: starts("step"), ticks: starts("ticks") };
    const longest = (axis) => this.arrows.reduce((most, arrow) => Math.max(most, this.at(arrow.to, axis) - this.at(arrow.from, axis)), 0);
    this.longestArrow = { step: longest("step"), ticks: longest("ticks") };
  }

  /* All events of the story that an event belongs to, in order. */
  story(event) {
    let root = event;
    while (this.events.cause[root] >= 0) root = this.events.cause[root];
    const found = [root];
    for (let i = 0; i < found.length && found.length < 200; i++) found.push(...(this.effects.get(found[i]) ?? []));
    return found.sort((a, b) => a - b);
  }
}
