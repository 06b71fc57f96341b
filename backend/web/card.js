// A task that waits or runs, and how it ended.

import { serverNow } from "./api.js";
import { button, element, fill } from "./element.js";
import { thumbnail } from "./outputs.js";
import { promptOf } from "./sent.js";
import { titleOf } from "./titles.js";
import { duration, percent } from "./words.js";

const WORDS = {
  queued: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

/** `actions` are `cancel`, `retry`, `open`, `reuse`, `dismiss`: each gets the task. */
export class Card {
  constructor(task, actions) {
    this.actions = actions;
    this.picture = element("div", { class: "card-picture" });
    this.title = element("h3", { id: `title-${task.task_id}` });
    this.prompt = element("p", { class: "card-prompt" });
    this.progress = element("progress", { max: 1, "aria-label": "Progress" });
    this.state = element("p", { class: "card-state" });
    this.problem = element("p", { class: "problem" });
    this.buttons = element("div", { class: "buttons" });
    const head = element("div", { class: "card-head" }, this.title, this.prompt);
    this.node = element(
      "article",
      { class: "card", "aria-labelledby": this.title.id, "data-task": task.task_id },
      this.picture,
      element(
        "div",
        { class: "card-body" },
        head,
        this.progress,
        this.state,
        this.problem,
        this.buttons,
      ),
    );
    this.show(task);
  }

  /** The task as it stands now. */
  show(task) {
    const changed = this.task?.status !== task.status;
    this.task = { ...task };
    this.title.textContent = titleOf(task.mode);
    this.prompt.textContent = promptOf(task);
    this.problem.textContent = task.error ?? "";
    this.node.dataset.status = task.status;
    if (changed) this.redraw();
    this.tick();
  }

  redraw() {
    const { status, outputs } = this.task;
    this.progress.hidden = !["queued", "running"].includes(status);
    this.offer(this.choices(status));
    if (status === "done") {
      const open = () => this.actions.open(this.task);
      const label = `Open the result of ${this.title.textContent}`;
      const shown = outputs.length ? thumbnail(outputs[0]) : "no output";
      fill(this.picture, button(shown, open, "picture-button", { "aria-label": label }));
    } else if (status !== "running") fill(this.picture);
  }

  /** Other buttons; the focus stays on the one of the same name, or goes to the first. */
  offer(buttons) {
    const { activeElement: focused } = document;
    const isHeld = this.buttons.contains(focused);
    fill(this.buttons, ...buttons);
    const alike = buttons.find((each) => each.textContent === focused?.textContent);
    if (isHeld) (alike ?? buttons[0]).focus();
  }

  choices(status) {
    const { cancel, retry, open, reuse, dismiss } = this.actions;
    const does = (label, action) => button(label, () => action(this.task));
    if (status === "queued" || status === "running") return [does("Cancel", cancel)];
    const first = status === "done" ? does("Open", open) : does("Try again", retry);
    return [first, does("Use these again", reuse), does("Dismiss", dismiss)];
  }

  /** How far it is in the queue is not known any more. */
  unplaced() {
    Object.assign(this.task, { queue_position: null, estimated_seconds: null });
    this.tick();
  }

  progressed({ value, node }) {
    this.task.progress = value;
    this.task.node = node;
    this.tick();
  }

  previewed({ content_type: type, image }) {
    if (this.task.status !== "running") return;
    const known = this.picture.querySelector("img.preview");
    const shown = known ?? element("img", { class: "preview", alt: "A preview of what is made" });
    shown.src = `data:${type};base64,${image}`;
    if (!known) fill(this.picture, shown);
  }

  /** What changes as time passes. */
  tick() {
    const { status, progress } = this.task;
    if (status === "running") this.progress.value = progress;
    else this.progress.removeAttribute("value");
    this.state.textContent = [WORDS[status], ...this.parts()].filter(Boolean).join(" · ");
  }

  parts() {
    const { status, progress, node, queue_position: before, estimated_seconds: left } = this.task;
    const about = left === null ? "" : `about ${duration(left)} left`;
    if (status === "queued") {
      const place = before === null ? "" : before === 0 ? "next in line" : `${before} before it`;
      return [place, about.replace(" left", "")];
    }
    if (status === "running") return [node, percent(progress), this.elapsed(), about];
    return [this.elapsed(), status === "done" && this.task.seed !== null && `seed ${this.task.seed}`];
  }

  elapsed() {
    const { started_at: start, finished_at: end } = this.task;
    if (!start) return "";
    return duration(((end ? Date.parse(end) : serverNow()) - Date.parse(start)) / 1000);
  }
}
