// A mask, painted on an image with a pointer or with the arrow keys.

import { button, element } from "./element.js";

const LONGEST = 2048;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HOW = "Paint the mask: arrow keys move the brush, Space paints, U undoes";

/** What is painted is a list of strokes, drawn anew where one is taken back. */
export class MaskPainter extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { strokes: [], erasing: false, at: { x: 0, y: 0 }, stroke: null });
    this.image = element("img", { alt: "" });
    this.canvas = element("canvas", { tabIndex: 0, role: "application", "aria-label": HOW });
    this.brush = element("div", { class: "mask-brush", hidden: true });
    this.size = element("input", { type: "range", min: "1", max: "40", value: "8" });
    this.eraser = button("Erase", () => this.erase(!this.erasing), "quiet", {
      "aria-pressed": "false",
    });
    const tools = element(
      "div",
      { class: "mask-tools" },
      element("label", {}, "Brush", this.size),
      this.eraser,
      button("Undo", () => this.undo()),
      button("Clear", () => this.clear()),
    );
    const board = element("div", { class: "mask-board" }, this.image, this.canvas, this.brush);
    this.node = element("div", { class: "mask", hidden: true }, board, tools);
    this.listen();
  }

  get isEmpty() {
    return !this.strokes.some((stroke) => !stroke.erases);
  }

  /** Paint on this image from now on, where these strokes are already; null for none. */
  async on(blob, strokes = []) {
    URL.revokeObjectURL(this.image.src);
    this.clear();
    this.node.hidden = true;
    if (blob === null) return;
    const url = URL.createObjectURL(blob);
    this.image.src = url;
    try {
      await this.image.decode();
    } catch {
      return; // It is none, or another came meanwhile.
    }
    if (this.image.src !== url) return;
    const { naturalWidth: width, naturalHeight: height } = this.image;
    const scale = Math.min(LONGEST / Math.max(width, height), 1);
    this.canvas.width = Math.max(Math.round(width * scale), 1);
    this.canvas.height = Math.max(Math.round(height * scale), 1);
    this.at = { x: this.canvas.width / 2, y: this.canvas.height / 2 };
    this.node.hidden = false;
    this.strokes = strokes;
    this.redraw();
  }

  get radius() {
    return (Math.max(this.canvas.width, this.canvas.height) * this.size.value) / 200;
  }

  erase(erasing) {
    this.erasing = erasing;
    this.eraser.setAttribute("aria-pressed", String(erasing));
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.begin(this.place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      this.show(this.place(event));
      if (this.stroke) event.getCoalescedEvents().forEach((each) => this.go(this.place(each)));
    });
    canvas.addEventListener("pointerup", () => this.end());
    canvas.addEventListener("pointercancel", () => this.end());
    canvas.addEventListener("pointerleave", () => (this.brush.hidden = true));
    canvas.addEventListener("blur", () => (this.brush.hidden = true));
    canvas.addEventListener("focus", () => this.show(this.at));
    canvas.addEventListener("keydown", (event) => this.pressed(event));
  }

  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.canvas;
    const x = ((clientX - box.left) / box.width) * width;
    return { x, y: ((clientY - box.top) / box.height) * height };
  }

  pressed(event) {
    const direction = KEYS[event.key];
    if (direction) {
      const step = this.radius * (event.shiftKey ? 3 : 1);
      const within = (value, most) => Math.min(Math.max(value, 0), most);
      const x = within(this.at.x + direction[0] * step, this.canvas.width);
      this.show({ x, y: within(this.at.y + direction[1] * step, this.canvas.height) });
    } else if (event.key === " " || event.key === "Enter") {
      this.begin(this.at);
      this.end();
    } else if (event.key === "u" || (event.key === "z" && (event.ctrlKey || event.metaKey))) {
      this.undo();
    } else return;
    event.preventDefault();
  }

  begin(point) {
    this.stroke = { erases: this.erasing, radius: this.radius, points: [point] };
    this.strokes.push(this.stroke);
    this.draw(this.stroke, 0);
  }

  go(point) {
    this.stroke.points.push(point);
    this.draw(this.stroke, this.stroke.points.length - 2);
  }

  end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.dispatchEvent(new Event("painted"));
  }

  undo() {
    this.strokes.pop();
    this.redraw();
  }

  clear() {
    this.strokes = [];
    this.redraw();
  }

  redraw() {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.strokes.forEach((stroke) => this.draw(stroke, 0));
    this.dispatchEvent(new Event("painted"));
  }

  draw({ erases, radius, points }, from) {
    const context = this.canvas.getContext("2d");
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    Object.assign(context, { lineWidth: radius * 2, lineCap: "round", lineJoin: "round" });
    context.strokeStyle = context.fillStyle = "#ff3d7f";
    const [first, ...others] = points.slice(from);
    context.beginPath();
    // A line of no length is none, but one touch is a dot.
    context.arc(first.x, first.y, radius, 0, 2 * Math.PI);
    context.fill();
    context.beginPath();
    context.moveTo(first.x, first.y);
    others.forEach(({ x, y }) => context.lineTo(x, y));
    context.stroke();
  }

  show(point) {
    this.at = point;
    const { width, height } = this.canvas;
    this.brush.hidden = false;
    this.brush.style.left = `${(point.x / width) * 100}%`;
    this.brush.style.top = `${(point.y / height) * 100}%`;
    this.brush.style.width = `${((this.radius * 2) / width) * 100}%`;
  }

  /** White where it is painted, black elsewhere; transparent where it is painted, with `alpha`. */
  async picture(alpha) {
    const { width, height } = this.canvas;
    const made = element("canvas", { width, height });
    const context = made.getContext("2d");
    context.fillStyle = alpha ? "#fff" : "#000";
    context.fillRect(0, 0, width, height);
    if (alpha) context.globalCompositeOperation = "destination-out";
    context.drawImage(this.white(), 0, 0);
    return new Promise((done) => made.toBlob(done, "image/png"));
  }

  white() {
    const { width, height } = this.canvas;
    const made = element("canvas", { width, height });
    const context = made.getContext("2d");
    context.drawImage(this.canvas, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    return made;
  }
}
