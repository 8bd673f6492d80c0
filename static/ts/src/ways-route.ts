// One way to pay that is not the payment's own: its offers, what the payer has
// agreed to, and the proof of what is signed. No DOM.
import type { ApiError, PayReply } from './api.ts';
import type { Chain, Hex, Payment } from './data.ts';
import type { RouteModule, RoutePlan, RouteWay } from './route-types.ts';
import type { Call } from './verify.ts';
import { type Option, type Quote, readQuote } from './ways-data.ts';
import type { Host, Other } from './ways-types.ts';
import * as say from './ways-words.ts';
import type { Words } from './words.ts';

/** An offer that ends so soon is asked for anew before a wallet shows it. */
const timeToSign = 5_000;
const noAccount = '0x0000000000000000000000000000000000000000';

/** How much more than what the payer has seen goes without saying: half a percent. */
export const tolerated = (seen: bigint): bigint => seen + seen / 200n;

/** What follows a step on, as it goes to wallets. */
const asRequest = (c: Call): object => ({ to: c.to, data: c.data, value: `0x${c.value.toString(16)}` });

export class OtherWay implements Other {
  plan: RoutePlan | null = null;
  quote: Quote | null = null;
  /** The least that the payer was shown to leave the wallet: what a new offer is held against. */
  private seen: bigint;
  /** The same of native currency that a bridge asks for on top; null before the first offer. */
  private seenNative: bigint | null = null;
  private proof: { readonly verify: RouteModule['verifyRoute']; readonly way: RouteWay } | null = null;
  private module: Promise<RouteModule> | null = null;

  constructor(
    readonly from: Option,
    private readonly host: Host,
    /** The way cannot be used: say so, and go on without it. */
    private readonly drop: (words: Words) => void,
    readonly exchanged: () => void,
  ) {
    this.seen = from.needed;
  }

  get option(): string {
    return this.from.id;
  }

  get chain(): Chain {
    return this.from.chain;
  }

  /** What leaves the wallet, in base units. */
  get units(): bigint {
    return this.plan?.deposit ?? this.from.needed;
  }

  get leaving(): Payment {
    const { payment } = this.host.f;
    const { token, chain } = this.from;
    const [item] = payment.items;
    return {
      ...payment, chain, assets: [{ ...token, native: false, contractFee: 0n }], items: [{ ...item, asset: 0, amount: this.units, fee: 0n }], feePayee: noAccount, batch: false,
    };
  }

  get fresh(): boolean {
    const { plan, quote, host } = this;
    return plan !== null && quote !== null && host.now() + timeToSign < Math.min(plan.fresh, quote.expiresAt);
  }

  /** Fetches what proves it, and holds what the server says of its network against what that knows. */
  async load(): Promise<RouteModule | null> {
    const { from, host } = this;
    try {
      this.module ??= host.route();
      const module = await this.module;
      if (module.networks.some((n) => sameNetwork(n, from.chain))) return module;
      this.drop(say.wrongNetwork);
    } catch {
      this.module = null;
      this.drop(say.loadFailed);
    }
    return null;
  }

  async verify(reply: PayReply, wallet: Hex): Promise<readonly Call[] | null> {
    const { from, host } = this;
    const { token } = from;
    const module = await this.load();
    if (!module || host.f.other !== this) return null;
    const quote = readQuote(reply.metadata, token);
    if (!quote) throw new host.tools.Refusal('route_source', 'offer', `an offer in ${token.symbol}`, 'something else');
    const most = tolerated(this.seen);
    if (quote.units > most) {
      host.tell(say.priceChanged(say.amount(this.seen, token), say.amount(quote.units, token)), () => this.accept(quote.units), 'Accept new amount');
      return null;
    }
    const way: RouteWay = {
      type: from.type === 'crosschain' ? 'crosschain' : 'samechain_conversion', option: from.id, chain: from.chain.id,
      token: token.address, symbol: token.symbol, decimals: token.decimals, wallet, most,
    };
    const plan = module.verifyRoute(host.tools, host.f.revealed(), way, reply.transactions, reply.chainId, host.now());
    const { nativeFee } = plan;
    if (this.seenNative !== null && nativeFee > tolerated(this.seenNative)) {
      const fee = (units: bigint): string => `${say.held(units, from.chain.native)} for the bridge`;
      host.tell(say.priceChanged(fee(this.seenNative), fee(nativeFee)), () => this.accept(this.seen, nativeFee), 'Accept new amount');
      return null;
    }
    this.proof = { verify: module.verifyRoute, way };
    this.plan = plan;
    this.quote = quote;
    if (plan.deposit < this.seen) this.seen = plan.deposit;
    if (this.seenNative === null || nativeFee < this.seenNative) this.seenNative = nativeFee;
    return plan.calls;
  }

  /** A step as it goes to the wallet, with those that follow it. */
  again(request: object, call: Call): Pick<Call, 'kind' | 'asset'> {
    const { host, plan, proof } = this;
    const { Refusal } = host.tools;
    const at = plan?.calls.indexOf(call) ?? -1;
    if (at < 0 || !plan || !proof) throw new Refusal('route_calldata', 'step', 'one that was proven', 'another');
    const all = [request, ...plan.calls.slice(at + 1).map(asRequest)];
    const [first] = proof.verify(host.tools, host.f.revealed(), proof.way, all, proof.way.chain, host.now()).calls;
    if (!first) throw new Refusal('route_calldata', 'step', call.kind, 'none');
    return first;
  }

  prove(reply: PayReply, account: Hex, owner: Hex): { readonly calls: readonly Call[]; take(): void } {
    const { from, host, proof } = this;
    const { Refusal } = host.tools;
    const quote = readQuote(reply.metadata, from.token);
    if (!proof || !quote) throw new Refusal('route_source', 'offer', `an offer in ${from.token.symbol}`, 'something else');
    const way: RouteWay = { ...proof.way, wallet: account, refunds: owner };
    const plan = proof.verify(host.tools, host.f.revealed(), way, reply.transactions, reply.chainId, host.now());
    const take = (): void => {
      this.plan = plan;
      this.quote = quote;
    };
    return { calls: plan.calls, take };
  }

  failed(err: ApiError): Words {
    return say.wayFailed(err, this.from);
  }

  /** The payer agrees to a higher amount. */
  private accept(units: bigint, native = this.seenNative): void {
    this.seen = units;
    this.seenNative = native;
    this.host.prepare();
  }
}

function sameNetwork(n: RouteModule['networks'][number], c: Chain): boolean {
  const trim = (url: string): string => url.replace(/\/+$/, '');
  const { name, symbol, decimals } = c.native;
  return (
    n.id === c.id && n.network === c.network && n.name === c.name && (n.explorer === '' || trim(n.explorer) === trim(c.explorer)) &&
    n.native.name === name && n.native.symbol === symbol && n.native.decimals === decimals
  );
}
