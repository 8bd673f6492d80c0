// The script that pages of payment links have beside the one of deposits: bank
// transfers, the question before a payment is called off, and what follows it.
import { copies } from './copies.ts';
import type { Difference, LinkHost, LinkModule } from './deposit-types.ts';
import { attr, byId, link, shown, text } from './dom.ts';
import { type Bank, changed, judge, misshown, readBank } from './link-bank.ts';
import type { Drawing } from './qr.ts';

const said = (id: string): string => byId(id)?.textContent?.trim() ?? '';

/** The rows that have a button, as they are named to people. */
const rows: Readonly<Record<string, string>> = { holder: 'Recipient', iban: 'IBAN', bic: 'BIC', amount: 'Amount', text: 'Text' };

/** Account numbers are not shown in full where they were refused. */
const hidden = (detail: string): string => detail.replace(/\b([A-Z]{2}\d\d)[A-Z0-9]{8,26}([A-Z0-9]{4})\b/g, '$1…$2');

/** Calls the payment off and goes where that leads: a form of this page may not lead to the merchant's site. What was refused says its own page. */
async function callOff(path: string): Promise<void> {
  const answer = await fetch(`${path}/cancel`, { method: 'POST', credentials: 'same-origin', redirect: 'manual', signal: AbortSignal.timeout(20_000) }).catch(() => null);
  location.assign(`${path}/${answer?.type === 'opaqueredirect' ? 'return' : 'cancel'}`);
}

export const start: LinkModule['start'] = (h) => {
  const question = byId('cancel-ask') as HTMLDialogElement | null;
  const ask = byId('cancel');
  // Without dialogs the link leads to the question's own page.
  if (typeof question?.showModal === 'function') {
    attr(ask, 'aria-haspopup', 'dialog');
    ask?.addEventListener('click', (e) => {
      e.preventDefault();
      question.showModal();
    });
  }
  question?.querySelector('form')?.addEventListener('submit', (e) => {
    e.preventDefault();
    void callOff(h.flow.f.page.path);
  });
  byId('cancel-back')?.addEventListener('click', () => question?.close());
  for (const [row, name] of Object.entries(rows)) copies(`bank-${row}-copy`, `bank-${row}`, name, (words) => h.view.announce(words));
  const bank = byId('bank') ? new BankPart(h) : null;

  return {
    draw() {
      const { f } = h.flow;
      const { status: s } = f;
      if (f.unsafe) return bank?.clear();
      bank?.draw();
      shown(byId('bank-choose'), s.bank !== null);
      const cancellable = s.cancellable && !f.underWay;
      if (!cancellable) question?.close?.();
      shown(ask, cancellable);
      shown(byId('canceled-by-payer'), s.canceledBy === 'payer');
      shown(byId('canceled-by-merchant'), s.canceledBy !== 'payer');
      link(byId('canceled-link'), s.state === 'canceled' ? s.returnUrl : '');
    },
  };
};

class BankPart {
  private before: Bank | null = null;

  constructor(private readonly h: LinkHost) {}

  draw(): void {
    const { drawCode, flow, readDrawing, view } = this.h;
    const { status: s, page } = flow.f;
    if (!s.bank) return;
    const bank = readBank(s.bank);
    if ('check' in bank) return this.refuse(bank);
    const { before } = this;
    const same = before && !changed(bank, before) && bank.amount === before.amount;
    if (same) return;
    const code = readDrawing(bank.qr);
    const wrong = judge(bank, s.missing, this.reads(code)) ?? (before ? changed(bank, before) : this.first(bank));
    if (wrong) return this.refuse(wrong);
    this.before = bank;
    if (!before || !code) return;
    // Some has come another way: nothing but the amount is different.
    text(byId('bank-amount'), bank.amount);
    text(byId('bank-amount')?.closest('dd')?.querySelector('small') ?? null, `What is left to pay of ${s.amount} ${page.currency}.`);
    drawCode('bank-qr', code, byId('bank-qr')?.querySelector('svg')?.getAttribute('aria-label') ?? '');
    view.announce(`What is left to pay is now ${bank.amount} ${page.currency}.`);
  }

  /** Nothing that could be paid to stays, not even where it cannot be seen. */
  clear(): void {
    for (const row of Object.keys(rows)) text(byId(`bank-${row}`), '');
    byId('bank-qr')?.replaceChildren();
  }

  /** What was there before this script came, and on an earlier visit. */
  private first(bank: Bank): Difference | null {
    const { account, drawn } = this.h;
    const known = account.address;
    if (known && known !== bank.iban) return { check: 'page_bank', field: 'IBAN', expected: known, found: bank.iban };
    account.address = bank.iban;
    const shows = { holder: said('bank-holder'), iban: said('bank-iban'), bic: said('bank-bic'), amount: said('bank-amount'), text: said('bank-text') };
    return misshown(bank, shows, this.reads(drawn('bank-qr')));
  }

  private reads(code: Drawing | null): (text: string) => boolean {
    return (words) => code !== null && this.h.says(code, words);
  }

  private refuse(d: Difference): void {
    this.h.flow.refuse(d.check, hidden(`${d.field} (expected ${d.expected}, found ${d.found})`));
  }
}
