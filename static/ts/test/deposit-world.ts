// A payment in dollars on the sandbox, its quotes as an honest server makes them, and
// a page of it with a server and a clock that only move when told.
import { checksum, encode, transfer } from '../src/calldata.ts';
import type { Chain, Hex } from '../src/data.ts';
import { type DepositAsset, type DepositPage, type DepositStatus, type Quote } from '../src/deposit-data.ts';
import { DepositFlow } from '../src/deposit-flow.ts';
import { paymentUri, type ShownQuote } from '../src/deposit-verify.ts';
import type { DepositFacts } from '../src/deposit-facts.ts';
import type { PayingModule } from '../src/deposit-types.ts';
import { ApiError } from '../src/endpoint.ts';
import { registry } from '../src/registry.gen.ts';
import { Store } from '../src/store.ts';
import { exact } from '../src/units.ts';
import { readDrawing } from '../src/qr.ts';
import drawings from './testdata/codes.json' with { type: 'json' };
import { zero } from './fixtures.ts';

/** What the server draws. */
export const codes: Readonly<Record<string, string>> = drawings;

export const to: Hex = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266';
export const start = Date.parse('2026-01-02T12:00:00Z');
const minutes = 60_000;

const chainIds = [900008453, 900042161];
export const chains: Chain[] = chainIds.map((id) => ({
  id, network: registry[id]?.network ?? '', name: registry[id]?.name ?? '', rpcUrls: ['https://rpc.example/'], explorer: 'https://explorer.example/',
  native: { name: 'Ether', symbol: 'ETH', decimals: 18 },
}));
export const assets: DepositAsset[] = chainIds.flatMap((id) =>
  (registry[id]?.tokens ?? []).map((t) => ({
    id: t.id, symbol: t.symbol, decimals: t.decimals, token: t.native ? zero : checksum(t.address),
    native: t.native, chain: registry[id]?.name ?? '', network: registry[id]?.network ?? '', chainId: id, assetUrl: '',
  })),
);

export function asset(id: string): DepositAsset {
  const found = assets.find((a) => a.id === id);
  if (!found) throw new Error(id);
  return found;
}

/** What is missing at a price, rounded up as the server does; its code is of the text if there is one drawn for it. */
export function quoteOf(id: string, cents = 2500n, more: Partial<Quote> = {}): Quote {
  const a = asset(id);
  const rate = a.native ? 374_205_353_900n : 100_000_000n;
  const above = cents * 10n ** BigInt(6 + a.decimals);
  const units = (above + rate - 1n) / rate;
  const { id: _, assetUrl: __, ...place } = a;
  const uri = paymentUri(a, to, units);
  return { asset: id, ...place, amount: exact(units, a.decimals), units, rate, expiresAt: start + 10 * minutes, uri, address: to, qr: codes[uri] ?? '', ...more };
}

export function statusOf(more: Partial<DepositStatus> = {}): DepositStatus {
  return {
    state: 'open', oddity: 'none', payable: true, now: start, expiresAt: start + 60 * minutes, settledAt: 0, amount: '25.00', received: '0.00', missing: '25.00',
    excess: '0.00', late: '0.00', transfers: [], quote: null, split: false, bank: null,
    cancellable: false, canceledBy: '', announcedTx: '', returnUrl: '', ...more,
  };
}

export function pageOf(more: Partial<DepositPage> = {}): DepositPage {
  return {
    page: '/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96', path: '/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96', method: '', sandbox: true, merchant: 'Harbour Coffee', currency: 'USD', asset: 'ETH-base', address: to, assets, chains,
    status: statusOf({ quote: quoteOf('ETH-base') }), ...more,
  };
}

export const shownOf = (q: Quote): ShownQuote => ({
  amount: q.amount, symbol: q.symbol, network: q.chain, address: q.address, uri: q.uri, qr: readDrawing(codes[q.uri] ?? ''), addressQr: readDrawing(codes[q.address] ?? ''),
});

