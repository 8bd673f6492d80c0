// The chunks that the page loads, as they are served: what they say to a wallet and to a server.
import { readFileSync } from 'node:fs';

const chunks = { 'light-account-2.0.0': 'kit-light.js', 'safe-4337-0.3.0': 'kit-safe.js' };

export const kinds = Object.keys(chunks);

/** The module of a kind of account. Its file says nothing of being a module, which browsers are told by who loads it. */
export function kit(kind) {
  const code = readFileSync(new URL(`../../static/dist/${chunks[kind]}`, import.meta.url));
  return import(`data:text/javascript;base64,${code.toString('base64')}`);
}

/** Whoever asks is told by answer; what was asked is kept. */
export function asked(answer) {
  const seen = [];
  const ask = async (method, params) => {
    seen.push({ method, params });
    return answer(method, params);
  };
  return { ask, seen, methods: () => seen.map((s) => s.method) };
}
