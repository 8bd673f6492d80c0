// The words of the steps, the button and the funds: pure functions of the
// payment and the verified calls.
import type { Funds } from './api.ts';
import type { Payment } from './data.ts';
import type { Step, StepStatus } from './model.ts';
import { brief, briefUp } from './units.ts';
import { type Call, type StepKind, money, total } from './verify.ts';

const order: readonly StepKind[] = ['reset', 'approve', 'pay'];

export function label(p: Payment, kind: StepKind): string {
  if (kind === 'reset') return 'Clear the old approval';
  return `${kind === 'approve' ? 'Approve' : 'Pay'} ${money(p, total(p))}`;
}

function explain(p: Payment, kind: StepKind, status: StepStatus): string {
  if (status === 'done') return 'Done';
  if (status === 'signing') return 'Confirm in your wallet';
  if (status === 'pending') return 'Waiting for the network';
  if (status === 'failed') return 'Did not go through';
  if (kind === 'reset') return `${p.asset.symbol} asks for this before an approval can change. No money moves.`;
  if (kind === 'approve') return 'Lets the official contract take exactly this amount. No money moves yet.';
  return 'Sends the money to the recipient.';
}

/** What is known of steps beside the calls that are still to be signed. */
export interface Marks {
  readonly status: ReadonlyMap<StepKind, StepStatus>;
  /** Explorer links by step. */
  readonly links: ReadonlyMap<StepKind, string>;
}

/** All steps in their order: those done, the one under way, those to come. */
export function steps(p: Payment, calls: readonly Call[], marks: Marks): Step[] {
  const next = calls[0]?.kind;
  return order.flatMap((kind) => {
    const planned = calls.some((c) => c.kind === kind);
    const marked = marks.status.get(kind);
    if (!planned && !marked) return [];
    const status: StepStatus = marked ?? (kind === next ? 'active' : 'todo');
    return [{ kind, status, title: label(p, kind), text: explain(p, kind, status), link: marks.links.get(kind) ?? '' }];
  });
}

/** Balance, fee and what is missing, in words; missing is "" when there is enough. */
export function fundsWords(p: Payment, f: Funds): { balance: string; gas: string; missing: string } {
  const { native } = p.chain;
  const coin = (units: bigint, up = false): string => `${(up ? briefUp : brief)(units, native.decimals)} ${native.symbol}`;
  const required = f.required ?? total(p);
  const balance = f.balance === null ? 'unknown' : `${brief(f.balance, p.asset.decimals)} ${p.asset.symbol}`;
  // For a native payment what is needed includes the payment itself; the fee is the difference.
  const fee = f.nativeRequired === null ? null : p.asset.native ? f.nativeRequired - required : f.nativeRequired;
  const gas = fee === null || fee < 0n ? 'unknown' : `about ${coin(fee, true)}`;

  let missing = '';
  if (!f.enoughBalance || (f.balance !== null && f.balance < required)) {
    const short = f.balance !== null && f.balance < required ? money(p, required - f.balance) : '';
    missing = short
      ? `You have ${balance}, and this payment takes ${money(p, required)}: ${short} is missing. Add it to this account or choose another one, then check again.`
      : `Your balance of ${p.asset.symbol} is too small for this payment.`;
  } else if (!f.enoughGas) {
    const lack = f.native !== null && f.nativeRequired !== null && f.nativeRequired > f.native ? f.nativeRequired - f.native : null;
    missing = lack
      ? `You need about ${coin(lack, true)} more on ${p.chain.name} for the network fee. Add some ${native.symbol} to this account, then check again.`
      : `You need some ${native.symbol} on ${p.chain.name} for the network fee.`;
  }
  return { balance, gas, missing };
}
