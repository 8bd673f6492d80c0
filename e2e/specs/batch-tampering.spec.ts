// A server, or a network on the way, that lies about what a batch is: the page
// builds the one call it may be and refuses every other.
import { encodeFunctionData, erc20Abi, maxUint256 } from 'viem';
import { type Transaction, withSelector, withWord, wordOf } from '../fixtures/calldata.ts';
import { balanceOf } from '../fixtures/chain.ts';
import { type DemoChain, chainOf } from '../fixtures/demo.ts';
import { type BatchOrder, type Part, batchOrder, order } from '../fixtures/order.ts';
import { tamper } from '../fixtures/page.ts';
import { dollars, ether, payerWith } from '../fixtures/payer.ts';
import { type CheckName, expectRefused } from '../fixtures/refused.ts';
import { expect, test } from '../fixtures/test.ts';
import { webhook } from '../fixtures/webhooks.ts';
import { Checkout } from '../pages/checkout.ts';

const payUrl = /\/checkout\/[^/]+\/pay\?/;
const thief = '0x00000000000000000000000000000000DeaDBeef';
const parts: Part[] = [['10.00', 'USDC-base'], ['7.50', 'USDT-base'], ['2.25', 'USDC-base']];

// Words of the call: two offsets and the fee payee, one group of three items of eleven words each.
const feePayee = 2;
const groups = 3;
const network = 5;
const count = 7;
const item = (i: number) => 11 + i * 11;
const inItem = { payee: 0, amount: 1, fee: 4, spend: 5, token: 8, length: 9, reference: 10 };

interface Answer {
  body: any;
  usdc: Transaction;
  usdt: Transaction;
  pay: Transaction;
  base: DemoChain;
  made: BatchOrder;
}

const word = (at: number, value: bigint | `0x${string}` | string) => (a: Answer) => {
  a.pay.data = withWord(a.pay.data, at, value);
};

const lies: [name: string, lie: (a: Answer) => void, check: CheckName, field: string][] = [
  ['pays somebody else', word(item(2) + inItem.payee, thief), 'page_calldata', 'payment 3: payee'],
  ['pays one unit more', word(item(1) + inItem.amount, 7_500_001n), 'page_calldata', 'payment 2: amount'],
  ['pays the first twice and the last never', (a) => { for (let w = 0; w < 11; w++) word(item(2) + w, wordOf(a.pay.data as `0x${string}`, item(0) + w))(a); }, 'page_calldata', 'payment 3: payee'],
  ['swaps two payees', (a) => {
    const [first, second] = [0, 1].map((i) => wordOf(a.pay.data as `0x${string}`, item(i)));
    word(item(0), second!)(a);
    word(item(1), first!)(a);
  }, 'page_calldata', 'payment 1: payee'],
  ['pays another token', (a) => word(item(0) + inItem.token, a.base.tokens['USDT']!.address)(a), 'page_calldata', 'payment 1: token'],
  ['pays under another reference', word(item(0) + inItem.reference, `${'11'.repeat(8)}${'00'.repeat(24)}`), 'page_calldata', 'payment 1: reference'],
  ['adds a fee', word(item(1) + inItem.fee, 1n), 'page_calldata', 'payment 2: fee'],
  ['names another fee payee', word(feePayee, thief), 'page_calldata', 'fee payee'],
  ['wants to convert', word(item(0) + inItem.spend, maxUint256), 'page_calldata', 'encoding'],
  ['leaves one out', word(count, 2n), 'page_calldata', 'number of payments'],
  ['adds a group', word(groups, 2n), 'page_calldata', 'kinds of payment'],
  ['pays as native currency', word(network, 3n), 'page_calldata', 'encoding'],
  ['has bytes behind', (a) => { a.pay.data = `${a.pay.data}${'00'.repeat(32)}`; }, 'page_calldata', 'encoding'],
  ['has bytes missing', (a) => { a.pay.data = String(a.pay.data).slice(0, -64); }, 'page_calldata', 'encoding'],
  ['calls another function', (a) => { a.pay.data = withSelector(a.pay.data, '0xf0fa379f'); }, 'page_calldata', 'selector'],
  ['sends ether with it', (a) => { a.pay.value = '0x1'; }, 'page_calldata', 'value'],
  ['pays at a fee proxy', (a) => { a.pay.to = a.base.contracts.erc20FeeProxy; }, 'page_registry', 'target'],
  ['pays at another target', (a) => { a.pay.to = thief; }, 'page_registry', 'target'],
  ['approves another spender', (a) => { a.usdt.data = withWord(a.usdt.data, 0, thief); }, 'page_calldata', 'spender'],
  ['approves the fee proxy', (a) => { a.usdc.data = withWord(a.usdc.data, 0, a.base.contracts.erc20FeeProxy); }, 'page_calldata', 'spender'],
  ['approves an unlimited amount', (a) => { a.usdt.data = withWord(a.usdt.data, 1, maxUint256); }, 'page_calldata', 'approved amount'],
  ['approves one payment’s amount of two', (a) => { a.usdc.data = withWord(a.usdc.data, 1, 10_000_000n); }, 'page_calldata', 'approved amount'],
  ['approves the amounts of the other token', (a) => { [a.usdc.to, a.usdt.to] = [a.usdt.to, a.usdc.to]; }, 'page_calldata', 'approved amount'],
  ['approves in another order', (a) => { a.body.transactions = [a.usdt, a.usdc, a.pay]; }, 'page_calldata', 'order of transactions'],
  ['approves twice', (a) => { a.body.transactions.unshift({ ...a.usdc }); }, 'page_calldata', 'order of transactions'],
  ['pays twice', (a) => { a.body.transactions.push({ ...a.pay }); }, 'page_calldata', 'order of transactions'],
  ['hides a transfer among the approvals', (a) => {
    a.body.transactions.splice(1, 0, { to: a.usdc.to, value: '0x0', data: encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [thief, 1n] }) });
  }, 'page_calldata', 'selector'],
  ['does too much', (a) => { a.body.transactions.push(...Array(4).fill({ ...a.pay })); }, 'page_calldata', 'number of transactions'],
];

