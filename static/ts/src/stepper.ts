// The words of the steps, the button and the funds: pure functions of the
// payment and the verified calls.
import type { Funds } from './api.ts';
import type { Payment } from './data.ts';
import type { Step, StepStatus } from './model.ts';
import { brief, briefUp } from './units.ts';
import { type Call, type Leaving, money, stepKey, total } from './verify.ts';

/** Which step of the payment: what is done, and for an approval with which asset. */
export type StepOf = Pick<Call, 'kind' | 'asset'>;

/** All that leaves the wallet, in words; long lists are counted instead. */
export function sumWords(p: Payment): string {
  if (p.assets.length > 2) return `${p.items.length} recipients`;
  return p.assets.map((_, i) => money(p, total(p, i), i)).join(' + ');
}

export function label(p: Payment, { kind, asset }: StepOf): string {
  if (kind === 'pay') return `Pay ${sumWords(p)}`;
  if (kind === 'reset') return p.batch ? `Clear the old approval of ${p.assets[asset]?.symbol}` : 'Clear the old approval';
  return `${p.batch ? 'Allow' : 'Approve'} ${money(p, total(p, asset), asset)}`;
}

function explain(p: Payment, { kind, asset }: StepOf, status: StepStatus): string {
  if (status === 'done') return 'Done';
  if (status === 'signing') return 'Confirm in your wallet';
  if (status === 'pending') return 'Waiting for the network';
  if (status === 'failed') return 'Did not go through';
  if (kind === 'reset') return `${p.assets[asset]?.symbol} asks for this before an approval can change. No money moves.`;
  if (kind === 'approve') return `Lets the official ${p.batch ? 'batch ' : ''}contract take exactly this amount. No money moves yet.`;
  return p.batch ? 'Pays everyone on the list at once, through the official batch contract.' : 'Sends the money to the recipient.';
}

/** What is known of steps beside the calls that are still to be signed. */
export interface Marks {
  readonly status: ReadonlyMap<string, StepStatus>;
  /** Explorer links by step. */
  readonly links: ReadonlyMap<string, string>;
}

/** All steps in their order: those done, the one under way, those to come. */
export function steps(p: Payment, calls: readonly Call[], marks: Marks): Step[] {
  const [next] = calls;
  const all: StepOf[] = p.assets.flatMap((_, asset) => [{ kind: 'reset' as const, asset }, { kind: 'approve' as const, asset }]);
  return [...all, { kind: 'pay' as const, asset: 0 }].flatMap((step) => {
    const key = stepKey(step.kind, step.asset);
    const same = (c: StepOf | undefined): boolean => !!c && stepKey(c.kind, c.asset) === key;
    const marked = marks.status.get(key);
    if (!marked && !calls.some(same)) return [];
    const status: StepStatus = marked ?? (same(next) ? 'active' : 'todo');
    const asset = step.kind === 'pay' ? '' : (p.assets[step.asset]?.symbol ?? '');
    return [{ kind: step.kind, asset, status, title: label(p, step), text: explain(p, step, status), link: marks.links.get(key) ?? '' }];
  });
}

/** Balances, fee and what is missing, in words; missing is "" when there is enough. */
export function fundsWords(p: Leaving & Pick<Payment, 'chain'>, f: Funds): { balance: string; gas: string; missing: string } {
  const { native } = p.chain;
  const coin = (units: bigint, up = false): string => `${(up ? briefUp : brief)(units, native.decimals)} ${native.symbol}`;
  const held = p.assets.map((asset, i) => {
    const h = f.assets.get(asset.id);
    const required = h?.required ?? total(p, i);
    const balance = h?.balance ?? null;
    const words = balance === null ? '' : `${brief(balance, asset.decimals)} ${asset.symbol}`;
    const short = balance !== null && balance < required ? required - balance : 0n;
    const lack = short ? `You have ${words}, and this payment takes ${money(p, required, i)}: ${money(p, short, i)} is missing.` : '';
    return { required, words, lack };
  });
  const balance = held.some((h) => !h.words) ? 'unknown' : held.map((h) => h.words).join(', ');
  // For native currency what is needed includes the payment itself; the fee is the difference.
  const own = held[p.assets.findIndex((a) => a.native)]?.required ?? 0n;
  const fee = f.nativeRequired === null ? null : f.nativeRequired - own;
  const gas = fee === null || fee < 0n ? 'unknown' : `about ${coin(fee, true)}`;

  const lacks = held.flatMap((h) => (h.lack ? [h.lack] : []));
  let missing = '';
  if (lacks.length) {
    missing = `${lacks.join(' ')} Add ${lacks.length > 1 ? 'them' : 'it'} to this account or choose another one, then check again.`;
  } else if (!f.enoughBalance) {
    missing = `Your balance of ${p.assets.map((a) => a.symbol).join(' or ')} is too small for this payment.`;
  } else if (!f.enoughGas) {
    const lack = f.native !== null && f.nativeRequired !== null && f.nativeRequired > f.native ? f.nativeRequired - f.native : null;
    missing = lack
      ? `You need about ${coin(lack, true)} more on ${p.chain.name} for the network fee. Add some ${native.symbol} to this account, then check again.`
      : `You need some ${native.symbol} on ${p.chain.name} for the network fee.`;
  }
  return { balance, gas, missing };
}
