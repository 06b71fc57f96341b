// The form of a mode, drawn from the JSON Schema of its parameters.

import { element, fill } from "./element.js";
import { choiceField } from "./field_choice.js";
import { ImageField } from "./field_image.js";
import { MaskField } from "./field_mask.js";
import { numberField } from "./field_number.js";
import { seedField } from "./field_seed.js";
import { textField, yesField } from "./field_text.js";
import { parse, stringify } from "./json.js";
import { keep, kept } from "./kept.js";
import { sizes } from "./sizes.js";
import { readable } from "./words.js";

const FEW = 4;
const SEED = /^seed(_\d+)?$/;
const LOST = "This image is not kept with the task: choose it again.";
const OUTPUT_FORMAT = {
  enum: ["as made", "png", "jpeg", "webp"],
  default: "as made",
  description: "What images are sent as.",
};

export class Form extends EventTarget {
  constructor(node) {
    super();
    this.node = node;
    this.fields = new Map();
  }

  /** Draw the form of a mode, with what was last in it. */
  show(mode, styles) {
    const isSame = this.mode === mode.mode;
    const images = isSame ? this.images() : [];
    const paintings = isSame ? this.masks().map(({ name, painting }) => ({ name, painting })) : [];
    this.mode = mode.mode;
    this.showSizes = null;
    this.fields.clear();
    this.isDrawn = false;
    const { properties = {}, required = [] } = mode.parameters ?? {};
    for (const [name, rule] of Object.entries(properties)) {
      this.add(name, fieldOf(name, rule, labelOf(name, rule, properties)), required);
    }
    this.follow();
    if ("prompt" in properties && styles.length) this.add("style", styleField(styles), []);
    if (mode.outputs.some((each) => each.kind === "image")) this.addOutput();
    fill(this.node, ...this.groups());
    this.write(this.draft());
    this.isDrawn = true;
    paintings.forEach(({ name, painting }) => this.fields.get(name)?.goOn?.(painting));
    images.forEach(({ name, blob, told }) => this.fields.get(name)?.take?.(blob, told));
  }

  /** Those that were chosen: a form that is drawn anew keeps them. */
  images() {
    const chosen = [...this.fields.values()].filter((field) => field.blob);
    return chosen.map(({ name, blob }) => ({ name, blob, told: blob.name }));
  }

  masks() {
    return [...this.fields.values()].filter((field) => field instanceof MaskField);
  }

  add(name, field, required) {
    field.required = required.includes(name);
    if (field.required) field.control.setAttribute("aria-required", "true");
    this.fields.set(name, field);
    field.addEventListener("changed", () => this.changed());
  }

  addOutput() {
    this.add("output", choiceField("output.format", OUTPUT_FORMAT, "Output format"), []);
  }

  follow() {
    const all = [...this.fields.values()];
    const image = all.find((each) => each instanceof ImageField && !(each instanceof MaskField));
    const channel = (mask) => this.fields.get(`${mask.name}_channel`);
    if (image) this.masks().forEach((mask) => mask.follow(image, channel(mask)));
  }

  groups() {
    const take = taker(this.fields);
    const first = take((name, field) => /prompt/.test(name) || field instanceof ImageField);
    const style = take((name) => name === "style");
    const size = this.sizeGroup(take);
    const seeds = take((name) => SEED.test(name));
    const rest = take(() => true);
    const shown = rest.length > FEW ? [this.details(rest)] : rest;
    return [...first, ...style, ...size, ...seeds, ...shown];
  }

  sizeGroup(take) {
    if (!this.fields.has("width") || !this.fields.has("height")) return [];
    take((name) => name === "width" || name === "height");
    const { node, show } = sizes(this.fields.get("width"), this.fields.get("height"));
    this.showSizes = show;
    return [node];
  }

  details(nodes) {
    const summary = element("summary", {}, "More settings");
    const inner = element("div", { class: "fields" }, ...nodes);
    return element("details", { class: "more" }, summary, inner);
  }

  /** Show what is wrong with each field; whether nothing is. The first wrong one gets the focus. */
  check() {
    const wrong = [...this.fields.values()].filter((field) => {
      const fault = field.wrong();
      field.fault(fault);
      return fault;
    });
    wrong[0]?.focus();
    return wrong.length === 0;
  }

