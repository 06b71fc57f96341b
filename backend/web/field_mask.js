// A mask: painted on the form's image, or an image of its own.

import { missing } from "./check.js";
import { ImageField, upload } from "./field_image.js";
import { MaskPainter } from "./mask.js";

export class MaskField extends ImageField {
  constructor(name, rule, label) {
    super(name, rule, label);
    this.painter = new MaskPainter();
    this.node.querySelector(".drop").before(this.painter.node);
    this.painter.addEventListener("painted", () => {
      this.painted = undefined;
      this.changed();
    });
    this.told.textContent = this.idle();
  }

  /** Paint on what this field has; `channel` is the field that says which part of the mask counts. */
  follow(image, channel) {
    this.channel = channel;
    const paintOn = () => {
      if (image.blob === this.shownOn) return;
      this.shownOn = image.blob;
      this.painter.on(image.blob, this.begun?.on === image.blob ? this.begun.strokes : []);
      this.told.textContent = this.idle();
    };
    image.addEventListener("changed", paintOn);
    image.addEventListener("written", paintOn);
    channel?.addEventListener("changed", () => (this.painted = undefined));
    paintOn();
  }

  /** What is painted, for the field that takes this one's place. */
  get painting() {
    return { on: this.shownOn, strokes: this.painter.strokes };
  }

  /** Go on with what another field has begun, once it is the same image's turn. */
  goOn(painting) {
    this.begun = painting;
  }

  idle() {
    return this.shownOn ? "Or choose a mask of your own" : "Choose the image first, then paint here";
  }

  show(name) {
    super.show(name);
    const own = this.blob !== null || this.sending !== undefined;
    if (!own) this.told.textContent = this.idle();
    if (this.painter) this.painter.node.hidden = own || !this.shownOn;
  }

  get value() {
    if (this.sending !== undefined) return this.sending;
    if (!this.shownOn || this.painter.isEmpty) return undefined;
    this.painted ??= this.uploaded();
    return this.painted;
  }

  set value(value) {
    super.value = value;
  }

  async uploaded() {
    try {
      const alpha = this.channel?.value === "alpha";
      return await upload(await this.painter.picture(alpha));
    } catch (error) {
      this.painted = undefined;
      this.fault(error.message);
      return undefined;
    }
  }

  wrong() {
    const told = super.wrong();
    const painted = this.shownOn && !this.painter.isEmpty;
    return told && painted ? "" : told && missing(this.name);
  }

  focus() {
    const { node, canvas } = this.painter;
    if (node.hidden) super.focus();
    else canvas.focus();
  }
}