test.describe('the calldata of a batch', () => {
  for (const [name, lie, check, field] of lies) {
    test(`that ${name} is refused`, async ({ page, demo, wallet }) => {
      const made = await batchOrder(demo, parts);
      await tamper(page, payUrl, (body) => {
        const [usdc, usdt, pay] = body.transactions as [Transaction, Transaction, Transaction];
        lie({ body, usdc, usdt, pay, base: chainOf(demo, 'base'), made });
        return body;
      });
      const checkout = new Checkout(page);
      await checkout.open(made.securePaymentUrl);
      await checkout.connect(wallet.address);
      await expectRefused(checkout, demo, wallet, made.token, check, field);
    });
  }
});

test('a lie that begins after the approvals is refused, and they alone move nothing', async ({ context, page, demo }) => {
  const chain = chainOf(demo, 'base');
  const { address, wallet } = await payerWith(context, demo, chain, { native: ether / 100n, tokens: { USDC: dollars(50), USDT: dollars(50) } });
  const made = await batchOrder(demo, parts);
  await tamper(page, payUrl, (body) => {
    if (body.transactions.length === 1) body.transactions[0].data = withWord(body.transactions[0].data, item(1) + inItem.payee, thief);
    return body;
  });
  const checkout = new Checkout(page);
  await checkout.open(made.securePaymentUrl);
  await checkout.connect(address);
  await checkout.press('Allow 12.25 USDC');
  await checkout.press('Allow 7.50 USDT');
  await expectRefused(checkout, demo, wallet, made.token, 'page_calldata', 'payment 2: payee', 2);
  for (const token of ['USDC', 'USDT']) expect(await balanceOf(chain, address, token)).toBe(dollars(50));
});

test('the call of one payment in place of a batch’s, and the other way round', async ({ page, demo, wallet }) => {
  const made = await batchOrder(demo, parts);
  const single = await order(demo, '10.00');
  const swapped: [string, string, string][] = [[made.securePaymentUrl, made.token, single.token], [single.securePaymentUrl, single.token, made.token]];
  for (const [url, token, other] of swapped) {
    await page.unroute(payUrl);
    await page.route(payUrl, async (route) => {
      const asked = new URL(route.request().url().replace(token, other));
      asked.searchParams.delete('option');
      await route.fulfill({ response: await route.fetch({ url: asked.href }) });
    });
    const checkout = new Checkout(page);
    await checkout.open(url);
    await checkout.wallet().click();
    await expectRefused(checkout, demo, wallet, token, 'page_calldata', 'spender');
    await page.evaluate(() => sessionStorage.clear());
  }
});

test.describe('a batch page that shows something else than its data', () => {
  for (const [name, change, field] of [
    ['another amount', (html: string) => html.replace('7.50 USDT</span>', '0.75 USDT</span>'), 'displayed amount'],
    ['another payee', (html: string, o: BatchOrder) => html.replace(`<span>${o.payees[2]!.slice(6, 38)}</span>`, `<span>${'d'.repeat(32)}</span>`), 'displayed payee'],
    ['a smaller total', (html: string) => html.replace('12.25 USDC</dd>', '1.25 USDC</dd>'), 'displayed amount'],
    ['a payment less', (html: string) => html.replace('data-item="1"', 'data-item="7"'), 'displayed payee'],
    ['one payment twice in its data', (html: string) => html.replace('"index":1,', '"index":0,'), 'order of payments'],
  ] as [string, (html: string, o: BatchOrder) => string, string][]) {
    test(`is refused: ${name}`, async ({ page, demo, wallet }) => {
      const made = await batchOrder(demo, parts);
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
      expect(wallet.asked('eth_sendTransaction')).toBe(0);
      await webhook(demo, made.token, 'secure_payment.unsafe');
    });
  }
});