  /** Show an error of the API at its field; false where there is none such. */
  fault({ parameter, message }) {
    const name = String(parameter ?? "").replace(/\[\d+\]$/, "");
    const field = this.fields.get(name === "target_image" ? "image" : name);
    if (!field) return false;
    field.fault(message);
    field.focus();
    return true;
  }

  /**
   * What `POST /generate` gets; what is as by default is left out. Uploads are waited for: null
   * where one went wrong, which its field says.
   */
  async request() {
    const extra = {};
    const request = { mode: this.mode };
    for (const [name, field] of this.fields) {
      const value = await field.value;
      if (value === undefined && field.problem.textContent) return null;
      if (isDefault(field, value)) continue;
      if (name === "prompt" || name === "style") request[name] = value;
      else if (name === "output") request.output = { format: value };
      else extra[name] = value;
    }
    if (Object.keys(extra).length) request.extra_params = extra;
    return request;
  }

  /** Put in what a request asked for; what it did not say is as by default. */
  write({ prompt, style, output, extra_params: extra = {} }) {
    const values = { ...extra, prompt, style, output: output?.format };
    for (const [name, field] of this.fields) {
      field.value = usable(field, values[name]);
      const isLost = field instanceof ImageField && values[name] && field.value === undefined;
      if (isLost) field.fault(LOST);
    }
    this.showSizes?.();
  }

  changed() {
    if (!this.isDrawn) return;
    const plain = [...this.fields].filter(([, field]) => !(field instanceof ImageField));
    const values = Object.fromEntries(plain.map(([name, field]) => [name, field.value]));
    const { prompt, style, output, ...extra } = values;
    // What this form has no field for, the mode's whole form may have.
    const all = { ...this.draft().extra_params, ...extra };
    const draft = { prompt, style, output: { format: output }, extra_params: all };
    keep(`draft ${this.mode}`, stringify(draft));
    this.dispatchEvent(new Event("changed"));
  }

  draft() {
    return parse(kept(`draft ${this.mode}`) ?? "{}");
  }

  /** The field that takes an image, which is not a mask. */
  get image() {
    const is = (each) => each instanceof ImageField && !(each instanceof MaskField);
    return [...this.fields.values()].find(is);
  }
}

function fieldOf(name, rule, label) {
  if (rule.contentEncoding === "base64") {
    return /mask/i.test(name) ? new MaskField(name, rule, label) : new ImageField(name, rule, label);
  }
  if (rule.enum) return choiceField(name, rule, label);
  if (rule.type === "boolean") return yesField(name, rule, label);
  if (SEED.test(name)) return seedField(name, rule, label);
  if (rule.type === "integer" || rule.type === "number") return numberField(name, rule, label);
  return textField(name, rule, label);
}

/** Its title, unless another has the same: nodes share theirs among their inputs. */
function labelOf(name, { title }, properties) {
  const alike = Object.values(properties).filter((each) => each.title === title);
  return title && alike.length === 1 ? title : readable(name);
}

function styleField(styles) {
  const rule = { enum: ["none", ...styles.map((each) => each.style)], default: "none" };
  const field = choiceField("style", rule, "Style");
  const help = field.node.querySelector(".help");
  const show = () => {
    const chosen = styles.find((each) => each.style === field.value);
    help.textContent = chosen ? chosen.prompt.replace("{prompt}", "…") : "";
  };
  field.addEventListener("changed", show);
  field.addEventListener("written", show);
  return field;
}

function isDefault(field, value) {
  if (value === undefined) return true;
  const { default: usual } = field.rule;
  return value === usual || (usual === undefined && (value === "" || value === false));
}

function usable(field, value) {
  const isUpload = typeof value === "string" && value.startsWith("upload:");
  return field instanceof ImageField && !isUpload ? undefined : (value ?? undefined);
}

function taker(fields) {
  const left = new Map(fields);
  return (wanted) => {
    const found = [...left].filter(([name, field]) => wanted(name, field));
    found.forEach(([name]) => left.delete(name));
    return found.map(([, field]) => field.node);
  };
}
