import { describe, expect, it } from 'vitest';
import type { EventView } from '@/api/schema';
import english from '@/locales/en/notifications.json';
import { newsOf } from './words';

function event(kind: string, change: Partial<EventView> = {}): EventView {
  return {
    id: '1',
    at: '2026-11-21T12:00:00Z',
    kind,
    reservation_id: null,
    machine: null,
    message: 'something happened',
    data: {},
    ...change,
  };
}

describe('a piece of news', () => {
  it('leads to what it is about', () => {
    const of = (change: Partial<EventView>) => newsOf(event('x', change), 'en').to;
    expect(of({ reservation_id: 'r', machine: 'm' })).toBe('/reservations/r');
    expect(of({ machine: 'm' })).toBe('/machines/m');
    expect(of({ data: { username: 'ann' } as never })).toBe('/users?user=ann');
    expect(of({})).toBeNull();
  });

  it('has a text of its own for every kind that is known', () => {
    const data = { seconds_remaining: 290, expires_at: '2026-11-21T12:05:00Z' } as never;
    for (const kind of [
      'reservation.active',
      'reservation.failed',
      'machine.quarantined',
      'account.pending',
    ]) {
      const [, slice, word] = (newsOf(event(kind, { data }), 'en').key ?? '').split('.');
      const texts = english.news as unknown as Record<string, Record<string, string>>;
      expect(texts[slice ?? '']?.[word ?? ''], kind).toBeTruthy();
    }
    expect(newsOf(event('reservation.reminder', { data }), 'en').values.count).toBe(5);
    expect(newsOf(event('machine.state', { data: { state: 'ready' } as never }), 'en').key).toBe(
      'news.machine.state',
    );
    expect(newsOf(event('machine.state'), 'en').key).toBeNull();
    expect(newsOf(event('moon.full'), 'en').key).toBeNull();
    expect(newsOf(event('reservation.reminder'), 'en').key).toBeNull();
    expect(newsOf(event('reservation.accepted', { data: { state: 'queued' } as never }), 'en').key).toBe(
      'news.reservation.queued',
    );
  });

  it('keeps the reason that only the server knows', () => {
    const ending = event('reservation.expiring', { message: 'your reservation ends: its time is over' });
    expect(newsOf(ending, 'en').detail).toBe('Its time is over.');
    const aside = event('machine.quarantined', { machine: 'm', data: { reason: 'fan is loud' } as never });
    expect(newsOf(aside, 'en').detail).toBe('Fan is loud.');
  });
});
