// A deposit's page without a wallet: quotes that come, end and lie; what a reload,
// another clock and another tab change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDepositStatus } from '../src/deposit-data.ts';
import { verifyQuote, verifyShown } from '../src/deposit-verify.ts';
import { ApiError } from '../src/endpoint.ts';
import { Leave } from '../src/leaving.ts';
import { exact } from '../src/units.ts';
import { Refusal } from '../src/verify.ts';
import { chance, stranger } from './fixtures.ts';
import { DepositWorld, asset, codes, pageOf, quoteOf, shownOf, start, statusOf, to } from './deposit-world.ts';

const minutes = 60_000;
const field = (run: () => unknown): string => {
  try {
    run();
  } catch (err) {
    if (err instanceof Refusal) return `${err.check}: ${err.field}`;
    throw err;
  }
  return '';
};

test('an honest page shows its quote, counts down and follows', async () => {
  const w = new DepositWorld();
  w.flow.start();
  const { f } = w.flow;
  assert.equal(f.unsafe, '');
  assert.equal(f.quote?.amount, '0.006680823708011624');
  assert.equal(f.state(), 'open');
  assert.equal(f.trouble, '');
  await w.pass(9 * minutes);
  assert.ok(f.quote);
  assert.deepEqual(w.asked, []);
});

test('a quote that ends while somebody looks is renewed by itself, and a new amount is said', async () => {
  const w = new DepositWorld();
  w.quote = (id) => statusOf({ now: w.now, quote: quoteOf(id, 2500n, { expiresAt: w.now + 10 * minutes }) });
  w.flow.start();
  await w.pass(10 * minutes);
  assert.deepEqual(w.asked, ['ETH-base fresh']);
  assert.equal(w.flow.f.news as unknown, null, 'the same amount is no news');
  w.quote = (id) => {
    const q = quoteOf(id, 2500n);
    return statusOf({ now: w.now, missing: '12.50', received: '12.50', quote: { ...quoteOf(id, 1250n), qr: codes[quoteOf(id, 1250n).uri] ?? q.qr, expiresAt: w.now + 10 * minutes } });
  };
  await w.pass(10 * minutes);
  assert.equal(w.asked.length, 2);
  assert.equal(w.flow.f.news?.title, 'The price was renewed: send exactly 0.003340411854005812 ETH');
});

test('nobody looks, somebody sends, or it was renewed often: it says that it is over and waits for a click', async () => {
  const hidden = new DepositWorld();
  hidden.visible = false;
  hidden.flow.start();
  await hidden.pass(11 * minutes);
  assert.deepEqual([hidden.flow.f.trouble, hidden.flow.f.quote, hidden.asked.length], ['lapsed', null, 0]);
  hidden.visible = true;
  await hidden.pass(minutes);
  assert.equal(hidden.asked.length, 0, 'coming back asks for nothing');
  await hidden.flow.renew();
  assert.deepEqual([hidden.asked, hidden.flow.f.trouble], [['ETH-base fresh'], '']);
  assert.ok(hidden.flow.f.quote);

  const left = new DepositWorld();
  left.flow.start();
  await left.pass(100 * minutes);
  assert.equal(left.asked.length, 6);
  assert.equal(left.flow.f.trouble, 'lapsed');
});

test('the server’s clock counts, whatever the browser’s says', async () => {
  for (const skew of [-3 * 3_600_000, 40_000, 86_400_000]) {
    const w = new DepositWorld(pageOf(), {}, skew);
    w.visible = false;
    w.flow.start();
    await w.pass(9 * minutes + 55_000);
    assert.ok(w.flow.f.quote, `skew ${skew}`);
    await w.pass(6_000);
    assert.equal(w.flow.f.quote, null, `skew ${skew}`);
  }
  // News that were long on their way do not make a quote last longer.
  const w = new DepositWorld();
  w.visible = false;
  w.flow.start();
  await w.pass(9 * minutes);
  w.flow.onStatus(statusOf({ now: start + 9 * minutes - 20_000, quote: quoteOf('ETH-base') }));
  await w.pass(minutes);
  assert.equal(w.flow.f.quote, null);
});

