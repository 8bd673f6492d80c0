// Pages of payment links: what they refuse to say of a bank transfer, and what the
// script of deposits must know of euros.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDeposit, readDepositStatus } from '../src/deposit-data.ts';
import { type Bank, changed, judge, misshown, readBank } from '../src/link-bank.ts';
import { readLocked } from '../src/data.ts';
import { readDrawing, says } from '../src/qr.ts';
import { DepositWorld, codes, pageOf, quoteOf, start, statusOf } from './deposit-world.ts';

const text = 'Invoice 1234 RF46C0FFEE123456';
const codeOf = (b: Pick<Bank, 'amount' | 'bic' | 'iban'>, version = '002'): string =>
  codes[['BCD', version, '1', 'SCT', b.bic, 'Harbour Coffee', b.iban, `EUR${b.amount}`, '', '', text].join('\n')] ?? '';

/** What the server tells of a transfer, honestly. */
const told = (more: Partial<Bank> = {}): Bank & { ibanGrouped: string } => {
  const b = { holder: 'Harbour Coffee', iban: 'DE89370400440532013000', ibanGrouped: 'DE89 3704 0044 0532 0130 00', bic: '', amount: '49.99', text, reference: 'RF46C0FFEE123456', qr: '', ...more };
  return { ...b, qr: more.qr ?? codeOf(b) };
};

function bankOf(more: Partial<Bank> = {}): Bank {
  const b = readBank({ ...told(more) });
  if ('check' in b) throw new Error(b.field);
  return b;
}

const readerOf = (svg: string) => {
  const drawing = readDrawing(svg);
  return (words: string): boolean => drawing !== null && says(drawing, words);
};
const field = (b: Bank, missing = '49.99'): string => judge(b, missing, readerOf(b.qr))?.field ?? '';

test('an honest transfer is one, with and without a BIC, and for a cent more than what is missing to the nearest', () => {
  assert.equal(field(bankOf()), '');
  assert.equal(field(bankOf({ amount: '25.00' }), '25.00'), '');
  assert.equal(field(bankOf({ amount: '25.00' }), '24.99'), '');
  const swiss = { iban: 'CH9300762011623852957', bic: 'POFICHBEXXX' };
  assert.equal(field(bankOf({ ...swiss, qr: codeOf({ ...swiss, amount: '49.99' }, '001') })), '');
  assert.equal(field({ ...bankOf({ amount: '1234.56', qr: '' }) }, '1,234.56'), '', 'thousands are apart for people only');
});

test('what does not fit together is refused, by its name', () => {
  const b = bankOf();
  const lies: [Partial<Bank>, string][] = [
    [{ iban: 'DE88370400440532013000' }, 'IBAN'],
    [{ iban: 'GB82WEST12345698765432' }, 'code'],
    [{ holder: 'Harbor Coffee' }, 'code'],
    [{ bic: 'COBADEFFXXX' }, 'code'],
    [{ reference: 'RF47C0FFEE123456' }, 'reference'],
    [{ reference: 'RF18539007547034' }, 'text'],
    [{ text: 'Invoice 1235 RF46C0FFEE123456' }, 'code'],
    [{ text: 'RF46C0FFEE123456 and more' }, 'text'],
    [{ amount: '50.01' }, 'amount'],
    [{ amount: '49.98' }, 'amount'],
    [{ amount: '4999.00' }, 'amount'],
    [{ qr: codeOf({ ...b, amount: '25.00' }) }, 'code'],
    [{ qr: b.qr.replace('h7v1h-7z', 'h6v1h-6z') }, 'code'],
    [{ qr: b.qr.replace('</svg>', '<path fill="#000" d="M0 0h9v9z"/></svg>') }, 'code'],
    [{ qr: '<svg/>' }, 'code'],
  ];
  for (const [lie, found] of lies) assert.equal(field({ ...b, ...lie }), found, JSON.stringify(lie).slice(0, 80));
});

