import { describe, expect, it } from 'vitest';
import { parseAnsi, parseDiff, plainText } from './ansi';

describe('what a program wrote for a terminal', () => {
  it('keeps its colours as class names', () => {
    expect(parseAnsi('\x1b[1;32mgreen\x1b[0m and \x1b[91mred\x1b[39m.')).toEqual([
      { text: 'green', look: 'ansi-green ansi-bold' },
      { text: ' and ', look: '' },
      { text: 'red', look: 'ansi-red' },
      { text: '.', look: '' },
    ]);
    expect(parseAnsi('\x1b[38;5;4mblue\x1b[38;2;1;2;3mtrue\x1b[48;5;1;4mlined')).toEqual([
      { text: 'blue', look: 'ansi-blue' },
      { text: 'true', look: '' },
      { text: 'lined', look: 'ansi-underline' },
    ]);
  });

  it('loses every other escape, finished or not', () => {
    const inert = [
      '\x1b]8;;https://evil.example\x07click\x1b]8;;\x07',
      '\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\',
      '\x1b]52;c;ZXZpbA==\x07click',
      '\x9d52;c;ZXZpbA==\x9cclick',
      '\x1bP+q544e\x1b\\click',
      '\x1b[2J\x1b[H\x1b[?1049hclick',
      '\x9b31mclick',
      '\x1b(0click\x1b=',
      'cl\x07i\x00c\x08k',
      'cl\u202ei\u2066ck',
      'click\x1b]0;never closed',
      'click\x1b[31',
      'click\x1b',
    ];
    expect(inert.map(plainText)).toEqual(inert.map(() => 'click'));
  });

  it('is text and nothing else', () => {
    expect(plainText('<img src=x onerror=alert(1)>')).toBe('<img src=x onerror=alert(1)>');
  });

  it('shows of a line that was written over what was written last', () => {
    expect(plainText('10%\r50%\r100%\r\ndone\r')).toBe('100%\ndone');
  });
});

describe('a diff', () => {
  const text =
    '--- before\n+++ after\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n--- b\n+++ b\n@@ -1 +1 @@\n-x\n+++ y';

  it('is known by its head, and read line by line', () => {
    expect(parseDiff(text)?.map((line) => line.mark)).toEqual([
      'head',
      'head',
      'place',
      'same',
      'removed',
      'added',
      'head',
      'head',
      'place',
      'removed',
      'added',
    ]);
  });

  it('is not seen where there is none', () => {
    expect(parseDiff('--- a rule\nand text')).toBeNull();
    expect(parseDiff('+1 -1')).toBeNull();
  });
});
