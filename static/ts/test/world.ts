// A small world for the flow: a wallet with a chain behind it, a server, a
// clock that only moves when somebody sleeps, and the last thing shown.
import assert from 'node:assert/strict';
import { type Admission, ApiError, type Check, type PayReply, type Status } from '../src/api.ts';
import type { Hex, Payment } from '../src/data.ts';
import { Flow } from '../src/flow.ts';
import type { GaslessModule } from '../src/gasless-types.ts';
import type { Model } from '../src/model.ts';
import { registry } from '../src/registry.gen.ts';
import type { Provider } from '../src/rpc.ts';
import { type Sent, Store } from '../src/store.ts';
import type { SafeModule } from '../src/safe-types.ts';
import { type Shown, type StepKind, total } from '../src/verify.ts';
import type { Wallet } from '../src/wallets.ts';
import type { RouteNetwork, VerifyRoute } from '../src/route-types.ts';
import { OtherWays, type WaysModel } from '../src/ways.ts';
import { type Tx, account, shownFor, transactions } from './fixtures.ts';

interface MinedTx {
  hash: Hex;
  nonce: number;
  to: string;
  data: string;
  state: 'pool' | 'ok' | 'reverted' | 'gone';
}

export const rejection = { code: 4001, message: 'User rejected the request.' };

/** A wallet that answers at once and a chain that mines when told to. */
export class FakeWallet implements Provider {
  accounts: string[] = [account];
  chainId: unknown;
  known: number[];
  connected = true;
  asked: { method: string; params: unknown[] }[] = [];
  txs: MinedTx[] = [];
  nonce = 0;
  /** What to do with requests by method, instead of the usual. */
  on_: Record<string, (params: unknown[]) => unknown> = {};
  /** Called when a transaction was sent. */
  mine: 'ok' | 'reverted' | 'pool' = 'ok';
  private readonly listeners = new Map<string, Set<(p: unknown) => void>>();

  constructor(chainId: number) {
    this.chainId = `0x${chainId.toString(16)}`;
    this.known = [chainId];
  }

  on(event: string, listener: (p: unknown) => void): void {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener));
  }
  removeListener(event: string, listener: (p: unknown) => void): void {
    this.listeners.get(event)?.delete(listener);
  }
  emit(event: string): void {
    for (const l of this.listeners.get(event) ?? []) l(undefined);
  }
  sends(): Record<string, string>[] {
    return this.asked.filter((a) => a.method === 'eth_sendTransaction').map((a) => a.params[0] as Record<string, string>);
  }

  async request({ method, params = [] }: { method: string; params?: unknown[] }): Promise<unknown> {
    this.asked.push({ method, params });
    const special = this.on_[method];
    if (special) return special(params);
    const tx = this.txs.find((t) => t.hash === params[0] && t.state !== 'gone');
    switch (method) {
      case 'eth_requestAccounts':
        this.connected = true;
        return this.accounts;
      case 'eth_accounts':
        return this.connected ? this.accounts : [];
      case 'eth_chainId':
        return this.chainId;
      case 'wallet_switchEthereumChain':
      case 'wallet_addEthereumChain': {
        const id = (params[0] as { chainId: string }).chainId;
        if (method === 'wallet_addEthereumChain') this.known.push(Number(id));
        else if (!this.known.includes(Number(id))) throw { code: 4902, message: 'Unrecognized chain ID' };
        this.chainId = id;
        this.emit('chainChanged');
        return null;
      }
      case 'eth_sendTransaction': {
        const sent = params[0] as { to: string; data: string };
        assert.ok(Object.isFrozen(sent));
        const hash: Hex = `0x${(0xabc0 + this.txs.length).toString(16).padStart(64, '0')}`;
        this.txs.push({ hash, nonce: this.nonce++, to: sent.to, data: sent.data, state: this.mine });
        return hash;
      }
      case 'eth_getTransactionReceipt':
        return tx && tx.state !== 'pool' ? { blockNumber: '0x1', status: tx.state === 'ok' ? '0x1' : '0x0' } : null;
      case 'eth_getTransactionByHash':
        return tx ? { nonce: `0x${tx.nonce.toString(16)}` } : null;
      case 'eth_getTransactionCount':
        return `0x${(Math.max(-1, ...this.txs.filter((t) => t.state === 'ok' || t.state === 'reverted').map((t) => t.nonce)) + 1).toString(16)}`;
      case 'eth_blockNumber':
        return '0x5';
      case 'eth_getBlockByNumber':
        return {
          transactions: this.txs.filter((t) => t.state === 'ok').map((t) => ({ hash: t.hash, from: account, nonce: t.nonce, to: t.to, input: t.data })),
        };
    }
    return assert.fail(`the fake wallet does not know ${method}`);
  }
}

