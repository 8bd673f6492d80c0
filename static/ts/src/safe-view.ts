// Writes what concerns Safes into the page, by the ids the templates promise.
import { attr, byId, copy, link, shown, text } from './dom.ts';
import type { Model } from './model.ts';
import { Lists, checkRows } from './rows.ts';
import * as say from './safe-words.ts';

interface Titled {
  readonly title: string;
  readonly text: string;
}

/** A transaction that waits, or was executed just now. */
export interface Waiting {
  readonly stage: 'waiting' | 'executed';
  readonly nameless: boolean;
  /** "1 of 2 signatures", "" where nobody told. */
  readonly signatures: string;
  readonly signed: number;
  readonly threshold: number;
  readonly owners: readonly { readonly address: string; readonly signed: boolean }[];
  /** What is said of an owner whose signature was not seen. */
  readonly unsigned: string;
  readonly address: string;
  readonly url: string;
  /** Where it signs, if that is not the payment's own chain. */
  readonly chain: string;
  readonly queue: string;
  readonly deadline: string;
  readonly until: string;
}

export interface SafeModel {
  /** What a connected Safe means. */
  readonly account: (Titled & { readonly warnings: readonly string[] }) | null;
  readonly waiting: Waiting | null;
  /** Why the last one did not pay. */
  readonly ended: (Titled & { readonly url: string }) | null;
  /** The link has expired, and a transaction still waits. */
  readonly tooLate: boolean;
  /** What was proposed is not the payment. */
  readonly refused: boolean;
  /** It has paid. */
  readonly paid: boolean;
}

/** What draws it. */
export interface Drawing {
  draw(s: SafeModel, m: Model): void;
}

const short = (address: string): string => `${address.slice(0, 6)}…${address.slice(-4)}`;

export class SafeView implements Drawing {
  private readonly lists = new Lists();
  private under = false;
  private said = '';
  /** What the server wrote beneath the button. */
  private readonly beneath = byId('go-text')?.textContent ?? '';

  draw(s: SafeModel, m: Model): void {
    this.account(s.account);
    this.waiting(s.waiting);
    this.ended(s.ended);
    checkRows(m.checks, say.titleOf);
    if (s.paid) shown(byId('payer-safe'), true);
    if (s.refused) text(byId('unsafe-text'), say.rejectIt);
    if (s.tooLate) text(document.querySelector('#over .ending-expired .lead'), say.tooLate);
  }

  private account(a: SafeModel['account']): void {
    shown(byId('safe-account'), a !== null);
    text(byId('safe-account-title'), a?.title ?? '');
    text(byId('safe-account-text'), a?.text ?? '');
    text(byId('go-text'), a ? say.beneath : this.beneath);
    const warnings = a?.warnings ?? [];
    shown(byId('safe-warnings'), warnings.length > 0);
    this.lists.draw('safe-warnings', warnings, () =>
      warnings.map((words) => {
        const item = copy('safe-warning');
        text(item, words);
        return item;
      }),
    );
  }

  private waiting(w: Waiting | null): void {
    const box = byId('safe');
    shown(box, w !== null);
    if (w || this.under) {
      // What counts is signatures, until the payment itself is there to be confirmed.
      shown(byId('confirmations'), w === null);
      shown(byId('confirmations-text'), w === null);
    }
    this.under = w !== null;
    if (!w) return;
    const open = w.stage === 'waiting';
    attr(box, 'data-stage', w.stage);
    attr(box, 'data-told', w.nameless ? null : '');
    attr(box, 'data-queued', w.queue ? '' : null);
    attr(box, 'data-until', w.until ? '' : null);
    shown(byId('safe-signatures'), open && w.signatures !== '');
    attr(byId('safe-signed'), 'max', String(Math.max(w.threshold, 1)));
    attr(byId('safe-signed'), 'value', String(Math.min(w.signed, w.threshold)));
    shown(byId('safe-signed'), w.signatures !== '');
    text(byId('safe-signed-text'), w.signatures);
    shown(byId('safe-owners'), open && w.owners.length > 0);
    shown(byId('safe-untold'), open && w.owners.length > 0 && w.signatures === '');
    this.lists.draw('safe-owners', [w.owners, w.unsigned], () => w.owners.map((o) => ownerItem(o, w.unsigned)));
    this.row('safe-address', short(w.address), w.address !== '');
    attr(byId('safe-address'), 'title', w.address);
    if (w.url) attr(byId('safe-link'), 'href', w.url);
    this.row('safe-chain', w.chain, w.chain !== '');
    this.row('safe-queue', w.queue, open && w.queue !== '');
    this.row('safe-deadline', w.deadline, open && w.deadline !== '' && (!w.nameless || w.until === ''));
    this.row('safe-until', w.until, open && w.until !== '');
    shown(byId('safe-next'), open);
    if (open && w.signatures !== this.said) {
      // Nobody has to look again and again whether another owner has signed.
      if (this.said) text(byId('live'), w.signatures);
      this.said = w.signatures;
    }
  }

  private row(id: string, words: string, visible: boolean): void {
    if (visible) text(byId(id), words);
    shown(byId(`${id}-row`), visible);
  }

  private ended(e: SafeModel['ended']): void {
    shown(byId('safe-told'), e !== null);
    if (!e) return;
    for (const id of ['safe-told', 'failed']) {
      text(byId(`${id}-title`), e.title);
      text(byId(`${id}-text`), e.text);
      link(byId(`${id}-link`), e.url);
    }
  }

}

function ownerItem(o: Waiting['owners'][number], unsigned: string): HTMLElement | null {
  const item = copy('safe-owner');
  attr(item, 'data-signed', String(o.signed));
  text(item?.querySelector('.safe-owner-address') ?? null, short(o.address));
  attr(item?.querySelector('.safe-owner-address') ?? null, 'title', o.address);
  text(item?.querySelector('.safe-owner-state') ?? null, o.signed ? 'Signed' : unsigned);
  return item;
}
