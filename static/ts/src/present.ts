// Turns what is known into what is shown. Pure.
import type { Facts } from './facts.ts';
import type { Model, Notice, StepStatus } from './model.ts';
import { type Marks, label, steps, sumWords } from './stepper.ts';
import { remaining } from './units.ts';
import { money, stepKey } from './verify.ts';
import * as say from './words.ts';

/** `now` is the server's clock, milliseconds since 1970. */
export function present(f: Facts, now: number): Model {
  const { payment: p, status: s, sent, connection } = f;
  const hash = s?.txHash || (sent?.kind === 'pay' ? sent.hash : '');
  return {
    state: f.state(),
    searching: f.searching,
    wallets: f.wallets,
    connecting: f.connecting,
    account: connection.account && connection.wallet && { address: connection.account, wallet: connection.wallet.name },
    // Whoever may not pay need not switch.
    wrongChain: connection.account !== null && !connection.ready && f.letIn(),
    switching: f.switching,
    barred: f.answer() !== null && !f.letIn(),
    funds: connection.ready ? f.funds : null,
    steps: connection.account ? steps(p, f.calls, marks(f)) : [],
    go: button(f),
    notice: notice(f),
    calls: f.calls,
    checks: f.checks,
    unsafe: f.unsafe,
    progress: progress(f),
    confirmations: s && { count: s.confirmations, required: Math.max(1, s.required || p.confirmations) },
    payer: s?.payer ?? '',
    tx: { hash, url: (s?.txHash && s.explorerUrl) || f.explorer(hash) },
    requests: s?.requests ?? [],
    excess: s && s.excess > 0n ? money(p, s.excess, 0) : '',
    left: remaining(p.expiresAt - now),
  };
}

export function marks(f: Facts): Marks {
  const status = new Map<string, StepStatus>();
  const links = new Map(f.done);
  for (const key of f.done.keys()) status.set(key, 'done');
  if (f.failed) status.set(stepKey(f.failed.kind, f.failed.asset), 'failed');
  if (f.signing) status.set(stepKey(f.signing.kind, f.signing.asset), 'signing');
  if (f.sent) {
    const key = stepKey(f.sent.kind, f.sent.asset);
    status.set(key, 'pending');
    links.set(key, f.explorer(f.sent.hash));
  }
  // While an approval is on its way, or has failed, the calls are not known, but the payment always follows.
  if (f.busy === 'mining' || f.failed || (f.busy === 'checking' && f.done.size > 0)) {
    if (!status.has('pay')) status.set('pay', 'todo');
  }
  return { status, links };
}

function button(f: Facts): Model['go'] {
  let text = label(f.payment, f.signing ?? f.sent ?? f.calls[0] ?? f.failed ?? { kind: 'pay', asset: 0 });
  if (f.busy === 'signing') text = 'Confirm in your wallet…';
  else if (f.busy === 'mining') text = 'Waiting for the network…';
  else if (!f.connection.account) text = 'Choose a wallet to continue';
  else if (f.letIn() && !f.connection.ready) text = `Switch to ${f.connection.chain.name} to continue`;
  else if (f.looking || f.busy === 'checking') text = 'Checking…';
  return { text, enabled: f.mayGo(), busy: f.busy !== 'no' };
}

function notice(f: Facts): Notice | null {
  if (f.elsewhere) return { ...say.otherTab, retry: '' };
  if (f.stranded && f.sent) return { ...say.alreadySent(sumWords(f.payment)), retry: '' };
  if (f.notice) return f.notice;
  const answer = f.answer();
  if (answer && !f.letIn()) return say.accessWords(answer);
  const words = f.askedBefore ? say.askedBefore : f.warning()?.words;
  return words ? { ...words, retry: 'I have looked' } : null;
}

function progress(f: Facts): Model['progress'] {
  if (f.status?.reorged && f.status.state !== 'paid') return say.progressReorged;
  if (f.status?.state === 'seen' || !f.sent) return null;
  if (f.sent.mined) return say.progressMined;
  return f.sentBefore ? say.progressAgain : say.progressSent;
}
