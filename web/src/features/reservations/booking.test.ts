import { describe, expect, it } from 'vitest';
import type { PoolView } from '@/api/schema';
import { choicesOf, draftOf, faultsOf, requestOf } from './booking';

const now = Date.parse('2026-11-21T17:00:00Z');
const pool = { name: 'lab', max_count: 4, max_minutes: 240, may_book: true } as PoolView;
const draft = (text = '') => draftOf(new URLSearchParams(text));

describe('a booking', () => {
  it('is filled in by the address, and nonsense there is left out', () => {
    expect(draft('label=gpu=a100&label=rack=a=b&pool=lab&count=3&duration=90m')).toMatchObject({
      labels: { gpu: 'a100', rack: 'a=b' },
      pool: 'lab',
      count: '3',
      duration: '90m',
    });
    expect(draft('count=-1&duration=soon&label==x')).toMatchObject({
      count: '1',
      duration: '1h',
      labels: {},
    });
  });

  it('is checked as the server checks it', () => {
    expect(faultsOf(draft(), pool, now)).toEqual({});
    expect(faultsOf(draft('count=5&duration=5h'), pool, now)).toMatchObject({
      count: ['fault.countMost', { most: 4 }],
      duration: ['fault.durationMost', { minutes: 240 }],
    });
    const wrong = { ...draft(), count: '0', duration: '2w', later: true, startsAt: now - 61_000 };
    expect(Object.keys(faultsOf(wrong, pool, now))).toEqual(['count', 'duration', 'startsAt']);
    expect(faultsOf({ ...draft(), access: 'password', password: 'abc' }, pool, now).password).toBeDefined();
    expect(faultsOf({ ...draft(), access: 'key', key: '-----BEGIN PRIVATE KEY' }, pool, now).key).toEqual([
      'fault.privateKey',
    ]);
    expect(faultsOf(draft(), { ...pool, may_book: false, why_not: 'no' }, now).pool).toBeDefined();
  });

  it('asks for what was filled in and nothing more', () => {
    expect(requestOf(draft(), null)).toEqual({ count: 1, duration: '1h' });
    const full = { ...draft('count=2&pool=lab&label=gpu=a100'), later: true, startsAt: now, wait: true };
    expect(requestOf({ ...full, password: 'left over', key: 'left over' }, 'made')).toEqual({
      count: 2,
      duration: '1h',
      pool: 'lab',
      labels: { gpu: 'a100' },
      starts_at: '2026-11-21T17:00:00Z',
      wait: true,
      reservation_password: 'made',
    });
  });
});

it('labels are offered by key, with numbers in their order', () => {
  const choices = choicesOf({
    'rack=10': { available: 1, total: 1 },
    'rack=9': { available: 0, total: 2 },
    'gpu=a=1': { available: 1, total: 1 },
  });
  expect(choices.map(({ key, values }) => [key, values.map((value) => value.value)])).toEqual([
    ['gpu', ['a=1']],
    ['rack', ['9', '10']],
  ]);
});
