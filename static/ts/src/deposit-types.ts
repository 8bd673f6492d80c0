// How a deposit's page and the script that pays with a wallet of this browser know
// each other. Types only: the two are fetched apart.
import type { DepositApi } from './deposit-api.ts';
import type { DepositFacts } from './deposit-facts.ts';
import type { Drawing } from './qr.ts';
import type { Sent, Store } from './store.ts';
import type { Refusal, Registry } from './verify.ts';
import type { Wallet } from './wallets.ts';

/** What differs, as Refusal has it. */
export type Difference = Pick<Refusal, 'check' | 'field' | 'expected' | 'found'>;

/** The page, for the script that pays. */
export interface PayingHost {
  readonly f: DepositFacts;
  readonly api: Pick<DepositApi, 'status' | 'pay' | 'intent' | 'telemetry'>;
  readonly store: Store;
  readonly registry: Registry;
  /** Compares what the page shows with its quote; null if it shows exactly that. */
  readonly differs: () => Difference | null;
  /** The server's clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly reload: () => void;
  show(): void;
  tick(): void;
  onStatus(s: DepositFacts['status']): void;
  /** Ends the paying on this page for good. */
  refuse(check: string, detail: string): void;
  /** The wallet has answered: what was put off for it may happen. */
  settle(): void;
}

export interface Paying {
  /** checking: asking the server. signing: asking the wallet. */
  readonly busy: 'no' | 'checking' | 'signing' | 'mining';
  /** What this browser has sent and the server has not counted yet. */
  readonly sent: Sent | null;
  /** It has not been seen, and its wallet is not there to ask. */
  readonly stranded: boolean;
  /** Nobody is sending anything here. */
  readonly idle: boolean;
  setWallets(wallets: readonly Wallet[], searching: boolean): void;
  /** The quote, the asset or what the server knows became different. */
  changed(): void;
  /** Somebody looks at the page again. */
  returned(): void;
  /** Something in the scripts went wrong. */
  broken(): void;
  draw(): void;
}

/** What deposit-pay.js exports. */
export interface PayingModule {
  start(host: PayingHost): Paying;
}

/** The page, for the script that links have beside it. */
export interface LinkHost {
  readonly flow: { readonly f: DepositFacts; refuse(check: string, detail: string): void };
  readonly view: { announce(words: string): void };
  /** Where this browser keeps what it was told of the bank account. */
  readonly account: Pick<Store, 'address'>;
  /** The drawing of a code in the page, by the id of its place; null if there is anything else. */
  readonly drawn: (id: string) => Drawing | null;
  readonly drawCode: (id: string, drawing: Drawing, label: string) => void;
  /** Reads a code as the server draws it. */
  readonly readDrawing: (svg: string) => Drawing | null;
  /** Whether a drawing is a code of this text. */
  readonly says: (drawing: Drawing, text: string) => boolean;
}

export interface Link {
  /** What the server knows became different. */
  draw(): void;
}

/** What link.js exports. */
export interface LinkModule {
  start(host: LinkHost): Link;
}
