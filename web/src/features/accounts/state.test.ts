import { describe, expect, it } from 'vitest';
import type { UserView } from '@/api/schema';
import { deviceOf } from './device';
import { isUsername, matches, refusals, tokenOf } from './state';

function user(username: string, change: Partial<UserView> = {}): UserView {
  return {
    username,
    role: 'member',
    status: 'active',
    full_name: '',
    email: '',
    created_at: '2026-11-21T07:00:00Z',
    last_login_at: null,
    ...change,
  };
}

describe('what may be done to an account', () => {
  const alice = user('alice', { role: 'admin' });
  const bob = user('bob', { role: 'admin' });

  it('leaves the last active admin alone, whoever asks', () => {
    const asleep = { ...bob, status: 'suspended' as const };
    expect(refusals(alice, [alice, asleep, user('carol')], 'bob').lose).toBe('lastAdmin');
    expect(refusals(alice, [alice, bob], 'bob').lose).toBeNull();
  });

  it('is not for oneself to do', () => {
    expect(refusals(alice, [alice, bob], 'alice').lose).toBe('oneself');
  });

  it('is free for those who are no admins', () => {
    expect(refusals(user('carol'), [alice, user('carol')], 'alice').lose).toBeNull();
    expect(refusals({ ...bob, status: 'suspended' }, [alice, bob], 'alice').lose).toBeNull();
  });
});

describe('a username', () => {
  it('is what every system takes', () => {
    expect(['a', '_x', 'al-ice', 'bob2', 'x'.repeat(32)].every(isUsername)).toBe(true);
    expect(['', 'Alice', '1a', '-a', 'a b', 'ä', 'x'.repeat(33)].some(isUsername)).toBe(false);
  });
});

describe('a search', () => {
  it('looks at the name, the person and the address, whatever the case', () => {
    const carol = user('carol', { full_name: 'Carol Quay', email: 'c@Harbour.example' });
    expect(['CAR', 'quay', ' harbour '].every((text) => matches(carol, text))).toBe(true);
    expect(matches(carol, 'bob')).toBe(false);
  });
});

describe('a device', () => {
  it('is what its agent says, not what it claims to be like', () => {
    const chrome =
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
    expect(deviceOf(chrome)).toEqual({ program: 'Chrome', system: 'Linux' });
    expect(deviceOf(`${chrome} Edg/140.0`).program).toBe('Edge');
    expect(
      deviceOf('Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17 Safari/604.1'),
    ).toEqual({
      program: 'Safari',
      system: 'iOS',
    });
    expect(deviceOf('curl/8.14.1')).toEqual({ program: 'curl', system: null });
    expect(deviceOf('robot-3 (x)').program).toBe('robot-3');
    expect(deviceOf('').program).toBe('');
  });
});

describe('a one-time link', () => {
  it('has its secret in the fragment', () => {
    expect(tokenOf({ hash: '#token=a-b_c', search: '' })).toBe('a-b_c');
    expect(tokenOf({ hash: '', search: '?token=abc' })).toBe('abc');
    expect(tokenOf({ hash: '#content', search: '?to=/x' })).toBeNull();
  });
});
