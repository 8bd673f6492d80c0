// Writes the choice of ways to pay, the chosen route and money on a bridge into
// the page, by the ids the templates promise.
import { attr, byId, copy, link, shown, text } from './dom.ts';
import type { Model } from './model.ts';
import { Lists, checkRows } from './rows.ts';
import type { Option } from './ways-data.ts';
import type { Drawing, WaysModel } from './ways.ts';
import * as say from './ways-words.ts';

/** What the payer can do. */
export interface Actions {
  select(id: string): void;
  look(): void;
}

export class WaysView implements Drawing {
  private readonly lists = new Lists();
  private opened = false;
  private readonly wrongChain = byId('wrong-chain-text')?.textContent ?? '';
  private readonly switchWords = byId('switch-chain')?.textContent ?? '';

  constructor(actions: Actions) {
    for (const id of ['ways-enough', 'ways-short']) {
      byId(id)?.addEventListener('change', (e) => e.target instanceof HTMLInputElement && actions.select(e.target.value));
    }
    // Whoever has added money wants to see it.
    byId('funds-refresh')?.addEventListener('click', () => actions.look());
  }

  draw(w: WaysModel, m: Model): void {
    this.choice(w);
    this.lists.draw('route', w.route, () => w.route.map(routeRow));
    shown(byId('route'), w.route.length > 0 && m.state === 'open');
    this.switching(w.switchTo);
    this.tell(w.told);
    this.bridge(w);
    this.receipt(w.given);
    checkRows(m.checks, (check) => say.routeTitles[check] ?? '', 'route_');
  }

  private choice(w: WaysModel): void {
    text(byId('ways-chosen'), `${w.chosen.token.symbol} on ${w.chosen.chain.name}`);
    text(byId('ways-count'), w.count);
    text(byId('way-words'), w.words);
    const many = w.enough.length > 1;
    this.lists.draw('ways-enough', [w.enough, w.chosen.id, w.busy], () => w.enough.map((o) => wayItem(o, o.id === w.chosen.id, w.busy, many)));
    this.lists.draw('ways-short', w.short, () => w.short.map((o) => wayItem(o, false, true, false)));
    shown(byId('ways-none'), w.enough.length === 0);
    text(byId('ways-none'), say.noneEnough);
    text(byId('ways-less-title'), `Not enough in this wallet (${w.short.length})`);
    shown(byId('ways-less'), w.short.length > 0);
    this.lists.draw('ways-notes', w.notes, () => w.notes.map((words) => filled('way-note', words)));
    shown(byId('ways-notes'), w.notes.length > 0);
    if (w.open && !this.opened) {
      this.opened = true;
      attr(byId('ways-more'), 'open', '');
    }
  }


  private switching(to: string): void {
    text(byId('wrong-chain-text'), to ? `You have chosen to pay from ${to}.` : this.wrongChain);
    text(byId('switch-chain'), to ? `Switch to ${to}` : this.switchWords);
  }

  private tell(e: WaysModel['told']): void {
    shown(byId('ways-told'), e !== null);
    text(byId('ways-told-title'), e?.title ?? '');
    text(byId('ways-told-text'), e?.text ?? '');
    link(byId('ways-told-link'), e?.url ?? '', e?.url ? e.link : '');
  }

  private receipt(given: WaysModel['given']): void {
    if (!given) return; // what the server wrote there stays
    text(byId('success-given'), given.text);
    link(byId('success-given-link'), given.url);
    shown(byId('success-given-row'), true);
  }

  private bridge({ bridging: b, carried }: WaysModel): void {
    shown(byId('bridging'), b !== null);
    shown(byId('bridging-text'), b !== null);
    shown(byId('confirmations'), !carried);
    shown(byId('confirmations-text'), !carried);
    if (!b) return;
    attr(byId('bridging'), 'max', b.max ? String(b.max) : null);
    attr(byId('bridging'), 'value', b.max ? String(Math.round(b.value)) : null);
    text(byId('bridging-text'), b.text);
  }
}

function filled(template: string, words: string): HTMLElement | null {
  const item = copy(template);
  text(item, words);
  return item;
}

function routeRow([name, value]: readonly [string, string]): HTMLElement | null {
  const row = copy('route-row');
  text(row?.querySelector('dt') ?? null, name);
  text(row?.querySelector('dd') ?? null, value);
  return row;
}

function wayItem(o: Option, chosen: boolean, disabled: boolean, choice: boolean): HTMLElement | null {
  const item = copy('way-item');
  const input = item?.querySelector('input');
  if (!item || !input) return null;
  const part = (name: string, words: string): void => text(item.querySelector(`.way-${name}`), words);
  input.value = o.id;
  input.checked = chosen;
  input.disabled = disabled;
  // What is no choice is only told.
  input.hidden = !choice;
  part('name', o.token.symbol);
  part('chain', o.chain.name);
  part('needed', `${o.estimated ? 'up to ' : ''}${say.amount(o.needed, o.token)}`);
  part('time', o.type === 'samechain' ? 'a few seconds' : o.seconds ? say.about(o.seconds) : o.type === 'crosschain' ? 'a few minutes' : 'a few seconds');
  part('balance', o.balance === null ? '' : `You have ${say.held(o.balance, o.token)}`);
  part('fee', o.fee > 0n ? `Fee ${say.amount(o.fee, o.token)}` : o.type === 'samechain' ? 'No fee' : '');
  return item;
}
