// One payment's endpoints on this site: same origin, JSON, with time limits. Knows
// neither what is asked there nor what is answered.
import { fields } from './data.ts';

/** The server refused or could not be reached (status 0). `said` is its own sentence, for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly field: string,
    readonly said: string,
  ) {
    super(`${status} ${code}`);
  }
}

export const text = (v: unknown, max = 300): string => (typeof v === 'string' ? v.slice(0, max) : '');
export const count = (v: unknown): number => (Number.isSafeInteger(v) && (v as number) >= 0 ? (v as number) : 0);

export class Endpoint {
  constructor(
    /** Where they are: ends in a slash. */
    protected readonly base: string,
    private readonly fetcher: typeof fetch,
  ) {}

  /** Best effort: never waits, never fails. */
  telemetry(event: string, more: { check?: string; detail?: string } = {}): void {
    this.post('telemetry', { event, ...more });
  }

  protected post(path: string, body: object): void {
    void this.send(path, body, true).catch(() => undefined);
  }

  private send(path: string, body?: object, keepalive = false): Promise<Response> {
    const form = body instanceof URLSearchParams;
    return this.fetcher(this.base + path, {
      method: body === undefined ? 'GET' : 'POST',
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      keepalive,
      signal: AbortSignal.timeout(20_000),
      ...(body === undefined ? {} : { headers: form ? { accept: 'application/json' } : { 'content-type': 'application/json' }, body: form ? body : JSON.stringify(body) }),
    });
  }

  /** Asks one of this payment's endpoints; a body goes as JSON, or as a form if it is one. Throws ApiError. */
  async json(path: string, body?: object): Promise<unknown> {
    let response: Response;
    let value: unknown = null;
    try {
      response = await this.send(path, body);
      const received = await response.text();
      if (received !== '') value = JSON.parse(received);
    } catch (err) {
      // Not JSON is as good as no answer: some proxy's page, or half a body.
      throw new ApiError(0, err instanceof SyntaxError ? 'malformed' : 'unreachable', '', '');
    }
    if (response.ok) return value;
    const f = fields(value) ?? {};
    throw new ApiError(response.status, text(f['code'], 60), text(f['field'], 60), text(f['message']));
  }
}
