import type { FieldError, ProblemBody } from './schema';

/** An answer of the server that says what went wrong, or the lack of an answer (`status` 0). */
export class Problem extends Error {
  readonly status: number;
  /** Stable; the sentence is for people and may change. */
  readonly slug: string;
  readonly requestId: string | null;
  readonly errors: FieldError[];
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | null;
  /** When it came, by this computer's clock. */
  readonly arrivedAt = Date.now();

  constructor(body: Partial<ProblemBody>, status: number, retryAfter: number | null = null) {
    super(body.detail ?? body.title ?? `the server answered ${status}`);
    this.name = 'Problem';
    this.status = status;
    this.slug = body.type?.replace(/^.*\//, '') ?? (status === 0 ? 'unreachable' : 'unknown');
    this.requestId = body.request_id ?? null;
    this.errors = body.errors ?? [];
    this.retryAfter = retryAfter;
  }

  /** The server was not reached at all. */
  static unreachable(cause: unknown): Problem {
    const problem = new Problem({ detail: 'the server cannot be reached' }, 0);
    problem.cause = cause;
    return problem;
  }

  /** What is wrong with one field of a form, by its JSON pointer. */
  at(pointer: string): string | undefined {
    return this.errors.find((error) => error.pointer === pointer)?.detail;
  }
}

export async function problemOf(response: Response): Promise<Problem> {
  const retry = Number(response.headers.get('retry-after'));
  let body: Partial<ProblemBody> = {};
  try {
    body = (await response.clone().json()) as Partial<ProblemBody>;
  } catch {
    body = { detail: `the server answered ${response.status}, and not in its own words` };
  }
  return new Problem(body, response.status, retry > 0 ? retry : null);
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem({ detail: error instanceof Error ? error.message : String(error) }, 0);
}
