// A deposit from a wallet of the browser: one call that is exactly what the page
// shows, or none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode, approve, transfer } from '../src/calldata.ts';
import { fields } from '../src/data.ts';
import { verifyDepositCall, verifyDepositPay } from '../src/deposit-call.ts';
import { DepositPaying } from '../src/deposit-paying.ts';
import { ApiError } from '../src/endpoint.ts';
import type { Sent } from '../src/store.ts';
import { Refusal } from '../src/verify.ts';
import { account, chance, stranger } from './fixtures.ts';
import { DepositWorld, pageOf, payOf, quoteOf, start, statusOf, to } from './deposit-world.ts';
import { FakeWallet, rejection } from './world.ts';

const base = 900008453;
const arbitrum = 900042161;

class PayWorld extends DepositWorld {
  readonly wallet = new FakeWallet(base);
  readonly announced: Sent[] = [];
  tabFree = true;
  paid: DepositPaying | null = null;

  override paying = async () => ({
    start: (host: ConstructorParameters<typeof DepositPaying>[0]) => {
      this.paid = new DepositPaying(host, {
        tabs: { hold: async () => (this.tabFree ? () => undefined : null), announce: (sent) => void this.announced.push(sent) },
        draw: () => undefined,
      });
      return this.paid;
    },
  });

  get p(): DepositPaying {
    assert.ok(this.paid, 'the script that pays is there');
    return this.paid;
  }

  async ready(connect = true): Promise<this> {
    this.flow.start();
    this.flow.setWallets([{ id: 'test', name: 'Test', icon: '', provider: this.wallet }], false);
    await this.settle();
    if (connect) {
      this.p.choose('test');
      await this.settle();
    }
    return this;
  }

  async go(): Promise<void> {
    await this.p.go();
    await this.settle();
  }
}

const tokenPage = () => pageOf({ asset: 'USDC-base', status: statusOf({ quote: quoteOf('USDC-base') }) });

test('the script that pays is fetched for a wallet, and for nothing else', async () => {
  const w = new PayWorld();
  w.flow.start();
  w.flow.setWallets([], false);
  await w.settle();
  assert.equal(w.paid, null);
  await w.ready();
  assert.ok(w.p.mayGo());
  assert.deepEqual(w.p.funds?.missing, '');
});

test('one click sends exactly what is shown', async () => {
  for (const page of [pageOf(), tokenPage()]) {
    const w = await new PayWorld(page).ready();
    const quote = w.flow.f.quote;
    assert.ok(quote);
    await w.go();
    const [sent, more] = w.wallet.sends();
    assert.equal(more, undefined);
    assert.deepEqual(sent, {
      from: account, to: quote.native ? to : quote.token, value: quote.native ? `0x${quote.units.toString(16)}` : '0x0', data: quote.native ? '0x' : encode(transfer, { payee: to, amount: quote.units }),
      chainId: `0x${base.toString(16)}`,
    });
    assert.deepEqual(w.intents, [w.wallet.txs[0]?.hash]);
    assert.equal(w.announced.length, 1);
    assert.equal(w.flow.f.state(), 'seen', 'nobody should pay twice');
    assert.equal(w.p.mayGo(), false);
    w.flow.onStatus(statusOf({ now: start + 1, state: 'paid', payable: false, received: '25.00', missing: '0.00' }));
    await w.settle();
    assert.deepEqual([w.flow.f.state(), w.p.sent, w.store.sent], ['paid', null, null]);
  }
});

test('the wallet is taken to the network first, and taught it if need be', async () => {
  for (const known of [[base, arbitrum], [base]]) {
    const w = new PayWorld(pageOf({ asset: 'ETH-arbitrum-one', status: statusOf({ quote: quoteOf('ETH-arbitrum-one') }) }));
    w.wallet.known = [...known];
    await w.ready();
    assert.ok(w.p.mayGo(), 'another network is no reason to wait');
    await w.go();
    assert.equal(w.wallet.chainId, `0x${arbitrum.toString(16)}`);
    assert.equal(w.wallet.sends().length, 1);
    assert.equal(w.wallet.asked.filter((a) => a.method === 'wallet_addEthereumChain').length, known.length === 1 ? 1 : 0);
  }
  const w = new PayWorld(pageOf({ asset: 'ETH-arbitrum-one', status: statusOf({ quote: quoteOf('ETH-arbitrum-one') }) }));
  w.wallet.on_['wallet_switchEthereumChain'] = () => {
    throw rejection;
  };
  await w.ready();
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
  assert.match(w.p.notice?.title ?? '', /declined/);
});

