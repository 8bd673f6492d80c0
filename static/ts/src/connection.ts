// One connected wallet: account and chain, kept up to date. It asks the payer
// for nothing but what its methods' names say.
import type { Chain, Hex } from './data.ts';
import { type Provider, WalletError, ask, faultOf, quantity, readAccount, readChainId } from './rpc.ts';
import type { Wallet } from './wallets.ts';

/** The payer has to read and click. */
const forPeople = 90_000;
/** The wallet answers by itself. */
const forMachines = 10_000;

const events = ['accountsChanged', 'chainChanged', 'disconnect'];

export class Connection {
  wallet: Wallet | null = null;
  account: Hex | null = null;
  chainId: number | null = null;
  /** Counts attempts: an answer that comes after another wallet was chosen is too late. */
  private turn = 0;
  private readonly listener = (): void => void this.refresh().catch(() => undefined);

  constructor(
    /** Where the payer is to sign. */
    public chain: Chain,
    /** Called after account, chain or wallet became different. */
    private readonly changed: () => void,
  ) {}

  get ready(): boolean {
    return this.account !== null && this.chainId === this.chain.id;
  }

  /**
   * Connects. Silently means: only if the wallet already knows this site, never
   * with a prompt. Returns whether an account is there. Throws WalletError.
   */
  async connect(wallet: Wallet, silently: boolean): Promise<boolean> {
    const turn = ++this.turn;
    const accounts = silently
      ? await ask(wallet.provider, 'eth_accounts', [], forMachines)
      : await ask(wallet.provider, 'eth_requestAccounts', [], forPeople);
    const account = readAccount(accounts);
    if (!account) {
      if (silently) return false;
      throw new WalletError('failed');
    }
    const chainId = readChainId(await ask(wallet.provider, 'eth_chainId', [], forMachines));
    if (turn !== this.turn) return false;
    this.listen(false);
    this.wallet = wallet;
    this.account = account;
    this.chainId = chainId;
    this.listen(true);
    this.changed();
    return true;
  }

  drop(): void {
    this.turn++;
    this.listen(false);
    this.wallet = this.account = this.chainId = null;
    this.changed();
  }

  /** Reads account and chain again. Returns whether both are still what they were. Throws WalletError. */
  async refresh(): Promise<boolean> {
    const wallet = this.wallet;
    if (!wallet) return false;
    const [accounts, chain] = await Promise.all([
      ask(wallet.provider, 'eth_accounts', [], forMachines),
      ask(wallet.provider, 'eth_chainId', [], forMachines),
    ]);
    if (this.wallet !== wallet) return false;
    const account = readAccount(accounts);
    const chainId = readChainId(chain);
    if (account === this.account && chainId === this.chainId) return true;
    this.account = account;
    this.chainId = chainId;
    if (account) this.changed();
    else this.drop();
    return false;
  }

  /** Moves the wallet to the payment's chain, adding it if need be. Throws WalletError. */
  async switchChain(): Promise<void> {
    const provider = this.provider();
    const target = [{ chainId: quantity(this.chain.id) }];
    try {
      await ask(provider, 'wallet_switchEthereumChain', target, forPeople);
    } catch (err) {
      const fault = faultOf(err);
      // Mobile wallets answer with a bare internal error for a chain they do not know.
      if (fault === 'rejected' || fault === 'busy' || fault === 'silent') throw err;
      await ask(provider, 'wallet_addEthereumChain', [this.parameters()], forPeople);
      if (readChainId(await ask(provider, 'eth_chainId', [], forMachines)) !== this.chain.id) {
        await ask(provider, 'wallet_switchEthereumChain', target, forPeople);
      }
    }
    await this.refresh();
    if (this.chainId !== this.chain.id) throw new WalletError('unsupported');
  }

  /** A request that only reads. Throws WalletError. */
  read(method: string, params: unknown[]): Promise<unknown> {
    return ask(this.provider(), method, params, forMachines);
  }

  provider(): Provider {
    if (!this.wallet) throw new WalletError('failed');
    return this.wallet.provider;
  }

  private parameters(): object {
    const { id, name, rpcUrls, native, explorer } = this.chain;
    return {
      chainId: quantity(id),
      chainName: name,
      rpcUrls,
      nativeCurrency: native,
      ...(explorer ? { blockExplorerUrls: [explorer] } : {}),
    };
  }

  private listen(on: boolean): void {
    const provider = this.wallet?.provider;
    for (const event of events) {
      if (on) provider?.on?.(event, this.listener);
      else provider?.removeListener?.(event, this.listener);
    }
  }
}
