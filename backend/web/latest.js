// What was done last, beside the form.

import { get, Problem, Unreachable } from "./api.js";
import { byId, fill } from "./element.js";
import { itemsOf } from "./outputs.js";
import { tile } from "./tile.js";

const MOST = 12;

/** `onOpen` gets a task. */
export class Latest {
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.tasks = [];
  }

  get items() {
    return this.tasks.flatMap(itemsOf);
  }

  /** It has no more than it shows. */
  async more() {}

  async load() {
    try {
      this.show((await get(`tasks?status=done&limit=${MOST}`)).tasks);
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    }
  }

  /** A task that has ended just now. */
  ended(task) {
    if (task.status !== "done") return;
    const others = this.tasks.filter((each) => each.task_id !== task.task_id);
    this.show([task, ...others].slice(0, MOST));
  }

  remove(taskId) {
    this.show(this.tasks.filter((each) => each.task_id !== taskId));
  }

  focus(taskId) {
    const made = [...byId("latest").children].find((each) => each.dataset.task === taskId);
    (made?.querySelector("button") ?? byId("watch-title")).focus();
  }

  show(tasks) {
    const known = new Map([...byId("latest").children].map((each) => [each.dataset.task, each]));
    const made = (task) => known.get(task.task_id) ?? tile(task, () => this.onOpen(task));
    this.tasks = tasks;
    fill(byId("latest"), ...tasks.map(made));
    byId("latest-part").hidden = tasks.length === 0;
  }
}
