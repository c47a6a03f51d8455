import { describe, expect, it } from 'vitest';
import { machine } from './testing';
import {
  deleteRefused,
  healthOf,
  isHostKeyChanged,
  LOOKS,
  quarantineRefused,
  reachRefused,
  releaseRefused,
  STATES,
} from './state';

const holder = { username: 'ada', reservation_id: 'r', until: '2026-11-21T12:00:00Z' };

describe('what a state allows', () => {
  it('is what the server allows', () => {
    expect(quarantineRefused(machine('a', { state: 'retired' }))?.key).toBe('refused.retired');
    expect(quarantineRefused(machine('a', { state: 'leased', holder }))).toBeNull();
    expect(releaseRefused(machine('a'))?.key).toBe('refused.notAside');
    expect(releaseRefused(machine('a', { state: 'maintenance' }))).toBeNull();
    expect(releaseRefused(machine('a', { state: 'leased', then_state: 'quarantined' }))).toBeNull();
    expect(deleteRefused(machine('a', { state: 'leased', holder }))?.values).toEqual({ who: 'ada' });
    expect(deleteRefused(machine('a', { state: 'quarantined' }))).toBeNull();
    expect(reachRefused(machine('a', { state: 'cleaning' }))?.key).toBe('refused.reachBusy');
    expect(reachRefused(machine('a'))).toBeNull();
  });

  it('knows a changed host key by the server’s words', () => {
    const last_error =
      'the host key of `10.0.0.9` is not the one that is pinned; if you know that the machine was rebuilt, accept it';
    expect(isHostKeyChanged(machine('a', { last_error }))).toBe(true);
    expect(isHostKeyChanged(machine('a', { last_error: 'timed out after 10 s while connecting' }))).toBe(
      false,
    );
  });

  it('takes a machine for unwell while an error stands', () => {
    expect(healthOf(machine('a', { last_error: 'x' }))).toBe('unwell');
    expect(healthOf(machine('a', { state: 'quarantined' }))).toBe('unwell');
    expect(healthOf(machine('a'))).toBe('well');
  });

  it('has a letter of its own for each state', () => {
    expect(new Set(Object.values(LOOKS).map(({ letter }) => letter)).size).toBe(STATES.length);
    expect([...STATES].sort()).toEqual(Object.keys(LOOKS).sort());
  });
});