test('choosing asks for a quote once, tells the address bar, and late answers for others are not heard', async () => {
  const w = new DepositWorld();
  w.flow.start();
  let answer: (() => void) | undefined;
  const slow = new Promise<void>((r) => (answer = r));
  w.quote = (id) => statusOf({ now: w.now, quote: quoteOf(id) });
  const quote = w.quote;
  w.quote = ((id: string) => slow.then(() => quote(id, false))) as unknown as typeof w.quote;
  const first = w.flow.choose('USDC-base');
  w.quote = quote;
  await w.flow.choose('USDT-arbitrum-one');
  assert.equal(w.flow.f.quote?.asset, 'USDT-arbitrum-one');
  answer?.();
  await first;
  assert.equal(w.flow.f.quote?.asset, 'USDT-arbitrum-one');
  assert.deepEqual(w.asked, ['USDC-base', 'USDT-arbitrum-one']);
  assert.deepEqual(w.address, ['USDC-base', 'USDT-arbitrum-one']);
  assert.deepEqual(w.followed, ['USDC-base', 'USDT-arbitrum-one']);
  await w.flow.choose('USDT-arbitrum-one');
  assert.equal(w.asked.length, 2, 'what is there already is not asked for');
  w.status = (id) => statusOf({ now: w.now, quote: id === 'ETH-base' ? quoteOf(id) : null });
  await w.flow.choose('ETH-base', true);
  assert.deepEqual([w.flow.f.quote?.asset, w.asked.length, w.address.length], ['ETH-base', 2, 2], 'going back asks for no price');
});

test('no price is said as what it is, and an old one goes', async () => {
  const w = new DepositWorld();
  w.flow.start();
  for (const [err, trouble] of [
    [new ApiError(503, 'price_unavailable', '', 'No price.'), 'unavailable'],
    [new ApiError(429, 'too_many_quotes', '', 'Too many.'), 'limited'],
  ] as const) {
    w.quote = () => err;
    await w.flow.choose('USDC-base');
    await w.flow.renew();
    assert.deepEqual([w.flow.f.trouble, w.flow.f.quote, w.flow.f.news], [trouble, null, null]);
    w.quote = (id) => statusOf({ now: w.now, quote: quoteOf(id, 2500n, { expiresAt: w.now + 10 * minutes }) });
    await w.flow.choose('ETH-base');
    assert.deepEqual([w.flow.f.trouble, w.flow.f.quote?.asset], ['', 'ETH-base']);
  }
  // While the old one holds it stays.
  w.quote = () => new ApiError(503, 'price_unavailable', '', 'No price.');
  await w.flow.renew();
  assert.equal(w.flow.f.quote?.asset, 'ETH-base');
  w.quote = () => new ApiError(0, 'unreachable', '', '');
  await w.flow.choose('USDC-base');
  assert.equal(w.flow.f.news?.title, 'No price could be asked for');
});

test('part of it comes: the rest is asked for; all of it: nothing is', () => {
  const w = new DepositWorld();
  w.flow.start();
  w.flow.onStatus(statusOf({ now: start + 1, received: '12.50', missing: '12.50', oddity: 'under', quote: quoteOf('ETH-base', 1250n) }));
  assert.equal(w.flow.f.quote?.amount, '0.003340411854005812');
  w.flow.onStatus(statusOf({ now: start, quote: quoteOf('ETH-base') }));
  assert.equal(w.flow.f.quote?.amount, '0.003340411854005812', 'older news are none');
  w.flow.onStatus(statusOf({ now: start + 2, state: 'seen', payable: false, received: '25.00', missing: '0.00', quote: null }));
  assert.deepEqual([w.flow.f.quote, w.flow.f.trouble, w.flow.f.state()], [null, '', 'seen']);
});

