/* Events without length as marks in three tracks of a lane, and arrows between lanes. */

const MARK = 8; // pixels that a mark may fill
const CROWD = 2; // pixels that a line fills where marks would touch
const MOST_ARROWS = 250; // drawn one by one; more become lines, one a pixel

class Marks {
  constructor(model, view, painter, lanes, hidden) {
    Object.assign(this, { model, view, painter, lanes, hidden });
    this.filter();
  }

  /* Collect the events of the groups that are shown; called when that changes. */
  filter() {
    const keep = (event) => !this.hidden.has(this.model.group(event).id);
    this.tracks = this.model.lanes.map((lane) => lane.tracks.map((events) => {
      const shown = events.filter(keep);
      const times = (axis) => Float64Array.from(shown, (event) => this.model.at(event, axis));
      return { events: shown, times: { step: times("step"), ticks: times("ticks") } };
    }));
  }

  draw() {
    const { painter } = this;
    painter.clip(GUTTER, TOP, painter.width - GUTTER, painter.height - TOP, () => {
      this.tracks.forEach((tracks, place) => {
        if (!this.lanes.isSeen(place)) return;
        tracks.forEach((track, height) => this.drawTrack(track, this.lanes.top(place) + this.lanes.rows[place].tracks[height]));
      });
      this.drawArrows();
    });
  }

  /* A mark stands alone; where they would touch they are lines, higher where there are many. */
  drawTrack({ events, times }, y) {
    const { view, painter, model } = this;
    const at = times[view.axis];
    let free = -Infinity; // where the last one ends
    for (let i = search(at, view.at(GUTTER - MARK)); i < events.length && at[i] <= view.end; ) {
      painter.frame.visited++;
      const x = view.x(at[i]), group = model.group(events[i]);
      const isAlone = x - free >= MARK / 2 && (i + 1 === events.length || view.x(at[i + 1]) - x >= MARK);
      const next = isAlone ? i + 1 : Math.max(search(at, view.at(x + CROWD), i + 1), i + 1);
      if (isAlone) this.drawMark(group, x, y);
      else {
        const isOneGroup = group === model.group(events[next - 1]) && group === model.group(events[(i + next) >> 1]);
        const height = Math.min(10, 5 + Math.log2(next - i));
        painter.rect(x, y + 11 - height, CROWD - 0.5, height, painter.colors[isOneGroup ? group.color : "faint"]);
      }
      free = x + (isAlone ? MARK / 2 : CROWD);
      i = next;
    }
  }

  drawMark(group, x, y) {
    const { painter } = this, color = painter.colors[group.color];
    switch (group.id) {
      case "exceptions": painter.polygon([[x, y + 1], [x + 5, y + 10], [x - 5, y + 10]], color); break;
      case "software": painter.polygon([[x - 4, y + 2], [x + 4, y + 2], [x, y + 10]], color); break;
      case "modes": painter.polygon([[x, y + 1], [x + 4, y + 6], [x, y + 11], [x - 4, y + 6]], color); break;
      case "console": painter.rect(x - 3, y + 2, 6, 8, color); break;
      case "ipis": painter.polygon([[x - 3, y + 1], [x + 5, y + 6], [x - 3, y + 11]], color); break;
      case "raised": painter.polygon([[x - 4, y + 10], [x, y + 2], [x + 4, y + 10]], color); break;
      case "timers": painter.rect(x - 2.5, y + 3, 5, 5, color); break;
      case "eois": painter.rect(x - 1, y + 1, 2.5, 10, color); break;
      default: painter.rect(x - 1, y + 4, 2, 7, color);
    }
  }

  /* Where an arrow leaves and arrives: pixels. */
  ends({ from, to }) {
    const { model, view, lanes } = this;
    const place = (event) => model.laneOf.get(model.events.core[event]);
    const [source, target] = [place(from), place(to)];
    const rows = lanes.rows[source];
    const isDown = lanes.rows[target].top > rows.top;
    const y0 = lanes.top(source) + (rows.slice === undefined ? rows.height / 2 : rows.slice + (isDown ? rows.sliceHeight : 0));
    const row = lanes.rows[target];
    const y1 = lanes.top(target) + (isDown ? row.slice : row.handlers[0] !== undefined ? row.handlers[0] : row.slice + row.sliceHeight);
    return [view.x(model.at(from, view.axis)), y0, view.x(model.at(to, view.axis)), y1];
  }

  drawArrows() {
    const { view, model, painter } = this;
    const starts = model.arrowStarts[view.axis];
    const first = search(starts, view.begin - model.longestArrow[view.axis]), last = search(starts, view.end, 0, true);
    const isCrowded = last - first > MOST_ARROWS;
    for (let i = first; i < last;) {
      painter.frame.visited++;
      const arrow = model.arrows[i];
      if (!this.hidden.has(arrow.group)) this.drawArrow(arrow, isCrowded);
      i = isCrowded ? Math.max(search(starts, view.at(view.x(starts[i]) + 3), i + 1), i + 1) : i + 1;
    }
  }

  drawArrow(arrow, isThin) {
    const { painter, model } = this;
    const [x0, y0, x1, y1] = this.ends(arrow);
    const color = painter.colors[model.group(arrow.from).color];
    painter.alpha(isThin ? 0.3 : 0.85);
    painter.line(x0, y0, x1, y1, color, isThin ? 1 : 1.4);
    if (!isThin) {
      const angle = Math.atan2(y1 - y0, x1 - x0), tip = (turn) => [x1 - 8 * Math.cos(angle + turn), y1 - 8 * Math.sin(angle + turn)];
      painter.polygon([[x1, y1], tip(0.38), tip(-0.38)], color);
    }
    painter.alpha(1);
  }
}
