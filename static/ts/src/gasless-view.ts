// Writes what concerns paying without gas into the page, by the ids the templates
// promise.
import { attr, byId, copy, link, shown, text } from './dom.ts';
import type { GasModel } from './gasless-show.ts';
import type { Way } from './gasless-table.ts';
import * as say from './gasless-words.ts';
import type { Model } from './model.ts';
import { Lists, checkRows } from './rows.ts';

/** What draws it. */
export interface Drawing {
  draw(g: GasModel, m: Model): void;
}

/** What the payer can do. */
export interface Actions {
  pick(way: Way): void;
  cap(units: bigint | null): void;
  revoke(): void;
}

const short = (hex: string, ends: number): string => (hex.length > 20 ? `${hex.slice(0, 2 + ends)}…${hex.slice(-ends)}` : hex);

/** Decimal text in base units; null for anything else. */
export function readDecimal(words: string, decimals: number): bigint | null {
  const parts = /^(\d{1,40})(?:[.,](\d{1,36}))?$/.exec(words.trim());
  if (!parts) return null;
  const [, whole = '', fraction = ''] = parts;
  if (fraction.length > decimals) return null;
  const units = BigInt(whole + fraction.padEnd(decimals, '0'));
  return units >> 256n ? null : units;
}

export class GaslessView implements Drawing {
  private readonly lists = new Lists();
  private cap: NonNullable<GasModel['plan']>['cap'] = null;
  private under = false;
  private said = '';
  /** What the server wrote beneath the button. */
  private readonly beneath = byId('go-text')?.textContent ?? '';
  private free = false;

  constructor(private readonly actions: Actions) {
    byId('gasless-ways')?.addEventListener('change', (e) => e.target instanceof HTMLInputElement && actions.pick(e.target.value as Way));
    for (const at of ['gasless', 'success']) byId(`${at}-revoke-go`)?.addEventListener('click', () => actions.revoke());
    byId('gasless-cap-exact')?.addEventListener('change', () => this.choose(false));
    byId('gasless-cap-larger')?.addEventListener('change', () => this.choose(true));
    byId('gasless-cap-amount')?.addEventListener('change', () => this.typed());
  }

  draw(g: GasModel, m: Model): void {
    this.choice(g);
    this.plan(g.plan, g.busy);
    for (const at of ['gasless', 'success']) this.revoke(at, g.revoke, (at === 'success') === (m.state === 'paid'));
    if (g.beneath || this.free) text(byId('go-text'), g.beneath || this.beneath);
    this.free = g.beneath !== '';
    this.tell(g.told);
    this.op(g);
    checkRows(m.checks, say.titleOf, 'op_');
    if (g.paid) {
      shown(byId('payer-gasless'), true);
      text(byId('success-gas'), g.paid);
      shown(byId('success-gas-row'), true);
    }
  }

  private choice({ ways, why, busy }: GasModel): void {
    shown(byId('gasless'), ways.length > 1 || why !== '');
    text(byId('gasless-why'), why);
    shown(byId('gasless-why'), why !== '');
    this.lists.draw('gasless-ways', [ways, busy], () => ways.map((w) => wayItem(w, busy)));
  }

  private plan(p: GasModel['plan'], busy: boolean): void {
    shown(byId('gasless-plan'), p !== null);
    this.cap = p?.cap ?? null;
    shown(byId('gasless-cap'), this.cap !== null);
    if (!p) return;
    text(byId('gasless-text'), p.text);
    text(byId('gasless-account'), short(p.account, 4));
    attr(byId('gasless-account'), 'title', p.account);
    attr(byId('gasless-link'), 'href', p.url || null);
    text(byId('gasless-may'), p.may);
    for (const id of ['exact', 'larger', 'amount']) {
      const input = byId(`gasless-cap-${id}`);
      if (input instanceof HTMLInputElement) input.disabled = busy;
    }
    if (!p.cap) return;
    text(byId('gasless-cap-least'), p.cap.least);
    text(byId('gasless-cap-symbol'), p.cap.symbol);
    const amount = byId('gasless-cap-amount') as HTMLInputElement | null;
    if (p.cap.larger && amount && amount.value === '') {
      amount.value = p.cap.larger;
      const larger = byId('gasless-cap-larger') as HTMLInputElement | null;
      if (larger) larger.checked = true;
      shown(byId('gasless-cap-own'), true);
    }
  }

