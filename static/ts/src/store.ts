// What has to outlive a reload, per tab: the wallet the payer chose and the
// transaction they sent. Storage may be blocked or full: then nothing is
// remembered and everything else still works.
import { type Hex, fields, isAddress, isHash } from './data.ts';
import type { StepKind } from './verify.ts';

/** A transaction that left the wallet and has not come to an end yet. */
export interface Sent {
  readonly kind: StepKind;
  /** As in Call. */
  readonly asset: number;
  readonly hash: Hex;
  readonly wallet: Hex;
  readonly to: Hex;
  readonly data: Hex;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly mined: boolean;
  /** Where it was sent, 0 for the payment's own chain. */
  readonly chain: number;
}

const kinds: readonly unknown[] = ['reset', 'approve', 'swap', 'pay', 'allow', 'revoke'];
const whole = (v: unknown): number => (Number.isSafeInteger(v) ? (v as number) : 0);

/** Checks a record read from storage or another tab; null if it is none. */
export function readSent(value: unknown): Sent | null {
  const f = fields(value);
  if (!f) return null;
  const { kind, asset, hash, wallet, to, data, at, mined, chain } = f;
  if (!kinds.includes(kind) || !isHash(hash) || !isAddress(wallet) || !isAddress(to)) return null;
  if (typeof data !== 'string' || !/^0x[0-9a-f]*$/.test(data) || !Number.isSafeInteger(at)) return null;
  return { kind: kind as StepKind, asset: whole(asset), hash, wallet, to, data: data as Hex, at: at as number, mined: mined === true, chain: whole(chain) };
}

export class Store {
  constructor(
    private readonly storage: () => Storage,
    private readonly token: string,
  ) {}

  get sent(): Sent | null {
    try {
      return readSent(JSON.parse(this.read(`${this.token}:sent`) ?? 'null'));
    } catch {
      return null;
    }
  }
  set sent(value: Sent | null) {
    this.write(`${this.token}:sent`, value && JSON.stringify(value));
  }

  /** Set while the wallet shows a payment: what a reload in that moment would lose. */
  get asking(): boolean {
    return this.read(`${this.token}:asking`) === '1';
  }
  set asking(value: boolean) {
    this.write(`${this.token}:asking`, value ? '1' : null);
  }

  /** The rest this page was last reloaded for, so that it is not reloaded for the same again. */
  get reloadedFor(): string | null {
    return this.read(`${this.token}:rest`);
  }
  set reloadedFor(value: string | null) {
    this.write(`${this.token}:rest`, value);
  }

  /** The way that the payer chose. */
  get way(): string | null {
    return this.read(`${this.token}:way`);
  }
  set way(value: string | null) {
    this.write(`${this.token}:way`, value);
  }

  /** What safe.js has to remember of a Safe's transaction. */
  get proposed(): string | null {
    return this.read(`${this.token}:safe`);
  }
  set proposed(value: string | null) {
    this.write(`${this.token}:safe`, value);
  }

  /** What gasless.js has to remember of the payer's choice, of an operation and of a batch. */
  get gasless(): string | null {
    return this.read(`${this.token}:gasless`);
  }
  set gasless(value: string | null) {
    this.write(`${this.token}:gasless`, value);
  }

  /** Where a deposit's page said that the money goes. */
  get address(): string | null {
    return this.read(`${this.token}:address`);
  }
  set address(value: string | null) {
    this.write(`${this.token}:address`, value);
  }

  /** The payer was taken back to the merchant, or chose to stay. */
  get left(): boolean {
    return this.read(`${this.token}:left`) === '1';
  }
  set left(value: boolean) {
    this.write(`${this.token}:left`, value ? '1' : null);
  }

  get wallet(): string | null {
    return this.read('wallet');
  }
  set wallet(value: string | null) {
    this.write('wallet', value);
  }

  private read(key: string): string | null {
    try {
      return this.storage().getItem(`quittance:${key}`);
    } catch {
      return null;
    }
  }
  private write(key: string, value: string | null): void {
    try {
      if (value === null) this.storage().removeItem(`quittance:${key}`);
      else this.storage().setItem(`quittance:${key}`, value);
    } catch {
      // Blocked storage: the live status still tells what was paid.
    }
  }
}
