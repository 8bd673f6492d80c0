// Who may pay and see: the server is asked before anything else is, and nothing
// is prepared or signed for a wallet that was not let in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Admission } from '../src/api.ts';
import { Lock } from '../src/lock.ts';
import type { Model } from '../src/model.ts';
import { Store } from '../src/store.ts';
import { account, shortened, stranger, transactions, usdc } from './fixtures.ts';
import { ApiError, FakeWallet, World, rejection } from './world.ts';

const restricted = () => usdc({ restricted: true });
const no = (reason: string): Admission => ({ verdict: 'rejected', reason });
/** Only this wallet is let in. */
const only = (wallet: string, reason = 'wallet_not_allowed') => (asked: string) => (asked === wallet ? { verdict: 'approved' as const, reason: '' } : no(reason));

test('a wallet that is let in goes on as ever', async () => {
  const w = await new World(restricted()).connected();
  assert.deepEqual(w.asked, [account]);
  assert.equal(w.model.go.text, 'Approve 10.10 USDC');
  assert.ok(w.model.go.enabled);
  assert.equal(w.model.notice, null);
});

test('nobody is asked about where everyone may pay', async () => {
  const w = await new World(usdc()).connected();
  assert.deepEqual(w.asked, []);
});

test('another wallet is told so, and the right one goes on', async () => {
  const w = new World(restricted());
  w.door = only(stranger);
  let fetched = 0;
  w.tamper = (r) => (fetched++, r);
  await w.connected();
  assert.equal(w.model.notice?.title, 'This payment is for another wallet');
  assert.equal(w.model.notice?.retry, 'Choose another wallet');
  assert.ok(w.model.barred);
  assert.ok(!w.model.go.enabled);
  assert.equal(w.model.account?.address, account);
  assert.deepEqual(w.model.steps, []);
  assert.deepEqual(w.model.calls, []);
  await w.go();
  w.flow.refresh();
  await w.settle();
  assert.equal(fetched, 0, 'nothing is prepared');
  assert.equal(w.wallet.sends().length, 0, 'nothing is signed');
  assert.deepEqual(w.asked, [account], 'the same wallet is asked about once');
  w.flow.retry();
  assert.equal(w.model.account, null);
  // Or the account is changed in the wallet itself.
  await w.flow.connect(w.asWallet);
  w.wallet.accounts = [stranger];
  w.wallet.emit('accountsChanged');
  await w.settle();
  assert.ok(w.model.go.enabled);
  assert.equal(w.model.notice, null);
  w.wallet.accounts = [account];
  w.wallet.emit('accountsChanged');
  await w.settle();
  assert.ok(!w.model.go.enabled, 'and back again');
});

test('a wallet that may not pay need not switch its network', async () => {
  const w = new World(restricted());
  w.wallet.chainId = '0x1';
  w.door = only(stranger);
  await w.connected();
  assert.equal(w.model.wrongChain, false);
  assert.equal(w.model.notice?.title, 'This payment is for another wallet');
  // One that may is let in first, then asked to switch.
  w.wallet.accounts = [stranger];
  w.wallet.emit('accountsChanged');
  await w.settle();
  assert.equal(w.model.wrongChain, true);
  assert.equal(w.model.go.text, 'Switch to Base (sandbox) to continue');
  await w.flow.switchChain();
  await w.settle();
  assert.ok(w.model.go.enabled);
});

test('a screening that refuses, and one that does not answer', async () => {
  const w = new World(restricted());
  w.door = only(stranger, 'screening_rejected');
  await w.connected();
  assert.equal(w.model.notice?.title, 'This wallet cannot be used here');
  assert.doesNotMatch(w.model.notice?.text ?? '', /sanction|crime|illegal|fraud/i);
  const v = new World(restricted());
  v.door = () => ({ verdict: 'error', reason: 'screening_unavailable' });
  await v.connected();
  assert.equal(v.model.notice?.title, 'Your wallet could not be checked just now');
  assert.equal(v.model.notice?.retry, 'Try again');
  assert.ok(!v.model.go.enabled);
  v.door = only(account);
  v.flow.retry();
  await v.settle();
  assert.deepEqual(v.asked, [account, account]);
  assert.ok(v.model.go.enabled);
});

test('a server that cannot be asked lets nobody in', async () => {
  for (const err of [new ApiError(0, 'unreachable', '', ''), new ApiError(429, 'too_many_wallets', '', 'Too many.')]) {
    const w = new World(restricted());
    w.door = () => err;
    await w.connected();
    assert.ok(!w.model.go.enabled);
    assert.ok(w.model.notice);
    w.door = only(account);
    w.flow.retry();
    await w.settle();
    assert.ok(w.model.go.enabled);
  }
});

