// How everything stands: one quiet line, and a view of it.

import { atLeast, get, Problem, Unreachable } from "./api.js";
import { isAway, onBack } from "./connection.js";
import { byId, element, fill } from "./element.js";
import { access, forgetKey, keysAreOn } from "./keys.js";
import { cannotRun } from "./missing.js";
import { titleOf } from "./titles.js";
import { readable } from "./words.js";

const LOOK = 10000;
const SOON = 700;
const NAMES = { draining: "Takes tasks" };
const OWN_WORDS = { draining: "Draining" };
const ENGINES = { stub: "Stub engine", comfyui: "ComfyUI engine" };

export class Status {
  /** `load` asks for the modes again: the engine. */
  constructor(create) {
    this.create = create;
    byId("forget-key").addEventListener("click", forgetKey);
    onBack(() => this.look());
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  /** `enough` is how old, in milliseconds, what is known of modes may be. */
  async look(enough) {
    clearTimeout(this.timer);
    const turn = (this.turn = {});
    try {
      if (!document.hidden && !isAway()) await this.refresh(enough);
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      fill(byId("status-line"), element("span", { class: "dot bad" }), error.message);
    }
    const wait = this.hurries ? SOON : LOOK;
    this.hurries = false;
    if (turn === this.turn) this.timer = setTimeout(() => this.look(), atLeast(wait));
  }

  /** Something has happened: look before it is time. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), SOON);
  }

  async refresh(enough) {
    const [engine, ready, queue] = await Promise.all([
      this.create.load(enough),
      get("readyz"),
      get("queue"),
    ]);
    const wrong = [...ready.reasons, ...ready.notes];
    // A check that was slow once says nothing: it is looked at again first.
    const isNew = wrong.length > 0 && !this.wasWrong;
    this.wasWrong = wrong.length > 0;
    if (isNew && this.isKnown) {
      this.hurries = true;
      return;
    }
    this.isKnown = true;
    this.line(engine, wrong, queue);
    byId("stub").hidden = engine !== "stub";
    this.view(engine, ready, wrong, queue);
  }

  line(engine, wrong, queue) {
    const has = (check) => wrong.some((each) => each.check === check);
    const others = wrong.filter(({ check }) => !["gpu_service", "comfyui"].includes(check));
    const gpu = has("gpu_service") ? "GPU service away" : "GPU service up";
    const comfyui = has("comfyui") ? "ComfyUI away" : "ComfyUI up";
    const parts = [
      ENGINES[engine] ?? "Engine unknown",
      gpu,
      engine === "comfyui" && !has("gpu_service") ? comfyui : null,
      queueWords(queue),
      ...others.map(({ check }) => OWN_WORDS[check] ?? `${readable(check)} not in order`),
    ];
    const look = wrong.length ? "bad" : "good";
    fill(byId("status-line"), element("span", { class: `dot ${look}` }), join(parts));
  }

  view(engine, ready, wrong, queue) {
    const checks = ready.checks ?? wrong.map((each) => ({ ...each, ok: false }));
    const rows = [
      row("Engine", engine ? ENGINES[engine] : "Not known yet", engine !== null, stubWords(engine)),
      row("Queue", queueWords(queue), true),
      ...checks.map((each) => row(NAMES[each.check] ?? readable(each.check), each.ok ? "In order" : "Not in order", each.ok, each.detail)),
      ...this.create.modes.filter(lacksSomething).map(modeRow),
    ];
    fill(byId("checks"), ...(wrong.length || ready.checks ? rows : [...rows, row("Checks", "In order", true)]));
    const { name, scopes } = access();
    byId("key-status").hidden = !keysAreOn();
    byId("key-name").textContent = `${name} (${scopes.join(", ")})`;
  }
}

function queueWords({ queued, running }) {
  return `${running} running, ${queued} waiting`;
}

function join(parts) {
  return parts.filter(Boolean).join(" · ");
}

function stubWords(engine) {
  return engine === "stub" ? "Images are placeholders: set GENERATION_ENGINE=comfyui." : null;
}

function lacksSomething(mode) {
  return cannotRun(mode) || mode.missing_models.length > 0;
}

function modeRow(mode) {
  const lacking = [
    ...mode.missing_nodes.map((each) => each.class_type),
    ...mode.missing_models.map((each) => each.value),
  ];
  const what = mode.error ?? `It lacks ${lacking.join(", ")}.`;
  return row(`Mode ${titleOf(mode.mode)}`, cannotRun(mode) ? "Cannot run" : "Lacks a model", false, what);
}

function row(name, state, isGood, detail = null) {
  return element(
    "li",
    {},
    element("span", { class: `dot ${isGood ? "good" : "bad"}` }),
    element("strong", {}, name),
    element("span", {}, state),
    detail && element("p", {}, detail),
  );
}
