// Buttons that copy what the page shows.
import { byId, text } from './dom.ts';

/** The button copies the text of the source, named `what` to people; `announce` is told how it went. */
export function copies(button: string, source: string, what: string, announce: (words: string) => void): void {
  const el = byId(button);
  const words = el?.textContent ?? '';
  el?.addEventListener('click', async () => {
    const from = byId(source);
    if (!from) return;
    try {
      await navigator.clipboard.writeText(from.textContent?.trim() ?? '');
      text(el, 'Copied');
      announce(`${what} copied`);
    } catch {
      // No clipboard here: mark the text, so that the usual keys copy it.
      getSelection()?.selectAllChildren(from);
      text(el, 'Selected');
      announce(`${what} selected. Copy it with your usual keys.`);
    }
    setTimeout(() => {
      text(el, words);
      // So that the same words are news the next time.
      announce('');
    }, 2_000);
  });
}
