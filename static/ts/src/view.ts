// Writes the Model into the page, by the ids the templates promise. Only text,
// attributes and copies of <template>s: nothing here can become markup or script.
import type { Check, Progress } from './api.ts';
import { copies } from './copies.ts';
import type { Payment, State } from './data.ts';
import { attr, byId, copy, link, shown, text } from './dom.ts';
import type { Model, Step } from './model.ts';
import { Parts } from './parts.ts';
import type { Call, Shown } from './verify.ts';
import { safetyPassed, safetyPending, unsafeText } from './words.ts';

/** What the payer can do. */
export interface Actions {
  connect(id: string): void;
  change(): void;
  switchChain(): void;
  refresh(): void;
  go(): void;
  retry(): void;
}

const stages: Readonly<Record<State, string>> = {
  open: 'act',
  seen: 'progress',
  paid: 'success',
  expired: 'over',
  canceled: 'over',
  failed: 'over',
  blocked: 'over',
  unsafe: 'unsafe',
};

const announcements: Readonly<Record<State, string>> = {
  open: 'This payment can be paid now.',
  seen: 'Your payment is on its way.',
  paid: 'Payment complete.',
  expired: 'This payment link has expired.',
  canceled: 'This payment was canceled.',
  failed: 'This payment did not go through.',
  blocked: 'This payment cannot be made.',
  unsafe: 'Stop. A safety check failed. Do not pay.',
};

const short = (hash: string): string => `${hash.slice(0, 10)}…${hash.slice(-8)}`;

/** What the page displays, read back for the safety check. */
export function readShown(p: Payment): Shown {
  const text = (el: Element | null | undefined): string | null => el?.textContent ?? null;
  if (!byId('items')) {
    const read = (id: string): string | null => text(byId(id));
    return {
      items: [{ payee: read('payee') ?? '', amount: read('amount') ?? '', fee: read('fee'), reference: read('reference') }],
      totals: [{ amount: null, contractFee: null, total: read('total') }],
    };
  }
  // Every part must be there: what a batch does not show it does not pay.
  const part = (of: Element | null | undefined, name: string): string => text(of?.querySelector(`.${name}`)) ?? '';
  return {
    items: p.items.map(({ index }) => {
      const row = itemRow(index);
      return { payee: part(row, 'item-payee'), amount: part(row, 'item-amount'), fee: part(row, 'item-fee'), reference: part(row, 'item-reference') };
    }),
    totals: p.assets.map((_, i) => {
      const row = byId('totals')?.querySelector(`[data-total="${i}"]`);
      return { amount: part(row, 'total-amount'), contractFee: part(row, 'total-contract'), total: part(row, 'total-sum') };
    }),
  };
}

const itemRow = (index: number): Element | null => byId('items')?.querySelector(`[data-item="${index}"]`) ?? null;
const itemWords: Readonly<Partial<Record<State, string>>> = { open: '', seen: 'On its way', paid: 'Paid' };

export class View {
  private calls: readonly Call[] = [];
  private last: Model | null = null;
  private state: string;
  private readonly progressTitle = byId('progress-title')?.textContent ?? '';
  private readonly progressText = byId('progress-text')?.textContent ?? '';
  private readonly successText = byId('success-text')?.textContent ?? '';
  /** The server found nothing wrong so far and nothing open. */
  private readonly safeSoFar = byId('safety')?.dataset['outcome'] === 'passed';
  /** The payer's last click was in here and what they clicked may be gone or disabled by now. */
  private acted = false;
  private doing = '';
  private itemsDrawn = '';
  private readonly parts: Parts;

  constructor(actions: Actions) {
    this.state = byId('qt')?.dataset['state'] ?? '';
    this.parts = new Parts(actions.connect);
    const on = (id: string, run: () => void): void => byId(id)?.addEventListener('click', run);
    on('account-change', () => actions.change());
    on('switch-chain', () => actions.switchChain());
    on('funds-refresh', () => actions.refresh());
    on('go', () => actions.go());
    on('notice-retry', () => actions.retry());
    copies('payee-copy', 'payee', 'Address', (words) => this.announce(words));
    on('close', () => window.close());
    byId('advanced')?.addEventListener('toggle', () => this.last && this.act(this.last));
    byId('act')?.addEventListener('click', () => (this.acted = true), true);
  }

