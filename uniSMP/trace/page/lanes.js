/* Lanes: their heights, and their bars. What is narrower than a pixel is drawn as one pixel. */

const OVERVIEW = 46, RULER = 22;
const TOP = OVERVIEW + RULER;
const TRACK = 12, BAR = 18, HANDLER = 15, FUNCTION = 17, GAP = 2, PADDING = 6;
const MOST_HANDLER_ROWS = 4;

/* Where the rows of a lane are, from its top; factors stretch them where there is room. */
function laneRows(lane, stretch) {
  const rows = { tracks: [] };
  let y = PADDING;
  lane.tracks.forEach((events, track) => {
    rows.tracks.push(y);
    if (events.length) y += TRACK;
  });
  if (lane.core === NO_CORE) return { ...rows, handlers: [], height: y + PADDING };
  rows.slice = y + GAP;
  rows.sliceHeight = BAR * stretch;
  y = rows.slice + rows.sliceHeight + GAP;
  rows.handlers = lane.handlers.slice(0, MOST_HANDLER_ROWS).map((_, depth) => y + depth * (HANDLER * stretch + 1));
  rows.handlerHeight = HANDLER * stretch;
  y += rows.handlers.length * (rows.handlerHeight + 1) + 1;
  rows.function = y;
  rows.functionHeight = lane.functions.size ? FUNCTION * stretch : 0;
  y += rows.functionHeight + (lane.functions.size ? GAP : 0);
  return { ...rows, height: y + PADDING };
}

class Lanes {
  constructor(model, view, painter, hidden) {
    Object.assign(this, { model, view, painter, hidden });
  }

  /* Place all lanes in a height of pixels; they scroll where it is too small. */
  arrange(height) {
    const total = (stretch) => this.model.lanes.reduce((sum, lane) => sum + laneRows(lane, stretch).height, 0);
    const room = height - TOP;
    const stretch = [1.8, 1.5, 1.25].find((factor) => total(factor) <= room) ?? 1;
    let y = 0;
    this.rows = this.model.lanes.map((lane) => {
      const rows = { ...laneRows(lane, stretch), top: y };
      y += rows.height;
      return rows;
    });
    this.total = y;
    this.view.scroll = Math.min(Math.max(this.view.scroll, 0), Math.max(0, y - room));
  }

  top(place) { return TOP + this.rows[place].top - this.view.scroll; }

  isSeen(place) {
    const top = this.top(place);
    return top < this.painter.height && top + this.rows[place].height > TOP;
  }

  draw() {
    const { painter } = this;
    this.model.lanes.forEach((lane, place) => {
      if (!this.isSeen(place)) return;
      const top = this.top(place), { height } = this.rows[place];
      if (place % 2 === 0) painter.rect(0, top, painter.width, height, painter.colors.lane);
      painter.rect(0, top + height - 1, painter.width, 1, painter.colors.rule);
    });
    painter.clip(GUTTER, TOP, painter.width - GUTTER, painter.height - TOP, () => {
      this.drawGrid();
      this.model.lanes.forEach((lane, place) => {
        if (this.isSeen(place) && lane.core !== NO_CORE) this.drawBars(lane, place);
      });
    });
  }

  drawGrid() {
    const { painter, view } = this;
    for (const at of axisMarks(view).marks) painter.rect(Math.round(view.x(at)), TOP, 1, painter.height, painter.colors.shade);
  }

