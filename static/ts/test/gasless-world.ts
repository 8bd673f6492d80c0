// A page that may be paid without gas: the script for it with everything around it
// played, the kit among it, and nothing drawn.
import assert from 'node:assert/strict';
import { ApiError } from '../src/api.ts';
import { checksum, keccak } from '../src/calldata.ts';
import type { Hex, Payment } from '../src/data.ts';
import { Operate } from '../src/gasless-operate.ts';
import { entryPoint, hashOp, kindOf } from '../src/gasless-op.ts';
import { GaslessPay } from '../src/gasless-pay.ts';
import type { GasModel } from '../src/gasless-show.ts';
import type { KitAccount, KitCall, KitHost, KitModule, UserOp } from '../src/kit-types.ts';
import { total } from '../src/verify.ts';
import { account, transactions, usdc } from './fixtures.ts';
import { World } from './world.ts';

export const kindName = 'light-account-2.0.0';
export const kind = kindOf(kindName) ?? assert.fail();
export const mine = kind.derive(keccak, account);
export const paymaster: Hex = '0x1111111111111111111111111111111111111111';
export const signature: Hex = `0x${'ab'.repeat(64)}1b`;
export const origin = 'https://pay.example';

const page = (more: Partial<Payment> = {}): Payment => usdc({ gasless: '/static/gasless-0123456789ab.js', kits: { [kindName]: '/static/kit-light-0123456789ab.js' }, ...more });

/** What JSON-RPC answers that there is none. */
export const refusal = (code: string, number = -32000): object => ({ jsonrpc: '2.0', id: 1, error: { code: number, message: `refused: ${code}`, data: { code } } });

export class GaslessWorld extends World {
  gasless: GaslessPay | null = null;
  gas: GasModel | null = null;
  /** What the server says of gas. */
  sponsored = true;
  coins = true;
  allowance = 0n;
  deployed = false;
  nonce = 0n;
  permits = true;
  offerFails: ApiError | null = null;
  /** Changes what is said of the account. */
  offerChange: (offer: Record<string, unknown>) => unknown = (o) => o;
  /** Answers of the bundler's endpoint by method, instead of the usual. */
  bundler: Record<string, (params: any[]) => unknown> = {};
  readonly asked5: { method: string; params: any[] }[] = [];
  kitFails = false;
  kitAddress: Hex = mine.address;
  /** What the kit makes of the calls. */
  kitCalls: (calls: readonly KitCall[]) => readonly KitCall[] = (c) => c;
  /** What it sends instead of what was looked at. */
  kitSends: (op: UserOp) => UserOp = (op) => op;
  kitOp: (op: UserOp) => UserOp = (op) => op;
  readonly sentOps: UserOp[] = [];
  /** The steps that a payment of this wallet begins with, each taking from an account what it may take of a token. */
  revokes: readonly (readonly [account: Hex, token: string])[] = [];

  constructor(more: Partial<Payment> = {}, remembered: Record<string, string> = {}) {
    super(page(more), remembered);
    this.lifts = async () => ({
      start: (host) => {
        this.gasless = new GaslessPay(host, { draw: (g) => void (this.gas = g) }, async (h) => new Operate(h, (url) => this.kit(url)), origin);
        return this.gasless;
      },
    });
    this.endpoint = async (path, body) => {
      if (path.startsWith('gasless?')) {
        if (this.offerFails) throw this.offerFails;
        return this.offerChange(this.offer());
      }
      assert.match(path, /^bundler\?wallet=0x\w{40}&option=evmref%3Abase%3AUSDC-base$/);
      const { method, params } = body as { method: string; params: any[] };
      this.asked5.push({ method, params });
      const answer = (this.bundler[method] ?? ((p: any[]) => this.usual(method, p)))(params);
      if (answer instanceof Error) throw answer;
      return typeof answer === 'object' && answer !== null && 'error' in answer ? answer : { jsonrpc: '2.0', id: 1, result: answer };
    };
    const { tamper } = this;
    this.tamper = (r) => {
      const reply = tamper(r);
      const first = this.revokes.map(([spender, to]) => ({ to, data: `0x095ea7b3${spender.slice(2).toLowerCase().padStart(64, '0')}${'0'.repeat(64)}`, value: '0x0' }));
      return {
        ...reply, transactions: [...first, ...(reply.transactions as object[])], gasless: this.sponsored, paymasterUrl: this.sponsored ? `${origin}/checkout/x/paymaster?wallet=${account}` : '',
        funds: { ...reply.funds, native: this.coins ? 10n ** 18n : 0n, enoughGas: this.coins },
      };
    };
    Object.assign(this.wallet.on_, {
      eth_getCode: () => '0x',
      wallet_getCapabilities: () => { throw { code: -32601, message: 'the method does not exist' }; },
      eth_signTypedData_v4: () => signature,
      personal_sign: () => signature,
    });
  }