test('what is no transfer at all is not read', () => {
  for (const [lie, found] of [
    [{ iban: 'de89370400440532013000' }, 'iban'], [{ iban: 'DE89 3704 0044 0532 0130 00' }, 'iban'], [{ amount: '49,99' }, 'amount'], [{ amount: '1,049.99' }, 'amount'], [{ amount: 49.99 }, 'amount'],
    [{ holder: '' }, 'holder'], [{ holder: 'Harbour\nCoffee' }, 'holder'], [{ text: `${text}\u202e` }, 'text'], [{ reference: '' }, 'reference'], [{ bic: 'COBADE' }, 'bic'], [{ qr: null }, 'qr'], [{ iban: undefined }, 'iban'],
  ] as const) {
    const b = readBank({ ...told(), ...lie });
    assert.equal('check' in b && `${b.check} ${b.field}`, `page_bank ${found}`, JSON.stringify(lie));
  }
  assert.equal((readBank({ ...told({ holder: 'Müller & Söhne GmbH', qr: '' }) }) as Bank).holder, 'Müller & Söhne GmbH');
  // In a page's data block the code is not drawn a second time.
  const { qr: _, ...bare } = told();
  assert.equal((readBank(bare) as Bank).qr, '');
});

test('only the amount may become different while a page is open', () => {
  const b = bankOf();
  assert.equal(changed({ ...b, amount: '25.00', qr: '' }, b), null);
  for (const lie of [{ iban: 'GB82WEST12345698765432' }, { holder: 'X' }, { bic: 'COBADEFFXXX' }, { text: 'RF46C0FFEE123456' }]) {
    assert.equal(changed({ ...b, ...lie }, b)?.field, Object.keys(lie)[0]);
  }
});

test('the page must show this transfer, to people and to cameras', () => {
  const b = bankOf();
  const { reference: _, qr: __, ...shown } = b;
  assert.equal(misshown(b, shown, readerOf(b.qr)), null);
  for (const lie of [{ iban: 'GB82WEST12345698765432' }, { iban: 'DE89 3704 0044 0532 0130 00' }, { holder: 'X' }, { bic: 'COBADEFFXXX' }, { amount: '4999' }, { text: 'RF46C0FFEE123456' }]) {
    assert.equal(misshown(b, { ...shown, ...lie }, readerOf(b.qr))?.field, `displayed ${Object.keys(lie)[0]}`);
  }
  for (const svg of ['', codeOf({ ...b, amount: '25.00' })]) assert.equal(misshown(b, shown, readerOf(svg))?.field, 'displayed code');
});

test('a page of a link is read: its own address, its endpoints below another', () => {
  const wire = {
    page: '/payment?link_id=MTIzNDU2Nzg5MDEyMzQ1Ng==', path: '/link/1234567890123456', method: 'bank', merchant: 'Harbour Coffee', sandbox: true, currency: 'EUR', asset: '', address: '', assets: [], chains: [], frames: [],
    status: {
      state: 'open', oddity: 'none', payable: true, part: false, now: '2026-01-02T12:00:00Z', expiresAt: '2100-01-01T00:00:00Z', settledAt: '', currency: 'EUR', amount: '49.99', received: '0.00', missing: '49.99', excess: '0.00', late: '0.00',
      confirmations: 0, required: 0, transfers: [], quote: null, methods: { crypto: false, bank: true, split: false }, bank: told(), cancellable: true, canceledBy: '', announcedTx: '', returnUrl: '',
    },
  };
  const p = readDeposit(wire);
  assert.deepEqual([p.page, p.path, p.method, p.currency, p.status.cancellable, p.status.split, p.status.bank?.['iban']], [wire.page, wire.path, 'bank', 'EUR', true, false, 'DE89370400440532013000']);
  assert.deepEqual([readDeposit({ ...wire, page: '/pay?id=7', path: '/bill/v2/7' }).page, readDeposit({ ...wire, path: '/bill/v2/7' }).path], ['/pay?id=7', '/bill/v2/7']);
  for (const bad of [
    ...['//evil.example/payment', 'https://evil.example/payment', 'javascript:alert(1)', '/\\evil.example', '/payment?link_id=MTIz&next=x', '/payment#x', '/payment?link_id=//evil', ''].map((page) => ({ page })),
    ...['//evil.example', '/link/../admin', '/link//1', '/link/1/', '/link/1?x=1', '/link/%2e%2e', '/', 'link/1'].map((path) => ({ path })),
    { method: 'cash' },
  ]) {
    assert.throws(() => readDeposit({ ...wire, ...bad }), new RegExp(`bad ${Object.keys(bad)[0]}`));
  }
  // What came by a bank has neither chain nor transaction.
  const came = { key: 'sepa:1', asset: 'EUR', symbol: 'EUR', amount: '49.99', worth: '49.99', bank: true, chain: '', network: '', txHash: '', explorerUrl: '', stage: 'final', confirmations: 0, required: 0, late: false, at: '2026-01-02T12:00:00Z' };
  assert.equal(readDepositStatus({ ...wire.status, transfers: [came] })?.transfers[0]?.amount, '49.99');
});

