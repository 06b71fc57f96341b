// What a task made, as it is shown: images, video, audio, or text.

import { at, hasKey } from "./api.js";
import { element, icon } from "./element.js";
import { blobOf, blobUrl, showWhenSeen } from "./pictures.js";

const SCALED = new Set(["image/png", "image/jpeg", "image/webp"]);
const PLACEHOLDER = "text/x-placeholder";

export function kindOf({ content_type: type }) {
  if (type === PLACEHOLDER) return "placeholder";
  const [kind] = type.split("/");
  return ["image", "video", "audio"].includes(kind) ? kind : "file";
}

/** What can be looked at of a task, one by one: its outputs, or that it has none. */
export function itemsOf(task) {
  const numbers = task.outputs.length ? task.outputs.keys() : [null];
  return [...numbers].map((number) => ({ task, number }));
}

/** A small picture of it. */
export function thumbnail(output) {
  const kind = kindOf(output);
  if (kind === "image") {
    const image = element("img", { alt: "", decoding: "async" });
    const isSmall = SCALED.has(output.content_type);
    showWhenSeen(image, isSmall ? `${output.url}/thumbnail` : output.url);
    return image;
  }
  const drawing = { video: "play", audio: "sound" }[kind] ?? "image";
  const word = kind === "placeholder" ? "placeholder" : output.content_type;
  return element("span", { class: "stand-in" }, icon(drawing), word);
}

/** The whole of it. Throws Problem, Unreachable. */
export async function whole(output, name) {
  const kind = kindOf(output);
  if (kind === "image") return element("img", { src: await blobUrl(output.url), alt: name });
  if (kind === "video" || kind === "audio") {
    // With a key it has to be fetched first; without one the browser seeks in it.
    const src = hasKey() ? await blobUrl(output.url) : at(output.url).href;
    return element(kind, { src, controls: true, "aria-label": name });
  }
  const text = output.content_type.startsWith("text/") && (await (await blobOf(output.url)).text());
  const told = kind === "placeholder" ? `A placeholder of the stub engine: ${text}` : text;
  return element("p", { class: "stand-in" }, told || `A file of the type ${output.content_type}.`);
}

/** Have the browser save it. Throws Problem, Unreachable. */
export async function download(output, name) {
  const link = element("a", { href: await blobUrl(output.url), download: name });
  link.click();
}

export function fileName(task, number) {
  const type = task.outputs[number].content_type;
  const ending = type === PLACEHOLDER ? "txt" : type.split("/")[1].replace("jpeg", "jpg");
  return `${task.task_id.slice(0, 8)}-${number}.${ending.replaceAll(/[^a-z0-9]/g, "")}`;
}