  private offer(): Record<string, unknown> {
    const p = this.payment;
    const [asset] = p.assets;
    const due = total(p, 0);
    return {
      kind: kindName, sponsor: 'Alchemy', entryPoint, chainId: p.chain.id, account: checksum(mine.address), deployed: this.deployed, factory: checksum(mine.factory), factoryData: mine.factoryData,
      nonce: `0x${this.nonce.toString(16)}`, token: { asset: asset.id, symbol: asset.symbol, decimals: asset.decimals, address: asset.address },
      amount: String(due), balance: String(due * 2n), allowance: String(this.allowance),
      permit: this.permits ? { name: 'USD Coin', version: '2', chainId: p.chain.id, verifyingContract: asset.address, salt: '', nonce: '3', deadline: Math.floor(this.now / 1_000) + 600 } : null,
      bundlerUrl: '/x', maxFeePerGas: '0x174876e800', calls: { transactions: transactions(p, ['approve', 'pay']), metadata: { chainId: p.chain.id }, checks: this.checks, payeeSecret: '' },
    };
  }

  usual(method: string, params: any[]): unknown {
    switch (method) {
      case 'alchemy_requestGasAndPaymasterAndData':
        return {
          callGasLimit: '0x30d40', verificationGasLimit: '0x186a0', preVerificationGas: '0xc350', maxFeePerGas: '0x3b9aca00', maxPriorityFeePerGas: '0x3b9aca00',
          paymaster, paymasterData: '0xfeed', paymasterVerificationGasLimit: '0x7530', paymasterPostOpGasLimit: '0x1',
        };
      case 'eth_sendUserOperation':
        this.sentOps.push(params[0] as UserOp);
        return hashOp(keccak, this.payment.chain.id, params[0] as UserOp);
    }
    return assert.fail(method);
  }

  /** A kit as ours are: looked at before the sponsor and before the signature. */
  private async kit(url: string): Promise<KitModule> {
    assert.equal(url, '/static/kit-light-0123456789ab.js');
    if (this.kitFails) throw new Error('offline');
    return {
      open: async (host: KitHost, a: KitAccount) => ({
        address: this.kitAddress,
        pay: async (calls, look) => {
          const zero = '0x0';
          const none: UserOp = {
            sender: a.address, nonce: `0x${a.nonce.toString(16)}`, ...(a.deployed ? {} : { factory: a.factory, factoryData: a.factoryData }),
            callData: kind.encode(this.kitCalls(calls))[0] ?? '0x', callGasLimit: zero, verificationGasLimit: zero, preVerificationGas: zero, maxFeePerGas: zero, maxPriorityFeePerGas: zero, signature: '0x00',
          };
          look(none, false);
          const op = this.kitOp({ ...none, ...((await host.bundler('alchemy_requestGasAndPaymasterAndData', [{ userOperation: none }])) as object) });
          look(op, true);
          const signed = await host.wallet('personal_sign', [hashOp(keccak, a.chainId, op), a.owner]);
          return (await host.bundler('eth_sendUserOperation', [{ ...this.kitSends(op), signature: signed }, entryPoint])) as Hex;
        },
      }),
    };
  }

  /** The operation as the server's status has it. */
  news(stage: string, more: object = {}): Record<string, unknown> {
    const [op] = this.sentOps.slice(-1);
    const hash = op ? hashOp(keccak, this.payment.chain.id, op) : `0x${'12'.repeat(32)}`;
    return { hash, account: mine.address, owner: account, chain: 'Base', chainId: this.payment.chain.id, stage, until: '', txHash: '', explorerUrl: '', why: '', own: true, ...more };
  }

  get stepped(): string {
    return this.model.steps.map((s) => `${s.kind}:${s.status}`).join(' ');
  }
}
