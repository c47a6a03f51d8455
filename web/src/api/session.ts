import { createStore, useStore } from '@/lib/store';
import { learnClock } from '@/lib/time';
import { Problem, problemOf } from './problem';
import type { Role, TokenView } from './schema';

/** Who is signed in here. The access token lives in memory only; the refresh cookie is the browser's. */
export type Session =
  | { status: 'unknown' }
  | { status: 'out'; why?: 'ended' }
  | { status: 'in'; token: string; username: string; role: Role; renewAt: number };

export const session = createStore<Session>({ status: 'unknown' });

const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('berth.session') : null;
tabs?.addEventListener('message', (event: MessageEvent<string>) => {
  // Signing out in one tab is signing out in all; signing in lets the others look again.
  if (event.data === 'out') session.set({ status: 'out' });
  if (event.data === 'in' && session.get().status !== 'in') void renew().catch(() => undefined);
});

function begin(view: TokenView) {
  const life = view.expires_in * 1000;
  session.set({
    status: 'in',
    token: view.access_token,
    username: view.username,
    role: view.role,
    // Before the end, and earlier by chance, so that many tabs do not ask at once.
    renewAt: Date.now() + life * (0.7 + Math.random() * 0.15),
  });
}

async function post(path: string, body?: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: 'POST',
      credentials: 'same-origin',
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
  } catch (cause) {
    throw Problem.unreachable(cause);
  }
  return read(response);
}

async function read(response: Response): Promise<Response> {
  learnClock(response.headers.get('date'));
  if (!response.ok) throw await problemOf(response);
  return response;
}

export async function signIn(username: string, password: string) {
  const response = await post('/api/login', { username, password });
  begin((await response.json()) as TokenView);
  tabs?.postMessage('in');
}

declare global {
  interface Window {
    /** The answer of `/api/refresh` that `public/start.js` asked for. */
    berthAsked?: Promise<Response>;
  }
}

/** The first answer about the session, which was asked for before this code was here. */
async function asked(): Promise<Response | undefined> {
  const first = window.berthAsked;
  delete window.berthAsked;
  const response = await first?.catch(() => undefined);
  // What could not be answered is asked again, in the usual way.
  return response && response.status < 500 ? read(response) : undefined;
}

let renewing: Promise<void> | null = null;

/** A new access token by the refresh cookie. One at a time, over all tabs: the cookie changes with each use. */
export function renew(): Promise<void> {
  renewing ??= locked(async () => {
    try {
      const response = (await asked()) ?? (await post('/api/refresh'));
      begin((await response.json()) as TokenView);
    } catch (error) {
      const refused = error instanceof Problem && (error.status === 401 || error.status === 403);
      if (refused) {
        const was = session.get().status;
        session.set(was === 'in' ? { status: 'out', why: 'ended' } : { status: 'out' });
      }
      throw error;
    }
  }).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function locked(work: () => Promise<void>): Promise<void> {
  // Pages without TLS have no locks; the server forgives two tabs that ask within seconds.
  if (!('locks' in navigator)) return work();
  await navigator.locks.request('berth.renew', work);
}

export async function signOut() {
  await post('/api/logout').catch(() => undefined);
  session.set({ status: 'out' });
  tabs?.postMessage('out');
}

/** The session was ended by the server's word. */
export function endSession() {
  if (session.get().status === 'in') session.set({ status: 'out', why: 'ended' });
  tabs?.postMessage('out');
}

/** Renews in time, and after the computer slept. */
export function keepSession() {
  const look = () => {
    const now = session.get();
    if (now.status === 'in' && now.renewAt <= Date.now()) void renew().catch(() => undefined);
  };
  setInterval(look, 5000);
  document.addEventListener('visibilitychange', look);
}

export interface Me {
  username: string;
  role: Role;
  isAdmin: boolean;
}

/** Who is signed in; only below the sign-in gate. */
export function useMe(): Me {
  useStore(session);
  return me();
}

export function me(): Me {
  const now = session.get();
  if (now.status !== 'in') return { username: '', role: 'member', isAdmin: false };
  return { username: now.username, role: now.role, isAdmin: now.role === 'admin' };
}
