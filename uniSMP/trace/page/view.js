/* Which stretch of the axis is seen, and how wide a unit is. */

const GUTTER = 74; // pixels on the left for the names of lanes
const NARROWEST = 6; // units; then an instruction is a broad bar

class View {
  constructor(model, changed) {
    this.model = model;
    this.changed = changed;
    this.width = 800;
    this.scroll = 0; // pixels that the lanes are moved up
    const { steps, ticks } = { steps: model.bounds.step[1] - model.bounds.step[0], ticks: model.bounds.ticks[1] - model.bounds.ticks[0] };
    /* A machine that mostly waits is told best in steps: waiting takes none. */
    this.axis = steps * model.perStep < ticks / 2 ? "step" : "ticks";
    this.fit();
  }

  get span() { return this.end - this.begin; }
  get scale() { return (this.width - GUTTER) / this.span; } // pixels of a unit

  x(at) { return GUTTER + (at - this.begin) * this.scale; }
  at(x) { return this.begin + (x - GUTTER) / this.scale; }

  fit() {
    const [low, high] = this.model.bounds[this.axis];
    this.show(low - (high - low) * 0.01, high + (high - low) * 0.01);
  }

  /* See a stretch, kept inside of what there is. */
  show(begin, end) {
    const [low, high] = this.model.bounds[this.axis];
    const edge = (high - low) * 0.02 + 1;
    const span = Math.min(Math.max(end - begin, NARROWEST), high - low + 2 * edge);
    const middle = (begin + end) / 2;
    this.begin = Math.min(Math.max(middle - span / 2, low - edge), high + edge - span);
    this.end = this.begin + span;
    this.changed();
  }

  /* Zoom about a pixel, which stays where it is; above 1 is closer. */
  zoom(factor, x = (this.width + GUTTER) / 2) {
    const fixed = this.at(x);
    const span = Math.max(this.span / factor, NARROWEST);
    const begin = fixed - (fixed - this.begin) * (span / this.span);
    this.show(begin, begin + span);
  }

  pan(pixels) {
    const units = pixels / this.scale;
    this.show(this.begin + units, this.end + units);
  }

  /* Change the axis; the same events stay in sight. */
  setAxis(axis) {
    if (axis === this.axis) return;
    const from = this.model.events[this.axis], to = this.model.events[axis];
    const first = search(from, this.begin), last = search(from, this.end, 0, true) - 1;
    this.axis = axis;
    if (last < first) this.fit();
    else this.show(to[first], Math.max(to[last], to[first] + 1));
  }

  /* Bring a stretch into sight: move to it, and come closer where it would be a dot. */
  reveal(begin, end, wanted = 40) {
    const isSeen = begin >= this.begin && end <= this.end;
    const size = Math.max(end - begin, 1);
    if (isSeen && size * this.scale >= 4) return;
    const span = size * this.scale < 4 ? size * wanted : Math.max(this.span, size * 1.5);
    const middle = (begin + end) / 2;
    this.show(middle - span / 2, middle + span / 2);
  }
}

/* Places of the axis' marks: round numbers, about `pixels` apart. */
function axisMarks(view, pixels = 110) {
  const rough = Math.max((pixels / view.scale), 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const marks = [];
  for (let at = Math.ceil(view.begin / step) * step; at <= view.end; at += step) marks.push(at || 0); // no -0
  return { marks, step };
}

function axisLabel(view, at, step) {
  if (view.axis === "step") return count(at);
  const digits = Math.max(0, Math.ceil(Math.log10(at >= 1e9 ? 1e9 : at >= 1e6 ? 1e6 : 1e3) - Math.log10(step)));
  return time(at, at < 1e3 ? 0 : digits);
}