  render(m: Model): void {
    this.last = m;
    this.safety(m.checks);
    this.wallet(m);
    this.act(m);
    this.ends(m);
    this.items(m.requests);
    this.stage(m.state);
    text(byId('time-left'), `${m.left} left`);
  }

  /** How far each payment of a batch is, and how many of them are done. */
  private items(requests: readonly Progress[]): void {
    const line = byId('items-progress');
    const now = requests.map((r) => r.state).join();
    if (!line || !now || this.itemsDrawn === now) return;
    this.itemsDrawn = now;
    const count = (state: State): number => requests.filter((r) => r.state === state).length;
    requests.forEach(({ state }, index) => {
      const row = itemRow(index);
      const before = row?.getAttribute('data-state');
      if (!row || before === state) return;
      attr(row, 'data-state', state);
      text(row.querySelector('.item-state'), itemWords[state] ?? '');
    });
    const part = (n: number, words: string): string[] => (n ? [`${n} of ${requests.length} ${words}`] : []);
    text(line, [...part(count('paid'), 'paid'), ...part(count('seen'), 'on the way')].join(', '));
  }

  announce(words: string): void {
    text(byId('live'), words);
  }

  private stage(state: State): void {
    const main = byId('qt');
    const before = this.state;
    if (before === state) return;
    this.state = state;
    attr(main, 'data-state', state);
    const active = stages[state];
    for (const id of new Set(Object.values(stages))) shown(byId(id), id === active);
    if (before === '') return;
    this.announce(announcements[state]);
    // Whoever pays by keyboard or screen reader is taken to what is new.
    const heading = [...(byId(active)?.querySelectorAll('h2') ?? [])].find((h) => h.checkVisibility?.() ?? true);
    attr(heading ?? null, 'tabindex', '-1');
    heading?.focus();
  }

  private safety(checks: readonly Check[]): void {
    if (checks.length === 0) return;
    const box = byId('safety');
    for (const c of checks) {
      const row = byId('safety-checks')?.querySelector(`[data-check="${c.name}"]`) ?? null;
      attr(row, 'data-outcome', c.outcome);
      if (c.detail) text(row?.querySelector('.detail') ?? null, c.detail);
    }
    const failed = checks.some((c) => c.outcome === 'failed');
    // A test run that has to wait for the money does not take back what is known.
    const open = checks.some((c) => c.outcome === 'pending' && !(this.safeSoFar && c.name === 'simulation_matches'));
    attr(box, 'data-outcome', failed ? 'failed' : open ? 'pending' : 'passed');
    const words = failed ? { title: 'Do not pay', text: unsafeText } : open ? safetyPending : safetyPassed;
    text(byId('safety-title'), words.title);
    text(byId('safety-text'), words.text);
  }

  private wallet(m: Model): void {
    const choosing = m.account === null;
    this.parts.wallets(m);
    // A phone's way down the page, until there is somewhere to be.
    shown(byId('onward'), choosing);
    shown(byId('wrong-chain'), m.wrongChain);
    // One thing to do at a time: the switch comes first, or another wallet.
    shown(byId('go')?.parentElement ?? null, !m.wrongChain && !m.barred);
    shown(byId('access'), choosing);
    shown(byId('ways'), !choosing && !m.barred);
    const toggle = byId('switch-chain') as HTMLButtonElement | null;
    if (toggle) toggle.disabled = m.switching;
    attr(toggle, 'aria-busy', m.switching ? 'true' : null);
  }

