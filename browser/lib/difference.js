// How two texts differ, line by line, for a person who reads a failed test.

const CONTEXT_LINES = 2;

/** Lines that begin with `-` are expected and missing, with `+` there and unexpected; empty for equal texts. */
export function difference(expected, actual) {
  if (expected === actual) return "";
  const [a, b] = [expected.split("\n"), actual.split("\n")];
  const lines = changes(a, b, commonLengths(a, b));
  const near = (at) => lines.slice(Math.max(0, at - CONTEXT_LINES), at + CONTEXT_LINES + 1);
  return lines.filter((_, at) => near(at).some((line) => line[0] !== " ")).join("\n");
}

/** `lengths[i][j]`: how many lines `a` from `i` on and `b` from `j` on have in common, in order. */
function commonLengths(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const longer = Math.max(lengths[i + 1][j], lengths[i][j + 1]);
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : longer;
    }
  }
  return lengths;
}

function changes(a, b, lengths) {
  const lines = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i++]}`);
      j++;
    } else if (j === b.length || (i < a.length && lengths[i + 1][j] >= lengths[i][j + 1])) {
      lines.push(`- ${a[i++]}`);
    } else {
      lines.push(`+ ${b[j++]}`);
    }
  }
  return lines;
}
