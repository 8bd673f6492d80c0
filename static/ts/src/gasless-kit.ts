// What a kit gets to ask, and what it does not: a wallet signs nothing for it but
// the operation that was looked at, and the bundler is sent no other. No DOM.
import type { Check } from './api.ts';
import { type Hex, fields, isAddress, sameHex } from './data.ts';
import { entryPoint, hashOp, initCode, paymasterAndData, safeModule } from './gasless-op.ts';
import { RpcFault, askBundler } from './gasless-rpc.ts';
import type { GaslessHost } from './gasless-types.ts';
import { type Expected, type Grant, checkOp } from './gasless-verify.ts';
import type { KitHost, UserOp } from './kit-types.ts';
import type { Provider } from './rpc.ts';

/** The payer has given up waiting, or chosen something else. */
export class Abandoned extends Error {}

/** Methods that only read the chain. */
const reads = /^eth_(chainId|accounts|call|getCode|getStorageAt|getBalance|getTransactionCount|gasPrice|maxPriorityFeePerGas|feeHistory|blockNumber|getBlockByNumber|estimateGas)$/;

/** What Safe4337Module 0.3.0 has owners sign. */
const safeOpType =
  'address safe,uint256 nonce,bytes initCode,bytes callData,uint128 verificationGasLimit,uint128 callGasLimit,uint256 preVerificationGas,uint128 maxPriorityFeePerGas,' +
  'uint128 maxFeePerGas,bytes paymasterAndData,uint48 validAfter,uint48 validUntil,address entryPoint';

const members: readonly string[] = [
  'sender', 'nonce', 'factory', 'factoryData', 'callData', 'callGasLimit', 'verificationGasLimit', 'preVerificationGas', 'maxFeePerGas', 'maxPriorityFeePerGas',
  'paymaster', 'paymasterVerificationGasLimit', 'paymasterPostOpGasLimit', 'paymasterData', 'signature',
];

/** What a Guard stands on. */
interface Surroundings {
  readonly host: GaslessHost;
  readonly provider: Provider;
  readonly query: string;
  readonly chain: number;
  /** Told of each step: what is asked of whom. */
  readonly step: (stage: 'sponsor' | 'sign' | 'send') => void;
}

export class Guard implements KitHost {
  /** The operation that was looked at last, complete, and its hash. */
  looked: { readonly op: UserOp; readonly hash: Hex } | null = null;
  checks: readonly Check[] = [];
  /** The first thing that went wrong: kits wrap errors in their own. */
  failure: unknown = null;
  /** The params of the operation that was handed in, or tried to be. */
  sent: readonly unknown[] | null = null;
  private grant: Grant | null = null;
  private abandoned = false;

  constructor(
    private readonly around: Surroundings,
    private readonly expected: Omit<Expected, 'grant'>,
  ) {}

  /** From now on nothing is signed or sent any more. */
  abandon(): void {
    this.abandoned = true;
  }

