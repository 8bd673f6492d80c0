// The demo's in-page wallets: they announce themselves by EIP-6963 like any other,
// ask the payer in a dialog of their own, and leave keys and chains to the demo's
// server. It is a bundle of its own and is never part of a production page.
import { fields } from './data.ts';

interface Network {
  readonly chainId: number;
  readonly name: string;
}

const networks: Readonly<Record<string, Network>> = {
  base: { chainId: 900008453, name: 'Base (sandbox)' },
  'arbitrum-one': { chainId: 900042161, name: 'Arbitrum One (sandbox)' },
};

/** A wallet as EIP-6963 announces it, and where the demo's server has its keys. */
interface Info {
  readonly uuid: string;
  readonly name: string;
  readonly rdns: string;
  readonly icon: string;
  readonly path: string;
}

const described = (path: string, name: string, rdns: string, colour: string, uuid: string): Info => ({
  uuid: crypto.randomUUID?.() ?? uuid,
  name,
  rdns,
  icon:
    'data:image/svg+xml,' +
    encodeURIComponent(
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${colour}"/><path d="M7 11h18v12H7z" fill="none" stroke="#fff" stroke-width="2.5"/><path d="M7 11l13-4v4M21 17h4" fill="none" stroke="#fff" stroke-width="2.5"/></svg>`,
    ),
  path,
});

const wallets = [
  described('/sandbox/wallet', 'Sandbox wallet', 'dev.quittance.sandbox', '#b45309', '6e9c0b52-5c0e-4f57-8d0b-5a6d0c1e8402'),
  described('/sandbox/saver', 'Sandbox wallet without gas', 'dev.quittance.sandbox.saver', '#0f766e', '0a2c7a4e-3f0b-4b0e-9d55-2f6c1b7e9a31'),
];

class RpcError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

const rejected = (): RpcError => new RpcError(4001, 'User rejected the request.');
const hex = (n: number): string => `0x${n.toString(16)}`;

type Listener = (payload: unknown) => void;

class SandboxWallet {
  private readonly listeners = new Map<string, Set<Listener>>();
  private nextId = 1;
  private asking = false;

  constructor(private readonly info: Info) {}

  on(event: string, listener: Listener): this {
    const set = this.listeners.get(event) ?? new Set<Listener>();
    this.listeners.set(event, set.add(listener));
    return this;
  }

  removeListener(event: string, listener: Listener): this {
    this.listeners.get(event)?.delete(listener);
    return this;
  }

  async request({ method, params = [] }: { method: string; params?: unknown[] }): Promise<unknown> {
    switch (method) {
      case 'eth_accounts':
        return this.connected ? this.call('eth_accounts', []) : [];
      case 'eth_requestAccounts':
        return this.connect();
      case 'eth_chainId':
        return hex(this.network.chainId);
      case 'wallet_switchEthereumChain':
      case 'wallet_addEthereumChain':
        return this.switchTo(fields(params[0])?.['chainId']);
      case 'eth_sendTransaction':
        return this.send(params);
      case 'personal_sign':
        return this.sign(method, params, 'Sign this message?', [['Message', String(params[0])]]);
      case 'eth_signTypedData_v4':
        return this.sign(method, params, 'Sign this data?', typedRows(params[1]));
      default:
        return this.call(method, params);
    }
  }

  private async connect(): Promise<unknown> {
    const accounts = await this.call('eth_requestAccounts', []);
    if (!this.connected) {
      const rows: [string, string][] = [
        ['Site', location.host],
        ['Account', String(Array.isArray(accounts) ? accounts[0] : '')],
      ];
      await this.confirm('Connect to this page?', rows, 'Connect');
      sessionStorage.setItem(`${this.info.rdns}:connected`, '1');
    }
    return accounts;
  }

  private async send(params: unknown[]): Promise<unknown> {
    if (!this.connected) throw new RpcError(4100, 'Not connected.');
    const tx = fields(params[0]) ?? {};
    const rows: [string, string][] = [
      ['Network', this.network.name],
      ['To', String(tx['to'])],
      ['Value', String(tx['value'] ?? '0x0')],
      ['Data', String(tx['data'] ?? '0x')],
    ];
    await this.confirm('Sign and send this transaction?', rows, 'Confirm');
    return this.call('eth_sendTransaction', params);
  }

  private async sign(method: string, params: unknown[], title: string, rows: [string, string][]): Promise<unknown> {
    if (!this.connected) throw new RpcError(4100, 'Not connected.');
    await this.confirm(title, rows, 'Sign');
    return this.call(method, params);
  }

