// What the page's script and safe.js say to each other. safe.js is fetched when
// the page stands in a Safe's app, when the connected account may be a Safe, and
// when a Safe's transaction is to make the payment; here are types alone, so that
// the page's script does not grow by it.
import type { Api, ApiError, Status } from './api.ts';
import type { keccak } from './calldata.ts';
import type { Hex } from './data.ts';
import type { Facts } from './facts.ts';
import type { Model } from './model.ts';
import type { WalletFault, faultOf } from './rpc.ts';
import type { RouteTools } from './route-types.ts';
import type { Around } from './sending.ts';
import type { Call, Refusal, RegistryChain } from './verify.ts';
import type { Wallet } from './wallets.ts';
import type { Words } from './words.ts';

/** The checks of a Safe transaction. They are the server's, by the same names. */
export type SafeCheck = 'safe_hash' | 'safe_target' | 'safe_operation' | 'safe_calls' | 'safe_value' | 'safe_refund' | 'safe_gas' | 'safe_nonce';

/** The connected account, while it is a Safe. */
export interface SafePayer {
  /** Proposes all the calls as one transaction of the Safe. */
  start(known: RegistryChain, call: Call, from: Hex): Promise<void>;
  /** Whether an answer about the calls was seen to here. */
  failed(err: ApiError): boolean;
  /** The Safe is on one network and stays there. */
  readonly fixed: boolean;
}

/** What safe.js gets of the page. */
export interface SafeHost {
  readonly f: Facts;
  readonly api: Pick<Api, 'intent' | 'event' | 'telemetry'>;
  readonly tools: RouteTools & { readonly keccak: typeof keccak; readonly faultOf: typeof faultOf };
  readonly tabs: Around['tabs'];
  /** Another site's page has this one in a frame. */
  readonly framed: boolean;
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
  /** Adds a wallet to those there are, and connects it. */
  readonly offer: (wallet: Wallet) => void;
}

/** What safe.js makes of it. */
export interface Safe {
  /** Looks whether the connected account, which has code, is a Safe. */
  look(account: Hex): Promise<void>;
  /** What is shown, with all that concerns Safes. */
  present(m: Model): Model;
  /** Writes what only it knows into the page, after all others have written. */
  draw(m: Model): void;
  onStatus(s: Status): void;
}

/** What safe.js exports. */
export interface SafeModule {
  start(host: SafeHost): Safe;
}
