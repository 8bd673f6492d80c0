// What the page's script and ways.js say to each other. ways.js is fetched once a
// wallet is there, for payments that can be made in more ways than their own;
// here are types alone, so that the page's script does not grow by it.
import type { Api, ApiError, PayReply, Status } from './api.ts';
import type { Chain, Hex, Payment } from './data.ts';
import type { Facts } from './facts.ts';
import type { Model } from './model.ts';
import type { RouteModule, RouteTools } from './route-types.ts';
import type { Sent, Store } from './store.ts';
import type { Call } from './verify.ts';
import type { Words } from './words.ts';

/** The way that the payer has chosen, where it is not the payment's own. */
export interface Other {
  readonly option: string;
  /** Where the payer signs. */
  readonly chain: Chain;
  /** What leaves the wallet, as if it were a payment of its own: steps, button and funds are worded by it. */
  readonly leaving: Payment;
  /** Whether what was verified last may still be signed. */
  readonly fresh: boolean;
  /** Proves an answer of /pay; null if the payer has to be asked something first. Throws Refusal, or anything if it cannot be judged now. */
  verify(reply: PayReply, wallet: Hex): Promise<readonly Call[] | null>;
  /** Proves once more what goes to the wallet, with the steps that follow. Throws Refusal. */
  again(request: object, call: Call): Pick<Call, 'kind' | 'asset'>;
  /** Proves an answer of /pay about the calls of a wallet's smart account; take has them be what is shown. Throws Refusal. */
  prove(reply: PayReply, account: Hex, owner: Hex): { readonly calls: readonly Call[]; take(): void };
  /** The exchange is done: what is left is to pay as the payment itself asks. */
  exchanged(): void;
  /** What to say of an answer that did not come. */
  failed(err: ApiError): Words;
}

/** What ways.js gets of the page. */
export interface Host {
  readonly f: Facts;
  readonly api: Pick<Api, 'options' | 'intent' | 'telemetry'>;
  readonly store: Store;
  readonly tools: RouteTools;
  /** Fetches route.js. */
  readonly route: () => Promise<RouteModule>;
  readonly now: () => number;
  readonly show: () => void;
  readonly tell: (words: Words, run: () => void, retry?: string) => void;
  /** Goes on with another way, or with the payment's own. */
  readonly choose: (other: Other | null) => void;
  readonly prepare: () => void;
  readonly go: () => void;
  /** Tells the server of a payment that was sent. */
  readonly intend: (sent: Sent) => void;
}

/** What ways.js makes of it. */
export interface Ways {
  /** What is shown, with all that concerns other ways. */
  present(m: Model): Model;
  /** Writes what only it knows into the page, after the page's script has written the rest. */
  draw(m: Model): void;
  /** The wallet's account or chain became different. */
  moved(): void;
  onStatus(s: Status): void;
}

/** What ways.js exports. */
export interface WaysModule {
  start(host: Host): Ways;
}
