// Asking for something: the mode, its form, and sending it.

import { ask, get, Problem, Unreachable } from "./api.js";
import { announce } from "./announce.js";
import { back } from "./connection.js";
import { byId, element, fill } from "./element.js";
import { isImage } from "./field_image.js";
import { Form } from "./form.js";
import { stringify } from "./json.js";
import { keep, kept } from "./kept.js";
import { cannotRun, missingNote } from "./missing.js";
import { remember } from "./sent.js";
import { learn } from "./titles.js";
import { prose } from "./words.js";

const ANY = {
  mode: "free",
  title: "Any mode",
  description: "No GPU service has told yet what it can run.",
  parameters: { properties: { prompt: { type: "string", title: "Prompt", default: "" } } },
  outputs: [],
  missing_nodes: [],
  missing_models: [],
  error: null,
};
const LAST = "mode";
const MODES_KEPT = 20000; // They change where somebody drops in a workflow or installs a model.

/** The left half of the first view. `onSent` gets each new task. */
export class Create {
  constructor(onSent) {
    this.onSent = onSent;
    this.form = new Form(byId("fields"));
    this.modes = [];
    this.loadedAt = 0;
    this.styles = [];
    byId("mode").addEventListener("change", () => this.choose(byId("mode").value));
    byId("generate-form").addEventListener("submit", (event) => this.submitted(event));
    byId("generate-form").addEventListener("keydown", (event) => {
      const sends = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (sends) byId("generate-form").requestSubmit();
    });
    document.addEventListener("paste", (event) => this.pasted(event));
    this.form.addEventListener("changed", () => this.wrong(""));
  }

  /** Ask what there is, unless that is known well enough; tells the engine. */
  async load(enough = MODES_KEPT) {
    const isKnown = this.loadedAt > 0 && performance.now() - this.loadedAt < enough;
    if (isKnown && this.engine) return this.engine;
    const asked = this.loadedAt ? [] : [get("styles")];
    const [{ engine, modes }, read] = await Promise.all([get("modes"), ...asked]);
    this.styles = read?.styles ?? this.styles;
    this.engine = engine;
    this.loadedAt = performance.now();
    this.drawAnew(modes);
    return engine;
  }

  /** The form stays as it is where its mode does. */
  drawAnew(modes) {
    const before = stringify(this.mode);
    // A backend that has just started has not heard of any: those of before are still right.
    const known = modes.length ? modes : this.modes;
    this.modes = known.length ? known : [ANY];
    learn(modes);
    this.list();
    const chosen = this.mode === ANY ? null : this.mode?.mode;
    const wanted = chosen ?? kept(LAST) ?? ANY.mode;
    const now = this.modes.find((each) => each.mode === wanted) ?? this.modes[0];
    if (stringify(now) === before) return;
    // The form of somebody who is just filling it in is drawn anew later.
    const isUsed = this.mode?.mode === now.mode && byId("fields").contains(document.activeElement);
    if (!isUsed) this.choose(now.mode);
  }

  list() {
    const option = ({ mode, title }) => element("option", { value: mode }, title ?? mode);
    const runs = this.modes.filter((mode) => !cannotRun(mode));
    const lacks = this.modes.filter(cannotRun);
    const group = element("optgroup", { label: "Lacking something" }, ...lacks.map(option));
    fill(byId("mode"), ...runs.map(option), lacks.length ? group : null);
    if (this.mode) byId("mode").value = this.mode.mode;
  }

  choose(name) {
    this.mode = this.modes.find((each) => each.mode === name) ?? this.modes[0];
    if (this.mode !== ANY) keep(LAST, this.mode.mode);
    byId("mode").value = this.mode.mode;
    fill(byId("mode-about"), prose(this.mode.description ?? ""));
    fill(byId("mode-missing"), missingNote(this.mode));
    byId("generate").disabled = cannotRun(this.mode);
    this.wrong("");
    this.form.show(this.mode, this.styles);
  }

  async submitted(event) {
    event.preventDefault();
    if (this.sending || byId("generate").disabled) return;
    if (!this.form.check()) return announce("Something has to be put right first.");
    this.busy(true);
    try {
      await this.send(await this.form.request());
    } catch (error) {
      this.told(error);
    } finally {
      this.busy(false);
    }
  }

  async send(request) {
    if (request === null) return;
    const headers = { "Idempotency-Key": onceKey() };
    const { task_id: id } = await untilAnswered(
      () => ask("POST", "generate", { json: request, headers }),
      () => this.wrong("The server does not answer. This is sent as soon as it does."),
    );
    this.wrong("");
    remember(id, request);
    announce("Queued.");
    this.onSent(await untilAnswered(() => get(`tasks/${id}`), () => {}));
  }

  told(error) {
    if (!(error instanceof Problem) && !(error instanceof Unreachable)) throw error;
    if (!this.form.fault(error)) this.wrong(error.message);
    announce(error.message);
  }

  wrong(text) {
    byId("form-problem").textContent = text;
  }

  busy(is) {
    this.sending = is;
    byId("generate").setAttribute("aria-busy", String(is));
  }

  /** Put in what was asked for before. */
  use(request) {
    const known = this.modes.some((each) => each.mode === request.mode);
    if (!known) return this.wrong(`There is no mode ${request.mode} any more.`);
    this.choose(request.mode);
    this.form.write(request);
    this.form.changed();
  }

  /** Use an image as what the next task begins with, in a mode that takes one. */
  useImage(blob, name) {
    if (!this.form.image) {
      const takes = (each) => !cannotRun(each) && "image" in (each.parameters?.properties ?? {});
      const mode =
        this.modes.find((each) => each.mode === "image_to_image" && takes(each)) ??
        this.modes.find(takes);
      if (!mode) return this.wrong("There is no mode that takes an image.");
      this.choose(mode.mode);
    }
    this.form.image.take(blob, name);
  }

  pasted(event) {
    const file = [...(event.clipboardData?.files ?? [])].find(isImage);
    if (!file || document.querySelector("dialog[open]") || byId("create").hidden) return;
    const near = document.activeElement?.closest(".field")?.dataset.name;
    const field = this.form.fields.get(near)?.take ? this.form.fields.get(near) : this.form.image;
    if (!field) return;
    event.preventDefault();
    field.take(file);
  }
}

async function untilAnswered(work, onWaiting) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      onWaiting();
      await back();
    }
  }
}

/** The same request, sent twice over a bad connection, is one task. */
function onceKey() {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return [...words].map((word) => word.toString(16).padStart(8, "0")).join("");
}
