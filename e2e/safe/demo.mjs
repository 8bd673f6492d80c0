// A running `quittance demo`, and what its merchant and its payers ask of it.
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const binary = `${root}e2e/out/bin/quittance-official`;
const startLimit = 60_000;
export const patience = 25_000;

function built() {
  if (process.env.QUITTANCE_BIN) return process.env.QUITTANCE_BIN;
  mkdirSync(`${root}e2e/out/bin`, { recursive: true });
  execFileSync('go', ['build', '-o', binary, './cmd/quittance'], { cwd: root, stdio: 'inherit' });
  return binary;
}

// start returns what the demo prints, and how to stop it. It may be given more arguments.
export async function start(...more) {
  const child = spawn(built(), ['demo', '--json', '--listen', '127.0.0.1:0', ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  let out = '';
  const line = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the demo was not ready in time:\n${said}`)), startLimit);
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text;
      if (!out.includes('\n')) return;
      clearTimeout(late);
      resolve(out.split('\n', 1)[0]);
    });
    void ended.then(() => reject(new Error(`the demo ended before it was ready:\n${said}`)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    process.off('exit', kill);
  };
  return new Demo(JSON.parse(line), stop);
}

// until asks again and again until find gives something.
export async function until(what, find) {
  for (const end = Date.now() + patience; ; await new Promise((again) => setTimeout(again, 100))) {
    const found = await find();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
  }
}

class Demo {
  constructor(said, stop) {
    Object.assign(this, said);
    this.stop = stop;
  }

  // The chain of a network's name.
  chain(network) {
    return this.chains.find((c) => c.network === network);
  }

  async ask(method, path, body) {
    const response = await fetch(new URL(path, this.baseUrl), {
      method, headers: { 'x-api-key': this.merchant.apiKey, 'content-type': 'application/json', 'idempotency-key': randomUUID(), accept: 'application/json' },
      signal: AbortSignal.timeout(20_000), ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  payment(token) {
    return this.ask('GET', `/v2/secure-payments/${token}`);
  }

  async order(payee, amount, paymentCurrency) {
    const made = await this.ask('POST', '/v2/secure-payments', { requests: [{ payee, paymentCurrency, amount }] });
    if (made.status !== 201) throw new Error(`creating a payment: ${made.status} ${JSON.stringify(made.body)}`);
    return made.body;
  }

  calldata(token, safe, more = '') {
    return this.ask('GET', `/v2/secure-payments/${token}/pay?wallet=${safe}&isSafe=true${more}`);
  }

  intent(token, body) {
    return this.ask('POST', `/v2/secure-payments/${token}/intent`, body);
  }

  untilStatus(token, status) {
    return until(`the payment is ${status}`, async () => {
      const now = await this.payment(token);
      return now.status === status && now;
    });
  }

  // What the merchant was told about a payment, oldest first.
  async heard(token) {
    const { body } = await this.ask('GET', '/sandbox/webhooks');
    return body.filter((w) => w.body.securePaymentToken === token).reverse();
  }

  untilHeard(token, event) {
    return until(`the merchant has heard of ${event}`, async () => (await this.heard(token)).find((w) => w.event === event)?.body);
  }

  async mine(network, mine) {
    const { status } = await this.ask('PUT', `/sandbox/chains/${network}`, { mine });
    if (status !== 204) throw new Error(`mining: ${status}`);
  }
}
