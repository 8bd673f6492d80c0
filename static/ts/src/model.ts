// What the page shows, as plain data. Flow makes it, View writes it.
import type { Check, Progress } from './api.ts';
import type { Hex, State } from './data.ts';
import type { Call, StepKind } from './verify.ts';
import type { Wallet } from './wallets.ts';
import type { Words } from './words.ts';

export type StepStatus = 'todo' | 'active' | 'signing' | 'pending' | 'done' | 'failed';

export interface Step {
  readonly kind: StepKind;
  /** Symbol of the asset whose allowance is set, or "". */
  readonly asset: string;
  readonly status: StepStatus;
  readonly title: string;
  readonly text: string;
  readonly link: string;
}

export interface Notice extends Words {
  /** What the button says; "" for no button. */
  readonly retry: string;
}

export interface Tx {
  readonly hash: Hex | '';
  /** In an explorer, or "". */
  readonly url: string;
}

export interface Model {
  readonly state: State;
  readonly searching: boolean;
  readonly wallets: readonly Wallet[];
  /** The id of the wallet that is being asked to connect, or "". */
  readonly connecting: string;
  readonly account: { readonly address: Hex; readonly wallet: string } | null;
  readonly wrongChain: boolean;
  readonly switching: boolean;
  /** The connected wallet may not pay. */
  readonly barred: boolean;
  readonly funds: { readonly balance: string; readonly gas: string; readonly missing: string } | null;
  readonly steps: readonly Step[];
  readonly go: { readonly text: string; readonly enabled: boolean; readonly busy: boolean };
  readonly notice: Notice | null;
  readonly calls: readonly Call[];
  readonly checks: readonly Check[];
  /** The failed check in words. */
  readonly unsafe: string;
  /** null leaves the server's words. */
  readonly progress: { readonly title: string; readonly text: string } | null;
  /** null until the server has said. */
  readonly confirmations: { readonly count: number; readonly required: number } | null;
  readonly tx: Tx;
  /** Who has paid, "" while nobody has. */
  readonly payer: Hex | '';
  /** By request; empty until the server has said. */
  readonly requests: readonly Progress[];
  /** What arrived beyond what was asked, or "". */
  readonly excess: string;
  readonly left: string;
}