test('every lie of a quote is refused, once and for ever', () => {
  const thousand = BigInt(1000);
  const lies: Record<string, [more: Partial<ReturnType<typeof quoteOf>>, found: string]> = {
    address: [{ address: stranger }, 'page_address: address'],
    link: [{ uri: quoteOf('ETH-base').uri.replace(to, stranger) }, 'page_address: wallet link'],
    code: [{ qr: codes[to] ?? '' }, 'page_address: code'],
    'no code': [{ qr: '<svg/>' }, 'page_address: code'],
    amount: [{ amount: '0.06680823708011624' }, 'page_address: amount'],
    units: [{ units: quoteOf('ETH-base').units * thousand, amount: exact(quoteOf('ETH-base').units * thousand, 18) }, 'page_address: amount'],
    'no units': [{ units: 0n, amount: '0' }, 'page_address: amount'],
    rate: [{ rate: 1n }, 'page_address: amount'],
    token: [{ token: stranger }, 'page_registry: token'],
    native: [{ native: false }, 'page_registry: native'],
    decimals: [{ decimals: 6 }, 'page_registry: decimals'],
    chainId: [{ chainId: 1 }, 'page_registry: chainId'],
    chain: [{ chain: 'Ethereum' }, 'page_registry: chain'],
    network: [{ network: 'mainnet' }, 'page_registry: network'],
    symbol: [{ symbol: 'BTC' }, 'page_registry: symbol'],
  };
  for (const [name, [more, found]] of Object.entries(lies)) {
    assert.equal(field(() => verifyQuote(pageOf(), asset('ETH-base'), '25.00', quoteOf('ETH-base', 2500n, more))), found, name);
    const w = new DepositWorld();
    w.flow.start();
    w.flow.onStatus(statusOf({ now: start + 1, quote: quoteOf('ETH-base', 2500n, { ...more, expiresAt: start + 11 * minutes }) }));
    assert.equal(w.flow.f.state(), 'unsafe', name);
    assert.equal(w.flow.f.quote, null, name);
    assert.equal(w.telemetry.length, 1, name);
    assert.match(w.telemetry[0] ?? '', new RegExp(`^unsafe_refused ${found.split(':')[0]} `), name);
    w.flow.onStatus(statusOf({ now: start + 2, quote: quoteOf('ETH-base') }));
    assert.equal(w.flow.f.state(), 'unsafe', `${name}: honesty comes too late`);
  }
});

