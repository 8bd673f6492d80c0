// Writes what is known into a deposit's page, by the ids that templates/deposit.templ
// promises. Only text, attributes, copies of <template>s and shapes of codes that
// were read digit by digit: nothing here can become markup or script.
import { copies } from './copies.ts';
import type { State } from './data.ts';
import type { DepositPage, Quote, Transfer } from './deposit-data.ts';
import type { DepositFacts } from './deposit-facts.ts';
import type { ShownQuote } from './deposit-verify.ts';
import {
  announcements, countsAs, day, isPartial, moment, moreWords, partialWords, settledWords, some, titleWords, transfersTitle, unpriced, worthWords,
} from './deposit-words.ts';
import { attr, byId, copy, link, shown, text } from './dom.ts';
import { type Drawing, readDrawing } from './qr.ts';
import { remaining } from './units.ts';

/** What the payer can do. */
export interface DepositActions {
  choose(asset: string): void;
  renew(): void;
  stay(): void;
}

const stages: Readonly<Partial<Record<State, string>>> = { paid: 'success', expired: 'over', canceled: 'over', failed: 'over', unsafe: 'unsafe' };
const svgNames = 'http://www.w3.org/2000/svg';

/** The drawing of a code in the page; null if there is anything else. */
export function drawn(id: string): Drawing | null {
  const svgs = byId(id)?.querySelectorAll('svg') ?? [];
  const svg = svgs[0];
  const shapes = svg?.querySelectorAll('path') ?? [];
  if (svgs.length !== 1 || !svg || shapes.length !== 1 || svg.querySelectorAll('*').length !== 2) return null;
  const width = /^0 0 (\d+) \1$/.exec(svg.getAttribute('viewBox') ?? '')?.[1];
  return { width: Number(width), shape: shapes[0]?.getAttribute('d') ?? '' };
}

const said = (id: string): string => byId(id)?.textContent ?? '';

/** What the page shows of a quote, read back for the safety check. */
export const readShownQuote = (): ShownQuote => ({
  amount: said('send-number'),
  symbol: said('send-symbol'),
  network: said('send-network'),
  address: said('address'),
  uri: byId('open-wallet')?.getAttribute('href') ?? '',
  qr: drawn('qr'),
  addressQr: byId('address-qr') ? (drawn('address-qr') ?? { width: 0, shape: '' }) : null,
});

export class DepositView {
  private state = byId('qt')?.dataset['state'] ?? '';
  private drawnQuote: Quote | null = null;
  private chosen = byId('choose-form')?.querySelector<HTMLInputElement>('input:checked')?.value ?? '';
  /** How the last choice was made: arrow keys go through the choices without meaning any. */
  private pointed = false;

  constructor(
    private readonly page: DepositPage,
    actions: DepositActions,
  ) {
    byId('stay')?.addEventListener('click', actions.stay);
    const announce = (words: string): void => this.announce(words);
    copies('amount-copy', 'send-number', 'Amount', announce);
    copies('address-copy', 'address', 'Address', announce);

    byId('refresh')?.addEventListener('submit', (e) => {
      e.preventDefault();
      actions.renew();
    });
    // A form that leads elsewhere is sent as it is.
    const form = page.status.split || page.method ? null : byId('choose-form');
    const choose = (): void => {
      const id = form?.querySelector<HTMLInputElement>('input:checked')?.value;
      if (id) actions.choose(id);
    };
    form?.addEventListener('submit', (e) => {
      e.preventDefault();
      choose();
    });
    form?.addEventListener('pointerdown', () => (this.pointed = true));
    form?.addEventListener('keydown', () => (this.pointed = false));
    form?.addEventListener('change', () => this.pointed && choose());
    // Amounts of other assets are the server's, from when the page was made.
    for (const el of document.querySelectorAll<HTMLElement>('.choice-amount')) shown(el, false);
  }

  announce(words: string): void {
    text(byId('live'), words);
  }

  render(f: DepositFacts, now: number): void {
    this.choice(f);
    this.quote(f, now);
    this.details(f, now);
    this.arrived(f);
    this.ends(f);
    this.stage(f);
  }

  /** Counts down to the way back; null for no longer. */
  leaving(seconds: number | null): void {
    text(byId('return-text'), seconds === null ? '' : `Taking you back in ${seconds} s.`);
    shown(byId('return'), seconds !== null);
  }

