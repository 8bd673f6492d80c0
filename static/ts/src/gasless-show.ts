// Turns what is known of paying without gas into what is shown. Pure.
import { type Hex, sameHex } from './data.ts';
import type { News } from './gasless-data.ts';
import type { GaslessPay } from './gasless-pay.ts';
import { type Way, isBatch, isFree, isOp } from './gasless-table.ts';
import * as say from './gasless-words.ts';
import type { Model, Step } from './model.ts';
import type { StepOf } from './stepper.ts';
import { display, remaining } from './units.ts';

/** What only gasless.js writes into the page. */
export interface GasModel {
  /** Empty where there is nothing to choose. */
  readonly ways: readonly (say.WayWords & { readonly way: Way; readonly chosen: boolean })[];
  /** Why there is no way without gas, "" if there need not be one. */
  readonly why: string;
  /** Nothing may be chosen now. */
  readonly busy: boolean;
  readonly plan: {
    readonly text: string;
    readonly account: Hex;
    readonly url: string;
    readonly may: string;
    /** What the payer may allow, null where that is settled. */
    readonly cap: { readonly least: string; readonly symbol: string; readonly decimals: number; readonly amount: bigint; readonly larger: string } | null;
  } | null;
  readonly revoke: { readonly title: string; readonly text: string; readonly can: boolean } | null;
  /** Why an earlier operation did not pay, or that it still may. */
  readonly told: { readonly title: string; readonly text: string; readonly why: string; readonly url: string } | null;
  /** An operation on its way. */
  readonly op: {
    readonly stage: News['stage'];
    readonly own: boolean;
    readonly why: string;
    readonly gas: string;
    readonly account: string;
    readonly url: string;
    readonly chain: string;
    readonly hash: string;
    readonly until: string;
  } | null;
  /** Something else than confirmations is waited for. */
  readonly waiting: boolean;
  /** What is said beneath the button, "" for what is said there anyway. */
  readonly beneath: string;
  /** It has paid: what the payer gave for gas. */
  readonly paid: string;
}

/** An operation that the page is about: on its way, or just carried out; null if none is, or another part of the page tells of it. */
function underWay(g: GaslessPay, m: Model): News | null {
  const { f } = g.host;
  const mine = g.memory.op;
  if (m.state !== 'seen' || f.status?.state === 'seen' || f.status?.reorged || (g.news?.stage === 'executed' && f.status?.route)) return null;
  if (g.news) return g.news;
  if (!mine) return null;
  const chain = g.host.tools.registry[mine.chain]?.name ?? '';
  return { stage: 'waiting', hash: mine.hash, account: mine.account, owner: mine.wallet, chain, chainId: mine.chain, until: 0, tx: '', url: '', why: '', own: true };
}

/** A batch that the wallet has taken and the network has not shown. */
const batched = (g: GaslessPay, m: Model): boolean => m.state === 'seen' && g.memory.batch !== null && g.host.f.status?.state !== 'seen';

export function present(g: GaslessPay, m: Model): Model {
  const { f } = g.host;
  const bad = m.unsafe && m.checks.find((c) => c.outcome === 'failed' && say.titleOf(c.name));
  let shown: Model = bad ? { ...m, unsafe: `${say.titleOf(bad.name)}${bad.detail ? `: ${bad.detail}` : ''}` } : m;
  if (m.account && m.state === 'open' && !f.safe) shown = choice(g, shown);
  const n = underWay(g, m);
  if (n) return { ...shown, progress: say.progress(n, n.own || !!g.memory.op, g.retrying), tx: { hash: n.tx, url: n.url } };
  if (batched(g, m) && g.memory.batch) return { ...shown, progress: g.batching.reaches(g.memory.batch) ? say.batchProgress : say.batchAway, tx: { hash: '', url: '' } };
  return shown;
}

/** Steps and button of the way that was taken. */
function choice(g: GaslessPay, m: Model): Model {
  const { f } = g.host;
  const { way, ready, stage } = g;
  const amount = ready ? g.sum(ready.offer.amount) : '';
  const idle = f.busy === 'no' && f.connection.ready && !f.looking;
  const steps = own(g, m);
  const [next] = f.calls;
  let text = m.go.text;
  if (stage) text = say.busy[stage === 'sign' && way === 'op_permit' ? 'signSecond' : stage] ?? text;
  else if (idle && next?.kind === 'revoke' && !isBatch(way)) text = say.revokeTitle;
  else if (idle && isOp(way) && ready) text = next?.kind === 'allow' ? say.allowTitle(g.sum(g.limit(ready))) : say.payTitle(amount);
  else if (idle && isBatch(way)) text = say.batchGo(g.whole(), isFree(way));
  return { ...m, steps, go: { ...m.go, text } };
}

