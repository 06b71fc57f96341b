// A finished task, as a small picture that opens it.

import { serverNow } from "./api.js";
import { button, element } from "./element.js";
import { thumbnail } from "./outputs.js";
import { promptOf } from "./sent.js";
import { titleOf } from "./titles.js";
import { ago, readable } from "./words.js";

export function tile(task, onOpen) {
  const words = promptOf(task) || titleOf(task.mode);
  const when = ago(task.finished_at ?? task.created_at, serverNow());
  const failed = () => element("span", { class: "stand-in" }, task.error ?? readable(task.status));
  const made = task.outputs.length ? thumbnail(task.outputs[0]) : failed();
  const several = task.outputs.length > 1;
  const badge = several && element("span", { class: "badge" }, `×${task.outputs.length}`);
  const label = { "aria-label": `${words}, ${task.status}, ${when}` };
  return element(
    "li",
    { class: "tile", "data-task": task.task_id, "data-status": task.status },
    button([made, badge], onOpen, "tile-button", label),
  );
}
