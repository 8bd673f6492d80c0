// Takes a payer back to where they came from, unless they stay: once for a payment,
// and only while they look.
export interface Leaving {
  /** Whether this payment's payer was taken back before, or stayed. */
  done: boolean;
  readonly visible: () => boolean;
  readonly show: (seconds: number | null) => void;
  readonly go: (url: string) => void;
}

const pause = 5;

export class Leave {
  private left = pause;
  private url = '';

  constructor(private readonly d: Leaving) {}

  /** The payment is complete, and this is where the merchant wants its payer. */
  to(url: string): void {
    if (this.url || !url || this.d.done) return;
    this.url = url;
    this.d.show(this.left);
  }

  /** A second has passed. */
  tick(): void {
    if (!this.url || this.d.done || !this.d.visible()) return;
    this.left--;
    this.d.show(Math.max(0, this.left));
    if (this.left > 0) return;
    this.d.done = true;
    this.d.go(this.url);
  }

  stay(): void {
    this.d.done = true;
    this.d.show(null);
  }
}
