// Writing into the page: only text, attributes and copies of <template>s, and
// only where something is different.
import { webUrl } from './data.ts';

export const byId = (id: string): HTMLElement | null => document.getElementById(id);

export function text(el: Element | null, value: string): void {
  if (el && el.textContent !== value) el.textContent = value;
}
export function attr(el: Element | null, name: string, value: string | null): void {
  if (!el || el.getAttribute(name) === value) return;
  if (value === null) el.removeAttribute(name);
  else el.setAttribute(name, value);
}
export function shown(el: HTMLElement | null, visible: boolean): void {
  if (el && el.hidden === visible) el.hidden = !visible;
}
export function link(el: HTMLElement | null, url: string, words = ''): void {
  const safe = webUrl(url);
  attr(el, 'href', safe || null);
  if (words) text(el, words);
  shown(el, safe !== '' || words !== '');
}
/** A copy of a template's first element. */
export function copy(id: string): HTMLElement | null {
  const template = byId(id);
  const first = template instanceof HTMLTemplateElement ? template.content.firstElementChild : null;
  return first ? (first.cloneNode(true) as HTMLElement) : null;
}
