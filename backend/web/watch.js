// Tasks that wait or run: each a card, kept up to date by its stream or by looking.

import { announce } from "./announce.js";
import { ask, atLeast, get, Problem, serverNow, Unreachable } from "./api.js";
import { Card } from "./card.js";
import { isAway, onBack } from "./connection.js";
import { byId } from "./element.js";
import { ENDS, follow, isOver } from "./events.js";

const STREAMS = 2; // All tabs of a browser share six connections to a server.
const POSITIONS = 5;
const BUSY_LOOK = 2500;
const IDLE_LOOK = 15000;
const MOST_ENDED = 8;
const WHICH = ["queued", "running"]; // Each asked for alone: hundreds that wait hide none that runs.
const LIMIT = 100;

/** The right half of the first view. `onEnded` gets each task that has ended. */
export class Watch {
  constructor({ onEnded, onOpen, onReuse }) {
    this.onEnded = onEnded;
    this.cards = new Map();
    this.streams = new Map();
    this.actions = {
      open: onOpen,
      reuse: onReuse,
      cancel: (task) => this.change("DELETE", `tasks/${task.task_id}`, task),
      retry: (task) => this.change("POST", `tasks/${task.task_id}/retry`, task),
      dismiss: (task) => this.dismiss(task.task_id),
    };
    onBack(() => this.look());
    setInterval(() => this.cards.forEach((card) => card.tick()), 1000);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.arrange();
      else this.look();
    });
  }

  /** Look at once, and again and again. */
  async look() {
    clearTimeout(this.timer);
    const turn = (this.turn = {});
    try {
      if (!document.hidden && !isAway()) await this.refresh();
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    }
    if (turn !== this.turn) return;
    this.lookLater();
  }

  lookLater() {
    clearTimeout(this.timer);
    const wait = atLeast(this.open().length ? BUSY_LOOK : IDLE_LOOK);
    this.timer = setTimeout(() => this.look(), wait);
  }

  async refresh() {
    const asked = performance.now();
    const pages = await Promise.all(WHICH.map((state) => get(`tasks?status=${state}&limit=${LIMIT}`)));
    const [waits] = pages;
    const found = new Map(pages.flatMap(({ tasks }) => tasks).map((task) => [task.task_id, task]));
    [...found.values()].toSorted(byAge).forEach((task) => this.put(task, asked));
    // Older ones that wait are on no page that was asked for.
    const since = waits.next_cursor ? born(waits.tasks.at(-1)) : 0;
    const isListed = (task) => task.status === "running" || born(task) > since;
    const isGone = ({ task, seen }) => !found.has(task.task_id) && seen < asked && isListed(task);
    const gone = this.open().filter(isGone);
    await Promise.all(gone.map(({ task }) => this.reload(task.task_id)));
    await this.places();
  }

  /** How far in the queue those are that waited longest; of the others nothing old is told. */
  async places() {
    const waiting = this.open().filter(({ task }) => task.status === "queued");
    waiting.slice(POSITIONS).forEach((card) => card.unplaced());
    await Promise.all(waiting.slice(0, POSITIONS).map(({ task }) => this.reload(task.task_id)));
  }

  async reload(id) {
    const asked = performance.now();
    try {
      this.put(await get(`tasks/${id}`), asked);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return this.dismiss(id);
      throw error;
    }
  }

  /** A new task, or a known one as it was when it was asked for: there may be news since. */
  put(task, asked = Infinity) {
    const id = task.task_id;
    const known = this.cards.get(id);
    if (known?.seen > asked) return;
    const wasIdle = this.open().length === 0;
    if (known) this.update(known, task);
    else {
      const card = new Card(task, this.actions);
      card.seen = performance.now();
      this.cards.set(id, card);
      byId("cards").prepend(card.node);
    }
    if (wasIdle) this.lookLater();
    this.arrange();
  }

  update(card, task) {
    const before = card.task;
    card.seen = performance.now();
    const { queue_position: place, estimated_seconds: left } = before;
    const isShort = task.status === "queued" && task.queue_position === null;
    const progress = Math.max(task.progress, before.attempt === task.attempt ? before.progress : 0);
    const kept = isShort ? { queue_position: place, estimated_seconds: left } : {};
    card.show({ ...task, ...kept, progress, node: task.node ?? before.node });
    if (ENDS.has(task.status) && !ENDS.has(before.status)) this.ended(card);
  }

  ended({ task, title }) {
    const end = { done: "is done", failed: "has failed", cancelled: "is cancelled" }[task.status];
    announce(`${title.textContent} ${end}. ${task.error ?? ""}`);
    this.onEnded(task);
    const ended = [...this.cards.values()].filter((each) => ENDS.has(each.task.status));
    ended.slice(0, Math.max(ended.length - MOST_ENDED, 0)).forEach((each) =>
      this.dismiss(each.task.task_id),
    );
  }

  open() {
    return [...this.cards.values()].filter(({ task }) => !ENDS.has(task.status));
  }

  /** Streams for what runs, then for what waits longest; none in a tab that nobody sees. */
  arrange() {
    byId("nothing-runs").hidden = this.cards.size > 0;
    const first = this.open().toSorted(
      (a, b) =>
        (b.task.status === "running") - (a.task.status === "running") || byAge(a.task, b.task),
    );
    const seen = document.hidden ? [] : first.slice(0, STREAMS);
    const wanted = new Set(seen.map(({ task }) => task.task_id));
    for (const id of [...this.streams.keys()]) if (!wanted.has(id)) this.endStream(id);
    for (const id of wanted) if (!this.streams.has(id)) this.stream(id);
  }

  async stream(id) {
    const stream = new AbortController();
    this.streams.set(id, stream);
    await follow(id, (kind, data) => this.heard(id, kind, data), stream.signal);
    if (stream.signal.aborted) return;
    this.streams.delete(id);
    if (this.cards.has(id)) await this.reload(id).catch(() => {});
  }

  endStream(id) {
    this.streams.get(id)?.abort();
    this.streams.delete(id);
  }

  heard(id, kind, data) {
    const card = this.cards.get(id);
    if (!card) return;
    if (kind === "progress") card.progressed(data);
    else if (kind === "preview") card.previewed(data);
    else if (isOver(kind, data)) this.put(data);
    else if (!ENDS.has(kind) && rank(data) > rank(card.task)) this.put({ ...card.task, ...data, ...begun(kind) });
  }

  async change(method, path, task) {
    const card = this.cards.get(task.task_id);
    try {
      this.put(await ask(method, path));
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      card.problem.textContent = error.message;
      announce(error.message);
    }
  }

  /** Have its card seen: on a narrow screen it is far below the form. */
  show(id) {
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const behavior = isStill ? "instant" : "smooth";
    this.cards.get(id)?.node.scrollIntoView({ block: "nearest", behavior });
  }

  dismiss(id) {
    const card = this.cards.get(id);
    const held = card?.node.contains(document.activeElement);
    card?.node.remove();
    this.cards.delete(id);
    this.endStream(id);
    byId("nothing-runs").hidden = this.cards.size > 0;
    if (held) byId("watch-title").focus();
  }
}

const born = (task) => Date.parse(task.created_at);
const byAge = (a, b) => born(a) - born(b);

/** A stream tells from the beginning: what is older than what is known is passed over. */
function rank({ status, attempt }) {
  return attempt * 2 + (status === "running" ? 0 : status === "queued" ? 1 : 0.5);
}

function begun(kind) {
  if (kind !== "running") return {};
  return { started_at: new Date(serverNow()).toISOString(), progress: 0, node: null };
}
