// What a mode's workflow lacks on this ComfyUI, and what to install.

import { element } from "./element.js";

const FOLDERS = {
  ckpt_name: "checkpoints",
  unet_name: "diffusion_models",
  vae_name: "vae",
  lora_name: "loras",
  control_net_name: "controlnet",
  clip_name: "text_encoders",
  clip_name1: "text_encoders",
  clip_name2: "text_encoders",
  style_model_name: "style_models",
  model_name: "upscale_models",
};

/** Whether the mode cannot run, whatever is chosen in it. */
export function cannotRun({ error, missing_nodes: nodes }) {
  return Boolean(error) || nodes.length > 0;
}

/** A note on it; null where nothing is missing. */
export function missingNote(mode) {
  const lines = [
    ...(mode.error ? [`Its workflow is broken: ${mode.error}`] : []),
    ...mode.missing_nodes.map(nodeLine),
    ...mode.missing_models.map((each) => modelLine(each, mode)),
  ];
  if (!lines.length) return null;
  const title = cannotRun(mode) ? "This mode cannot run here yet" : "A model is missing";
  return element(
    "div",
    { class: "note warning", role: "note", "aria-label": title },
    element("strong", {}, title),
    element("ul", {}, ...lines.map((line) => element("li", {}, line))),
  );
}

function nodeLine({ title, class_type: kind }) {
  const named = title && title !== kind ? ` (“${title}”)` : "";
  return (
    `Missing node: ${kind}${named}. Update ComfyUI, or install the node pack that has it ` +
    "(ComfyUI-Manager: Install Missing Custom Nodes), then restart ComfyUI."
  );
}

function modelLine({ input, value, nearest }, { parameters }) {
  const folder = FOLDERS[input] ? `models/${FOLDERS[input]}` : "its models folder";
  const rules = Object.values(parameters?.properties ?? {});
  const isChosen = rules.some((rule) => rule.default === value && rule.enum?.length);
  const others = nearest.length ? `: ${nearest.join(", ")}` : "";
  const near = isChosen || others ? ` Or choose another that is installed${others}.` : "";
  return `Missing model: ${value}. Put it into ComfyUI's ${folder}.${near}`;
}