/** What /pay answers of a quote, honestly. */
export const payOf = (q: Quote): Record<string, unknown> => ({
  transactions: [q.native ? { to: q.address, data: '0x', value: `0x${q.units.toString(16)}` } : { to: q.token, data: encode(transfer, { payee: q.address, amount: q.units }), value: '0x0' }],
  metadata: {
    chainId: q.chainId, hasEnoughBalance: true, hasEnoughGas: true, nativeUnits: String(10n ** 18n), nativeRequiredUnits: String((q.native ? q.units : 0n) + 21_000n),
    assets: [{ currency: q.asset, balanceUnits: String(q.units * 2n), requiredUnits: String(q.units) }],
  },
  checks: [{ name: 'address_matches', outcome: 'passed', detail: '' }],
  address: q.address,
  units: String(q.units),
});

export class DepositWorld {
  now: number;
  readonly storage = new Map<string, string>();
  readonly asked: string[] = [];
  readonly telemetry: string[] = [];
  readonly followed: string[] = [];
  readonly address: string[] = [];
  visible = true;
  /** What the page shows instead of its quote. */
  lie: Partial<ShownQuote> = {};
  drawn: DepositFacts | null = null;
  quote: (asset: string, fresh: boolean) => DepositStatus | ApiError = (id) => statusOf({ now: this.now, quote: quoteOf(id, 2500n, { expiresAt: this.now + 10 * minutes }) });
  status: (asset: string) => DepositStatus | ApiError = () => new ApiError(0, 'unreachable', '', '');
  pay: (asset: string) => unknown = (id) => payOf(this.flow.f.quote ?? quoteOf(id));
  paying: () => Promise<PayingModule> = () => Promise.reject(new Error('no wallet was expected'));
  readonly intents: string[] = [];
  private sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  readonly store: Store;
  readonly flow: DepositFlow;

  constructor(page = pageOf(), remembered: Record<string, string> = {}, skew = 0) {
    this.now = start + skew;
    for (const [k, v] of Object.entries(remembered)) this.storage.set(`quittance:${page.path}:${k}`, v);
    const storage = {
      getItem: (k: string) => this.storage.get(k) ?? null,
      setItem: (k: string, v: string) => void this.storage.set(k, v),
      removeItem: (k: string) => void this.storage.delete(k),
    };
    this.store = new Store(() => storage as unknown as Storage, page.path);
    const told = async <T>(answer: T | ApiError | Promise<T | ApiError>): Promise<T> => {
      const a = await answer;
      if (a instanceof ApiError) throw a;
      return a;
    };
    this.flow = new DepositFlow({
      page,
      registry,
      store: this.store,
      api: {
        quote: (id, fresh) => {
          this.asked.push(fresh ? `${id} fresh` : id);
          return told(this.quote(id, fresh));
        },
        status: (id) => told(this.status(id)),
        pay: (id) => told(this.pay(id)),
        intent: async (body) => void ('txHash' in body && this.intents.push(String(body.txHash))),
        telemetry: (event, more) => void this.telemetry.push([event, more?.check, more?.detail].filter(Boolean).join(' ')),
      },
      paying: () => this.paying(),
      shown: () => ({ ...shownOf(this.flow.f.quote ?? quoteOf('ETH-base')), ...this.lie }),
      render: (f) => (this.drawn = f),
      clock: () => this.now,
      sleep: (ms) => new Promise((wake) => void this.sleepers.push({ until: this.now + ms, wake })),
      reload: () => undefined,
      visible: () => this.visible,
      follow: (id) => void this.followed.push(id),
      chosen: (id) => void this.address.push(id),
    });
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await new Promise((r) => setImmediate(r));
  }

  /** Lets time pass, a second at a time as the page does. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      this.now += Math.min(left, 1_000);
      const awake = this.sleepers.filter((x) => x.until <= this.now);
      this.sleepers = this.sleepers.filter((x) => x.until > this.now);
      for (const x of awake) x.wake();
      this.flow.tick();
      await this.settle();
    }
  }
}