  drawBars(lane, place) {
    const top = this.top(place), rows = this.rows[place], { colors } = this.painter;
    const { events, handlers, spans, functions } = this.model;
    if (!this.hidden.has("halts")) {
      this.drawRow(lane.halts, top + rows.slice, rows.sliceHeight, () => colors.halt, () => ["halted", ""]);
    }
    if (!this.hidden.has("slices")) {
      const label = (begin) => {
        const end = this.model.effects.get(begin)?.find((effect) => this.model.kind(effect) === "slice_end");
        if (end === undefined) return ["slice"];
        const retired = count(Number(events.value.of(end) ?? 0));
        return [`${retired} until ${events.detail.of(end)}`, retired, ""];
      };
      this.drawRow(lane.slices, top + rows.slice, rows.sliceHeight, () => colors.slice, label);
    }
    if (!this.hidden.has("handlers")) {
      rows.handlers.forEach((y, depth) => {
        const color = (handler) => colors[HANDLER_COLORS[this.model.kind(handlers.event[handler])]];
        const label = (handler) => [handlerName(this.model.kind(handlers.event[handler]), events.vector[handlers.event[handler]])];
        this.drawRow(lane.handlers[depth], top + y, rows.handlerHeight, color, label);
      });
    }
    if (!this.hidden.has("functions") && lane.functions.size) {
      const name = (span) => functions[spans.function[span]];
      const label = (span) => (spans.pieces[span] > 1 ? [`mostly ${name(span)}`, `~${name(span)}`] : [name(span)]);
      this.drawRow(lane.functions, top + rows.function, rows.functionHeight, (span) => this.painter.functionColor(name(span)), label);
    }
  }

  /* One row of bars. A run of bars that begin in one pixel costs one search and one rectangle. */
  drawRow(bars, y, height, colorOf, labelOf) {
    const { view, painter } = this;
    const begin = bars.begin[view.axis], end = bars.end[view.axis], covered = bars.covered[view.axis];
    let i = search(end, view.begin);
    while (i < bars.size && begin[i] < view.end) {
      painter.frame.visited++;
      const x = view.x(begin[i]), right = view.x(end[i]);
      if (right - x >= 1.5) {
        this.drawBar(x, y, right - x, height, colorOf(bars.refs[i]), () => labelOf(bars.refs[i]));
        i++;
        continue;
      }
      const pixel = Math.floor(x);
      let next = Math.max(search(begin, view.at(pixel + 1), i + 1), i + 1);
      if (next - 1 > i && view.x(end[next - 1]) - view.x(begin[next - 1]) >= 1.5) next--;
      const fullness = (covered[next] - covered[i]) * view.scale;
      painter.alpha(Math.min(1, 0.35 + 0.65 * fullness));
      painter.rect(pixel, y, 1, height, colorOf(bars.refs[(i + next - 1) >> 1]));
      painter.alpha(1);
      i = next;
    }
  }

  drawBar(x, y, width, height, color, label) {
    const { painter } = this;
    const left = Math.max(x, GUTTER - 2), right = Math.min(x + width, painter.width + 2);
    const gap = right - left > 4 ? 1 : 0;
    painter.rect(left, y, Math.max(right - left - gap, 1), height, color);
    if (right - left > 26) painter.fittingText(label(), Math.max(left, GUTTER) + 4, y + height / 2 + 0.5, right - Math.max(left, GUTTER) - 8, painter.inkOn(color));
  }

  /* Names on the left, above what moves. */
  drawNames() {
    const { painter } = this;
    painter.clip(0, TOP, GUTTER, painter.height - TOP, () => {
      this.model.lanes.forEach((lane, place) => {
        if (!this.isSeen(place)) return;
        const top = this.top(place), { height, slice, sliceHeight } = this.rows[place];
        painter.rect(0, top, GUTTER - 1, height - 1, place % 2 ? painter.colors.paper : painter.colors.lane);
        const y = lane.core === NO_CORE ? top + height / 2 : top + slice + sliceHeight / 2;
        painter.font(12, "600");
        painter.text(coreName(lane.core), 8, y, painter.colors.ink);
        painter.font(11);
      });
    });
    painter.rect(GUTTER - 1, OVERVIEW, 1, painter.height, painter.colors.rule);
  }
}

const HANDLER_COLORS = { interrupt_delivered: "handler", exception: "exception", software_interrupt: "software" };
