// Asks the server's endpoint for bundler and sponsor. No DOM.
import { fields } from './data.ts';
import type { GaslessHost } from './gasless-types.ts';

/** An answer of JSON-RPC that there is none. `reason` is the server's word for why, "" if it gave none. */
export class RpcFault extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** Throws RpcFault, or ApiError if there was no answer. */
export async function askBundler(api: Pick<GaslessHost['api'], 'json'>, query: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const answer = fields(await api.json(`bundler?${query}`, { jsonrpc: '2.0', id: 1, method, params }));
  const error = fields(answer?.['error']);
  if (answer && !error && 'result' in answer) return answer['result'];
  const reason = fields(error?.['data'])?.['code'];
  const said = error?.['message'];
  throw new RpcFault(Number(error?.['code'] ?? -32603), typeof reason === 'string' ? reason.slice(0, 60) : '', typeof said === 'string' ? said.slice(0, 300) : 'no answer');
}

/** The service that carries operations, or the way to it, is down: the server may have announced the operation, and takes the same again. */
export function unheard(err: unknown): boolean {
  const { reason, status } = err as { readonly reason?: unknown; readonly status?: unknown };
  return reason === 'bundler_unavailable' || reason === 'bundler_limited' || status === 0 || Number(status) >= 500;
}
