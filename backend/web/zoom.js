// Looking closer at a picture: wheel, keys, buttons, double click, and moving it about.

const MOST = 8;
const STEP = 1.4;
const PAN = 80; // Pixels.

export class Zoom {
  constructor(frame) {
    this.frame = frame;
    this.reset(null);
    frame.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    frame.addEventListener("dblclick", (event) => this.to(this.scale > 1 ? 1 : 2.5, event));
    frame.addEventListener("pointerdown", (event) => this.grabbed(event));
  }

  /** Another picture, seen whole. */
  reset(picture) {
    Object.assign(this, { picture, scale: 1, x: 0, y: 0 });
    this.draw();
  }

  closer() {
    this.to(this.scale * STEP);
  }

  farther() {
    this.to(this.scale / STEP);
  }

  /** What is under the pointer stays there. */
  to(scale, event = null) {
    const box = this.frame.getBoundingClientRect();
    const from = {
      x: event ? event.clientX - box.left - box.width / 2 : 0,
      y: event ? event.clientY - box.top - box.height / 2 : 0,
    };
    const next = Math.min(Math.max(scale, 1), MOST);
    const grown = next / this.scale;
    this.x = next === 1 ? 0 : from.x - (from.x - this.x) * grown;
    this.y = next === 1 ? 0 : from.y - (from.y - this.y) * grown;
    this.scale = next;
    this.draw();
  }

  /** Look farther left or right, up or down: -1, 0 or 1 each. */
  pan(right, down) {
    this.x -= right * PAN;
    this.y -= down * PAN;
    this.draw();
  }

  /** No edge of the picture comes farther in than the frame's. */
  bound() {
    const within = (value, most) => Math.min(Math.max(value, -most), most);
    const beyond = (whole, seen) => Math.max((whole * this.scale - seen) / 2, 0);
    this.x = within(this.x, beyond(this.picture.offsetWidth, this.frame.clientWidth));
    this.y = within(this.y, beyond(this.picture.offsetHeight, this.frame.clientHeight));
  }

  draw() {
    this.frame.classList.toggle("zoomed", this.scale > 1);
    if (!this.picture) return;
    this.bound();
    this.picture.style.transform =
      this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }

  wheeled(event) {
    if (this.picture?.tagName !== "IMG") return;
    event.preventDefault();
    this.to(this.scale * Math.exp(-event.deltaY / 300), event);
  }

  grabbed(event) {
    if (this.scale === 1 || this.picture?.tagName !== "IMG") return;
    event.preventDefault();
    const { frame } = this;
    frame.setPointerCapture(event.pointerId);
    const move = ({ movementX, movementY }) => {
      this.x += movementX;
      this.y += movementY;
      this.draw();
    };
    frame.addEventListener("pointermove", move);
    const end = () => frame.removeEventListener("pointermove", move);
    frame.addEventListener("lostpointercapture", end, { once: true });
  }
}