  // Kits take it apart.
  readonly wallet = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    const ask = (): Promise<unknown> => this.around.provider.request(params.length ? { method, params: [...params] } : { method });
    // What only reads may fail, and the kit go on.
    if (reads.test(method)) return ask();
    return this.noting(async () => {
      if (method === 'personal_sign' || method === 'eth_signTypedData_v4') {
        const { op, hash } = this.complete();
        const fits = method === 'personal_sign' ? sameHex(String(params[0]), hash) && this.isOwner(params[1]) : this.isOwner(params[0]) && this.isSafeOp(params[1], op);
        if (!fits) this.refuse('op_calls', 'what the wallet is to sign', hash, String(params[method === 'personal_sign' ? 0 : 1]));
        this.around.step('sign');
        return ask();
      }
      throw new RpcFault(4200, '', `${method} is not the kit's to ask`);
    });
  };

  readonly bundler = (method: string, params: readonly unknown[]): Promise<unknown> =>
    this.noting(async () => {
      const { host, query, step } = this.around;
      if (method === 'eth_sendUserOperation') {
        const { hash } = this.complete();
        if (this.hashOf(params[0]) !== hash) this.refuse('op_calls', 'operation that is sent', hash, 'another');
        if (!sameHex(String(params[1]), entryPoint)) this.refuse('op_sender', 'EntryPoint', entryPoint, String(params[1]));
        this.sent = params;
        step('send');
      } else if (!method.startsWith('eth_')) {
        step('sponsor');
      }
      const result = await askBundler(host.api, query, method, params);
      this.granted(method, result);
      return result;
    });

  /** Checks an operation. Throws Refusal. */
  readonly look = (op: UserOp, complete: boolean): void => {
    if (this.abandoned) throw (this.failure ??= new Abandoned());
    const { host, chain } = this.around;
    // The kit keeps the object: what was looked at must not change behind our back.
    const own = Object.freeze({ ...op });
    const none: Grant = { paymaster: '', paymasterData: '0x' };
    const checks = checkOp(own, { ...this.expected, grant: complete ? (this.grant ?? none) : null });
    const bad = checks.find((c) => c.outcome === 'failed');
    if (bad) {
      this.checks = checks;
      throw (this.failure ??= new host.tools.Refusal(bad.name as 'op_calls', 'operation', 'this payment', bad.detail));
    }
    if (!complete) return;
    this.checks = checks;
    this.looked = { op: own, hash: hashOp(host.tools.keccak, chain, own) };
  };

  private async noting<T>(run: () => Promise<T>): Promise<T> {
    if (this.abandoned) throw (this.failure ??= new Abandoned());
    try {
      return await run();
    } catch (err) {
      this.failure ??= err;
      throw err;
    }
  }

  private complete(): NonNullable<Guard['looked']> {
    return this.looked ?? this.refuse('op_calls', 'operation', 'one that was looked at', 'none');
  }

  /** The hash of what is to be sent; "" for what is no operation, or has members that are not in the hash. */
  private hashOf(v: unknown): string {
    const f = fields(v) ?? {};
    if (Object.entries(f).some(([key, value]) => value !== undefined && !(members.includes(key) && typeof value === 'string'))) return '';
    try {
      return hashOp(this.around.host.tools.keccak, this.around.chain, f as unknown as UserOp);
    } catch {
      return '';
    }
  }

  private refuse(check: 'op_calls' | 'op_sender', field: string, expected: string, found: string): never {
    throw new this.around.host.tools.Refusal(check, field, expected, found.slice(0, 100));
  }

  private isOwner(v: unknown): boolean {
    return isAddress(v) && sameHex(v, this.expected.owner);
  }

  /** Whether typed data is Safe's form of an operation (SafeOp), member by member. */
  private isSafeOp(json: unknown, op: UserOp): boolean {
    let data: unknown;
    try {
      data = typeof json === 'string' ? JSON.parse(json) : json;
    } catch {
      return false;
    }
    const domain = fields(fields(data)?.['domain']) ?? {};
    const message = fields(fields(data)?.['message']) ?? {};
    const want: Readonly<Record<string, string>> = {
      safe: op.sender, nonce: op.nonce, initCode: initCode(op), callData: op.callData, verificationGasLimit: op.verificationGasLimit, callGasLimit: op.callGasLimit,
      preVerificationGas: op.preVerificationGas, maxPriorityFeePerGas: op.maxPriorityFeePerGas, maxFeePerGas: op.maxFeePerGas,
      paymasterAndData: paymasterAndData(op), validAfter: '0x0', validUntil: '0x0', entryPoint,
    };
    const bytes: readonly string[] = ['safe', 'initCode', 'callData', 'paymasterAndData', 'entryPoint'];
    const equal = (key: string): boolean => {
      const [w, v] = [want[key], message[key]];
      if (w === undefined) return false;
      if (bytes.includes(key)) return typeof v === 'string' && sameHex(v, w);
      return (typeof v === 'number' || (typeof v === 'string' && /^(0x[0-9a-f]+|\d+)$/i.test(v))) && BigInt(v) === BigInt(w);
    };
    const all = new Set([...Object.keys(want), ...Object.keys(message)]);
    const types = fields(fields(data)?.['types'])?.['SafeOp'];
    const type = Array.isArray(types) ? types.map((t: unknown) => `${fields(t)?.['type']} ${fields(t)?.['name']}`).join() : '';
    return type === safeOpType && fields(data)?.['primaryType'] === 'SafeOp' && Number(domain['chainId']) === this.around.chain && sameHex(String(domain['verifyingContract']), safeModule) && [...all].every(equal);
  }

  /** What the server passed on from the sponsor: the kit may fill in nothing else. */
  private granted(method: string, result: unknown): void {
    if (method !== 'pm_getPaymasterData' && method !== 'alchemy_requestGasAndPaymasterAndData' && method !== 'pm_getPaymasterStubData') return;
    const f = fields(result) ?? {};
    const { paymaster, paymasterData } = f;
    if (isAddress(paymaster) && typeof paymasterData === 'string') this.grant = { paymaster, paymasterData };
  }
}
