// A server, or a network on the way, that lies about what the wallet is to
// sign: every lie is refused by the page itself, the check is named, nothing can
// be signed, and the merchant is told.
import type { Page } from '@playwright/test';
import { encodeFunctionData, erc20Abi, maxUint256, numberToHex } from 'viem';
import type { CreateBody } from '../fixtures/api.ts';
import { type Transaction, withSelector, withWord, wordOf } from '../fixtures/calldata.ts';
import { balanceOf } from '../fixtures/chain.ts';
import { type Demo, chainOf } from '../fixtures/demo.ts';
import { type Order, freshAddress, order } from '../fixtures/order.ts';
import { tamper } from '../fixtures/page.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { type CheckName, expectRefused } from '../fixtures/refused.ts';
import { expect, test } from '../fixtures/test.ts';
import type { Wallet } from '../fixtures/wallet.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';

const payUrl = /\/checkout\/[^/]+\/pay\?/;
const thief = '0x00000000000000000000000000000000DeaDBeef';

/** The honest answer's parts, to be changed in place, or a whole other answer. */
interface Answer {
  body: { transactions: any; metadata: any; checks: any };
  /** The approval and the payment; for native currency there is only pay. */
  approve: Transaction;
  pay: Transaction;
  demo: Demo;
}

interface Lie {
  name: string;
  lie: (a: Answer) => unknown;
  check: CheckName;
  /** What the page says is different. */
  field: string;
}

// Words of transferFromWithReferenceAndFee.
const erc20 = { token: 0, payee: 1, amount: 2, offset: 3, fee: 4, feePayee: 5, length: 6, reference: 7 };
// Words of transferWithReferenceAndFee.
const eth = { payee: 0, offset: 1, fee: 2, feePayee: 3, length: 4, reference: 5 };

const setWord = (which: 'approve' | 'pay', word: number, value: bigint | `0x${string}` | string) => (a: Answer) => {
  a[which].data = withWord(a[which].data, word, value);
};
const base = (a: Answer) => chainOf(a.demo, 'base');