  private async switchTo(chainId: unknown): Promise<null> {
    const wanted = typeof chainId === 'string' ? Number(chainId) : NaN;
    const found = Object.entries(networks).find(([, n]) => n.chainId === wanted);
    if (!found) throw new RpcError(4902, 'Unrecognized chain ID. The sandbox wallet knows the sandbox chains only.');
    const [key, network] = found;
    if (network !== this.network) {
      await this.confirm('Switch the network?', [['From', this.network.name], ['To', network.name]], 'Switch');
      sessionStorage.setItem(`${this.info.rdns}:network`, key);
      for (const listener of this.listeners.get('chainChanged') ?? []) listener(hex(network.chainId));
    }
    return null;
  }

  private get connected(): boolean {
    return sessionStorage.getItem(`${this.info.rdns}:connected`) === '1';
  }

  /** The network chosen in this tab, at first the one of the page's payment. */
  private get key(): string {
    const stored = sessionStorage.getItem(`${this.info.rdns}:network`);
    if (stored && stored in networks) return stored;
    try {
      const data = fields(JSON.parse(document.getElementById('payment')?.textContent ?? ''));
      const named = fields(data?.['chain'])?.['network'];
      if (typeof named === 'string' && named in networks) return named;
    } catch {
      // A page without a payment has no network of its own.
    }
    return 'base';
  }

  private get network(): Network {
    return networks[this.key] as Network;
  }

  private async call(method: string, params: unknown[]): Promise<unknown> {
    let answer: Record<string, unknown> | null;
    try {
      const response = await fetch(`${this.info.path}/${this.key}`, {
        method: 'POST',
        credentials: 'same-origin',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: this.nextId++, method, params }),
      });
      answer = fields(await response.json());
    } catch {
      throw new RpcError(-32603, 'The sandbox does not answer.');
    }
    const error = fields(answer?.['error']);
    if (error) throw new RpcError(Number(error['code']), String(error['message']));
    return answer?.['result'] ?? null;
  }

  /** Resolves when the payer confirms; rejects with 4001 when they do not. One question at a time. */
  private async confirm(title: string, rows: [string, string][], yes: string): Promise<void> {
    if (this.asking) throw new RpcError(-32002, 'The sandbox wallet is already asking something.');
    this.asking = true;
    try {
      if (!(await ask(this.info.name, title, rows, yes))) throw rejected();
    } finally {
      this.asking = false;
    }
  }
}

/** What typed data (EIP-712) says, a line for each of its parts. */
function typedRows(text: unknown): [string, string][] {
  let data: Record<string, unknown> | null = null;
  try {
    data = fields(typeof text === 'string' ? JSON.parse(text) : text);
  } catch {
    // Shown as it came.
  }
  if (!data) return [['Data', String(text)]];
  const domain = fields(data['domain']) ?? {};
  const of = Object.entries(fields(data['message']) ?? {}).map(([name, value]): [string, string] => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  return [['For', `${String(domain['name'] ?? '')} ${String(domain['verifyingContract'] ?? '')}`.trim()], ['Kind', String(data['primaryType'] ?? '')], ...of];
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, words = ''): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  if (className) el.className = className;
  el.textContent = words;
  return el;
}

/** Shows the wallet's own dialog; false if the payer rejects or closes it. */
function ask(wallet: string, title: string, rows: [string, string][], yes: string): Promise<boolean> {
  const dialog = element('dialog', 'sandbox-wallet');
  dialog.dataset['testid'] = 'sandbox-dialog';
  const heading = element('h2', 'sandbox-wallet-title', title);
  heading.id = 'sandbox-wallet-title';
  dialog.setAttribute('aria-labelledby', heading.id);
  const list = element('dl', 'sandbox-wallet-rows');
  for (const [name, value] of rows) list.append(element('dt', '', name), element('dd', '', value));
  const buttons = element('div', 'sandbox-wallet-buttons');
  const button = (words: string, className: string, testid: string, answer: string): void => {
    const b = element('button', className, words);
    b.type = 'button';
    b.dataset['testid'] = testid;
    b.addEventListener('click', () => dialog.close(answer));
    buttons.append(b);
  };
  button('Reject', 'button button-second', 'sandbox-reject', 'no');
  button(yes, 'button', 'sandbox-confirm', 'yes');
  dialog.append(heading, element('p', 'quiet', `${wallet}: no real money`), list, buttons);
  document.body.append(dialog);
  return new Promise((resolve) => {
    // Escape closes a dialog too, with an empty answer: that is a no.
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    dialog.showModal();
  });
}

for (const info of wallets) {
  const provider = new SandboxWallet(info);
  const { path: _, ...told } = info;
  const announce = (): void => {
    const detail = Object.freeze({ info: Object.freeze(told), provider });
    window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }));
  };
  window.addEventListener('eip6963:requestProvider', announce);
  announce();
}
