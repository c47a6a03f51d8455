import { describe, expect, it } from 'vitest';
import { createOf, emptyForm, formOf, labelRow, labelTwice, updateOf } from './form';
import { machine } from './testing';

const there = machine('quay-01', {
  host: '10.0.0.1',
  port: 22,
  user: 'root',
  labels: { gpu: 'a100' },
  jump: 'gate',
  key_file: 'lab',
});

describe('a machine to register', () => {
  it('sends only what was filled in', () => {
    const form = { ...emptyForm(), name: ' quay-01 ', host: '10.0.0.1', labels: [labelRow()] };
    expect(createOf(form)).toEqual({ name: 'quay-01', host: '10.0.0.1', port: 22, user: 'root', labels: {} });
  });

  it('sends secrets and keys as they are', () => {
    const form = {
      ...emptyForm(),
      name: 'a',
      host: 'h',
      password: ' spaces stay ',
      hostKey: 'ssh-ed25519 A\n\nssh-rsa B\n',
      labels: [labelRow('gpu', ''), labelRow('zone', 'north')],
      port: '22x',
    };
    expect(createOf(form)).toMatchObject({
      password: ' spaces stay ',
      host_key: ['ssh-ed25519 A', 'ssh-rsa B'],
      labels: { gpu: '', zone: 'north' },
      port: 0,
    });
  });
});

describe('a change', () => {
  it('is empty when nothing differs', () => {
    expect(updateOf(formOf(there), there)).toEqual({});
  });

  it('tells taking away from leaving', () => {
    const form = { ...formOf(there), jump: '', keyFile: ' ', labels: [] };
    expect(updateOf(form, there)).toEqual({ jump: null, key_file: null, labels: {} });
    expect(updateOf({ ...formOf(there), passwordHow: 'forget', hostKeyHow: 'learn' }, there)).toEqual({
      password: null,
      host_key: null,
    });
  });

  it('names a label that stands there twice', () => {
    expect(labelTwice([labelRow('gpu', '1'), labelRow(' gpu', '2')])).toBe('gpu');
    expect(labelTwice([labelRow('gpu', '1'), labelRow('', '2'), labelRow('', '')])).toBeNull();
  });
});
