// The call that the form would make, in other languages. None of them holds the key.

import { stringify } from "./json.js";

const JSON_TYPE = "application/json";

/** Each is called with the request, the server's address, and whether it asks for keys. */
export const CALLS = { curl, Python: python, JavaScript: javascript, "OpenAI client": openai };

function curl(request, origin, keyed) {
  const lines = [
    `curl -s ${quoted(`${origin}/generate`)}`,
    `-H 'Content-Type: ${JSON_TYPE}'`,
    ...(keyed ? ['-H "Authorization: Bearer $API_KEY"'] : []),
    `-d ${quoted(stringify(request, 2))}`,
  ];
  return lines.join(" \\\n  ");
}

function python(request, origin, keyed) {
  return [
    ...(keyed ? ["import os", ""] : []),
    "import httpx  # pip install httpx",
    "",
    "reply = httpx.post(",
    `    ${literal(`${origin}/generate`)},`,
    `    json=${literal(request, 1)},`,
    ...(keyed ? ['    headers={"Authorization": f"Bearer {os.environ[\'API_KEY\']}"},'] : []),
    ")",
    "reply.raise_for_status()",
    'print(reply.json()["task_id"])',
  ].join("\n");
}

function javascript(request, origin, keyed) {
  const headers = [`"Content-Type": "${JSON_TYPE}"`];
  if (keyed) headers.push("Authorization: `Bearer ${API_KEY}`");
  const text = stringify(request, 2).replaceAll("\n", "\n  ");
  const isExact = JSON.stringify(JSON.parse(text)) === stringify(request);
  const body = isExact ? `JSON.stringify(${text})` : JSON.stringify(stringify(request));
  return [
    `const reply = await fetch(${JSON.stringify(`${origin}/generate`)}, {`,
    '  method: "POST",',
    `  headers: { ${headers.join(", ")} },`,
    `  body: ${body},`,
    "});",
    "console.log((await reply.json()).task_id);",
  ].join("\n");
}

function openai({ mode, prompt, style, output, extra_params: given = {} }, origin, keyed) {
  const { width, height, ...rest } = given;
  const sized = width !== undefined && height !== undefined;
  const extra = sized ? rest : given;
  const named = {
    model: mode,
    prompt: prompt ?? "",
    style,
    size: sized ? `${width}x${height}` : undefined,
    output_format: output?.format,
    extra_body: Object.keys(extra).length ? extra : undefined,
  };
  const lines = Object.entries(named).filter(([, value]) => value !== undefined);
  return [
    "import base64",
    ...(keyed ? ["import os"] : []),
    "",
    "from openai import OpenAI  # pip install openai",
    "",
    "client = OpenAI(",
    `    base_url=${literal(`${origin}/v1`)},`,
    `    api_key=${keyed ? 'os.environ["API_KEY"]' : '"none is needed"'},`,
    ")",
    "made = client.images.generate(",
    ...lines.map(([name, value]) => `    ${name}=${literal(value, 1)},`),
    ")",
    `with open("image.${output?.format ?? "png"}", "wb") as file:`,
    "    file.write(base64.b64decode(made.data[0].b64_json))",
  ].join("\n");
}

/** A word of the shell, whatever is in it. */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A value as Python writes it. */
function literal(value, depth = 0) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const name = (key) => (Array.isArray(value) ? "" : `${JSON.stringify(key)}: `);
  const inner = "    ".repeat(depth + 1);
  const parts = Object.entries(value).map(
    ([key, each]) => `${inner}${name(key)}${literal(each, depth + 1)},\n`,
  );
  return parts.length ? `${open}\n${parts.join("")}${"    ".repeat(depth)}${close}` : open + close;
}