export class World {
  readonly wallet: FakeWallet;
  readonly flow: Flow;
  readonly models: Model[] = [];
  readonly storage = new Map<string, string>();
  readonly telemetry: string[] = [];
  readonly events: string[] = [];
  /** Wallets that were asked about, and what the server says of them. */
  readonly asked: string[] = [];
  door: (wallet: string) => Admission | ApiError | Promise<Admission> = () => ({ verdict: 'approved', reason: '' });
  readonly intents: string[] = [];
  /** Where they were said to be, beside them. */
  readonly chains: number[] = [];
  /** What the server says of other ways, and what the page makes of it. */
  found: () => unknown = () => new ApiError(503, '', '', '');
  looked = 0;
  /** The ways that calls were asked for. */
  readonly paying: string[] = [];
  ways: OtherWays | null = null;
  choice: WaysModel | null = null;
  waysFail = false;
  /** The other script, played. */
  routesLoaded = 0;
  routeFails = false;
  networks: RouteNetwork[] = [];
  proof: VerifyRoute = () => assert.fail('no proof was expected');
  readonly announced: Sent[] = [];
  /** The script for Safes, and what it tells the server. */
  safes: () => Promise<SafeModule> = () => assert.fail('no Safe was expected');
  /** The script for paying without gas, and the endpoints that only it asks. */
  lifts: () => Promise<GaslessModule> = () => assert.fail('nothing without gas was expected');
  endpoint: (path: string, body?: object) => Promise<unknown> = (path) => assert.fail(path);
  proposals: (body: object) => void = () => assert.fail('no proposal was expected');
  readonly offered: Wallet[] = [];
  /** Told of each request for calls whether it was for a Safe. */
  asked_: (safe: boolean) => void = (safe) => assert.equal(safe, false);
  reloads = 0;
  now: number;
  shown: Shown;
  /** What the server would hand out now: these steps of a payment of one, or these transactions. */
  kinds: StepKind[] = ['approve', 'pay'];
  txs: Tx[] | null = null;
  payeeSecret = '';
  tamper: (reply: PayReply) => PayReply = (r) => r;
  payFails: ApiError | null = null;
  checks: Check[] = [{ name: 'contract_official', outcome: 'passed', detail: 'official' }];
  short = false;
  status: Status;
  tabFree = true;
  /** How often this tab has the right to sign. */
  held = 0;
  private sleepers: { until: number; wake: () => void }[] = [];

