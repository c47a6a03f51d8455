/** A stretch of text in one look. */
export interface Span {
  text: string;
  /** Class names, as `ansi-red ansi-bold`; empty when it looks as usual. */
  look: string;
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/**
 * Every escape that a terminal would take: strings (OSC, DCS, SOS, PM, APC) up to their end or the text's, CSI with its
 * parameters, and the two- and three-byte ones; each also by its one-byte name. Group 1 and 2 are the parameters and
 * the last byte of a CSI.
 */
const ESCAPE =
  /(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^]*?(?:\x07|\x1b\\|\x9c|$)|(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~]|$)|\x1b[ -/]*[0-~]?/g;

/** What is left of control characters, and those that turn the direction of what follows. */

const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

interface Look {
  colour: string;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
}

const PLAIN: Look = { colour: '', bold: false, dim: false, italic: false, underline: false };

function className(look: Look): string {
  return [
    look.colour && `ansi-${look.colour}`,
    look.bold && 'ansi-bold',
    look.dim && 'ansi-dim',
    look.italic && 'ansi-italic',
    look.underline && 'ansi-underline',
  ]
    .filter(Boolean)
    .join(' ');
}

function paint(look: Look, parameters: string): Look {
  const codes = parameters.split(/[;:]/).map((code) => Number(code || '0'));
  let next = look;
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) next = PLAIN;
    else if (code === 1) next = { ...next, bold: true };
    else if (code === 2) next = { ...next, dim: true };
    else if (code === 3) next = { ...next, italic: true };
    else if (code === 4) next = { ...next, underline: true };
    else if (code === 22) next = { ...next, bold: false, dim: false };
    else if (code === 23) next = { ...next, italic: false };
    else if (code === 24) next = { ...next, underline: false };
    else if (30 <= code && code <= 37) next = { ...next, colour: COLOURS[code - 30] ?? '' };
    else if (90 <= code && code <= 97) next = { ...next, colour: COLOURS[code - 90] ?? '' };
    else if (code === 39) next = { ...next, colour: '' };
    else if (code === 38 || code === 48) {
      // Colours by number: the first 16 are known by name, the others might not be legible here.
      const wide = codes[i + 1];
      const index = codes[i + 2] ?? 16;
      if (code === 38) next = { ...next, colour: wide === 5 && index < 16 ? (COLOURS[index % 8] ?? '') : '' };
      i += wide === 5 ? 2 : wide === 2 ? 4 : 0;
    }
  }
  return next;
}

/** A line that was written over itself shows what was written last, as a terminal would. */
function overwritten(text: string): string {
  if (!text.includes('\r')) return text;
  return text
    .split('\n')
    .map((line) => {
      let end = line.length;
      while (line[end - 1] === '\r') end -= 1;
      return line.slice(line.lastIndexOf('\r', end - 1) + 1, end);
    })
    .join('\n');
}

/** Text for people out of what a program wrote for a terminal: colours become spans, all other escapes are dropped. */
export function parseAnsi(raw: string): Span[] {
  const spans: Span[] = [];
  let look = PLAIN;
  let from = 0;
  const add = (piece: string) => {
    const text = piece.replace(CONTROL, '');
    if (!text) return;
    const name = className(look);
    const last = spans.at(-1);
    if (last?.look === name) last.text += text;
    else spans.push({ text, look: name });
  };
  const text = overwritten(raw);
  for (const found of text.matchAll(ESCAPE)) {
    add(text.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[2] === 'm' && /^[\d;:]*$/.test(found[1] ?? '')) look = paint(look, found[1] ?? '');
  }
  add(text.slice(from));
  return spans;
}

/** The same without any look. */
export function plainText(raw: string): string {
  return parseAnsi(raw)
    .map((span) => span.text)
    .join('');
}

export type DiffMark = 'head' | 'place' | 'added' | 'removed' | 'same';

/** The lines of a unified diff, each with what it is; null when the text is none. */
export function parseDiff(text: string): { text: string; mark: DiffMark }[] | null {
  if (!/^--- .*\n\+\+\+ .*\n@@ /m.test(text)) return null;
  let inside = false;
  return text.split('\n').map((line) => {
    if (line.startsWith('@@ ')) {
      inside = true;
      return { text: line, mark: 'place' };
    }
    if (/^(--- |\+\+\+ )/.test(line) && (!inside || line.startsWith('--- '))) {
      inside = false;
      return { text: line, mark: 'head' };
    }
    if (inside && line.startsWith('+')) return { text: line, mark: 'added' };
    if (inside && line.startsWith('-')) return { text: line, mark: 'removed' };
    return { text: line, mark: 'same' };
  });
}
