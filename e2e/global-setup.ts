import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { binary, root } from './fixtures/demo.ts';

// Builds the server once for all workers. QUITTANCE_BIN names one that is
// already built.
export default function build(): void {
  if (process.env['QUITTANCE_BIN']) return;
  mkdirSync(new URL('out/bin/', import.meta.url), { recursive: true });
  execFileSync('go', ['build', '-o', binary, './cmd/quittance'], { cwd: root, stdio: 'inherit' });
}
