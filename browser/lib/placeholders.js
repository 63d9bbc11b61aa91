// What differs from run to run, or with every new parser, by a name; all else in a snapshot is compared.

const LINE_CHARS_MAX = 400;

const PLACEHOLDERS = [
  [/127\.0\.0\.1:\d+/g, "HOST:PORT"],
  [/sha256:[0-9a-f]{64}/g, "sha256:DIGEST"],
  [/sha256:[0-9a-f]{12}…/g, "sha256:SHORT…"],
  [/(?:ecdsa-p256|ed25519):[A-Za-z0-9+/]+=*/g, "ALGORITHM:KEY"],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, "INSTANT"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, "TIME"],
  [/\d{4}-\d\d-\d\d(?![-.\d])/g, "DAY"],
  [/(tree of) [\d,]+/g, "$1 SIZE"],
  [/(link "checkpoint":\n *- \/url: \S+\n *- text:) [\d,]+,/g, "$1 SIZE,"],
  [/(term: Entry\n\s*- definition:) [\d,]+/g, "$1 INDEX"],
  [/(in entry) [\d,]*\d/g, "$1 INDEX"],
  [/\b(wasmparser) \d+\.\d+\.\d+/g, "$1 VERSION"],
];

/** The snapshot's text as it is kept. */
export function withPlaceholders(snapshot) {
  let text = snapshot;
  for (const [pattern, name] of PLACEHOLDERS) text = text.replace(pattern, name);
  return `${text.split("\n").map(shortened).join("\n")}\n`;
}

/** A whole WIT package is one line; its beginning and its length are enough. */
function shortened(line) {
  if (line.length <= LINE_CHARS_MAX) return line;
  return `${line.slice(0, LINE_CHARS_MAX)}… (${line.length} characters)`;
}
