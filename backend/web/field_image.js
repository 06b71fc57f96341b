// Images: dropped, pasted or chosen; uploaded at once, so that what is wrong is told at once.

import { ask } from "./api.js";
import { missing } from "./check.js";
import { button, element, fill, icon } from "./element.js";
import { Field } from "./field.js";
import { bytes } from "./words.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];

export const isImage = (file) => file?.type.startsWith("image/");

/** Send an image ahead: what stands for it in requests. Throws Problem, Unreachable. */
export async function upload(blob) {
  return (await ask("POST", "uploads", { body: blob })).upload;
}

export class ImageField extends Field {
  constructor(name, rule, label) {
    const control = element("input", { type: "file", class: "file", accept: TYPES.join(",") });
    const picture = element("div", { class: "drop-picture" });
    const told = element("p", { class: "drop-told" });
    const remove = button("Remove", () => this.take(null));
    const drop = element("div", { class: "drop" }, picture, told, control, remove);
    super(name, rule, label, {
      control,
      around: drop,
      read: () => this.sending,
      write: (value) => this.restore(value),
    });
    Object.assign(this, { picture, told, remove, blob: null, url: "" });
    control.addEventListener("change", () => this.take(control.files[0] ?? this.blob));
    this.listen(drop);
    this.show("");
  }

  listen(drop) {
    const over = (event) => {
      event.preventDefault();
      drop.classList.toggle("over", event.type === "dragover");
    };
    for (const kind of ["dragover", "dragleave"]) drop.addEventListener(kind, over);
    drop.addEventListener("drop", (event) => {
      over(event);
      const file = [...event.dataTransfer.files].find(isImage);
      if (file) this.take(file);
      else this.fault("That is no image.");
    });
  }

  /** Use this image; null for none. It is uploaded, and `value` waits for that. */
  take(blob, name = blob?.name ?? "") {
    this.blob = blob;
    this.control.value = "";
    this.sending = blob ? this.sent(blob) : undefined;
    this.show(name);
    this.changed();
  }

  async sent(blob) {
    try {
      return await upload(blob);
    } catch (error) {
      if (this.blob !== blob) return undefined;
      // It is tried again when it is needed.
      this.sending = undefined;
      this.fault(error.message);
      return undefined;
    }
  }

  /** An upload of before: the image itself is only on the server. */
  restore(value) {
    this.blob = null;
    this.sending = typeof value === "string" ? Promise.resolve(value) : undefined;
    this.show(this.sending ? "The image of before" : "");
  }

  show(name) {
    URL.revokeObjectURL(this.url);
    this.url = this.blob ? URL.createObjectURL(this.blob) : "";
    const has = this.blob !== null || this.sending !== undefined;
    const shown = this.blob
      ? element("img", { src: this.url, alt: name || "The chosen image" })
      : icon("image");
    fill(this.picture, shown);
    const size = this.blob ? ` (${bytes(this.blob.size)})` : "";
    this.told.textContent = has ? `${name || "An image"}${size}` : "Drop, paste or choose an image";
    this.remove.hidden = !has;
  }

  wrong() {
    if (this.blob && this.sending === undefined) this.sending = this.sent(this.blob);
    return this.required && this.sending === undefined ? missing(this.name) : "";
  }
}
