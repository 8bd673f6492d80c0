// Writes what concerns a wallet of this browser into a deposit's page.
import type { DepositFacts } from './deposit-facts.ts';
import type { DepositPaying } from './deposit-paying.ts';
import { attr, byId, copy, link, shown, text } from './dom.ts';
import { Parts } from './parts.ts';
import * as say from './words.ts';

/** What the payer can do. */
export interface PayingActions {
  connect(id: string): void;
  change(): void;
  refresh(): void;
  go(): void;
  retry(): void;
}

const waiting = 'Your wallet has sent it, and the network has not included it yet. This page updates by itself. Do not pay again.';
const included = 'The network has included it. It is counted in a moment. Do not pay again.';

export class PayingView {
  private readonly parts: Parts;
  private readonly goText = byId('go-text')?.textContent ?? '';
  private readonly arrivedText = [...(byId('arrived-text')?.childNodes ?? [])];

  constructor(
    private readonly f: DepositFacts,
    actions: PayingActions,
  ) {
    this.parts = new Parts(actions.connect);
    const on = (id: string, run: () => void): void => byId(id)?.addEventListener('click', run);
    on('account-change', actions.change);
    on('funds-refresh', actions.refresh);
    on('go', actions.go);
    on('notice-retry', actions.retry);
  }

  draw(p: DepositPaying): void {
    const { f } = this;
    const { account, wallet, ready } = p.connection;
    shown(byId('wallet'), f.payable && p.wallets.length > 0 && (f.quote !== null || account !== null));
    this.parts.wallets({ account: account && wallet && { address: account, wallet: wallet.name }, wallets: p.wallets, searching: p.searching, connecting: p.connecting });
    this.parts.funds({ funds: f.quote ? p.funds : null });
    this.parts.go({ go: this.button(p) });
    this.parts.notice(notice(p));
    const elsewhere = account !== null && f.asset !== null && !ready;
    text(byId('go-text'), elsewhere ? `Your wallet first asks you to switch to ${f.asset?.chain}, then to confirm the payment. ${this.goText.replace(/^.*?\. /, '')}` : this.goText);
    this.own(p);
  }

  /** What this browser has sent, until the server lists it. */
  private own(p: DepositPaying): void {
    const { f } = this;
    const sent = f.underWay ? p.sent : null;
    const line = byId('arrived-text');
    const list = byId('transfers');
    const row = list?.querySelector<HTMLElement>('[data-transfer="sent"]') ?? null;
    if (!sent) {
      row?.remove();
      if (line && line.firstChild !== this.arrivedText[0]) line.replaceChildren(...this.arrivedText);
      return;
    }
    shown(byId('arrived'), true);
    shown(line, true);
    text(line, sent.mined ? included : waiting);
    const el = row ?? copy('transfer-item');
    const part = (name: string): HTMLElement | null => el?.querySelector<HTMLElement>(`.transfer-${name}`) ?? null;
    attr(el, 'data-transfer', 'sent');
    text(part('amount'), 'Sent from your wallet');
    text(part('worth'), '');
    text(part('state'), sent.mined ? 'Included' : 'Waiting for the network');
    text(part('chain'), f.page.chains.find((c) => c.id === sent.chain)?.name ?? '');
    text(part('at'), '');
    shown(part('bar'), false);
    link(part('link'), p.explorer(sent.hash));
    if (el && !row) list?.append(el);
  }

  private button(p: DepositPaying): { text: string; enabled: boolean; busy: boolean } {
    const { quote } = this.f;
    const { account, chain } = p.connection;
    let words = quote ? `Pay ${quote.amount} ${quote.symbol}` : 'Get a new price to continue';
    if (p.busy === 'signing') words = 'Confirm in your wallet…';
    else if (!account) words = 'Choose a wallet to continue';
    else if (p.switching) words = `Switching to ${chain.name}…`;
    else if (p.busy === 'checking') words = 'Checking…';
    return { text: words, enabled: p.mayGo(), busy: p.busy !== 'no' || p.switching };
  }
}

function notice(p: DepositPaying): (say.Words & { readonly retry: string }) | null {
  if (p.elsewhere) return { ...say.otherTab, retry: '' };
  if (p.stranded && p.sent) return { ...say.alreadySent('this payment'), retry: 'It was not sent' };
  if (p.notice) return p.notice;
  const words = p.askedBefore ? say.askedBefore : p.warning()?.words;
  return words ? { ...words, retry: 'I have looked' } : null;
}