test('a no in the wallet is no harm, and it can be tried again', async () => {
  const w = await new PayWorld().ready();
  w.wallet.on_['eth_sendTransaction'] = () => {
    throw rejection;
  };
  await w.go();
  assert.match(w.p.notice?.title ?? '', /declined/);
  assert.equal(w.flow.f.state(), 'open');
  assert.ok(w.telemetry.includes('wallet_rejected'));
  delete w.wallet.on_['eth_sendTransaction'];
  w.p.retry();
  await w.settle();
  assert.equal(w.wallet.sends().length, 2);
  assert.equal(w.flow.f.state(), 'seen');
});

test('what the wallet shows does not change under it; what was put off happens after', async () => {
  const w = await new PayWorld().ready();
  const quote = w.flow.f.quote;
  let answer: ((v: unknown) => void) | undefined;
  let refuse: ((v: unknown) => void) | undefined;
  w.wallet.on_['eth_sendTransaction'] = () => new Promise((yes, no) => ([answer, refuse] = [yes, no]));
  const going = w.p.go();
  await w.settle();
  w.flow.onStatus(statusOf({ now: start + 1, received: '12.50', missing: '12.50', quote: quoteOf('ETH-base', 1250n) }));
  await w.flow.renew();
  await w.flow.choose('USDC-base');
  assert.equal(w.flow.f.quote, quote);
  assert.deepEqual(w.asked, []);
  assert.ok(answer && refuse);
  refuse(rejection);
  await going;
  await w.settle();
  assert.equal(w.flow.f.quote?.amount, '0.003340411854005812');
});

test('a price that runs out while the wallet is open is said, and nothing is renewed behind it', async () => {
  const w = await new PayWorld().ready();
  w.wallet.on_['eth_sendTransaction'] = () => new Promise(() => undefined);
  void w.p.go();
  await w.settle();
  w.now = start + 10 * 60_000 + 1;
  w.flow.tick();
  assert.match(w.flow.f.news?.title ?? '', /run out while your wallet was open/);
  assert.deepEqual(w.asked, []);
});

test('a reload follows what was sent, and what a wallet was asked is said', async () => {
  const first = await new PayWorld().ready();
  first.wallet.mine = 'pool';
  void first.p.go();
  await first.settle();
  const sent = first.storage.get('quittance:/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96:sent');
  assert.ok(sent);
  const again = new PayWorld(pageOf(), { sent });
  again.flow.start();
  assert.equal(again.flow.f.state(), 'seen', 'before the other script is there');
  await again.settle();
  assert.equal(again.p.sent?.hash, first.p.sent?.hash);
  again.flow.onStatus(statusOf({
    now: start + 1, quote: quoteOf('ETH-base', 1250n), received: '12.50', missing: '12.50',
    transfers: [{ key: 'k', asset: 'ETH-base', symbol: 'ETH', amount: '1', bank: false, worth: '12.50', chain: 'Base', txHash: first.p.sent?.hash ?? '', explorerUrl: '', stage: 'pending', confirmations: 0, required: 3, late: false, at: start }],
  }));
  await again.settle();
  assert.deepEqual([again.p.sent, again.flow.f.state()], [null, 'open'], 'counted: the rest can be paid');

  const asking = new PayWorld(pageOf(), { asking: '1' });
  await asking.ready();
  assert.ok(asking.p.askedBefore && !asking.p.mayGo());
  asking.p.retry();
  await asking.settle();
  assert.ok(asking.p.mayGo());
});

test('without the script that pays there are still the address and the code', async () => {
  const w = new DepositWorld(pageOf(), { sent: JSON.stringify({ kind: 'pay', asset: 0, hash: `0x${'1'.repeat(64)}`, wallet: account, to, data: '0x', at: start, mined: false, chain: base }) });
  w.flow.start();
  assert.equal(w.flow.f.state(), 'seen');
  await w.settle();
  assert.equal(w.flow.f.state(), 'open');
});

test('another tab: one wallet question at a time, and what it sent is followed', async () => {
  const w = await new PayWorld().ready();
  w.tabFree = false;
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
  w.p.setElsewhere(true);
  assert.ok(!w.p.mayGo() && !w.p.idle);
  w.p.setElsewhere(false);
  await w.settle();
  assert.ok(w.p.mayGo());
  w.wallet.mine = 'pool';
  w.p.adopt({ kind: 'pay', asset: 0, hash: `0x${'2'.repeat(64)}`, wallet: account, to, data: '0x', at: start, mined: false, chain: base });
  assert.equal(w.flow.f.state(), 'seen');
  assert.ok(!w.p.mayGo());
});

