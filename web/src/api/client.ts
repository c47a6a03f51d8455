import createClient, { type Middleware } from 'openapi-fetch';
import { learnClock } from '@/lib/time';
import { Problem, problemOf } from './problem';
import { endSession, renew, session } from './session';
import type { paths } from './schema';

function authorize(request: Request) {
  const now = session.get();
  if (now.status === 'in') request.headers.set('authorization', `Bearer ${now.token}`);
}

const spare = new WeakMap<Request, Request>();

const aroundEach: Middleware = {
  onRequest({ request }) {
    authorize(request);
    // A body can be sent once; this copy is for the second try with a new token.
    spare.set(request, request.clone());
    return request;
  },
  async onResponse({ request, response }) {
    learnClock(response.headers.get('date'));
    if (response.status === 401 && session.get().status === 'in') {
      const again = spare.get(request);
      if (again) {
        try {
          await renew();
        } catch {
          throw await problemOf(response);
        }
        authorize(again);
        response = await fetch(again);
      }
      if (response.status === 401) endSession();
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  },
  onError({ error }) {
    return error instanceof Problem ? error : Problem.unreachable(error);
  },
};

/** The API, typed from its description. Anything but a success is thrown as a `Problem`. */
export const api = createClient<paths>({ baseUrl: location.origin, credentials: 'same-origin' });
api.use(aroundEach);

/** The body of a success. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answer;
  return data as T;
}

/** A key for one press of a button: the same request sent twice is done once. */
export function idempotency(): { 'Idempotency-Key': string } {
  return {
    'Idempotency-Key': Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
      byte.toString(16),
    ).join(''),
  };
}
