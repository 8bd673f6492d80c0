// Rows that several of the lazily loaded scripts draw into the page alike.
import type { Check } from './api.ts';
import { attr, byId, copy, text } from './dom.ts';

/**
 * The page has rows for what every payment is checked for: those of one way to pay come with it, and go with it if their names
 * begin with a prefix that is given.
 */
export function checkRows(checks: readonly Check[], titleOf: (check: string) => string, leaving = ''): void {
  const list = byId('safety-checks');
  const own = checks.filter((c) => titleOf(c.name));
  for (const row of leaving ? (list?.querySelectorAll(`[data-check^="${leaving}"]`) ?? []) : []) {
    if (!own.some((c) => c.name === row.getAttribute('data-check'))) row.remove();
  }
  for (const c of own) {
    let row = list?.querySelector(`[data-check="${c.name}"]`) ?? null;
    if (!row) {
      row = copy('check-item');
      attr(row, 'data-check', c.name);
      if (row) list?.append(row);
    }
    attr(row, 'data-outcome', c.outcome);
    text(row?.querySelector('.check-title') ?? null, titleOf(c.name));
    text(row?.querySelector('.detail') ?? null, c.detail);
  }
}

/** Draws lists, each anew only when what it shows is different; what had the focus keeps it. */
export class Lists {
  private readonly drawn = new Map<string, string>();

  draw(id: string, key: unknown, items: () => (HTMLElement | null)[]): void {
    const el = byId(id);
    const now = JSON.stringify(key, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v));
    if (!el || this.drawn.get(id) === now) return;
    this.drawn.set(id, now);
    const focused = el.contains(document.activeElement) ? (document.activeElement as HTMLInputElement).value : null;
    el.replaceChildren(...items().filter((i) => i !== null));
    if (focused === null) return;
    [...el.querySelectorAll('input')].find((i) => i.value === focused)?.focus({ preventScroll: true });
  }
}
