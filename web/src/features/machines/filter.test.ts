import { describe, expect, it } from 'vitest';
import { facetsOf, filtered, filterOf, queryOf } from './filter';
import { machine } from './testing';

const pool = [
  machine('quay-01', { labels: { gpu: 'a100', zone: 'north' } }),
  machine('quay-02', { labels: { gpu: 'l4', zone: 'south' }, state: 'quarantined' }),
  machine('quay-10', {
    labels: { zone: 'north' },
    pool: 'lab',
    host: '10.0.0.9',
    holder: { username: 'Ada', reservation_id: 'r', until: '2026-11-21T12:00:00Z' },
    state: 'leased',
  }),
  machine('quay-11', { labels: { gpu: '' }, last_check_at: null, state: 'new' }),
];

function names(search: string) {
  return filtered(pool, filterOf(new URLSearchParams(search))).map(({ name }) => name);
}

describe('the filter of machines', () => {
  it('survives the address', () => {
    const search = 'q=ada+10&state=ready&state=leased&label=gpu%3Da100&pool=lab&health=well';
    const filter = filterOf(new URLSearchParams(search));
    expect(filterOf(queryOf(filter))).toEqual(filter);
    expect(queryOf(filter).toString()).toBe(search);
  });

  it('takes nothing from the address that is no filter', () => {
    const filter = filterOf(new URLSearchParams('state=READY&label=gpu&health=fine'));
    expect(filter).toEqual({ text: '', states: [], labels: [], pool: '', health: '' });
    expect(queryOf(filter, new URLSearchParams('view=table&q=old')).toString()).toBe('view=table');
  });

  it('finds names, addresses and holders; all words must fit', () => {
    expect(names('q=quay-1')).toEqual(['quay-10', 'quay-11']);
    expect(names('q=10.0.0')).toEqual(['quay-10']);
    expect(names('q=ADA')).toEqual(['quay-10']);
    expect(names('q=quay ada')).toEqual(['quay-10']);
  });

  it('widens by values of one label and narrows by other labels', () => {
    expect(names('label=gpu=a100&label=gpu=l4')).toEqual(['quay-01', 'quay-02']);
    expect(names('label=gpu=a100&label=gpu=l4&label=zone=south')).toEqual(['quay-02']);
    expect(names('label=gpu=')).toEqual(['quay-11']);
  });

  it('knows states, pools and health', () => {
    expect(names('state=ready&state=new')).toEqual(['quay-01', 'quay-11']);
    expect(names('pool=lab')).toEqual(['quay-10']);
    expect(names('health=unwell')).toEqual(['quay-02']);
    expect(names('health=unseen')).toEqual(['quay-11']);
  });
});

describe('facets', () => {
  it('count what there is, in order', () => {
    const facets = facetsOf(pool);
    expect(facets.states.get('ready')).toBe(1);
    expect([...facets.labels]).toEqual([
      ['gpu=', 1],
      ['gpu=a100', 1],
      ['gpu=l4', 1],
      ['zone=north', 2],
      ['zone=south', 1],
    ]);
    expect(facets.health.get('well')).toBe(2);
  });
});
