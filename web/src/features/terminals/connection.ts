import { api, body } from '@/api/client';
import { asProblem, type Problem } from '@/api/problem';

/** Why a terminal is over; the words are the server's (`src/terminals`). */
export interface Closed {
  reason: string;
  code: string;
}

export type Phase =
  | { at: 'connecting' }
  | { at: 'open' }
  | { at: 'away'; since: number }
  | { at: 'closed'; closed: Closed }
  | { at: 'refused'; problem: Problem };

interface Screen {
  /** Writes output; `done` is called when it is on the screen. */
  write: (bytes: Uint8Array, done: () => void) => void;
  reset: () => void;
  size: () => { cols: number; rows: number };
  phase: (phase: Phase) => void;
}

/** Output is acknowledged in steps of so many bytes: the server holds back what is not. */
const ACK_EVERY = 32 * 1024;
/** A large paste goes in pieces; the server takes no message of more than 1 MiB. */
const PIECE = 64 * 1024;
/** A lost line is tried again for so long; the server keeps the session that long. */
const GIVE_UP = 60_000;

/** One terminal on one machine, over as many sockets as it takes. */
export class Connection {
  private socket: WebSocket | null = null;
  private session: string | null = null;
  private over = false;
  private awaySince: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private shown = 0;

  constructor(
    private readonly reservation: string,
    private readonly machine: string,
    private readonly screen: Screen,
  ) {}

  async open() {
    if (this.over) return;
    let ticket: { url: string };
    try {
      ticket = await body(
        api.POST('/api/reservations/{id}/terminals', {
          params: { path: { id: this.reservation } },
          body: { machine: this.machine, ...(this.session ? { session: this.session } : {}) },
        }),
      );
    } catch (error) {
      const problem = asProblem(error);
      // Unreachable is not refused: it is tried again while the server keeps the session.
      if (this.session && (problem.status === 0 || problem.status >= 500)) this.lost();
      else if (!this.isOver()) this.end({ at: 'refused', problem });
      return;
    }
    if (this.isOver()) return;
    const url = new URL(ticket.url, location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const { cols, rows } = this.screen.size();
    url.searchParams.set('cols', String(cols));
    url.searchParams.set('rows', String(rows));
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => this.hear(event.data);
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
    this.socket = socket;
  }

  private isOver() {
    return this.over;
  }

  private hear(data: ArrayBuffer | string) {
    if (typeof data !== 'string') {
      const bytes = new Uint8Array(data);
      this.screen.write(bytes, () => this.acknowledge(bytes.length));
      return;
    }
    const message = JSON.parse(data) as { type: string; session?: string; reason?: string; code?: string };
    if (message.type === 'ready') {
      this.session = message.session ?? null;
      this.awaySince = null;
      this.shown = 0;
      this.screen.phase({ at: 'open' });
      this.resize();
    }
    // What comes next was on the screen before.
    if (message.type === 'backlog') this.screen.reset();
    if (message.type === 'closed') {
      this.end({ at: 'closed', closed: { reason: message.reason ?? '', code: message.code ?? '' } });
    }
  }

  private acknowledge(bytes: number) {
    this.shown += bytes;
    if (this.shown < ACK_EVERY) return;
    this.tell({ type: 'ack', bytes: this.shown });
    this.shown = 0;
  }

  private lost() {
    this.socket = null;
    if (this.over) return;
    this.awaySince ??= Date.now();
    if (!this.session || GIVE_UP < Date.now() - this.awaySince) {
      this.end({ at: 'closed', closed: { reason: '', code: 'lost' } });
      return;
    }
    this.screen.phase({ at: 'away', since: this.awaySince });
    this.timer = setTimeout(() => void this.open(), 1000);
  }

  private end(phase: Phase) {
    this.close();
    this.screen.phase(phase);
  }

  private tell(message: object) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  send(text: string) {
    this.sendBytes(new TextEncoder().encode(text));
  }

  /** Bytes as they are: some mice speak so. */
  sendBinary(text: string) {
    this.sendBytes(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  }

  private sendBytes(bytes: Uint8Array<ArrayBuffer>) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < bytes.length; at += PIECE) this.socket.send(bytes.subarray(at, at + PIECE));
  }

  resize() {
    this.tell({ type: 'resize', ...this.screen.size() });
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }
}
