import type { CreateReservation, PlaceView } from '@/api/schema';

/** One word of a POSIX shell, quoted only when it must be. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const TOKEN = '"Authorization: Bearer $BERTH_TOKEN"';

/** The same booking with `curl`. A password or key is not repeated in it: a command line is seen by others. */
export function bookByCurl(origin: string, request: CreateReservation): string {
  const { reservation_password: _password, ssh_public_key: _key, ...open } = request;
  const json = quote(JSON.stringify(open));
  return `curl -fsS -H ${TOKEN} -H 'Content-Type: application/json' -d ${json} ${origin}/api/reservations`;
}

/** The same booking with `berth`. */
export function bookByBerth(request: CreateReservation): string {
  const words = ['berth', 'reserve', String(request.count), '--for', String(request.duration)];
  if (request.pool) words.push('--pool', request.pool);
  for (const [key, value] of Object.entries(request.labels ?? {})) words.push('--label', `${key}=${value}`);
  if (request.starts_at) words.push('--starts-at', request.starts_at);
  if (request.reservation_password) words.push('--password-stdin');
  if (request.wait) words.push('--queue');
  words.push('--wait');
  return words.map(quote).join(' ');
}

/** How to ask for a reservation with `curl`. */
export function showByCurl(origin: string, id: string): string {
  return `curl -fsS -H ${TOKEN} ${origin}/api/reservations/${id}`;
}

/** How to go to a machine with `berth`, which knows its host key already. */
export function sshByBerth(id: string, machine: string): string {
  return ['berth', 'ssh', id, '--machine', machine].map(quote).join(' ');
}

/** The line of `known_hosts` that makes ssh expect the right host key. */
export function knownHost(place: PlaceView): string | null {
  if (!place.host || !place.host_key) return null;
  const name = place.port && place.port !== 22 ? `[${place.host}]:${place.port}` : place.host;
  return `${name} ${place.host_key}`;
}

const LETTERS = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** A password that nobody chose, as `random_password` in `src/reservations/model.rs` makes it. */
export function randomPassword(): string {
  let text = '';
  while (text.length < 16) {
    for (const byte of crypto.getRandomValues(new Uint8Array(32))) {
      // Only whole rounds of the alphabet, or its first letters would come more often.
      if (byte < 256 - (256 % LETTERS.length) && text.length < 16)
        text += LETTERS[byte % LETTERS.length] ?? '';
    }
  }
  return text;
}

/** Why a password will not do, as a key of the texts; null when it will. `password_fault` in the same file. */
export function passwordFault(password: string): string | null {
  if (255 < new TextEncoder().encode(password).length) return 'password.long';

  if (/[\x00-\x1f\x7f-\x9f]/.test(password)) return 'password.control';
  return Array.from(password).length < 4 ? 'password.short' : null;
}