  private choice({ asset, quote, page }: DepositFacts): void {
    const id = asset?.id ?? '';
    const form = byId('choose-form');
    if (quote) {
      const amount = form?.querySelector<HTMLElement>(`[data-asset="${CSS.escape(quote.asset)}"] .choice-amount`) ?? null;
      text(amount, quote.amount);
    }
    for (const label of form?.querySelectorAll<HTMLElement>('[data-asset]') ?? []) {
      shown(label.querySelector<HTMLElement>('.choice-amount'), quote !== null && label.dataset['asset'] === quote.asset);
    }
    if (id === this.chosen) return;
    this.chosen = id;
    for (const input of form?.querySelectorAll('input') ?? []) if (input.type === 'radio') input.checked = input.value === id;
    const more = byId('choose-more') as HTMLDetailsElement | null;
    if (more) more.open = id === '';
    text(byId('choose-title'), id || page.method ? 'Pay with something else' : 'Choose what to pay with');
    for (const el of document.querySelectorAll('.place')) text(el, asset ? `${asset.symbol} on ${asset.chain}` : '');
    for (const el of document.querySelectorAll('.place-network')) text(el, asset?.chain ?? '');
    text(byId('send-network'), asset?.chain ?? '');
    const explorer = byId('asset-link');
    link(explorer, asset && !asset.native ? asset.assetUrl : '');
    text(byId('asset-link-text'), `${asset?.symbol ?? ''} contract`);
    (byId('refresh-asset') as HTMLInputElement | null)?.setAttribute('value', id);
  }

  private quote(f: DepositFacts, now: number): void {
    const { quote: q, asset, trouble, page } = f;
    shown(byId('bank'), f.state() === 'open' && f.status.bank !== null);
    shown(byId('send'), asset !== null && f.status.state === 'open' && !f.unsafe);
    shown(byId('quote-lapsed'), trouble === 'lapsed' && !f.quoting);
    shown(byId('quote-missing'), trouble === 'unavailable');
    shown(byId('quote-limited'), trouble === 'limited');
    shown(byId('quote'), q !== null);
    shown(byId('refresh'), page.address !== '');
    const again = byId('refresh-go') as HTMLButtonElement | null;
    if (again) again.disabled = f.quoting;
    attr(again, 'aria-busy', f.quoting ? 'true' : null);
    text(again, f.quoting ? 'Asking for the price…' : q || trouble === 'lapsed' ? 'Get a new price' : trouble ? 'Try again' : 'Get the price');

    const news = f.news;
    attr(byId('news'), 'data-kind', news?.kind ?? 'info');
    text(byId('news-title'), news?.title ?? '');
    text(byId('news-text'), news?.text ?? '');
    shown(byId('news'), news !== null);

    const timer = byId('quote-time');
    shown(timer?.parentElement ?? null, q !== null);
    const before = timer?.firstChild;
    if (before?.nodeType === Node.TEXT_NODE && before.nodeValue !== 'Price holds for ') before.nodeValue = 'Price holds for ';
    if (q) {
      text(byId('quote-left'), remaining(q.expiresAt - now));
      text(byId('send-worth'), worthWords(page, f.status, q));
    }
    if (q && q !== this.drawnQuote) this.draw(q, f);
  }

  private draw(q: Quote, { asset }: DepositFacts): void {
    const first = this.drawnQuote === null;
    this.drawnQuote = q;
    const changed = said('send-number') !== q.amount || said('send-symbol') !== q.symbol;
    text(byId('send-number'), q.amount);
    text(byId('send-symbol'), q.symbol);
    attr(byId('quote-left'), 'datetime', new Date(q.expiresAt).toISOString());
    const open = byId('open-wallet');
    attr(open, 'href', q.uri);
    shown(open, true);
    const drawing = readDrawing(q.qr);
    if (drawing) drawCode('qr', drawing, `Code for a wallet: ${q.amount} ${q.symbol} on ${q.chain}`);
    if (changed || !first) this.announce(`Send ${q.amount} ${asset?.symbol} on ${asset?.chain}.`);
  }

  private details(f: DepositFacts, now: number): void {
    const { page, status: s } = f;
    text(byId('time-left'), `${remaining(s.expiresAt - now)} left`);
    shown(byId('time-left')?.parentElement ?? null, s.state === 'open');
    const partial = isPartial(s);
    shown(byId('partial'), partial);
    if (partial) {
      text(byId('partial-text'), partialWords(page, s));
      text(byId('partial-more'), f.underWay ? '' : moreWords(page, s, f.quote));
    }
    const waiting = s.state === 'open' || s.state === 'seen' ? unpriced(s) : '';
    shown(byId('unpriced'), waiting !== '');
    text(byId('unpriced-what'), waiting);
    shown(byId('reorged'), s.state === 'open' && s.transfers.some((t) => t.stage === 'dropped'));
    shown(byId('received-row'), some(s.received));
    text(byId('received'), s.received);
    shown(byId('missing-row'), partial);
    text(byId('missing'), s.missing);
    shown(byId('expires-at')?.closest<HTMLElement>('.row') ?? null, s.state !== 'paid');
  }

