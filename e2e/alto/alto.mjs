// A running @pimlico/alto on one of a demo's chains.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { entryPoint07Address } from 'viem/account-abstraction';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

const cli = fileURLToPath(new URL('node_modules/@pimlico/alto/esm/cli/alto.js', import.meta.url));
const startLimit = 60_000;

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks a bundler one question. */
export async function ask(url, method, params = []) {
  const response = await fetch(url, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), signal: AbortSignal.timeout(10_000),
  });
  return (await response.json()).result;
}

/**
 * Starts it with accounts of its own, which give(address) pays for. Without tracing,
 * as the chain's node has none: the mempool's rules (ERC-7562) are not checked.
 */
export async function startAlto(chain, give) {
  const keys = [generatePrivateKey(), generatePrivateKey()];
  for (const key of keys) await give(privateKeyToAccount(key).address);
  const port = await freePort();
  const child = spawn(process.execPath, [
    cli, '--entrypoints', entryPoint07Address, '--rpc-url', chain.rpcUrl, '--executor-private-keys', keys[0], '--utility-private-key', keys[1],
    '--min-balance', '0', '--safe-mode', 'false', '--port', String(port), '--log-level', 'warn',
  ], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said = (said + text).slice(-20_000)));
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = new Promise((resolve) => child.once('close', resolve));
  let over = false;
  void ended.then(() => (over = true));
  const url = `http://127.0.0.1:${port}/rpc`;
  for (const end = Date.now() + startLimit; ; await new Promise((again) => setTimeout(again, 200))) {
    if (over || Date.now() > end) {
      kill();
      throw new Error(`alto was not ready:\n${said}`);
    }
    const points = await ask(url, 'eth_supportedEntryPoints').catch(() => undefined);
    if (points?.includes(entryPoint07Address)) break;
  }
  return {
    url,
    said: () => said,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      process.off('exit', kill);
    },
  };
}
