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
const PANS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Viewer {
  /** Each of them gets a task, or an item. */
  constructor({ onReuse, onInput, onCompare, onRemoved }) {
    this.onRemoved = onRemoved;
    this.dialog = byId("viewer");
    this.frame = byId("viewer-frame");
    this.zoom = new Zoom(this.frame);
    this.item = null;
    const closing = (action) => () => {
      this.leave();
      action(this.item);
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

  /** Open it at an item of a list, the gallery for one, or at one that is no longer in it. */
  open(item, list) {
    Object.assign(this, { list, first: item, isLeft: false });
    this.show(item);
    if (!this.dialog.open) this.dialog.showModal();
  }

  get number() {
    return this.list.items.findIndex((each) => isSame(each, this.item));
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
    const { items } = this.list;
    byId("viewer-previous").disabled = number <= 0;
    byId("viewer-next").disabled = number < 0 || number + 1 >= items.length;
    byId("viewer-place").textContent = number < 0 ? "" : `${number + 1} of ${items.length}`;
    if (number + NEAR_THE_END > items.length) this.more(this.item);
  }

  async more(item) {
    const before = this.list.items.length;
    await this.list.more();
    if (item === this.item && this.list.items.length > before) this.place();
  }

  step(by) {
    const next = this.list.items[this.number + by];
    if (this.number >= 0 && next) this.show(next);
  }

  pressed(event) {
    if (event.target.closest("video, audio") || event.ctrlKey || event.metaKey || event.altKey) return;
    const pans = event.shiftKey && PANS[event.key];
    const does = pans ? () => this.zoom.pan(...pans) : {
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
    // The browser itself goes back to what opened it.
    if (!this.isLeft && !isSame(this.item, this.first)) this.list.focus(this.item.task.task_id);
  }

  /** Close it for something else, which has the focus next. */
  leave() {
    this.isLeft = true;
    this.dialog.close();
  }

  async asInput(onInput) {
    const { task, number } = this.item;
    await this.tried(async () => {
      const blob = await blobOf(task.outputs[number].url);
      this.leave();
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
    const { items } = this.list;
    const isOther = (each) => each.task.task_id !== task.task_id;
    const after = items.slice(this.number + 1).find(isOther);
    const next = after ?? items.slice(0, Math.max(this.number, 0)).findLast(isOther);
    await ask("DELETE", `tasks/${task.task_id}?remove=true`);
    this.onRemoved(task);
    announce("Deleted.");
    if (next) this.show(next);
    else this.close();
  }

  /** With nothing left to show. */
  close() {
    this.leave();
    this.list.focus(this.item.task.task_id);
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

function isSame(one, other) {
  return one.task.task_id === other.task.task_id && one.number === other.number;
}
