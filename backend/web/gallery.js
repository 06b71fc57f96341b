// Finished tasks, newest first, loaded as one scrolls.

import { get, Problem, Unreachable } from "./api.js";
import { byId, element, fill } from "./element.js";
import { itemsOf } from "./outputs.js";
import { tile } from "./tile.js";
import { plural } from "./words.js";

const PAGE = 40;
const ALL = ["done", "failed", "cancelled"];

/** `onOpen` gets the number of an item: a task's output, or a task that has none. */
export class Gallery {
  constructor({ onOpen }) {
    this.onOpen = onOpen;
    this.tiles = new Map();
    this.items = [];
    this.cursor = null;
    this.begun = false;
    byId("show").addEventListener("change", () => this.reload());
    byId("show-mode").addEventListener("change", () => this.reload());
    byId("more").addEventListener("click", () => this.more());
    this.end = new IntersectionObserver(
      ([{ isIntersecting }]) => isIntersecting && this.begun && this.more(),
      { rootMargin: "800px" },
    );
    this.watchEnd();
  }

  /** It is told of a change only: an end that is still near after a page is looked at anew. */
  watchEnd() {
    this.end.unobserve(byId("more"));
    this.end.observe(byId("more"));
  }

  /** Show it for the first time, or with what has ended elsewhere since. */
  async open() {
    if (this.begun) await this.renew();
    else await this.reload();
  }

  async renew() {
    const { round } = this;
    const had = this.items.map(({ task }) => task);
    await this.tried(async () => {
      const { tasks, next_cursor: next } = await get(`tasks?${this.query()}`);
      if (round !== this.round) return;
      this.drop(had, tasks, next === null);
      const last = tasks.findLastIndex(({ task_id: id }) => this.tiles.has(id));
      if (last < 0) return void (await this.reload());
      tasks.slice(0, last).reverse().forEach((task) => this.add(task, { first: true }));
    });
    this.count();
  }

  /** Those that have been deleted elsewhere, as far as this newest page tells. */
  drop(had, tasks, isAll) {
    const there = new Set(tasks.map((task) => task.task_id));
    const since = isAll ? "" : tasks.at(-1).created_at;
    had
      .filter((task) => task.created_at > since && !there.has(task.task_id))
      .forEach((task) => this.remove(task.task_id));
  }

  modes(modes) {
    const chosen = byId("show-mode").value;
    const options = modes.map((each) => element("option", { value: each.mode }, each.title ?? each.mode));
    fill(byId("show-mode"), element("option", { value: "" }, "All modes"), ...options);
    byId("show-mode").value = chosen;
  }

  get states() {
    const { value } = byId("show");
    return value ? [value] : ALL;
  }

  async reload() {
    this.begun = true;
    this.tiles.clear();
    this.items = [];
    this.cursor = null;
    fill(byId("tiles"));
    byId("more").hidden = false;
    this.round = {};
    this.loading = null;
    await this.more();
  }

  /** The next page; whoever asks meanwhile waits for the same. */
  more() {
    if (byId("more").hidden) return undefined;
    this.loading ??= this.page(this.round).finally(() => (this.loading = null));
    return this.loading;
  }

  async page(round) {
    const query = this.query();
    if (this.cursor) query.set("cursor", this.cursor);
    await this.tried(async () => {
      const page = await get(`tasks?${query}`);
      if (round !== this.round) return;
      page.tasks.forEach((task) => this.add(task));
      this.cursor = page.next_cursor;
      byId("more").hidden = !page.next_cursor;
      this.watchEnd();
    });
    this.count();
  }

  query() {
    const query = new URLSearchParams(this.states.map((state) => ["status", state]));
    query.set("limit", PAGE);
    if (byId("show-mode").value) query.set("mode", byId("show-mode").value);
    return query;
  }

  async tried(work) {
    try {
      await work();
      byId("gallery-problem").textContent = "";
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      byId("gallery-problem").textContent = error.message;
    }
  }

  count() {
    byId("nothing-made").hidden = this.tiles.size > 0 || !byId("more").hidden;
    const more = byId("more").hidden ? "" : " so far";
    byId("count").textContent = this.tiles.size ? plural(this.tiles.size, "task") + more : "";
  }

  add(task, { first = false } = {}) {
    if (this.tiles.has(task.task_id)) return;
    const items = itemsOf(task);
    if (first) this.items.unshift(...items);
    else this.items.push(...items);
    const made = tile(task, () => this.onOpen(this.items.indexOf(items[0])));
    this.tiles.set(task.task_id, made);
    if (first) byId("tiles").prepend(made);
    else byId("tiles").append(made);
  }

  /** A task that has ended just now. */
  ended(task) {
    const mode = byId("show-mode").value;
    if (!this.begun || !this.states.includes(task.status) || (mode && mode !== task.mode)) return;
    this.remove(task.task_id);
    this.add(task, { first: true });
    this.count();
  }

  remove(taskId) {
    this.tiles.get(taskId)?.remove();
    this.tiles.delete(taskId);
    this.items = this.items.filter(({ task }) => task.task_id !== taskId);
    this.count();
  }

  focus(taskId) {
    (this.tiles.get(taskId)?.querySelector("button") ?? byId("gallery-title")).focus();
  }
}