const lies: Lie[] = [
  // The approval.
  { name: 'approves another spender', lie: setWord('approve', 0, thief), check: 'page_calldata', field: 'spender' },
  { name: 'approves another official contract', lie: (a) => setWord('approve', 0, base(a).contracts.ethFeeProxy)(a), check: 'page_calldata', field: 'spender' },
  { name: 'approves an unlimited amount', lie: setWord('approve', 1, maxUint256), check: 'page_calldata', field: 'approved amount' },
  { name: 'approves one unit more', lie: setWord('approve', 1, 10_000_001n), check: 'page_calldata', field: 'approved amount' },
  { name: 'approves one unit less', lie: setWord('approve', 1, 9_999_999n), check: 'page_calldata', field: 'approved amount' },
  { name: 'approves nothing', lie: setWord('approve', 1, 0n), check: 'page_calldata', field: 'approved amount' },
  { name: 'approves another token', lie: (a) => { a.approve.to = base(a).tokens['USDT']!.address; }, check: 'page_registry', field: 'target' },
  { name: 'raises an allowance instead of setting it', lie: (a) => { a.approve.data = withSelector(a.approve.data, '0x39509351'); }, check: 'page_calldata', field: 'selector' },
  {
    name: 'transfers instead of approving', check: 'page_calldata', field: 'selector',
    lie: (a) => { a.approve.data = encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [thief, 10_000_000n] }); },
  },
  { name: 'approves with bytes behind', lie: (a) => { a.approve.data = `${a.approve.data}00`; }, check: 'page_calldata', field: 'encoding' },
  { name: 'approves a spender with dirt above the address', lie: (a) => setWord('approve', 0, `01${wordOf(a.approve.data as `0x${string}`, 0).slice(2)}`)(a), check: 'page_calldata', field: 'encoding' },
  { name: 'sends ether with the approval', lie: (a) => { a.approve.value = '0x1'; }, check: 'page_calldata', field: 'value' },

  // The payment.
  { name: 'pays somebody else', lie: setWord('pay', erc20.payee, thief), check: 'page_calldata', field: 'payee' },
  { name: 'pays one unit more', lie: setWord('pay', erc20.amount, 10_000_001n), check: 'page_calldata', field: 'amount' },
  { name: 'pays one unit less', lie: setWord('pay', erc20.amount, 9_999_999n), check: 'page_calldata', field: 'amount' },
  { name: 'pays another token', lie: (a) => setWord('pay', erc20.token, base(a).tokens['USDT']!.address)(a), check: 'page_calldata', field: 'token' },
  { name: 'adds a fee', lie: setWord('pay', erc20.fee, 1n), check: 'page_calldata', field: 'fee' },
  { name: 'adds a fee address', lie: setWord('pay', erc20.feePayee, thief), check: 'page_calldata', field: 'fee payee' },
  { name: 'pays under another reference', lie: setWord('pay', erc20.reference, `${'11'.repeat(8)}${'00'.repeat(24)}`), check: 'page_calldata', field: 'reference' },
  { name: 'hides bytes behind the reference', lie: (a) => setWord('pay', erc20.reference, `${wordOf(a.pay.data as `0x${string}`, 7).slice(0, 62)}01`)(a), check: 'page_calldata', field: 'encoding' },
  { name: 'lengthens the reference', lie: setWord('pay', erc20.length, 9n), check: 'page_calldata', field: 'encoding' },
  { name: 'points at another reference', lie: setWord('pay', erc20.offset, 0xe0n), check: 'page_calldata', field: 'encoding' },
  { name: 'pays with bytes behind', lie: (a) => { a.pay.data = `${a.pay.data}${'00'.repeat(32)}`; }, check: 'page_calldata', field: 'encoding' },
  { name: 'pays with bytes missing', lie: (a) => { a.pay.data = String(a.pay.data).slice(0, -2); }, check: 'page_calldata', field: 'encoding' },
  { name: 'pays a payee with dirt above the address', lie: (a) => setWord('pay', erc20.payee, `ff${wordOf(a.pay.data as `0x${string}`, 1).slice(2)}`)(a), check: 'page_calldata', field: 'encoding' },
  { name: 'pays at another target', lie: (a) => { a.pay.to = thief; }, check: 'page_registry', field: 'target' },
  { name: 'pays at another official contract', lie: (a) => { a.pay.to = base(a).contracts.ethFeeProxy; }, check: 'page_registry', field: 'target' },
  { name: 'pays at the batch contract', lie: (a) => { a.pay.to = base(a).contracts.batchPayments; }, check: 'page_registry', field: 'target' },
  { name: 'pays by another function', lie: (a) => { a.pay.data = withSelector(a.pay.data, '0x3af2c012'); }, check: 'page_calldata', field: 'selector' },
  { name: 'sends ether with the payment', lie: (a) => { a.pay.value = '0x1'; }, check: 'page_calldata', field: 'value' },

  // The plan.
  { name: 'adds a transaction', lie: (a) => { a.body.transactions.push({ ...a.approve }); }, check: 'page_calldata', field: 'order of transactions' },
  { name: 'adds a harmless-looking transfer', lie: (a) => { a.body.transactions.push({ to: base(a).tokens['USDC']!.address, value: '0x0', data: encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [thief, 1n] }) }); }, check: 'page_calldata', field: 'selector' },
  { name: 'pays twice', lie: (a) => { a.body.transactions.push({ ...a.pay }); }, check: 'page_calldata', field: 'order of transactions' },
  { name: 'approves twice', lie: (a) => { a.body.transactions.unshift({ ...a.approve }); }, check: 'page_calldata', field: 'order of transactions' },
  { name: 'pays before it approves', lie: (a) => { a.body.transactions.reverse(); }, check: 'page_calldata', field: 'order of transactions' },
  { name: 'only approves', lie: (a) => { a.body.transactions.pop(); }, check: 'page_calldata', field: 'order of transactions' },
  { name: 'does nothing', lie: (a) => { a.body.transactions = []; }, check: 'page_calldata', field: 'number of transactions' },
  { name: 'does too much', lie: (a) => { a.body.transactions.push({ ...a.pay }, { ...a.pay }); }, check: 'page_calldata', field: 'number of transactions' },
  { name: 'names another chain', lie: (a) => { a.body.metadata.chainId = 8453; }, check: 'page_registry', field: 'chain' },
  { name: 'names the chain as text', lie: (a) => { a.body.metadata.chainId = String(a.body.metadata.chainId); }, check: 'page_registry', field: 'chain' },
  { name: 'names no chain', lie: (a) => { delete a.body.metadata; }, check: 'page_registry', field: 'chain' },
  { name: 'names another chain inside a transaction', lie: (a) => { a.pay['chainId'] = '0x1'; }, check: 'page_registry', field: 'chain' },

  // Strange JSON.
  { name: 'gives no transactions', lie: (a) => { delete a.body.transactions; }, check: 'page_calldata', field: 'transactions' },
  { name: 'gives an object for the list', lie: (a) => { a.body.transactions = { 0: a.approve, 1: a.pay, length: 2 }; }, check: 'page_calldata', field: 'transactions' },
  { name: 'gives null for a transaction', lie: (a) => { a.body.transactions[1] = null; }, check: 'page_calldata', field: 'transaction' },
  { name: 'gives a list for a transaction', lie: (a) => { a.body.transactions[1] = [a.pay.to, a.pay.data, a.pay.value]; }, check: 'page_calldata', field: 'transaction' },
  { name: 'gives a list for a target', lie: (a) => { a.pay.to = [a.pay.to]; }, check: 'page_registry', field: 'target' },
  { name: 'gives a list for calldata', lie: (a) => { a.pay.data = [a.pay.data]; }, check: 'page_calldata', field: 'encoding' },
  { name: 'gives a number for a value', lie: (a) => { a.pay.value = 0; }, check: 'page_calldata', field: 'value' },
  { name: 'gives decimal text for a value', lie: (a) => { a.pay.value = '0'; }, check: 'page_calldata', field: 'value' },
  { name: 'gives no value', lie: (a) => { delete a.pay.value; }, check: 'page_calldata', field: 'value' },
  { name: 'gives a megabyte of calldata', lie: (a) => { a.pay.data = `${a.pay.data}${'00'.repeat(500_000)}`; }, check: 'page_calldata', field: 'encoding' },
  { name: 'gives a bare null', lie: () => null, check: 'page_registry', field: 'chain' },

  // A server that is honest about its own refusal.
  {
    name: 'says that its own check failed', check: 'simulation_matches', field: 'moved something else',
    lie: (a) => { a.body.checks = a.body.checks.map((c: { name: string }) => (c.name === 'simulation_matches' ? { ...c, outcome: 'failed', detail: 'The test run moved something else.' } : c)); },
  },
];

