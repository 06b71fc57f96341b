// The full view of what was made: arrow keys, zoom, what it ran with, what can be done with it.

import { announce } from "./announce.js";
import { ask, Problem, Unreachable } from "./api.js";
import { byId, element, fill } from "./element.js";
import { facts } from "./facts.js";
import { download, fileName, kindOf, whole } from "./outputs.js";
import { blobOf } from "./pictures.js";
import { promptOf } from "./sent.js";
import { titleOf } from "./titles.js";
import { Zoom } from "./zoom.js";

const NEAR_THE_END = 5;

export class Viewer {
  /** `gallery` has the items; the others get a task, or an item. */
  constructor(gallery, { onReuse, onInput, onCompare, onRemoved }) {
    this.onRemoved = onRemoved;
    this.gallery = gallery;
    this.dialog = byId("viewer");
    this.frame = byId("viewer-frame");
    this.zoom = new Zoom(this.frame);
    this.item = null;
    const closing = (action) => () => {
      const { item } = this;
      this.dialog.close();
      action(item);
    };
    byId("viewer-reuse").onclick = closing(({ task }) => onReuse(task));
    byId("viewer-compare").onclick = closing(onCompare);
    byId("viewer-input").onclick = () => this.asInput(onInput);
    byId("viewer-download").onclick = () => this.tried(() => this.download());
    byId("viewer-delete").onclick = () => this.confirmed();
    byId("viewer-previous").onclick = () => this.step(-1);
    byId("viewer-next").onclick = () => this.step(1);
    byId("viewer-closer").onclick = () => this.zoom.closer();
    byId("viewer-farther").onclick = () => this.zoom.farther();
    this.dialog.addEventListener("keydown", (event) => this.pressed(event));
    this.dialog.addEventListener("close", () => this.closed());
  }

  /** Open it at an item of the gallery, or with a task that is not in it. */
  open(item) {
    this.show(item);
    if (!this.dialog.open) this.dialog.showModal();
  }

  get number() {
    return this.gallery.items.indexOf(this.item);
  }

  async show(item) {
    this.item = item;
    const { task, number } = item;
    const output = number === null ? null : task.outputs[number];
    byId("viewer-title").textContent = promptOf(task) || titleOf(task.mode);
    fill(byId("viewer-facts"), facts(task, number));
    byId("viewer-problem").textContent = "";
    byId("viewer-delete").textContent = "Delete";
    const isImage = output !== null && kindOf(output) === "image";
    byId("viewer-input").hidden = byId("viewer-compare").hidden = !isImage;
    byId("viewer-zoom").hidden = !isImage;
    byId("viewer-download").hidden = output === null;
    this.place();
    this.zoom.reset(null);
    await this.tried(() => this.draw(item, output));
  }

  async draw(item, output) {
    const name = byId("viewer-title").textContent;
    const nothing = () => element("p", { class: "stand-in" }, item.task.error ?? "No output.");
    const shown = output === null ? nothing() : await whole(output, name);
    if (item !== this.item) return;
    fill(this.frame, shown);
    this.zoom.reset(shown);
  }

  place() {
    const { number } = this;
    const { items } = this.gallery;
    byId("viewer-previous").disabled = number <= 0;
    byId("viewer-next").disabled = number < 0 || number + 1 >= items.length;
    byId("viewer-place").textContent = number < 0 ? "" : `${number + 1} of ${items.length}`;
    if (number + NEAR_THE_END > items.length) this.more(this.item);
  }

  async more(item) {
    const before = this.gallery.items.length;
    await this.gallery.more();
    if (item === this.item && this.gallery.items.length > before) this.place();
  }

  step(by) {
    const next = this.gallery.items[this.number + by];
    if (this.number >= 0 && next) this.show(next);
  }

  pressed(event) {
    if (event.target.closest("video, audio") || event.ctrlKey || event.metaKey || event.altKey) return;
    const does = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      "+": () => this.zoom.closer(),
      "=": () => this.zoom.closer(),
      "-": () => this.zoom.farther(),
      0: () => this.zoom.to(1),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  closed() {
    fill(this.frame);
    this.gallery.focus(this.item.task.task_id);
  }

  async asInput(onInput) {
    const { task, number } = this.item;
    await this.tried(async () => {
      const blob = await blobOf(task.outputs[number].url);
      this.dialog.close();
      onInput(blob, fileName(task, number));
    });
  }

  async download() {
    const { task, number } = this.item;
    await download(task.outputs[number], fileName(task, number));
  }

  /** The second press deletes. */
  confirmed() {
    const ask = byId("viewer-delete");
    if (ask.textContent === "Delete") {
      ask.textContent = "Delete for good?";
      announce("Press again to delete for good.");
    } else this.tried(() => this.remove());
  }

  async remove() {
    const { task } = this.item;
    const { items } = this.gallery;
    const isOther = (each) => each && each.task !== task;
    const after = items.slice(this.number + 1).find(isOther);
    const next = after ?? items.slice(0, Math.max(this.number, 0)).findLast(isOther);
    await ask("DELETE", `tasks/${task.task_id}?remove=true`);
    this.gallery.remove(task.task_id);
    this.onRemoved(task.task_id);
    announce("Deleted.");
    if (next) this.show(next);
    else this.dialog.close();
  }

  async tried(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      byId("viewer-problem").textContent = error.message;
    }
  }
}
