// The parts of a page that any payment with a wallet of this browser has: the
// wallets, what one of them holds, the button and what there is to be said.
import { attr, byId, copy, shown, text } from './dom.ts';
import type { Model, Notice } from './model.ts';
import type { Wallet } from './wallets.ts';

export class Parts {
  private readonly drawn = new Map<string, string>();

  constructor(private readonly connect: (id: string) => void) {}

  /** Draws a list anew only when what it shows is different: focus and scrolling stay. */
  list(id: string, key: unknown, items: () => (HTMLElement | null)[]): void {
    const el = byId(id);
    const now = JSON.stringify(key, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v));
    if (!el || this.drawn.get(id) === now) return;
    this.drawn.set(id, now);
    el.replaceChildren(...items().filter((i) => i !== null));
  }

  wallets(m: Pick<Model, 'account' | 'wallets' | 'searching' | 'connecting'>): void {
    const choosing = m.account === null;
    const none = m.wallets.length === 0;
    shown(byId('wallet-searching'), choosing && none && m.searching);
    shown(byId('wallet-none'), choosing && none && !m.searching);
    shown(byId('wallet-list'), choosing);
    this.list('wallet-list', [m.wallets.map((w) => w.id), m.connecting], () => m.wallets.map((w) => this.walletItem(w, m.connecting === w.id)));
    shown(byId('account'), !choosing);
    if (m.account) {
      text(byId('account-address'), m.account.address);
      text(byId('account-wallet'), m.account.wallet);
    }
  }

  private walletItem(w: Wallet, asking: boolean): HTMLElement | null {
    const item = copy('wallet-item');
    const button = item?.querySelector('button');
    if (!item || !button) return null;
    text(item.querySelector('.wallet-name'), asking ? `${w.name}: confirm there…` : w.name);
    const icon = item.querySelector('img');
    if (w.icon && icon) icon.src = w.icon;
    else icon?.remove();
    button.dataset['rdns'] = w.id;
    button.disabled = asking;
    attr(button, 'aria-busy', asking ? 'true' : null);
    button.addEventListener('click', () => this.connect(w.id));
    return item;
  }

  funds(m: Pick<Model, 'funds'>): void {
    shown(byId('funds'), m.funds !== null);
    text(byId('funds-balance'), m.funds?.balance ?? '');
    text(byId('funds-gas'), m.funds?.gas ?? '');
    text(byId('funds-missing'), m.funds?.missing ?? '');
    shown(byId('funds-refresh'), !!m.funds?.missing);
  }

  /** Returns the button. */
  go(m: Pick<Model, 'go'>): HTMLButtonElement | null {
    const go = byId('go') as HTMLButtonElement | null;
    if (go) {
      go.disabled = !m.go.enabled;
      text(go, m.go.text);
      attr(go, 'aria-busy', m.go.busy ? 'true' : null);
    }
    return go;
  }

  notice(n: Notice | null): void {
    const box = byId('notice');
    attr(box, 'data-kind', n?.kind ?? 'info');
    text(byId('notice-title'), n?.title ?? '');
    text(byId('notice-text'), n?.text ?? '');
    text(byId('notice-retry'), n?.retry || 'Try again');
    shown(byId('notice-retry'), !!n?.retry);
    shown(box, n !== null);
  }
}
