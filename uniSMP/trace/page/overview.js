/* The strip on top: the whole trace, how much each core did, and which part is seen. Below it the ruler. */

class Overview {
  constructor(model, view, painter) {
    Object.assign(this, { model, view, painter });
  }

  x(at) {
    const [low, high] = this.model.bounds[this.view.axis];
    return GUTTER + ((at - low) / (high - low)) * (this.painter.width - GUTTER);
  }

  at(x) {
    const [low, high] = this.model.bounds[this.view.axis];
    return low + ((x - GUTTER) / (this.painter.width - GUTTER)) * (high - low);
  }

  /* How full each pixel of a core's row is. */
  fullness({ slices }) {
    const { axis } = this.view, begin = slices.begin[axis], end = slices.end[axis], covered = slices.covered[axis];
    const until = (limit) => {
      const place = search(begin, limit);
      return place === 0 ? 0 : covered[place - 1] + Math.min(end[place - 1], limit) - begin[place - 1];
    };
    const edges = Float64Array.from({ length: Math.max(2, Math.floor(this.painter.width - GUTTER) + 1) }, (_, pixel) => this.at(GUTTER + pixel));
    return Float64Array.from(edges.subarray(1), (edge, pixel) => (until(edge) - until(edges[pixel])) / (edge - edges[pixel]));
  }

  /* The rows of all cores as a picture; drawn anew for another width, axis or colour only. */
  rows() {
    const { painter } = this, ratio = window.devicePixelRatio || 1;
    const key = [this.view.axis, painter.width, painter.colors.slice, ratio].join();
    if (this.key === key) return this.picture;
    this.key = key;
    this.picture = new OffscreenCanvas(Math.ceil(painter.width * ratio), Math.ceil(OVERVIEW * ratio));
    const context = this.picture.getContext("2d");
    context.scale(ratio, ratio);
    context.fillStyle = painter.colors.slice;
    const lanes = this.model.lanes.filter((lane) => lane.core !== NO_CORE), height = (OVERVIEW - 10) / Math.max(lanes.length, 1);
    lanes.forEach((lane, place) => this.fullness(lane).forEach((full, pixel) => {
      context.globalAlpha = full > 0 ? 0.2 + 0.8 * Math.min(full, 1) : 0;
      context.fillRect(GUTTER + pixel, 4 + place * height, 1, Math.max(height - (height > 3 ? 1 : 0), 1));
    }));
    return this.picture;
  }

  draw(matches) {
    const { painter, view } = this;
    painter.rect(0, 0, painter.width, OVERVIEW, painter.colors.paper);
    painter.picture(this.rows(), painter.width, OVERVIEW);
    painter.text("all", 8, OVERVIEW / 2, painter.colors.faint);
    this.drawMatches(matches);
    const [left, right] = [Math.max(this.x(view.begin), GUTTER), Math.min(this.x(view.end), painter.width)];
    const width = Math.max(right - left, 3);
    painter.rect(left, 1, width, OVERVIEW - 4, painter.colors.shade);
    painter.frameRect(left + 0.75, 1.5, Math.max(width - 1.5, 2), OVERVIEW - 5, painter.colors.accent, 1.5);
    this.drawRuler();
  }

  /* One line a pixel at most. */
  drawMatches(matches) {
    const { painter } = this, times = matches.times[this.view.axis];
    for (let i = 0; i < times.length;) {
      const x = Math.floor(this.x(times[i]));
      painter.rect(x, OVERVIEW - 13, 1.5, 9, painter.colors.match);
      i = Math.max(search(times, this.at(x + 2), i + 1), i + 1);
    }
  }

  drawRuler() {
    const { painter, view } = this;
    painter.rect(0, OVERVIEW, painter.width, RULER, painter.colors.paper);
    painter.rect(0, TOP - 1, painter.width, 1, painter.colors.rule);
    painter.text(view.axis === "step" ? "step" : "time", 8, OVERVIEW + RULER / 2, painter.colors.faint);
    const { marks, step } = axisMarks(view);
    for (const at of marks) {
      const x = view.x(at);
      if (x < GUTTER) continue;
      painter.rect(Math.round(x), TOP - 6, 1, 5, painter.colors.faint);
      if (x < painter.width - 80) painter.text(axisLabel(view, at, step), x + 4, OVERVIEW + RULER / 2 - 1, painter.colors.faint);
    }
  }
}
