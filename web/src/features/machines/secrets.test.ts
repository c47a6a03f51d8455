import { describe, expect, it } from 'vitest';
import { masked, offsetOf, secretSpans, unitsOf } from './secrets';

function shown(text: string): string {
  const lines = text.split('\n');
  const spans = secretSpans(lines);
  return lines.map((line, i) => masked(line, spans.get(i))).join('\n');
}

describe('secrets of an inventory', () => {
  it('are covered, and nothing else is', () => {
    expect(shown('  - name: quay-01\n    password: harbour-light\n    port: 22')).toBe(
      '  - name: quay-01\n    password: *************\n    port: 22',
    );
    expect(shown('password_hint: none')).toBe('password_hint: none');
    expect(shown('- password: a b # why')).toBe('- password: *********');
  });

  it('are found in flow mappings and in JSON', () => {
    expect(shown('- {name: a, password: x1, host: h}')).toBe('- {name: a, password: **, host: h}');
    expect(shown('{"name": "a", "password": "a,\\"}b", "host": "h"}')).toBe(
      '{"name": "a", "password": ********, "host": "h"}',
    );
    expect(shown("{password: 'it''s', host: h}")).toBe('{password: *******, host: h}');
  });

  it('are found on the lines after their key', () => {
    expect(shown('  - password: |\n      line one\n      two\n    host: h')).toBe(
      '  - password: |\n      ********\n      ***\n    host: h',
    );
    expect(shown('password:\n  later\nhost: h')).toBe('password:\n  *****\nhost: h');
    expect(shown('password: "open\n  end"\nhost: h')).toBe('password: *****\n  ****\nhost: h');
  });

  it('are covered to the end of the line in doubt', () => {
    expect(shown('    password: x, host: h}')).toBe('    password: ***********');
    expect(shown('password: &pw secret')).toBe('password: **********');
  });
});

describe('a place in the text', () => {
  it('is counted in characters', () => {
    const lines = ['a: 1', 'ü😀: x', ''];
    expect(offsetOf(lines, 1, 1)).toBe(0);
    expect(offsetOf(lines, 2, 3)).toBe(5 + 3);
    expect(offsetOf(lines, 99, 9)).toBe(12);
    expect(unitsOf('😀b', 2)).toBe(2);
  });
});
