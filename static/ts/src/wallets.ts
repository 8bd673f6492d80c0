// Finds wallets (EIP-6963, with window.ethereum as a fallback) and remembers
// which one the payer chose. It sends nothing to a wallet by itself.
import { fields } from './data.ts';
import type { Provider } from './rpc.ts';

export interface Wallet {
  /** The wallet's reverse domain name; "injected" for a plain window.ethereum. */
  readonly id: string;
  readonly name: string;
  /** A data: URI of an image, or "". */
  readonly icon: string;
  readonly provider: Provider;
}

const injected = 'injected';
const maxIcon = 200_000;

const isProvider = (v: unknown): v is Provider =>
  (typeof v === 'object' || typeof v === 'function') && v !== null && typeof (v as Provider).request === 'function';

/** A name as plain text: no control, bidi or invisible characters, 40 at most. */
export function cleanName(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 40);
}

/** Checks an EIP-6963 announcement's detail; null if it is not one. An icon that is no data: image is left out. */
export function readAnnouncement(detail: unknown): Wallet | null {
  const d = fields(detail);
  const info = fields(d?.['info']);
  const provider = d?.['provider'];
  if (!info || !isProvider(provider)) return null;
  const { rdns, name, icon } = info;
  if (typeof rdns !== 'string' || !/^[a-z0-9][a-z0-9._-]{0,119}$/i.test(rdns)) return null;
  if (typeof name !== 'string' || cleanName(name) === '') return null;
  const image = typeof icon === 'string' && icon.length <= maxIcon && /^data:image\/(png|jpeg|gif|webp|svg\+xml)[;,]/i.test(icon);
  return { id: rdns.toLowerCase(), name: cleanName(name), icon: image ? icon : '', provider };
}

interface Announced extends Event {
  readonly detail?: unknown;
}

/** The wallets of one window. `changed` is called whenever the list does. */
export class Wallets {
  private found: Wallet[] = [];
  private announced = false;

  constructor(
    private readonly target: Window & { ethereum?: unknown },
    private readonly changed: (wallets: readonly Wallet[]) => void,
  ) {}

  /** Listens from now on and asks wallets to announce themselves. */
  start(): void {
    this.target.addEventListener('eip6963:announceProvider', (e) => this.add(readAnnouncement((e as Announced).detail)));
    this.target.dispatchEvent(new Event('eip6963:requestProvider'));
  }

  /** Falls back to window.ethereum if no wallet has announced itself by now. */
  fallback(): void {
    const provider = this.target.ethereum;
    if (this.announced || this.found.length > 0 || !isProvider(provider)) return;
    this.found = [{ id: injected, name: 'Browser wallet', icon: '', provider }];
    this.changed(this.found);
  }

  all(): readonly Wallet[] {
    return this.found;
  }

  get(id: string): Wallet | undefined {
    return this.found.find((w) => w.id === id);
  }

  add(wallet: Wallet | null): void {
    if (!wallet) return;
    if (!this.announced) {
      // A real announcement replaces the fallback, which is one of the announced ones by another way.
      this.announced = true;
      this.found = [];
    }
    if (this.get(wallet.id)) return;
    this.found = [...this.found, wallet];
    this.changed(this.found);
  }
}
