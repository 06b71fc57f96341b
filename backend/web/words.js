// Numbers, times and names as people read them.

import { element } from "./element.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const SHORT = { cfg: "CFG", fps: "FPS", lora: "LoRA", vae: "VAE", gpu: "GPU", comfyui: "ComfyUI" };
const STEPS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** `4 s`, `2:05`, `1:00:09`. */
export function duration(seconds) {
  const whole = Math.max(Math.round(seconds), 0);
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = two(whole % 60);
  return hours ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
}

/** `3 minutes ago`. */
export function ago(moment, now) {
  const seconds = (Date.parse(moment) - now) / 1000;
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.round(seconds / length), unit);
  }
  return "just now";
}

export const moment = (text) => WHEN.format(new Date(text));

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${Math.round(count / 1000)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

/** `sampler_name` as `Sampler name`. */
export function readable(name) {
  const word = (each) => SHORT[each] ?? each;
  const words = String(name).split(/[_-]+/).map(word).join(" ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A sentence with its `names` as code. */
export function prose(text) {
  const part = (words, number) => (number % 2 ? element("code", {}, words) : words);
  return text.split("`").map(part);
}

export const percent = (value) => `${Math.round(value * 100)} %`;

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
