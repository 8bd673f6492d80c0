// Lets the tabs that show one payment know of each other: only one may be
// signing, and what one has sent the others follow. A lock is given back by the
// browser when its tab crashes, so nobody is locked out by a tab that is gone.
import { type Sent, readSent } from './store.ts';

export class Tabs {
  private readonly name: string;
  private readonly channel: BroadcastChannel | null;
  private mine = false;
  private waiting = false;

  constructor(
    token: string,
    private readonly locks: LockManager | undefined,
    private readonly elsewhere: (signing: boolean) => void,
    private readonly sent: (sent: Sent) => void,
    private readonly current: () => Sent | null,
  ) {
    this.name = `quittance:${token}`;
    this.channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel(this.name) : null;
    this.channel?.addEventListener('message', (e) => this.hear(e.data));
    this.channel?.postMessage('hello');
    void this.look();
  }

  /** Takes the right to sign; returns what gives it back, or null while another tab has it. */
  hold(): Promise<(() => void) | null> {
    if (!this.locks) return Promise.resolve(() => undefined);
    const locks = this.locks;
    return new Promise((resolve) => {
      const unavailable = (): void => resolve(() => undefined);
      locks
        .request(this.name, { ifAvailable: true }, (lock) => {
          if (!lock) {
            resolve(null);
            void this.look();
            return undefined;
          }
          this.mine = true;
          this.channel?.postMessage('signing');
          return new Promise<void>((release) => {
            resolve(() => {
              this.mine = false;
              release();
            });
          });
        })
        .catch(unavailable);
    });
  }

  announce(sent: Sent): void {
    this.channel?.postMessage(sent);
  }

  private hear(message: unknown): void {
    if (message === 'hello') {
      if (this.mine) this.channel?.postMessage('signing');
      const sent = this.current();
      if (sent) this.channel?.postMessage(sent);
      return;
    }
    if (message === 'signing') {
      void this.look();
      return;
    }
    const sent = readSent(message);
    if (sent) this.sent(sent);
  }

  /** If another tab signs, says so, and says when it has finished. */
  private async look(): Promise<void> {
    if (!this.locks || this.mine || this.waiting) return;
    this.waiting = true;
    try {
      const held = (await this.locks.query()).held ?? [];
      if (held.some((l) => l.name === this.name) && !this.mine) {
        this.elsewhere(true);
        await this.locks.request(this.name, () => undefined);
        this.elsewhere(false);
      }
    } catch {
      this.elsewhere(false);
    } finally {
      this.waiting = false;
    }
  }
}
