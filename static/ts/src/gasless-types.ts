// What the page's script and gasless.js say to each other. gasless.js is fetched
// once a wallet is there, for payments that somebody else may pay the gas of or
// that take more than one call, and when such a payment is under way; here are
// types alone, so that the page's script does not grow by it.
import type { Api, PayReply, Status, readPay } from './api.ts';
import type { keccak } from './calldata.ts';
import type { Facts } from './facts.ts';
import type { Model } from './model.ts';
import type { WalletFault, faultOf } from './rpc.ts';
import type { Ready } from './gasless-offer.ts';
import type { SentOp } from './gasless-memory.ts';
import type { Way } from './gasless-table.ts';
import type { KitModule } from './kit-types.ts';
import type { RouteTools } from './route-types.ts';
import type { Around } from './sending.ts';
import type { sumWords } from './stepper.ts';
import type { Sent } from './store.ts';
import type { Chain, Hex } from './data.ts';
import type { Call, Refusal, RegistryChain } from './verify.ts';
import type { Words } from './words.ts';

/** The checks of an operation. They are the server's, by the same names. */
export type OpCheck = 'op_sender' | 'op_factory' | 'op_nonce' | 'op_calls' | 'op_permit' | 'op_value' | 'op_gas' | 'op_fees' | 'op_paymaster';

/** What gasless.js gets of the page. */
export interface GaslessHost {
  readonly f: Facts;
  readonly api: Pick<Api, 'json' | 'event' | 'telemetry'>;
  readonly tools: RouteTools & { readonly keccak: typeof keccak; readonly faultOf: typeof faultOf; readonly readPay: typeof readPay; readonly sumWords: typeof sumWords };
  readonly tabs: Pick<Around['tabs'], 'hold'>;
  /** The server's clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly show: () => void;
  readonly tick: () => void;
  readonly tell: (words: Words, run: () => void, retry?: string) => void;
  readonly walletFailed: (fault: WalletFault, again: () => void) => void;
  readonly refuse: (r: Refusal) => void;
  readonly prepare: () => void;
  readonly go: () => void;
  /** Asks where the payment stands, and goes by the answer. A stream that was opened before this browser had sent anything does not know what is its own. */
  readonly ask: () => Promise<void>;
  /** Follows a transaction that pays, and tells the server of it. */
  readonly went: (sent: Sent) => void;
}

/** What gasless.js makes of it. */
export interface Gasless {
  /** Takes the steps out of an answer of /pay that only it knows. */
  split(reply: PayReply): Promise<PayReply>;
  /**
   * Decides how the calls that were verified are made, and puts others in their
   * place if need be. `current` tells whether anybody still wants to know. Throws
   * Refusal.
   */
  prepared(reply: PayReply, known: RegistryChain, current: () => boolean): Promise<void>;
  /** Whether it makes the next step itself. */
  readonly takes: boolean;
  /** Whether what was prepared may still be signed. */
  readonly fresh: boolean;
  start(known: RegistryChain, call: Call, from: Hex): Promise<void>;
  /** Verifies once more a step of its own that goes to the wallet as a transaction; null for the others'. Throws Refusal. */
  again(request: object, call: Call): Pick<Call, 'kind' | 'asset'> | null;
  /** The wallet's account or chain, or where to pay from, became different. */
  moved(): void;
  /** What is shown, with all that concerns paying without gas. */
  present(m: Model): Model;
  /** Writes what only it knows into the page, after all others have written. */
  draw(m: Model): void;
  onStatus(s: Status): void;
}

/** What gasless.js exports. */
export interface GaslessModule {
  start(host: GaslessHost): Gasless;
}

/** How far an operation is: what is asked of whom. */
export type OpStage = 'open' | 'permit' | 'sponsor' | 'sign' | 'send';

/** What came of having an operation signed. */
export type Ran =
  /** It was handed in, or may have been: then its params are to be handed in again. */
  | { readonly sent: SentOp }
  /** It cannot be paid so. `passing`: not now, and perhaps at once again. */
  | { readonly trouble: Words; readonly passing: boolean }
  /** The wallet's account or chain is another one, the time is up, or the payer has given up waiting. */
  | { readonly trouble: null };

/** What operation.js makes for gasless.js, which fetches it where a smart account may pay. */
export interface Operating {
  /** Reads and proves an answer of /gasless; null if it is none, or about an account that is not known. Throws Refusal. */
  prove(value: unknown, known: RegistryChain, owner: Hex, chain: Chain): Ready | null;
  /** The calls of the operation for the payer to read, behind what lets the account take so much; null if it may take enough. */
  shown(r: Ready, cap: bigint | null): readonly Call[];
  /** A step of an answer of /pay, if it takes from the wallet's smart account what that may take; else null. */
  revoke(step: unknown, owner: Hex): Call | null;
  /** Whether a step is about the wallet's own smart account. */
  own(c: Call, owner: Hex): boolean;
  /** Has it signed and handed in. Throws Refusal, or the wallet's own error. */
  run(r: Ready, way: Way, cap: bigint, query: string, step: (stage: OpStage) => void): Promise<Ran>;
  /** Has the wallet take from the account what it may take. Rejects with the wallet's own error; false if it was not mined. */
  takeBack(r: Ready): Promise<boolean>;
  /** What the account may take by now; null if that cannot be read. */
  left(r: Ready): Promise<bigint | null>;
}

/** What operation.js exports. `load` fetches a kit by its address. */
export interface OperationModule {
  operating(host: GaslessHost, load: (url: string) => Promise<KitModule>): Operating;
}
