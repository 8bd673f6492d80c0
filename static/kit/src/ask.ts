// What both kits ask, and whom: the packages get a transport that leads to the
// payer's wallet and to the server's endpoint, and nowhere else.
import { type Chain, type CustomTransport, custom, defineChain } from 'viem';
import type { Hex } from '../../ts/src/data.ts';
import type { KitAccount, KitHost, UserOp } from '../../ts/src/kit-types.ts';

const bundler = new Set(['alchemy_requestGasAndPaymasterAndData', 'eth_sendUserOperation']);
const reads = new Set(['eth_call', 'eth_chainId', 'eth_getCode']);

export interface Asking {
  readonly chain: Chain;
  readonly transport: CustomTransport;
  /** Runs something that asks. What somebody who was asked rejects with comes out as it was, without the packages' wrapping. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function asking(host: KitHost, account: KitAccount): Asking {
  const rejections = new Set<unknown>();
  const request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
    const list = Array.isArray(params) ? (params as unknown[]) : [];
    try {
      if (bundler.has(method)) return await host.bundler(method, list);
      if (reads.has(method)) return await host.wallet(method, list);
    } catch (err) {
      rejections.add(err);
      throw err;
    }
    throw new Error(`no kit asks ${method}`);
  };
  return {
    // Names, prices and endpoints of a chain are of no use here: it is its id.
    chain: defineChain({
      id: account.chainId, name: `chain ${account.chainId}`, nativeCurrency: { name: 'native', symbol: 'NATIVE', decimals: 18 }, rpcUrls: { default: { http: [] } },
    }),
    transport: custom({ request }, { retryCount: 0 }),
    async run(work) {
      rejections.clear();
      try {
        return await work();
      } catch (err) {
        for (let at: unknown = err; at !== undefined && at !== null; at = (at as { cause?: unknown }).cause) {
          if (rejections.has(at)) throw at;
        }
        throw err;
      }
    },
  };
}

/** Refuses to be for an account that is not what the package derives. */
export function agree(account: KitAccount, kind: string, entryPoint: Hex, derived: { address: Hex; factory: Hex | undefined; factoryData: Hex | undefined }): void {
  const same = (what: string, a: string | undefined, b: string) => {
    if (a?.toLowerCase() !== b.toLowerCase()) throw new Error(`the kit finds another ${what}: ${a}, not ${b}`);
  };
  same('kind of account', kind, account.kind);
  same('EntryPoint', entryPoint, account.entryPoint);
  same('account', derived.address, account.address);
  if (account.deployed) return;
  same('factory', derived.factory, account.factory);
  same('way to make the account', derived.factoryData, account.factoryData);
}

// In the order in which bundlers document them.
const fields = [
  'sender', 'nonce', 'factory', 'factoryData', 'callData', 'callGasLimit', 'verificationGasLimit', 'preVerificationGas', 'maxFeePerGas', 'maxPriorityFeePerGas',
  'paymaster', 'paymasterVerificationGasLimit', 'paymasterPostOpGasLimit', 'paymasterData', 'signature',
] as const satisfies readonly (keyof UserOp)[];
const counted = new Set<keyof UserOp>(['callGasLimit', 'verificationGasLimit', 'preVerificationGas', 'maxFeePerGas', 'maxPriorityFeePerGas']);

/**
 * The operation in what a package or a sponsor gave: its members and no others, as
 * bundlers take them. Gas and prices that are not known yet are zero.
 */
export function operation(given: object): UserOp {
  const op: Partial<Record<keyof UserOp, Hex>> = {};
  for (const key of fields) {
    const value = (given as Record<string, unknown>)[key] ?? (counted.has(key) ? 0n : undefined);
    if (typeof value === 'bigint' || typeof value === 'number') op[key] = `0x${value.toString(16)}`;
    else if (typeof value === 'string' && /^0x[0-9a-f]*$/i.test(value)) op[key] = value as Hex;
    else if (value !== undefined) throw new Error(`the operation's ${key} is no hexadecimal value`);
  }
  return op as UserOp;
}
