import { describe, expect, it } from 'vitest';
import { isKnown, sinceOf, targetLink } from './actions';

describe('the target of an entry', () => {
  it('leads to what is there', () => {
    expect(targetLink({ action: 'machine.update', target: 'quay-01' })).toBe('/machines/quay-01');
    expect(targetLink({ action: 'terminal.open', target: 'quay-01' })).toBe('/machines/quay-01');
    expect(targetLink({ action: 'user.create', target: 'alice' })).toBe('/users?user=alice');
    expect(targetLink({ action: 'reservation.book', target: '019f' })).toBe('/reservations/019f');
  });

  it('leads nowhere when it is gone, or many things, or a mere number', () => {
    for (const [action, target] of [
      ['machine.delete', 'quay-01'],
      ['user.delete', 'alice'],
      ['machine.import', 'inventory'],
      ['token.add', '019f'],
      ['machine.update', ''],
    ] as const) {
      expect(targetLink({ action, target })).toBeNull();
    }
  });
});

describe('since', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');

  it('is a span or a moment', () => {
    expect(sinceOf('24h', now)).toBe('2026-11-20T12:00:00.000Z');
    expect(sinceOf('2026-11-01T00:00:00Z', now)).toBe('2026-11-01T00:00:00.000Z');
  });

  it('is left out when it is neither', () => {
    expect(['', 'soon', 'constructor'].map((text) => sinceOf(text, now))).toEqual([null, null, null]);
  });
});

describe('an action', () => {
  it('is known by its kind and verb', () => {
    expect(isKnown('user.create')).toBe(true);
    expect(['user', 'user.fly', 'moon.create', ''].some(isKnown)).toBe(false);
  });
});
