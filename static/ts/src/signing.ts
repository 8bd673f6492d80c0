// Hands one verified call to the wallet. The object that goes out is made here,
// frozen, and verified once more in the same breath.
import { type Hex, fields, isHash } from './data.ts';
import type { Connection } from './connection.ts';
import { WalletError, faultOf, quantity } from './rpc.ts';
import { type Call, Refusal } from './verify.ts';

/** The wallet's account or chain is not the one the calls were made for. */
export class Moved extends Error {}

/**
 * Asks the wallet to sign and send the call. Returns its hash, or null if the
 * wallet did not give one. Throws Refusal, Moved or WalletError; never waits
 * less than the wallet does. `verify` throws Refusal of what must not be signed;
 * `asking` is called when the wallet is about to be asked.
 */
export async function sign(connection: Connection, verify: (request: object) => Pick<Call, 'kind' | 'asset'>, call: Call, from: Hex, asking: () => void): Promise<Hex | null> {
  const chain = connection.chain.id;
  await connection.refresh();
  if (connection.account !== from || connection.chainId !== chain) throw new Moved();
  const provider = connection.provider();
  const request = Object.freeze({
    from,
    to: call.to,
    data: call.data,
    value: quantity(call.value),
    chainId: quantity(chain),
  });
  // Gas and nonce are the wallet's business.
  const again = verify(request);
  if (again.kind !== call.kind || again.asset !== call.asset) throw new Refusal('page_calldata', 'step', call.kind, again.kind);
  asking();
  let answer: unknown;
  try {
    answer = await provider.request({ method: 'eth_sendTransaction', params: [request] });
  } catch (err) {
    throw new WalletError(faultOf(err));
  }
  const f = fields(answer);
  const hash = f ? (f['hash'] ?? f['transactionHash']) : answer;
  return isHash(hash) ? (hash.toLowerCase() as Hex) : null;
}
