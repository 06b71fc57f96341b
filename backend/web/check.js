// A value held against its parameter's JSON Schema, in the API's own words: what it would answer
// is told at once. The API has the last word all the same.

const CLOSE = 1e-9;

/** What is wrong with the value, or "". `text` is what was typed. */
export function check(name, rule, value, text = shown(value)) {
  if (rule.type === "integer" && !isWhole(value)) return `${name} must be an integer, not ${text}.`;
  if (rule.type === "number" && !isNumber(value)) return `${name} must be a number, not ${text}.`;
  if (rule.enum && !rule.enum.includes(value)) return noChoice(name, rule.enum, text);
  return isNumber(value) ? outOfBounds(name, rule, value, text) : "";
}

export const missing = (name) => `${name} is missing: this mode needs it.`;

/** A number as typed, with all its digits; undefined for none. */
export function numberOf(text) {
  const trimmed = text.trim();
  if (/^-?\d+$/.test(trimmed)) {
    const number = Number(trimmed);
    return Number.isSafeInteger(number) ? number : BigInt(trimmed);
  }
  return trimmed === "" || !Number.isFinite(Number(trimmed)) ? undefined : Number(trimmed);
}

const isNumber = (value) => typeof value === "bigint" || Number.isFinite(value);
const isWhole = (value) => typeof value === "bigint" || Number.isInteger(value);
const shown = (value) => (typeof value === "string" ? `'${value}'` : String(value));

function outOfBounds(name, { minimum, maximum, multipleOf }, value, text) {
  const nearest = nearestTo(value, minimum, maximum, multipleOf);
  if (nearest === value || Math.abs(Number(nearest) - Number(value)) < CLOSE) return "";
  const bounds = [
    ["at least", minimum],
    ["at most", maximum],
    ["a multiple of", multipleOf],
  ].filter(([, bound]) => bound !== undefined);
  const told = bounds.map(([words, bound]) => `${words} ${bound}`).join(", ");
  return `${name} must be ${told}, not ${text}. Nearest valid value: ${nearest}.`;
}

function nearestTo(value, low, high, step) {
  let nearest = low !== undefined && value < low ? low : value;
  nearest = high !== undefined && nearest > high ? high : nearest;
  if (!step || typeof nearest === "bigint") return nearest;
  nearest = rounded(Math.round(nearest / step) * step);
  if (low !== undefined && nearest < low) nearest += step;
  return high !== undefined && nearest > high ? nearest - step : nearest;
}

const rounded = (number) => Number(number.toFixed(9));

function noChoice(name, choices, text) {
  const some = choices.slice(0, 20).join(", ");
  const then = some ? `One of: ${some}.` : "ComfyUI has none to choose from: install one first.";
  return `${name} cannot be ${text}. ${then}`;
}
