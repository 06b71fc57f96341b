// JSON whose whole numbers keep all their digits: seeds go up to 2**64 - 1.

const WHOLE = /^-?\d+$/;

export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    const exact = typeof value !== "number" || Number.isSafeInteger(value);
    return exact || !WHOLE.test(context?.source ?? "") ? value : BigInt(context.source);
  });
}

export function stringify(value, indent) {
  const exact = (_, each) =>
    typeof each === "bigint" ? (JSON.rawJSON?.(String(each)) ?? Number(each)) : each;
  return JSON.stringify(value, exact, indent);
}