  private act(m: Model): void {
    this.parts.funds(m);
    shown(byId('steps'), m.steps.length > 0);
    this.parts.list('steps', m.steps, () => m.steps.map(stepItem));
    // A batch has hundreds of values: they are drawn when somebody wants to read them.
    const wanted = (byId('advanced') as HTMLDetailsElement | null)?.open ? m.calls : [];
    if (wanted !== this.calls) byId('advanced-calls')?.replaceChildren(...wanted.flatMap((c) => callItem(c) ?? []));
    this.calls = wanted;

    const go = this.parts.go(m);
    const doing = m.state === 'open' && (m.go.busy || m.go.enabled) ? m.go.text : '';
    if (doing && doing !== this.doing) this.announce(doing);
    this.doing = doing;

    this.parts.notice(m.notice);
    if (m.state === 'open') this.refocus(m.go.enabled ? go : m.notice?.retry ? byId('notice-retry') : null);
  }

  /** Gives the focus that a vanished or disabled button had to what comes next, unless somebody else took it. */
  private refocus(next: HTMLElement | null): void {
    if (!next || !this.acted || document.activeElement !== document.body) return;
    this.acted = false;
    next.focus({ preventScroll: true });
  }

  private ends(m: Model): void {
    if (m.unsafe) {
      text(byId('unsafe-text'), unsafeText);
      text(byId('unsafe-check'), m.unsafe);
    }
    text(byId('progress-title'), m.progress?.title ?? this.progressTitle);
    text(byId('progress-text'), m.progress?.text ?? this.progressText);
    if (m.confirmations) {
      const { count, required } = m.confirmations;
      const words = `${count} of ${required} confirmations`;
      attr(byId('confirmations'), 'max', String(required));
      attr(byId('confirmations'), 'value', String(Math.min(count, required)));
      if (m.state === 'seen' && byId('confirmations-text')?.textContent !== words) this.announce(words);
      text(byId('confirmations-text'), words);
    }
    if (m.tx.hash) {
      link(byId('progress-tx'), m.tx.url, m.tx.url ? '' : `Transaction ${short(m.tx.hash)}`);
      attr(byId('progress-tx'), 'title', m.tx.hash);
      text(byId('success-tx'), m.tx.hash);
      link(byId('success-link'), m.tx.url);
    }
    if (m.payer) {
      text(byId('payer'), m.payer);
      shown(byId('payer-row'), true);
    }
    if (m.excess && !byId('surplus')) {
      text(byId('success-text'), `${this.successText} ${m.excess} more than asked for has arrived. Please contact the recipient if you want it back.`);
    }
  }
}

function stepItem(s: Step): HTMLElement | null {
  const item = copy('step-item');
  attr(item, 'data-step', s.kind);
  attr(item, 'data-asset', s.asset || null);
  attr(item, 'data-status', s.status);
  attr(item, 'aria-current', s.status === 'active' || s.status === 'signing' || s.status === 'pending' ? 'step' : null);
  text(item?.querySelector('.step-title') ?? null, s.title);
  text(item?.querySelector('.step-text') ?? null, s.text);
  link(item?.querySelector<HTMLElement>('.step-link') ?? null, s.link, s.link && 'See the transaction');
  return item;
}

const callNames = {
  reset: 'Clear the old approval', approve: 'Approval', swap: 'Exchange', pay: 'Payment', permit: 'Permit', allow: 'Approval', pull: 'Transfer to the smart account', revoke: 'Take back an approval',
};

function callItem(c: Call): HTMLElement | null {
  const item = copy('call-item');
  const rows: [string, string][] = [
    ['Call', callNames[c.kind]],
    ['Contract', `${c.to} (${c.targetName})`],
    ['Function', c.signature],
    ...c.args.map(([name, value]): [string, string] => [name.replace(/^./, (a) => a.toUpperCase()), value]),
    ['Value', String(c.value)],
    // What is decoded above is all of it; nobody compares thousands of digits.
    ['Data', c.data.length > 3_000 ? `${c.data.slice(0, 138)}… (${c.data.length / 2 - 1} bytes)` : c.data],
  ];
  item?.querySelector('.call-rows')?.replaceChildren(
    ...rows.flatMap(([name, value]) => {
      const row = copy('call-row');
      text(row?.querySelector('dt') ?? null, name);
      text(row?.querySelector('dd') ?? null, value);
      return row ? [row] : [];
    }),
  );
  return item;
}
