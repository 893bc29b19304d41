/* The canvas: colours of the style sheet, sizes, text that fits, and what a frame took. */

class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.frame = { number: 0, visited: 0, drawn: 0, milliseconds: 0 };
    this.readColors();
  }

  readColors() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = ["paper", "lane", "rule", "ink", "faint", "accent", "shade", "slice", "halt", "handler", "on-bar",
      "ipi", "raised", "eoi", "exception", "software", "timer", "console", "mode", "device", "match", "chosen"];
    this.colors = Object.fromEntries(names.map((name) => [name, read(name)]));
    this.tone = [read("function-saturation"), read("function-lightness")];
    this.functionColors = new Map();
  }

  functionColor(name) {
    if (!this.functionColors.has(name)) {
      this.functionColors.set(name, `hsl(${hueOf(name)}, ${this.tone[0]}, ${this.tone[1]})`);
    }
    return this.functionColors.get(name);
  }

  /* A colour of letters that can be read on a bar. */
  inkOn(color) {
    const digits = /^#(..)(..)(..)$/.exec(color);
    if (!digits) return this.colors["on-bar"];
    const [red, green, blue] = digits.slice(1).map((each) => (parseInt(each, 16) / 255) ** 2.2);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.2 ? "#10161e" : "#ffffff";
  }

  /* Fit the canvas to its place and the screen's pixels; returns its size. */
  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return [clientWidth, clientHeight];
  }

  begin() {
    Object.assign(this.frame, { number: this.frame.number + 1, visited: 0, drawn: 0, start: performance.now() });
    [this.width, this.height] = this.resize();
    this.rect(0, 0, this.width, this.height, this.colors.paper);
    this.font(11);
    this.context.textBaseline = "middle";
  }

  end() {
    this.frame.milliseconds = performance.now() - this.frame.start;
  }

  rect(x, y, width, height, color) {
    this.context.fillStyle = color;
    this.context.fillRect(x, y, width, height);
    this.frame.drawn++;
  }

  frameRect(x, y, width, height, color, thickness = 2) {
    this.context.strokeStyle = color;
    this.context.lineWidth = thickness;
    this.context.strokeRect(x, y, width, height);
    this.frame.drawn++;
  }

  line(x0, y0, x1, y1, color, thickness = 1) {
    this.context.strokeStyle = color;
    this.context.lineWidth = thickness;
    this.context.beginPath();
    this.context.moveTo(x0, y0);
    this.context.lineTo(x1, y1);
    this.context.stroke();
    this.frame.drawn++;
  }

  polygon(points, color) {
    this.context.fillStyle = color;
    this.context.beginPath();
    points.forEach(([x, y], i) => (i ? this.context.lineTo(x, y) : this.context.moveTo(x, y)));
    this.context.fill();
    this.frame.drawn++;
  }

  picture(picture, width, height) {
    this.context.drawImage(picture, 0, 0, width, height);
    this.frame.drawn++;
  }

  alpha(alpha) { this.context.globalAlpha = alpha; }

  font(size, weight = "") {
    const key = `${weight} ${size}px system-ui, "Segoe UI", "DejaVu Sans", sans-serif`;
    if (this.currentFont !== key || this.context.font.indexOf(`${size}px`) < 0) this.context.font = this.currentFont = key;
    this.letter = size * 0.58;
  }

  text(text, x, y, color, align = "left") {
    this.context.fillStyle = color;
    this.context.textAlign = align;
    this.context.fillText(text, x, y);
    this.frame.drawn++;
  }

  /* The first of several texts that fits a width, or the last one cut, or nothing where not even
     three letters fit. What has to be whole comes with an empty text behind it. */
  fittingText(texts, x, y, width, color) {
    const room = Math.floor(width / this.letter);
    const text = texts.find((each) => each.length <= room) ?? (room < 3 ? "" : texts.at(-1).slice(0, room - 1) + "…");
    if (text) this.text(text, x, y, color);
  }

  clip(x, y, width, height, draw) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(x, y, width, height);
    this.context.clip();
    draw();
    this.context.restore();
  }
}