test('a refusal that comes with the transactions counts as well', async () => {
  const w = new World(restricted());
  w.payFails = new ApiError(403, 'wallet_not_allowed', 'wallet', 'no');
  await w.connected();
  assert.equal(w.model.notice?.title, 'This payment is for another wallet');
  assert.ok(w.model.barred);
  const v = new World(restricted());
  v.payFails = new ApiError(503, 'screening_unavailable', '', 'no');
  await v.connected();
  assert.equal(v.model.notice?.title, 'Your wallet could not be checked just now');
});

test('an answer about another account is too late', async () => {
  const w = new World(restricted());
  let answer: (a: Admission) => void = () => undefined;
  w.door = () => new Promise((resolve) => (answer = resolve));
  await w.connected();
  assert.deepEqual(w.model.go, { text: 'Checking…', enabled: false, busy: true });
  const first = answer;
  w.wallet.accounts = [stranger];
  w.wallet.emit('accountsChanged');
  await w.settle();
  first({ verdict: 'approved', reason: '' });
  await w.settle();
  assert.ok(!w.model.go.enabled);
  answer(no('wallet_not_allowed'));
  await w.settle();
  assert.equal(w.model.notice?.title, 'This payment is for another wallet');
});

test('a shortened payee is paid when the server opens its hash, and not before', async () => {
  const honest = shortened(usdc());
  const w = new World({ ...honest, payeeSecret: '' });
  w.txs = transactions(usdc(), ['pay']);
  w.payeeSecret = honest.payeeSecret;
  await w.connected();
  assert.equal(w.model.go.text, 'Pay 10.10 USDC');
  await w.go();
  assert.equal(w.wallet.sends()[0]?.['data'], transactions(usdc(), ['pay'])[0]?.data);
  const v = new World({ ...honest, payeeSecret: '' });
  v.txs = w.txs;
  await v.connected();
  assert.equal(v.model.state, 'unsafe');
});

// The page that shows nothing before a wallet is let in.

class Locked {
  readonly wallet = new FakeWallet(1);
  readonly models: Model[] = [];
  readonly asked: string[] = [];
  readonly storage = new Map<string, string>();
  reloads = 0;
  door: (wallet: string) => Admission | ApiError = only(stranger);
  readonly lock = new Lock({
    state: 'open',
    store: new Store(() => ({ getItem: (k: string) => this.storage.get(k) ?? null, setItem: (k: string, v: string) => void this.storage.set(k, v), removeItem: () => undefined }) as unknown as Storage, 'T'),
    api: {
      access: async (wallet) => {
        this.asked.push(wallet);
        const a = this.door(wallet);
        if (a instanceof Error) throw a;
        return a;
      },
    },
    render: (m) => void this.models.push(m),
    reload: () => void this.reloads++,
  });
  get model(): Model {
    return this.models.at(-1) ?? assert.fail('nothing shown');
  }
  connect(): Promise<void> {
    return this.lock.connect({ id: 'dev.test', name: 'Test wallet', icon: '', provider: this.wallet });
  }
}

test('a locked page is loaded anew for a wallet that is let in', async () => {
  const l = new Locked();
  l.wallet.accounts = [stranger.toLowerCase()];
  await l.connect();
  assert.deepEqual(l.asked, [stranger]);
  assert.equal(l.reloads, 1);
  assert.equal(l.storage.get('quittance:wallet'), 'dev.test', 'so that the page connects it by itself');
  assert.deepEqual([...new Set(l.wallet.asked.map((a) => a.method))], ['eth_requestAccounts']);
});

test('a locked page says so to another wallet, and asks again when that changes', async () => {
  const l = new Locked();
  await l.connect();
  assert.equal(l.reloads, 0);
  assert.equal(l.model.notice?.title, 'This payment is for another wallet');
  assert.equal(l.model.account?.address, account);
  l.wallet.accounts = [stranger];
  l.wallet.emit('accountsChanged');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(l.reloads, 1);
  const m = new Locked();
  await m.connect();
  m.lock.retry();
  assert.equal(m.model.account, null);
  assert.equal(m.model.notice, null);
  m.wallet.emit('accountsChanged');
  assert.equal(m.asked.length, 1, 'a wallet that was put away is asked nothing more');
});

test('a locked page and trouble', async () => {
  const l = new Locked();
  l.wallet.on_['eth_requestAccounts'] = () => Promise.reject(rejection);
  await l.connect();
  assert.equal(l.model.notice?.title, 'You declined in your wallet. Nothing was paid.');
  delete l.wallet.on_['eth_requestAccounts'];
  l.door = () => new ApiError(0, 'unreachable', '', '');
  l.lock.retry();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(l.model.notice?.title, 'The payment service could not be reached');
  l.door = () => ({ verdict: 'error', reason: 'screening_unavailable' });
  l.lock.retry();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(l.model.notice?.retry, 'Try again');
  assert.equal(l.reloads, 0);
});
