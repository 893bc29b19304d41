/* The strip on top: the whole trace, how much each core did, and which part is seen. Below it the ruler. */

class Overview {
  constructor(model, view, painter, lanes) {
    Object.assign(this, { model, view, painter, lanes, pictures: {} });
  }

  x(at) {
    const [low, high] = this.model.bounds[this.view.axis];
    return GUTTER + ((at - low) / (high - low)) * (this.painter.width - GUTTER);
  }

  at(x) {
    const [low, high] = this.model.bounds[this.view.axis];
    return low + ((x - GUTTER) / (this.painter.width - GUTTER)) * (high - low);
  }

  /* How full each pixel of each core is; computed once for a width and an axis. */
  fullness() {
    const key = `${this.view.axis} ${this.painter.width}`;
    if (this.key === key) return this.picture;
    this.key = key;
    const pixels = Math.max(1, Math.floor(this.painter.width - GUTTER));
    this.picture = this.model.lanes.filter((lane) => lane.core !== NO_CORE).map(({ slices }) => {
      const row = new Float32Array(pixels);
      for (let pixel = 0, i = 0; pixel < pixels && slices.size; pixel++) {
        const edge = this.at(GUTTER + pixel + 1);
        const begin = slices.begin[this.view.axis], end = slices.end[this.view.axis], covered = slices.covered[this.view.axis];
        const from = this.at(GUTTER + pixel);
        const until = (limit) => {
          const place = search(begin, limit);
          return place === 0 ? 0 : covered[place - 1] + Math.min(end[place - 1], limit) - begin[place - 1];
        };
        row[pixel] = (until(edge) - until(from)) / (edge - from);
      }
      return row;
    });
    return this.picture;
  }

  draw(matches) {
    const { painter, view } = this;
    painter.rect(0, 0, painter.width, OVERVIEW, painter.colors.paper);
    const rows = this.fullness(), height = (OVERVIEW - 10) / Math.max(rows.length, 1);
    rows.forEach((row, place) => this.drawRow(row, 4 + place * height, Math.max(height - (height > 3 ? 1 : 0), 1)));
    painter.text("all", 8, OVERVIEW / 2, painter.colors.faint);
    this.drawMatches(matches);
    const [left, right] = [Math.max(this.x(view.begin), GUTTER), Math.min(this.x(view.end), painter.width)];
    const width = Math.max(right - left, 3);
    painter.rect(left, 1, width, OVERVIEW - 4, painter.colors.shade);
    painter.frameRect(left + 0.75, 1.5, Math.max(width - 1.5, 2), OVERVIEW - 5, painter.colors.accent, 1.5);
    this.drawRuler();
  }

  drawRow(row, y, height) {
    const { painter } = this;
    for (let x = 0; x < row.length; x++) {
      if (row[x] <= 0) continue;
      let end = x + 1;
      const level = Math.round(row[x] * 8);
      while (end < row.length && Math.round(row[end] * 8) === level) end++;
      painter.alpha(0.2 + 0.8 * Math.min(row[x], 1));
      painter.rect(GUTTER + x, y, end - x, height, painter.colors.slice);
      x = end - 1;
    }
    painter.alpha(1);
  }

  /* One line a pixel at most. */
  drawMatches(matches) {
    const { painter } = this, times = matches.times[this.view.axis];
    for (let i = 0; i < times.length;) {
      const x = Math.floor(this.x(times[i]));
      painter.rect(x, 2, 1.5, OVERVIEW - 6, painter.colors.match);
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
      if (x < painter.width - 60) painter.text(axisLabel(view, at, step), x + 4, OVERVIEW + RULER / 2 - 1, painter.colors.faint);
    }
  }
}
