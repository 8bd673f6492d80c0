// How every page's script starts: the data block, the server, the wallets, and
// what to say when nothing of that works.
import { Api } from './api.ts';
import { readData } from './data.ts';
import type { Wallets } from './wallets.ts';
import { broken } from './words.ts';

/** Wallets announce themselves at once; extensions that start late get this long. */
const discovery = 600;

export const apiFor = (token: string): Api => new Api(token, (input, init) => fetch(input, init));

export function search(wallets: Wallets, over: () => void): void {
  wallets.start();
  setTimeout(() => {
    wallets.fallback();
    over();
  }, discovery);
}

/** Without its data the page can still be read; it only cannot be paid from. */
function unusable(): void {
  const set = (id: string, text: string): void => {
    const el = document.getElementById(id);
    if (el) el.textContent = text;
  };
  set('notice-title', broken.title);
  set('notice-text', broken.text);
  set('notice-retry', 'Reload');
  document.getElementById('notice-retry')?.addEventListener('click', () => location.reload());
  document.getElementById('notice')?.removeAttribute('hidden');
  document.getElementById('wallet-searching')?.setAttribute('hidden', '');
}

/** Runs a page with its data, or says that it cannot. */
export function whenReady(run: (data: ReturnType<typeof readData>) => void): void {
  const block = document.getElementById('payment');
  if (!block) return;
  try {
    run(readData(block.textContent ?? ''));
  } catch {
    unusable();
  }
}