  private choose(larger: boolean): void {
    shown(byId('gasless-cap-own'), larger);
    if (larger) {
      byId('gasless-cap-amount')?.focus();
      return this.typed();
    }
    this.error('');
    this.actions.cap(null);
  }

  /** Until what is typed can be, it is exactly the payment. */
  private typed(): void {
    const { cap } = this;
    const input = byId('gasless-cap-amount') as HTMLInputElement | null;
    if (!cap || !input) return;
    const units = readDecimal(input.value, cap.decimals);
    const wrong = input.value === '' ? '' : units === null ? say.capBad(cap.symbol) : units < cap.amount ? say.capSmall(cap.least) : '';
    this.error(wrong);
    this.actions.cap(wrong || units === null ? null : units);
  }

  private error(words: string): void {
    text(byId('gasless-cap-error'), words);
    attr(byId('gasless-cap-amount'), 'aria-invalid', words ? 'true' : null);
  }

  private revoke(at: string, r: GasModel['revoke'], here: boolean): void {
    shown(byId(`${at}-revoke`), r !== null && here);
    if (!r || !here) return;
    text(byId(`${at}-revoke-title`), r.title);
    shown(byId(`${at}-revoke-title`), r.title !== '');
    text(byId(`${at}-revoke-text`), r.text);
    const go = byId(`${at}-revoke-go`) as HTMLButtonElement | null;
    if (go) go.disabled = !r.can;
    shown(go, r.title !== '');
    if (this.said !== r.text && r.text !== say.mayText) text(byId('live'), r.text);
    this.said = r.text;
  }

  private tell(t: GasModel['told']): void {
    shown(byId('op-told'), t !== null);
    if (!t) return;
    text(byId('op-told-title'), t.title);
    text(byId('op-told-text'), t.text);
    text(byId('op-told-why'), t.why);
    shown(byId('op-told-why'), t.why !== '');
    link(byId('op-told-link'), t.url);
  }

  private op({ op: o, waiting }: GasModel): void {
    const box = byId('op');
    shown(box, o !== null);
    if (waiting || this.under) {
      // Confirmations are of the payment: there is none yet.
      shown(byId('confirmations'), !waiting);
      shown(byId('confirmations-text'), !waiting);
    }
    this.under = waiting;
    if (!o) return;
    attr(box, 'data-stage', o.stage);
    attr(box, 'data-own', o.own ? '' : null);
    attr(box, 'data-until', o.until ? '' : null);
    text(byId('op-why'), o.why);
    shown(byId('op-why'), o.why !== '');
    this.row('op-gas', o.gas);
    this.row('op-account', short(o.account, 4));
    attr(byId('op-account'), 'title', o.account);
    attr(byId('op-account-link'), 'href', o.url || null);
    this.row('op-chain', o.chain);
    this.row('op-hash', o.hash && `${o.hash.slice(0, 10)}…${o.hash.slice(-8)}`);
    attr(byId('op-hash'), 'title', o.hash);
    this.row('op-until', o.until);
    shown(byId('op-next'), o.stage === 'waiting');
  }

  private row(id: string, words: string): void {
    if (words) text(byId(id), words);
    shown(byId(`${id}-row`), words !== '');
  }
}

function wayItem(w: GasModel['ways'][number], busy: boolean): HTMLElement | null {
  const item = copy('gas-way');
  const input = item?.querySelector('input');
  if (!item || !input) return null;
  input.value = w.way;
  input.checked = w.chosen;
  input.disabled = busy;
  for (const [part, words] of [['name', w.name], ['cost', w.cost], ['text', w.text]] as const) text(item.querySelector(`.gas-${part}`), words);
  return item;
}
