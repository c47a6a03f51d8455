/** Which lines of an inventory hold a secret, and where in them: shown text must not give passwords away. */

const KEY =
  /(?:^|[\s{,[-])(["']?)(password|passwd|pass|ansible_password|ansible_ssh_pass|secret|token)\1\s*:\s*/gi;

/** From where to where a line holds a secret. */
export type Span = [from: number, to: number];

/** Every line's secrets; lines without any are left out. */
export function secretSpans(lines: string[]): Map<number, Span[]> {
  const found = new Map<number, Span[]>();
  /** How far the key of a value on further lines is indented; these lines are all secret. */
  let block: number | null = null;
  lines.forEach((line, i) => {
    if (block !== null) {
      if (!line.trim()) return;
      if (indentOf(line) > block) {
        found.set(i, [[indentOf(line), line.length]]);
        return;
      }
      block = null;
    }
    // Most lines are not about secrets, and there may be a hundred thousand.
    if (!line.includes(':')) return;
    const spans: Span[] = [];
    for (const match of line.matchAll(KEY)) {
      const from = match.index + match[0].length;
      const to = endOf(line, from);
      const value = line.slice(from, to).trim();
      if (value === '' || /^[|>][-+0-9]*(\s+#.*)?$/.test(value)) block = keyIndent(line);
      else spans.push([from, to]);
      // A quoted text that does not end here goes on below.
      if (isOpen(value)) block = keyIndent(line);
    }
    if (spans.length > 0) found.set(i, spans);
  });
  return found;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** Where the key stands: `- password:` begins after the dash. */
function keyIndent(line: string): number {
  return /^\s*(?:-\s+)*/.exec(line)?.[0].length ?? 0;
}

function isOpen(value: string): boolean {
  const quote = value[0];
  return (quote === '"' || quote === "'") && (value.length < 2 || !value.endsWith(quote));
}

/** The end of a value that begins at `from`. In doubt it is longer: hiding too much gives nothing away. */
function endOf(line: string, from: number): number {
  const quote = line[from];
  if (quote === '"' || quote === "'") {
    for (let at = from + 1; at < line.length; at += 1) {
      if (quote === '"' && line[at] === '\\') at += 1;
      else if (line[at] === quote) {
        if (quote === "'" && line[at + 1] === "'") at += 1;
        else return at + 1;
      }
    }
    return line.length;
  }
  const isFlow = line.slice(0, from).includes('{');
  if (!isFlow) return line.length;
  const end = line.slice(from).search(/[,}]/);
  return end < 0 ? line.length : from + end;
}

/** A line with its secrets covered; sign for sign, so that what follows stays where it was. */
export function masked(line: string, spans: Span[] | undefined): string {
  let shown = line;
  for (const [from, to] of spans ?? []) {
    shown = shown.slice(0, from) + '*'.repeat(to - from) + shown.slice(to);
  }
  return shown;
}

/** Where a line and column of the server are in the text; columns count characters, not UTF-16 units. */
export function offsetOf(lines: string[], line: number, column: number): number {
  const row = Math.min(Math.max(line, 1), lines.length) - 1;
  let offset = 0;
  for (let i = 0; i < row; i += 1) offset += (lines[i]?.length ?? 0) + 1;
  return offset + unitsOf(lines[row] ?? '', column);
}

/** How many UTF-16 units stand before a column. */
export function unitsOf(line: string, column: number): number {
  let units = 0;
  let left = column - 1;
  for (const character of line) {
    if (left <= 0) break;
    units += character.length;
    left -= 1;
  }
  return units;
}