test('an amount may differ from what is missing by a cent and by rounding, and by no more', () => {
  for (const id of ['ETH-base', 'USDC-base', 'USDT-arbitrum-one']) {
    const a = asset(id);
    for (let seed = 1; seed <= 300; seed++) {
      const r = chance(seed);
      const cents = BigInt(100 + r.below(100_000_000));
      const missing = `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;
      const q = { ...quoteOf(id, cents), qr: '' };
      assert.equal(field(() => verifyQuote(pageOf(), a, missing, q)), '', `${id} ${missing}`);
      const off = (q.units * BigInt(2 + r.below(200))) / 100n;
      const wrong = q.units + (r.below(2) ? off : -off);
      if (cents > 200n && wrong > 0n) {
        const lie = { ...q, units: wrong, amount: exact(wrong, a.decimals), uri: q.uri.replace(/\d+$/, String(wrong)) };
        assert.equal(field(() => verifyQuote(pageOf(), a, missing, lie)), 'page_address: amount', `${id} ${missing} ${wrong}`);
      }
    }
  }
});

test('dollars with their thousands apart are the same dollars', () => {
  assert.equal(field(() => verifyQuote(pageOf(), asset('USDC-base'), '1,234.56', { ...quoteOf('USDC-base', 123_456n), qr: '' })), '');
});

test('what the page shows must be its quote, to people and to cameras', () => {
  const q = quoteOf('ETH-base');
  const honest = shownOf(q);
  assert.equal(field(() => verifyShown(q, honest)), '');
  assert.equal(field(() => verifyShown(q, { ...honest, address: ` ${to.slice(0, 6)} ${to.slice(6)}\n` })), '', 'gaps are no difference');
  for (const [more, found] of [
    [{ address: stranger }, 'displayed address'],
    [{ amount: `1${q.amount}` }, 'displayed amount'],
    [{ symbol: 'WETH' }, 'displayed currency'],
    [{ network: 'Ethereum' }, 'displayed network'],
    [{ uri: q.uri.replace(to, stranger) }, 'displayed wallet link'],
    [{ qr: null }, 'displayed code'],
    [{ qr: honest.addressQr }, 'displayed code'],
    [{ addressQr: honest.qr }, 'displayed code'],
  ] as const) {
    assert.equal(field(() => verifyShown(q, { ...honest, ...more })), `page_address: ${found}`);
  }
  const w = new DepositWorld();
  w.lie = { address: stranger };
  w.flow.start();
  assert.equal(w.flow.f.state(), 'unsafe');
});

test('the page itself: assets that are not built in, another address than before', () => {
  const page = pageOf();
  for (const [more, found] of [
    [{ token: stranger }, 'token'], [{ decimals: 7 }, 'token decimals'], [{ symbol: 'EURC' }, 'token symbol'], [{ chainId: 5 }, 'chain'], [{ chain: 'Base' }, 'network name'], [{ network: 'mainnet' }, 'network'],
  ] as const) {
    const w = new DepositWorld({ ...page, assets: page.assets.map((a) => (a.id === 'USDC-base' ? { ...a, ...more } : a)) });
    w.flow.start();
    assert.equal(w.flow.f.state(), 'unsafe', found);
    assert.match(w.telemetry.join(), new RegExp(`page_registry ${found} `));
  }
  for (const more of [{ sandbox: false }, { chains: [] }, { address: to.toLowerCase() as typeof to }]) {
    const w = new DepositWorld({ ...page, ...more });
    w.flow.start();
    assert.equal(w.flow.f.state(), 'unsafe');
  }
  const w = new DepositWorld(page, { address: stranger });
  w.flow.start();
  assert.match(w.flow.f.unsafe, /address \(expected/);
  const over = new DepositWorld(pageOf({ address: '', status: statusOf({ state: 'paid', payable: false }) }), { address: to });
  over.flow.start();
  assert.equal(over.flow.f.state(), 'paid', 'a page that is over needs none');
});

test('statuses that are none are not heard', () => {
  const good = {
    state: 'open', oddity: 'none', payable: true, part: false, now: '2026-01-02T12:00:00Z', expiresAt: '2026-01-02T13:00:00Z', settledAt: '', amount: '1,025.00', received: '0.00', missing: '1,025.00', excess: '0.00',
    late: '0.00', transfers: [], quote: null, methods: { crypto: true, bank: false, split: false }, bank: null, cancellable: false, canceledBy: '', announcedTx: '', returnUrl: '',
  };
  assert.equal(readDepositStatus(good)?.missing, '1,025.00');
  assert.equal(readDepositStatus({ ...good, returnUrl: 'javascript:alert(1)' })?.returnUrl, '', 'only the web is a place to go');
  for (const bad of [
    null, [], 'x', { ...good, state: 'done' }, { ...good, missing: '1e3' }, { ...good, missing: 25 }, { ...good, now: 'soon' }, { ...good, quote: undefined }, { ...good, quote: 'x' }, { ...good, quote: {} }, { ...good, transfers: {} },
    { ...good, transfers: [{}] }, { ...good, announcedTx: '0x1' }, { ...good, payable: 'yes' }, { ...good, methods: null }, { ...good, bank: undefined }, { ...good, cancellable: 1 }, { ...good, canceledBy: null },
  ]) {
    assert.equal(readDepositStatus(bad), null, JSON.stringify(bad));
  }
});

test('the way back is taken once, while somebody looks, and never by who stays', () => {
  const gone: string[] = [];
  const shown: (number | null)[] = [];
  let visible = true;
  const make = (done = false): Leave => new Leave({ done, visible: () => visible, show: (s) => void shown.push(s), go: (url) => void gone.push(url) });
  const l = make();
  l.tick();
  l.to('');
  l.to('https://shop.example/');
  visible = false;
  for (let i = 0; i < 10; i++) l.tick();
  assert.deepEqual(gone, []);
  visible = true;
  for (let i = 0; i < 10; i++) l.tick();
  assert.deepEqual([gone, shown], [['https://shop.example/'], [5, 4, 3, 2, 1, 0]]);
  const stays = make();
  stays.to('https://shop.example/');
  stays.tick();
  stays.stay();
  for (let i = 0; i < 10; i++) stays.tick();
  const was = make(true);
  was.to('https://shop.example/');
  for (let i = 0; i < 10; i++) was.tick();
  assert.equal(gone.length, 1);
});
