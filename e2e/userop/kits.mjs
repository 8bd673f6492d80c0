// The chunks that the page loads, as they are served: what they say to a wallet and to a server.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const chunks = { 'light-account-2.0.0': 'kit-light.js', 'safe-4337-0.3.0': 'kit-safe.js' };

export const kinds = Object.keys(chunks);

const modules = {};

/** The module of a kind of account. Its file's name does not say that it is one, which browsers are told by who loads it. */
export function kit(kind) {
  modules[kind] ??= load(chunks[kind]);
  return modules[kind];
}

async function load(chunk) {
  const dir = mkdtempSync(join(tmpdir(), 'quittance-kit-'));
  try {
    const file = join(dir, chunk.replace(/\.js$/, '.mjs'));
    copyFileSync(new URL(`../../static/dist/${chunk}`, import.meta.url), file);
    return await import(file);
  } finally {
    rmSync(dir, { recursive: true });
  }
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