function own(g: GaslessPay, m: Model): readonly Step[] {
  const { f } = g.host;
  const { way, ready, stage } = g;
  const asset = g.asset.symbol;
  const [next] = f.calls;
  const one = (kind: Step['kind'], title: string, text: string, status: Step['status'], key = ''): Step => ({ kind, asset: kind === 'pay' ? '' : asset, title, text: say.marked[status] ?? text, status, link: f.done.get(key) ?? '' });
  const keyOf = (c: StepOf | null): string => (c ? `${c.kind}${c.asset}` : '');
  const marked = (kind: 'allow' | 'revoke'): readonly (readonly [string, Step['status']])[] => {
    const keys = new Set([...f.done.keys(), ...f.calls.map(keyOf), keyOf(f.failed), keyOf(f.signing), keyOf(f.sent)].filter((k) => k.startsWith(kind)));
    return [...keys].map((k) => {
      if (f.done.has(k)) return [k, 'done'];
      if (keyOf(f.signing) === k) return [k, 'signing'];
      if (keyOf(f.sent) === k) return [k, 'pending'];
      if (keyOf(f.failed) === k) return [k, 'failed'];
      return [k, next && keyOf(next) === k ? 'active' : 'todo'];
    });
  };
  const before = marked('revoke').map(([k, status]) => one('revoke', say.revokeTitle, say.revokeText, status, k));
  if (isBatch(way)) {
    const status = f.busy === 'signing' ? 'signing' : 'todo';
    return [...before.map((s) => ({ ...s, status, text: say.batchStep }) as Step), ...m.steps.map((s) => ({ ...s, status, text: status === 'signing' ? (say.marked['signing'] ?? '') : m.steps.length > 1 ? say.batchStep : s.text }) as Step)];
  }
  if (!isOp(way) || !ready) return [...before, ...m.steps];
  const limit = g.sum(g.limit(ready));
  const amount = g.sum(ready.offer.amount);
  const paying: Step['status'] = stage === 'sign' ? 'signing' : stage === 'sponsor' || stage === 'send' ? 'pending' : stage === 'permit' || next?.kind === 'allow' || next?.kind === 'revoke' || way === 'op_permit' ? 'todo' : 'active';
  const pay = { ...one('pay', say.payTitle(amount), say.payText, paying), ...(paying === 'pending' ? { text: say.busy[stage] ?? '' } : {}) };
  const [allow] = marked('allow');
  const reset = way === 'op_approval' ? before : [];
  if (allow) return [...reset, one('allow', say.allowTitle(limit), say.allowText, allow[1], allow[0]), pay];
  if (way !== 'op_permit') return [pay];
  const permit: Step['status'] = stage === 'permit' ? 'signing' : stage === 'sponsor' || stage === 'sign' || stage === 'send' ? 'done' : 'active';
  return [one('permit', say.permitTitle(limit), say.permitText, permit), pay];
}

const explorer = (base: string, address: string): string => (base && address ? `${base.replace(/\/+$/, '')}/address/${address}` : '');

export function modelOf(g: GaslessPay, m: Model): GasModel {
  const { f } = g.host;
  const open = m.state === 'open' && m.account !== null && f.connection.ready && !f.safe;
  const n = underWay(g, m);
  const { payment } = f;
  const { symbol } = (f.other ?? payment).chain.native;
  const token = g.asset.symbol;
  const over = g.revoking.over(g.ready);
  const busy = f.busy !== 'no' || f.sent !== null;
  const took = m.state === 'paid' && g.news?.account && sameHex(g.news.account, m.payer) ? say.noGas(payment.chain.native.symbol) : '';
  return {
    ways: open && g.ways.length > 1 ? g.ways.map((way) => ({ way, chosen: way === g.way, ...say.wayWords(way, g.sponsor, g.plainGas, token, g.plainCalls) })) : [],
    why: open && !g.ready ? g.quiet : '',
    busy,
    plan: open ? plan(g) : null,
    revoke:
      (open || m.state === 'paid') && (over || g.revoking.words)
        ? { title: over ? say.mayTitle(g.sum(over.units)) : '', text: g.revoking.words || say.mayText, can: over !== null && !busy }
        : null,
    told: m.state === 'open' && g.news ? { ...say.ending(g.news), why: g.news.why && g.news.stage === 'failed' ? say.why(g.news.why) : '', url: g.news.url } : null,
    op: n && {
      stage: n.stage, own: n.own || g.memory.op !== null, why: n.why && n.stage === 'failed' ? say.why(n.why) : '', gas: n.own || g.memory.op ? say.opGas(symbol) : '',
      account: n.account, url: n.chainId === payment.chain.id ? explorer(payment.chain.explorer, n.account) : '', chain: n.chainId && n.chainId !== payment.chain.id ? n.chain : '', hash: n.hash,
      until: n.until && n.stage === 'waiting' ? say.date(n.until, n.until > g.host.now() ? remaining(n.until - g.host.now()) : '') : '',
    },
    waiting: n !== null || batched(g, m),
    beneath: open && isFree(g.way) ? say.beneath : '',
    paid: took,
  };
}

function plan(g: GaslessPay): GasModel['plan'] {
  const { way, ready } = g;
  if (!ready || !isOp(way)) return null;
  const { f, tools } = g.host;
  const { amount, allowance } = ready.offer;
  const limit = g.limit(ready);
  const settled = way === 'op_approved';
  const token = g.asset;
  const account = tools.checksum(ready.derived.address);
  return {
    text: say.planText(way, g.sum(amount)),
    account,
    url: explorer((f.other ?? f.payment).chain.explorer, account),
    may: settled ? say.already(g.sum(allowance)) : limit > amount ? say.atMost(g.sum(limit)) : say.exactly(g.sum(amount)),
    cap: settled
      ? null
      : { least: g.sum(amount), symbol: token.symbol, decimals: token.decimals, amount, larger: limit > amount ? display(limit, token.decimals).replaceAll(',', '') : '' },
  };
}