test('the ordinary page takes the token of a split link, which names what it is paid in', () => {
  const token = '01JQZX3V8Q9W7N5T2K4M6P8R0S~USDC-base';
  assert.equal(readLocked({ token, state: 'open', locked: true }).token, token);
  for (const bad of ['~USDC-base', `${token}/`, `${token}?x`, `${token} `]) assert.throws(() => readLocked({ token: bad, state: 'open', locked: true }));
});

test('euros are judged by what the page says is missing, as dollars are', () => {
  const status = statusOf({ amount: '49.99', missing: '49.99', quote: quoteOf('ETH-base', 4999n, { qr: '' }) });
  const honest = new DepositWorld(pageOf({ currency: 'EUR', page: '/payment?link_id=MTIz', path: '/link/123', status: { ...status, quote: null } }));
  honest.flow.start();
  honest.flow.onStatus({ ...status, now: start + 1 });
  assert.deepEqual([honest.flow.f.unsafe, honest.flow.f.quote?.units], ['', quoteOf('ETH-base', 4999n).units]);
  const lying = new DepositWorld(pageOf({ currency: 'EUR', status: { ...status, quote: null } }));
  lying.flow.start();
  lying.flow.onStatus({ ...status, now: start + 1, missing: '4.99' });
  assert.match(lying.telemetry.join(), /^unsafe_refused page_address amount /);
});

test('a status of the second in which a quote was given does not take it away, unless money came', async () => {
  const second = start + 7_000;
  const make = async (): Promise<DepositWorld> => {
    const w = new DepositWorld(pageOf({ asset: '', status: statusOf() }));
    w.flow.start();
    w.now = second + 400;
    w.quote = (id) => statusOf({ now: second, quote: quoteOf(id) });
    await w.flow.choose('ETH-base');
    assert.ok(w.flow.f.quote);
    return w;
  };
  const before = await make();
  before.flow.onStatus(statusOf({ now: second, quote: null }));
  assert.deepEqual([before.flow.f.quote?.asset, before.flow.f.trouble], ['ETH-base', ''], 'it may be from before');
  before.flow.onStatus(statusOf({ now: second + 1_000, quote: null }));
  assert.deepEqual([before.flow.f.quote, before.flow.f.trouble], [null, 'lapsed'], 'the next is not');

  const paid = await make();
  paid.flow.onStatus(statusOf({ now: second, quote: null, received: '12.50', missing: '12.50' }));
  assert.deepEqual([paid.flow.f.quote, paid.flow.f.trouble], [null, 'lapsed'], 'a quote of more than is missing');
  const over = await make();
  over.flow.onStatus(statusOf({ now: second, quote: null, state: 'canceled', payable: false }));
  assert.deepEqual([over.flow.f.quote, over.flow.f.trouble], [null, '']);
});

test('what was called off has no quote any more', async () => {
  const w = new DepositWorld();
  w.flow.start();
  w.flow.onStatus(statusOf({ now: start + 1, state: 'canceled', payable: false, canceledBy: 'payer', returnUrl: 'https://pay.example/link/123/return' }));
  assert.deepEqual([w.flow.f.state(), w.flow.f.quote], ['canceled', null]);
});