const nativeLies: Lie[] = [
  { name: 'sends more than is shown', lie: (a) => { a.pay.value = numberToHex(ether / 100n + 1n); }, check: 'page_calldata', field: 'value' },
  { name: 'sends less than is shown', lie: (a) => { a.pay.value = numberToHex(ether / 100n - 1n); }, check: 'page_calldata', field: 'value' },
  { name: 'sends nothing', lie: (a) => { a.pay.value = '0x0'; }, check: 'page_calldata', field: 'value' },
  { name: 'pays somebody else', lie: setWord('pay', eth.payee, thief), check: 'page_calldata', field: 'payee' },
  { name: 'adds a fee', lie: setWord('pay', eth.fee, 1n), check: 'page_calldata', field: 'fee' },
  { name: 'adds a fee address', lie: setWord('pay', eth.feePayee, thief), check: 'page_calldata', field: 'fee payee' },
  { name: 'pays under another reference', lie: setWord('pay', eth.reference, `${'11'.repeat(8)}${'00'.repeat(24)}`), check: 'page_calldata', field: 'reference' },
  { name: 'pays at another target', lie: (a) => { a.pay.to = thief; }, check: 'page_registry', field: 'target' },
  { name: 'pays at the token contract’s proxy', lie: (a) => { a.pay.to = base(a).contracts.erc20FeeProxy; }, check: 'page_registry', field: 'target' },
  { name: 'sends the ether without a call', lie: (a) => { a.pay.data = '0x'; }, check: 'page_calldata', field: 'encoding' },
  {
    name: 'adds an approval of a token', check: 'page_registry', field: 'target',
    lie: (a) => { a.body.transactions.unshift({ to: base(a).tokens['USDC']!.address, value: '0x0', data: encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [thief, maxUint256] }) }); },
  },
];

