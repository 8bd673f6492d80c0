// A payment that only some wallets may see: asks one who it is, asks the server
// whether it is let in, and has the page loaded anew if so. It knows nothing
// of the payment, because the page does not either. No DOM.
import { type Api, ApiError } from './api.ts';
import type { Hex, State } from './data.ts';
import type { Model, Notice } from './model.ts';
import { WalletError, ask, faultOf, readAccount } from './rpc.ts';
import type { Store } from './store.ts';
import type { Wallet } from './wallets.ts';
import * as say from './words.ts';

/** The payer has to read and click. */
const forPeople = 90_000;

export interface Deps {
  readonly state: State;
  readonly api: Pick<Api, 'access'>;
  readonly store: Store;
  readonly render: (model: Model) => void;
  readonly reload: () => void;
}

export class Lock {
  private wallets: readonly Wallet[] = [];
  private searching = true;
  private connecting = '';
  private wallet: Wallet | null = null;
  private account: Hex | null = null;
  private notice: Notice | null = null;
  private again: () => void = () => undefined;
  /** Wallets say so when their owner chooses another account: that one is asked for in its turn. */
  private readonly changed = (): void => void (this.wallet && this.connect(this.wallet));

  constructor(private readonly d: Deps) {}

  setWallets(wallets: readonly Wallet[], searching: boolean): void {
    this.wallets = wallets;
    this.searching = searching;
    this.show();
  }

  async connect(wallet: Wallet): Promise<void> {
    if (this.connecting) return;
    this.connecting = wallet.id;
    this.notice = null;
    this.show();
    try {
      const account = readAccount(await ask(wallet.provider, 'eth_requestAccounts', [], forPeople));
      if (!account) throw new WalletError('failed');
      this.follow(wallet, account);
      const answer = await this.d.api.access(account);
      if (answer.verdict === 'approved') {
        this.d.store.wallet = wallet.id;
        return this.d.reload();
      }
      const words = say.accessWords(answer);
      this.tell(words, words.retry, answer.verdict === 'error' ? () => void this.connect(wallet) : () => this.change());
    } catch (err) {
      const words = err instanceof ApiError ? say.apiWords(err) : say.walletWords(faultOf(err));
      this.tell(words, 'Try again', () => void this.connect(wallet));
    } finally {
      this.connecting = '';
      this.show();
    }
  }

  /** Back to the list of wallets. */
  change(): void {
    this.follow(null, null);
    this.notice = null;
    this.show();
  }

  retry(): void {
    this.again();
  }

  private follow(wallet: Wallet | null, account: Hex | null): void {
    this.wallet?.provider.removeListener?.('accountsChanged', this.changed);
    this.wallet = wallet;
    this.account = account;
    wallet?.provider.on?.('accountsChanged', this.changed);
  }

  private tell(words: say.Words, retry: string, again: () => void): void {
    this.notice = { ...words, retry };
    this.again = again;
  }

  private show(): void {
    this.d.render({
      state: this.d.state, searching: this.searching, wallets: this.wallets, connecting: this.connecting,
      account: this.account && this.wallet && { address: this.account, wallet: this.wallet.name },
      wrongChain: false, switching: false, barred: false, funds: null, steps: [], go: { text: '', enabled: false, busy: false }, notice: this.notice,
      calls: [], checks: [], unsafe: '', progress: null, confirmations: null, tx: { hash: '', url: '' }, payer: '', requests: [], excess: '', left: '',
    });
  }
}
