// What a task ran with, as a list.

import { element } from "./element.js";
import { titleOf } from "./titles.js";
import { bytes, duration, moment, readable } from "./words.js";

export function facts(task, number) {
  const output = number === null ? null : task.outputs[number];
  const known = { ...task.parameters };
  delete known.prompt;
  const rows = [
    ["Prompt", task.parameters.prompt],
    ...Object.entries(known).map(([name, value]) => [readable(name), shown(value)]),
    ["Mode", titleOf(task.mode)],
    ["Error", task.error],
    ["File", output && `${output.content_type}, ${bytes(output.size)}`],
    ["Made", moment(task.finished_at ?? task.created_at)],
    ["Took", took(task)],
    ["Task", task.task_id],
  ];
  const present = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const pair = ([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value));
  return element("dl", { class: "facts" }, ...present.map(pair));
}

function took({ started_at: start, finished_at: end }) {
  return start && end ? duration((Date.parse(end) - Date.parse(start)) / 1000) : null;
}

function shown(value) {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