test('an answer for another amount: an honest page is out of date, a lie ends it', async () => {
  const w = new PayWorld();
  w.status = () => statusOf({ now: w.now, received: '12.50', missing: '12.50', quote: quoteOf('ETH-base', 1250n) });
  w.pay = () => payOf(quoteOf('ETH-base', 1250n));
  await w.ready();
  await w.settle();
  assert.deepEqual([w.flow.f.state(), w.flow.f.quote?.amount], ['open', '0.003340411854005812']);
  assert.ok(w.p.mayGo());

  const lied = new PayWorld();
  lied.status = () => statusOf({ now: lied.now, quote: quoteOf('ETH-base') });
  lied.pay = () => payOf(quoteOf('ETH-base', 5000n));
  await lied.ready();
  assert.equal(lied.flow.f.state(), 'unsafe');
  assert.match(lied.telemetry.join(), /unsafe_refused page_address amount/);
});

test('refusals of the server: by its check, by its state', async () => {
  const unsafe = new PayWorld();
  unsafe.pay = () => new ApiError(403, 'unsafe', 'address_matches', 'no');
  await unsafe.ready();
  assert.equal(unsafe.flow.f.unsafe, 'The address belongs to the recipient\'s key');

  const over = new PayWorld();
  over.pay = () => new ApiError(409, 'quote_expired', '', 'over');
  over.status = () => statusOf({ now: over.now, quote: null });
  await over.ready();
  assert.deepEqual([over.flow.f.trouble, over.p.notice], ['lapsed', null]);

  const away = new PayWorld();
  away.pay = () => new ApiError(0, 'unreachable', '', '');
  await away.ready();
  assert.match(away.p.notice?.title ?? '', /could not be reached/);
  away.pay = () => payOf(quoteOf('ETH-base'));
  away.p.retry();
  await away.settle();
  assert.ok(away.p.mayGo());
});

test('the page is read once more when the wallet is asked', async () => {
  const w = await new PayWorld().ready();
  w.lie = { address: stranger };
  await w.go();
  assert.equal(w.wallet.sends().length, 0);
  assert.match(w.flow.f.unsafe, /displayed address/);
});

test('no change of a transfer gets through, of whichever byte', () => {
  for (const q of [quoteOf('ETH-base'), quoteOf('USDC-base')]) {
    const reply = payOf(q);
    const [honest] = reply['transactions'] as Record<string, string>[];
    assert.ok(honest);
    assert.ok(verifyDepositPay(q, reply, [honest], q.chainId));
    const refused = (change: object): void => assert.throws(() => verifyDepositCall(q, { ...honest, ...change }), Refusal, JSON.stringify(change));
    for (let seed = 1; seed <= 400; seed++) {
      const r = chance(seed);
      for (const key of ['to', 'data', 'value'] as const) {
        const text = honest[key] ?? '';
        const at = 2 + r.below(Math.max(1, text.length - 2));
        const digit = (parseInt(text[at] ?? '0', 16) + 1 + r.below(15)) % 16;
        refused({ [key]: text.slice(0, at) + digit.toString(16) + text.slice(at + 1) });
      }
    }
    for (const change of [
      { to: undefined }, { to: [to] }, { to: stranger }, { data: undefined }, { data: `${honest['data']}00` }, { data: encode(approve, { spender: stranger, 'approved amount': q.units }) }, { value: undefined }, { value: 0 },
      { value: q.units.toString() }, { chainId: '0x1' }, { chainId: 1 },
    ]) {
      refused(change);
    }
    for (const bad of [null, [], 'x', 7]) assert.throws(() => verifyDepositCall(q, bad), Refusal);
    for (const [transactions, chain] of [[[honest], 1], [[honest], String(q.chainId)], [[], q.chainId], [[honest, honest], q.chainId], [null, q.chainId]]) {
      assert.throws(() => verifyDepositPay(q, reply, transactions, chain), Refusal);
    }
    for (const change of [{ address: stranger }, { units: String(q.units + 1n) }, { units: Number(q.units) }, { address: undefined }]) {
      assert.throws(() => verifyDepositPay(q, { ...fields(reply), ...change }, [honest], q.chainId), Refusal);
    }
  }
});
