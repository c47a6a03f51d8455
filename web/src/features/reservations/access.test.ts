import { describe, expect, it } from 'vitest';
import { bookByBerth, bookByCurl, knownHost, passwordFault, quote, randomPassword } from './access';

describe('lines to copy', () => {
  it('quote what a shell would take apart', () => {
    expect(quote('gpu=a100')).toBe('gpu=a100');
    expect(quote("it's; rm -rf $HOME")).toBe(`'it'\\''s; rm -rf $HOME'`);
    expect(quote('')).toBe("''");
  });

  it('never hold a secret', () => {
    const request = {
      count: 2,
      duration: '90m',
      labels: { gpu: 'a 100' },
      pool: 'lab',
      reservation_password: 'hush-hush',
      ssh_public_key: 'ssh-ed25519 AAAA me',
    };
    const curl = bookByCurl('https://berth.example', request);
    const berth = bookByBerth(request);
    expect(curl + berth).not.toMatch(/hush|AAAA/);
    expect(berth).toBe("berth reserve 2 --for 90m --pool lab --label 'gpu=a 100' --password-stdin --wait");
    expect(curl).toContain(`-d '{"count":2,"duration":"90m","labels":{"gpu":"a 100"},"pool":"lab"}'`);
  });

  it('name a port in known_hosts only when it is not 22', () => {
    const place = {
      machine: 'a',
      host: 'h',
      port: 22,
      state: 'active',
      username: 'u',
      host_key: 'ssh-ed25519 AA',
    };
    expect(knownHost(place)).toBe('h ssh-ed25519 AA');
    expect(knownHost({ ...place, port: 2222 })).toBe('[h]:2222 ssh-ed25519 AA');
    expect(knownHost({ ...place, host_key: null })).toBeNull();
  });
});

describe('a password', () => {
  it('that is made is long and never the same', () => {
    expect(randomPassword()).toMatch(/^[a-zA-Z2-9]{16}$/);
    expect(randomPassword()).not.toBe(randomPassword());
  });

  it('that cannot be typed is refused before the server does', () => {
    expect(
      ['', 'abc', 'line\nbreak', 'x'.repeat(256), 'é'.repeat(128)].filter((bad) => !passwordFault(bad)),
    ).toEqual([]);
    expect(['test', 'пароль', "it's $(fine)", 'x'.repeat(255)].filter(passwordFault)).toEqual([]);
  });
});