  private arrived(f: DepositFacts): void {
    const { status: s } = f;
    shown(byId('arrived'), s.transfers.length > 0);
    shown(byId('arrived-text'), s.state === 'seen');
    text(byId('arrived-title'), transfersTitle(f.state()));
    const list = byId('transfers');
    const rows = new Map([...(list?.children ?? [])].map((el) => [el.getAttribute('data-transfer'), el as HTMLElement]));
    for (const t of s.transfers) {
      const there = rows.get(t.key) ?? copy('transfer-item');
      if (!there) return;
      if (!rows.delete(t.key)) {
        attr(there, 'data-transfer', t.key);
        list?.append(there);
      }
      this.transfer(there, t);
    }
    // Rows of transfers that are no longer told of; deposit-pay.js looks after its own.
    for (const [key, el] of rows) if (key !== 'sent') el.remove();
  }

  private transfer(el: HTMLElement | null, t: Transfer): void {
    const part = (name: string): HTMLElement | null => el?.querySelector<HTMLElement>(`.transfer-${name}`) ?? null;
    attr(el, 'data-stage', t.stage);
    text(part('amount'), `${t.amount} ${t.symbol}`);
    text(part('worth'), countsAs(this.page, t));
    attr(part('bar'), 'max', String(t.required));
    attr(part('bar'), 'value', String(Math.min(t.confirmations, t.required)));
    shown(part('bar'), t.stage === 'pending');
    text(part('state'), settledWords(t));
    text(part('chain'), t.chain);
    text(part('at'), t.bank ? day(t.at) : moment(t.at));
    attr(part('at'), 'datetime', new Date(t.at).toISOString());
    link(part('link'), t.explorerUrl);
  }

  private ends({ status: s, unsafe, refused }: DepositFacts): void {
    shown(byId('surplus'), some(s.excess));
    text(byId('excess'), s.excess);
    shown(byId('settled-row'), s.settledAt > 0);
    if (s.settledAt) {
      text(byId('settled-at'), moment(s.settledAt));
      attr(byId('settled-at'), 'datetime', new Date(s.settledAt).toISOString());
    }
    link(byId('merchant-link'), s.returnUrl);
    text(byId('failed-received'), s.received);
    shown(byId('late'), some(s.late));
    text(byId('late-amount'), s.late);
    if (!unsafe) return;
    text(byId('unsafe-text'), refused);
    text(byId('unsafe-check'), unsafe);
    // Nothing that could be sent to stays, not even where it cannot be seen.
    text(byId('address'), '');
    byId('qr')?.replaceChildren();
    byId('address-qr')?.replaceChildren();
    attr(byId('open-wallet'), 'href', null);
  }

  private stage(f: DepositFacts): void {
    const state = f.state();
    const before = this.state;
    shown(byId('choose'), state === 'open');
    shown(byId('safety'), state === 'open' || state === 'seen');
    attr(byId('qt'), 'data-oddity', f.status.oddity);
    if (before === state) return;
    this.state = state;
    attr(byId('qt'), 'data-state', state);
    document.title = titleWords(f.page, f.status, state);
    const active = stages[state] ?? '';
    for (const id of new Set(Object.values(stages))) shown(byId(id), id === active);
    this.announce(announcements[state]);
    // Whoever pays by keyboard or screen reader is taken to what is new.
    const heading = [...(byId(active || (state === 'seen' ? 'arrived' : 'send'))?.querySelectorAll('h2') ?? [])].find((h) => h.checkVisibility?.() ?? true);
    attr(heading ?? null, 'tabindex', '-1');
    heading?.focus();
  }
}

/** Draws a code in place of the one that is there. */
export function drawCode(id: string, drawing: Drawing, label: string): void {
  const element = (name: string, attributes: Readonly<Record<string, string>>): SVGElement => {
    const el = document.createElementNS(svgNames, name);
    for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
    return el;
  };
  const width = String(drawing.width);
  const svg = element('svg', { viewBox: `0 0 ${width} ${width}`, 'shape-rendering': 'crispEdges', role: 'img', 'aria-label': label });
  svg.append(element('rect', { width, height: width, fill: '#fff' }), element('path', { fill: '#000', d: drawing.shape }));
  byId(id)?.replaceChildren(svg);
}
