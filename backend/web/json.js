// JSON whose whole numbers keep all their digits: seeds go up to 2**64 - 1.

const WHOLE = /^-?\d+$/;

export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    const exact = typeof value !== "number" || Number.isSafeInteger(value);
    return exact || !WHOLE.test(context?.source ?? "") ? value : BigInt(context.source);
  });
}

export function stringify(value, indent) {
  // Browsers without rawJSON get the digits as a marked text, which then loses its quotes.
  const mark = `whole ${Math.random()} `;
  const raw = JSON.rawJSON ?? ((digits) => mark + digits);
  const exact = (_, each) => (typeof each === "bigint" ? raw(String(each)) : each);
  const text = JSON.stringify(value, exact, indent);
  return text?.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1");
}