// With a fee of 2.5 % of 10: 0.25.
const feeLies: Lie[] = [
  { name: 'asks one unit more of a fee', lie: setWord('pay', erc20.fee, 250_001n), check: 'page_calldata', field: 'fee' },
  { name: 'asks one unit less of a fee', lie: setWord('pay', erc20.fee, 249_999n), check: 'page_calldata', field: 'fee' },
  { name: 'pays the fee to somebody else', lie: setWord('pay', erc20.feePayee, thief), check: 'page_calldata', field: 'fee payee' },
  { name: 'moves the fee into the amount', lie: (a) => { setWord('pay', erc20.fee, 0n)(a); setWord('pay', erc20.amount, 10_250_000n)(a); }, check: 'page_calldata', field: 'amount' },
  { name: 'approves the amount without the fee', lie: setWord('approve', 1, 10_000_000n), check: 'page_calldata', field: 'approved amount' },
];

function answerOf(body: any, demo: Demo): Answer {
  const list = body.transactions as Transaction[];
  return { body, approve: list[0]!, pay: list.at(-1)!, demo };
}

async function lieTo(page: Page, demo: Demo, wallet: Wallet, made: Order, { lie, check, field }: Lie): Promise<void> {
  const tampered = await tamper(page, payUrl, (body) => {
    const other = lie(answerOf(body, demo));
    return other === undefined ? body : other;
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(wallet.address);
  await expectRefused(checkout, demo, wallet, made.token, check, field);
  expect(tampered()).toBe(1);
}

for (const [about, currency, amount, more, table] of [
  ['an ERC-20 payment', 'USDC-base', '10.00', {}, lies],
  ['a native payment', 'ETH-base', '0.01', {}, nativeLies],
  ['a payment with a fee', 'USDC-base', '10.00', { feePercentage: '2.5' }, feeLies],
] as [string, string, string, Partial<CreateBody>, Lie[]][]) {
  test.describe(`the calldata of ${about}`, () => {
    for (const each of table) {
      test(`that ${each.name} is refused`, async ({ page, demo, wallet }) => {
        const made = await order(demo, amount, currency, more.feePercentage ? { ...more, feeAddress: freshAddress() } : more);
        await lieTo(page, demo, wallet, made, each);
      });
    }
  });
}

test('the calldata of another payment to the same payee is refused', async ({ page, demo, wallet }) => {
  const made = await order(demo, '10.00');
  const other = await order(demo, '10.00', 'USDC-base', { requests: [{ payee: made.payee, paymentCurrency: 'USDC-base', amount: '10.00' }] });
  await page.route(payUrl, async (route) => {
    const response = await route.fetch({ url: route.request().url().replace(made.token, other.token) });
    await route.fulfill({ response });
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(wallet.address);
  await expectRefused(checkout, demo, wallet, made.token, 'page_calldata', 'reference');
});

test('a lie that begins after the approval is refused, and the approval alone moves nothing', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  const answers = await tamper(page, payUrl, (body) => {
    if (body.transactions.length === 1) body.transactions[0].data = withWord(body.transactions[0].data, erc20.payee, thief);
    return body;
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await expectRefused(checkout, demo, wallet, made.token, 'page_calldata', 'payee', 1);
  expect(answers()).toBeGreaterThan(1);
  expect(await balanceOf(chain, address, 'USDC')).toBe(dollars(100));
});

test('an approval that is left out moves nothing', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  await tamper(page, payUrl, (body) => ({ ...body, transactions: body.transactions.slice(1) }));
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectNotice('Your wallet reported a problem', 'error');
  expect(wallet.sent).toEqual([]);
  expect(await balanceOf(chain, address, 'USDC')).toBe(dollars(100));
});

test('nothing is passed on to the wallet that was not verified', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain);
  const made = await order(demo, '10.00');
  await tamper(page, payUrl, (body) => {
    for (const t of body.transactions) {
      Object.assign(t, {
        from: thief, gas: '0x5f5e100', gasPrice: '0xffffffffffff', nonce: '0x0', type: '0x4', input: '0xdeadbeef', kind: 'pay',
        authorizationList: [{ chainId: '0x0', address: thief, nonce: '0x0' }], accessList: [],
      });
    }
    return body;
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Approve 10.00 USDC');
  await checkout.press('Pay 10.00 USDC');
  await checkout.expectPaid(wallet);
  for (const { params } of wallet.requests.filter((r) => r.method === 'eth_sendTransaction')) {
    expect(Object.keys((params as object[])[0]!).sort()).toEqual(['chainId', 'data', 'from', 'to', 'value']);
    expect((params as { from: string }[])[0]!.from).toBe(address);
  }
});

test.describe('a page that shows something else than its data', () => {
  for (const { name, change, field } of [
    { name: 'a smaller amount', change: (html: string) => html.replace('<span>10.00</span>', '<span>1.00</span>'), field: 'displayed amount' },
    { name: 'another payee', change: (html: string, o: Order) => html.replace(`<span>${o.payee.slice(0, 6)}</span>`, '<span>0xdEaD</span>'), field: 'displayed payee' },
    { name: 'a token of its own', change: (html: string) => html.replace(/("assets":\[\{[^}]*"address":")0x[0-9a-fA-F]{40}/, `$1${thief}`), field: 'token' },
    { name: 'other decimals', change: (html: string) => html.replace(/("assets":\[\{[^}]*"decimals":)6/, '$17'), field: 'token decimals' },
    { name: 'a chain it does not know', change: (html: string) => html.replace(/("chain":\{"id":)\d+/, '$131337'), field: 'chain' },
  ]) {
    test(`is refused: ${name}`, async ({ page, demo, wallet }) => {
      const made = await order(demo, '10.00');
      let changed = false;
      await page.route(/\/\?token=/, async (route) => {
        const response = await route.fetch();
        const before = await response.text();
        const body = change(before, made);
        changed = body !== before;
        await route.fulfill({ response, body });
      });
      const checkout = new Checkout(page);
      await checkout.open(made.securePaymentUrl);
      await checkout.expectState('unsafe');
      expect(changed).toBe(true);
      await expect(checkout.id('unsafe-check')).toContainText(field);
      await checkout.expectNothingToSign();
      expect(wallet.asked('eth_sendTransaction')).toBe(0);
      await webhook(demo, made.token, 'secure_payment.unsafe');
    });
  }
});

test('the server’s own refusal stops the page', async ({ page, demo, wallet }) => {
  const made = await order(demo, '10.00');
  await page.route(payUrl, (route) => route.fulfill({
    status: 403, json: { statusCode: 403, message: 'The code at this address is not the pinned one.', error: 'Forbidden', code: 'unsafe', field: 'code_pinned' },
  }));
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(wallet.address);
  await checkout.expectState('unsafe');
  await expect(checkout.id('unsafe-check')).toHaveText('Contract code unchanged');
  await checkout.expectNothingToSign();
  expect(wallet.asked('eth_sendTransaction')).toBe(0);
});
