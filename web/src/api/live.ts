import { createParser } from 'eventsource-parser';
import { useEffect } from 'react';
import { createStore } from '@/lib/store';
import { renew, session } from './session';
import type { EventView } from './schema';

/** How the page hears of changes: by the stream, by asking, or not at all. */
export interface Line {
  state: 'connecting' | 'live' | 'polling' | 'offline';
  /** When the server was heard last, by this computer's clock. */
  heardAt: number;
}

export const line = createStore<Line>({ state: 'connecting', heardAt: Date.now() });

/** Longer than two keep-alives of the server. */
const SILENCE = 40_000;
const POLL = 5000;

type Listener = (event: EventView) => void;
const listeners = new Set<Listener>();

/** Calls `listener` for each event from now on. What comes twice has the same id. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useEvents(listener: Listener) {
  useEffect(() => onEvent(listener), [listener]);
}

let lastId: string | null = null;
const seen: string[] = [];

function hear(event: EventView) {
  if (seen.includes(event.id)) return;
  seen.push(event.id);
  if (seen.length > 500) seen.splice(0, 250);
  lastId = event.id;
  for (const listener of [...listeners]) listener(event);
}

function heard(state: Line['state']) {
  line.set({ state, heardAt: Date.now() });
}

const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true });
    window.addEventListener('online', () => (clearTimeout(timer), done()), { once: true, signal });
  });

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  const now = session.get();
  const headers: Record<string, string> = now.status === 'in' ? { authorization: `Bearer ${now.token}` } : {};
  if (lastId) headers['last-event-id'] = lastId;
  const response = await fetch(url, { headers, signal, cache: 'no-store' });
  if (response.status === 401) await renew();
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response;
}

/** Reads the stream until it ends. A stream that is silent for longer than two keep-alives is dead. */
async function stream(signal: AbortSignal, opened: () => void) {
  const cut = new AbortController();
  const stop = () => cut.abort();
  signal.addEventListener('abort', stop, { once: true });
  let watchdog = setTimeout(stop, SILENCE);
  try {
    const response = await ask('/api/events', cut.signal);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (!reader) throw new Error('this browser cannot read streams');
    heard('live');
    opened();
    const parser = createParser({ onEvent: ({ data }) => hear(JSON.parse(data) as EventView) });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, SILENCE);
      heard('live');
      parser.feed(value);
    }
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener('abort', stop);
  }
}

async function poll(signal: AbortSignal) {
  const response = await ask(`/api/events?poll=1${lastId ? `&after=${lastId}` : ''}`, signal);
  const { items } = (await response.json()) as { items: EventView[] };
  heard('polling');
  items.forEach(hear);
}

/**
 * Follows the server until `signal`: by stream; by polling where streams do not come through. After a gap `caughtUp`
 * is called: what is shown has to be asked anew, since before the first event there is no id to go on from.
 */
export async function follow(signal: AbortSignal, caughtUp: () => void) {
  /** Streams that ended as soon as they began: something on the way does not let them through. */
  let cutShort = 0;
  let polls = 0;
  let triedAgain = false;
  let away = false;
  const isOver = () => signal.aborted || session.get().status !== 'in';
  const back = () => {
    if (away) caughtUp();
    away = false;
  };
  while (!isOver()) {
    const began = Date.now();
    const polling = cutShort >= 3;
    try {
      if (polling) {
        await poll(signal);
        polls += 1;
        // Once the server answers, and now and then, a stream may come through again.
        if (!triedAgain || polls % 12 === 0) cutShort = 2;
        triedAgain = true;
        back();
        if (cutShort >= 3) await sleep(POLL, signal);
        continue;
      }
      await stream(signal, back);
    } catch {
      if (polling) {
        cutShort = 0;
        triedAgain = false;
      }
    }
    if (isOver()) return;
    if (!polling) {
      const wasShort = Date.now() - began < 2000;
      cutShort = wasShort ? cutShort + 1 : 0;
      if (!wasShort) triedAgain = false;
    }
    away = true;
    const reached = Date.now() - line.get().heardAt < 3000 && navigator.onLine;
    line.set((before) => ({ ...before, state: reached ? 'connecting' : 'offline' }));
    await sleep(1000 + Math.random() * 1000, signal);
  }
}