  constructor(
    readonly payment: Payment,
    remembered: Record<string, string> = {},
    readonly framed = false,
  ) {
    this.now = payment.now;
    this.shown = shownFor(payment);
    this.wallet = new FakeWallet(payment.chain.id);
    for (const [k, v] of Object.entries(remembered)) this.storage.set(k, v);
    this.status = {
      state: payment.state, oddity: 'none', payable: payment.payable, excess: 0n,
      requests: payment.items.map((i) => ({ state: 'open', missing: i.amount })), contractFees: [],
      confirmations: 0, required: 3, txHash: '', explorerUrl: '', payer: '', announcedTx: '', reorged: false, route: null, safe: null, op: null,
    };
    const storage = {
      getItem: (k: string) => this.storage.get(k) ?? null,
      setItem: (k: string, v: string) => void this.storage.set(k, v),
      removeItem: (k: string) => void this.storage.delete(k),
    };
    this.flow = new Flow({
      payment,
      registry,
      store: new Store(() => storage as unknown as Storage, payment.token),
      api: {
        pay: async (_wallet, option, safe) => {
          this.paying.push(option);
          this.asked_(safe);
          if (this.payFails) throw this.payFails;
          return this.tamper(this.reply());
        },
        status: async () => this.status,
        options: async () => {
          this.looked++;
          const found = await this.found();
          if (found instanceof Error) throw found;
          return found;
        },
        intent: async (body) => {
          if ('safeTxHash' in body) return this.proposals(body);
          this.intents.push(body.txHash);
          this.chains.push(body.chain);
        },
        access: async (wallet) => {
          this.asked.push(wallet);
          const verdict = await this.door(wallet);
          if (verdict instanceof Error) throw verdict;
          return verdict;
        },
        event: (action, wallet) => void this.events.push(`${action} ${wallet}`),
        json: (path, body) => this.endpoint(path, body),
        telemetry: (event, more) => void this.telemetry.push(more?.check ? `${event} ${more.check}` : event),
      },
      tabs: { hold: async () => (this.tabFree ? (this.held++, () => void this.held--) : null), announce: (s) => void this.announced.push(s) },
      shown: () => this.shown,
      render: (m) => void this.models.push(m),
      now: () => this.now,
      sleep: (ms) => new Promise((wake) => this.sleepers.push({ until: this.now + ms, wake })),
      reload: () => void this.reloads++,
      ways: async () => {
        if (this.waysFail) throw new Error('offline');
        return {
          start: (host) => {
            this.ways = new OtherWays(host, { draw: (w) => void (this.choice = w) });
            return this.ways;
          },
        };
      },
      route: async () => {
        this.routesLoaded++;
        if (this.routeFails) throw new Error('offline');
        return { verifyRoute: this.proof, networks: this.networks };
      },
      safe: () => this.safes(),
      gasless: () => this.lifts(),
      framed: this.framed,
      offer: (wallet) => void this.offered.push(wallet),
    });
  }

  get model(): Model {
    return this.models.at(-1) ?? assert.fail('nothing shown');
  }

  get asWallet(): Wallet {
    return { id: 'dev.test', name: 'Test wallet', icon: '', provider: this.wallet };
  }

  private reply(): PayReply {
    const p = this.payment;
    const held = p.assets.map((a, i) => [a.id, { balance: this.short ? 3_000_000n : total(p, i) * 2n, required: total(p, i) }] as const);
    return {
      transactions: this.txs ?? transactions(p, this.kinds),
      chainId: p.chain.id,
      metadata: {},
      funds: { assets: new Map(held), native: 10n ** 18n, nativeRequired: 10n ** 15n, enoughBalance: !this.short, enoughGas: true },
      checks: this.checks,
      payeeSecret: this.payeeSecret,
      gasless: false,
      paymasterUrl: '',
      safe: null,
    };
  }

  /** Lets everything that can go on go on. */
  async settle(): Promise<void> {
    for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves the clock, waking who sleeps until then. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await this.settle();
      this.sleepers.sort((a, b) => a.until - b.until);
      const next = this.sleepers[0];
      if (!next || next.until > end) break;
      this.sleepers.shift();
      this.now = Math.max(this.now, next.until);
      next.wake();
    }
    this.now = end;
    this.flow.tick();
    await this.settle();
  }

  async connected(): Promise<this> {
    this.flow.start();
    await this.flow.connect(this.asWallet);
    await this.settle();
    return this;
  }

  async go(): Promise<void> {
    void this.flow.go();
    await this.settle();
  }

  say(more: Partial<Status>): void {
    this.status = { ...this.status, ...more };
    this.flow.onStatus(this.status);
  }

  stepLine(): string {
    return this.model.steps.map((s) => `${s.kind}${s.asset && this.payment.batch ? ` ${s.asset}` : ''}:${s.status}`).join(' ');
  }
}

export { ApiError };
