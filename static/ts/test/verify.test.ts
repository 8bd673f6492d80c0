// The page's safety layer: what is honest passes, and everything else is
// refused by the check and the field that are to blame.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import official from '../../../internal/official/testdata/official-vectors.json' with { type: 'json' };
import { type Method, type Values, approve, encode, erc20Pay, ethPay } from '../src/calldata.ts';
import type { Hex, Payment } from '../src/data.ts';
import { registry } from '../src/registry.gen.ts';
import { type Call, Refusal, type Shown, total, verifyCall, verifyPage, verifyPlan } from '../src/verify.ts';
import { type Mutable, type Tx, chainOf, chance, displaying, ether, feePayee, maxUint, payee, paymentIn, shownFor, stranger, transactions, usdc, usdt, zero } from './fixtures.ts';

const refusal = (run: () => unknown): Refusal => {
  try {
    run();
  } catch (err) {
    assert.ok(err instanceof Refusal, `not a refusal: ${String(err)}`);
    assert.ok(err.field !== '');
    return err;
  }
  return assert.fail('accepted');
};

const plan = (p: Payment, txs: unknown, chainId: unknown = p.chain.id) => verifyPlan(chainOf(p), p, txs, chainId);
const refused = (p: Payment, txs: unknown, chainId: unknown = p.chain.id): string => {
  const r = refusal(() => plan(p, txs, chainId));
  return `${r.check} ${r.field}`;
};

const orders: { name: string; p: Payment; kinds: Call['kind'][] }[] = [
  { name: 'USDC, allowance there', p: usdc(), kinds: ['pay'] },
  { name: 'USDC', p: usdc(), kinds: ['approve', 'pay'] },
  { name: 'USDC without fee', p: usdc({ fee: { amount: 0n, payee: zero } }), kinds: ['approve', 'pay'] },
  { name: 'USDT', p: usdt(), kinds: ['approve', 'pay'] },
  { name: 'USDT with an old allowance', p: usdt(), kinds: ['reset', 'approve', 'pay'] },
  { name: 'native', p: ether(), kinds: ['pay'] },
  { name: 'native without fee', p: ether({ fee: { amount: 0n, payee: zero } }), kinds: ['pay'] },
];

test('honest transactions pass, and what is handed on is made here', () => {
  for (const { name, p, kinds } of orders) {
    const given = transactions(p, kinds);
    const calls = plan(p, given.map((t) => ({ ...t, to: t.to.toLowerCase(), data: `0x${t.data.slice(2).toUpperCase()}`, kind: 'nonsense', gas: '0xffffff' })));
    assert.deepEqual(calls.map((c) => c.kind), kinds, name);
    calls.forEach((c, i) => {
      assert.equal(c.data, given[i]?.data);
      assert.equal(c.to.toLowerCase(), given[i]?.to.toLowerCase());
      assert.equal(c.value, p.assets[0].native ? total(p, 0) : 0n);
      assert.ok(Object.isFrozen(c));
    });
    assert.ok(Object.isFrozen(calls));
    verifyPage(registry, p, shownFor(p));
  }
});

test('decoded calls say what is in them', () => {
  const p = usdc();
  const [first, second] = plan(p, transactions(p, ['approve', 'pay']));
  assert.equal(first?.targetName, 'USDC token');
  assert.deepEqual(first?.args, [['spender', '0x5A4dB00000000000000000000000000000000e20'], ['approved amount', '10100000 (10.10 USDC)']]);
  assert.equal(second?.targetName, 'official ERC20FeeProxy 0.2.0');
  assert.equal(second?.signature, 'transferFromWithReferenceAndFee(address,address,uint256,bytes,uint256,address)');
  assert.deepEqual(second?.args.slice(1), [['payee', payee], ['amount', '10000000 (10.00 USDC)'], ['reference', p.items[0].reference], ['fee', '100000 (0.10 USDC)'], ['fee payee', feePayee]]);
});

test('the official packages’ transactions pass, on every chain and token of the registry', () => {
  let checked = 0;
  for (const c of official.cases) {
    const v: Record<string, string | undefined> = { ...c };
    if (c.kind !== 'erc20' && c.kind !== 'eth') continue;
    const [id, chain] = Object.entries(registry).find(([, r]) => r.network === v['network'] && !r.sandbox) ?? [];
    const token = chain?.tokens.find((t) => (c.kind === 'eth' ? t.native : t.address === v['token']?.toLowerCase()));
    if (!chain || !token || BigInt(v['amount'] ?? 0) === 0n) continue;
    const p = paymentIn(Number(id), token.id, {
      payee: v['payee'] as Hex,
      amount: BigInt(v['amount'] ?? 0),
      fee: { amount: BigInt(v['feeAmount'] ?? 0), payee: v['feeAddress'] as Hex },
      reference: v['reference'] as Hex,
    });
    const [call] = plan(p, [{ to: v['to'], data: v['data'], value: `0x${BigInt(v['value'] ?? 0).toString(16)}` }]);
    assert.equal(call?.data, v['data']);
    checked++;
  }
  assert.ok(checked >= 20, `${checked} checked`);
});

// Tampering with one argument of one call.

interface Change {
  field: string;
  values: (string | bigint)[];
}
const changes: Record<string, { method: Method; values: (p: Payment) => Values; fields: Change[] }> = {
  'ERC-20 pay': {
    method: erc20Pay,
    values: (p) => ({ token: p.assets[0].address, payee: p.items[0].payee, amount: p.items[0].amount, reference: p.items[0].reference, fee: p.items[0].fee, 'fee payee': p.feePayee }),
    fields: [
      { field: 'token', values: [stranger, zero, registry[900008453]?.tokens[2]?.address ?? ''] },
      { field: 'payee', values: [stranger, zero, feePayee] },
      { field: 'amount', values: [0n, 9_999_999n, 10_000_001n, maxUint] },
      { field: 'reference', values: ['0x5e954907253f2932', '0x0000000000000000'] },
      { field: 'fee', values: [0n, 99_999n, 100_001n, maxUint] },
      { field: 'fee payee', values: [stranger, zero, payee] },
    ],
  },
  'native pay': {
    method: ethPay,
    values: (p) => ({ payee: p.items[0].payee, reference: p.items[0].reference, fee: p.items[0].fee, 'fee payee': p.feePayee }),
    fields: [
      { field: 'payee', values: [stranger, zero, feePayee] },
      { field: 'reference', values: ['0x5e954907253f2932'] },
      { field: 'fee', values: [0n, 100_001n, maxUint] },
      { field: 'fee payee', values: [stranger, zero] },
    ],
  },
  approval: {
    method: approve,
    values: (p) => ({ spender: chainOf(p).erc20FeeProxy, 'approved amount': total(p, 0) }),
    fields: [
      { field: 'spender', values: [stranger, zero, payee, registry[900008453]?.ethFeeProxy ?? ''] },
      { field: 'approved amount', values: [0n, 1n, 10_000_000n, 10_100_001n, maxUint] },
    ],
  },
};

test('every tampered argument is refused by its name', () => {
  for (const [name, { method, values, fields }] of Object.entries(changes)) {
    const p = method === ethPay ? ether() : usdc();
    const kinds: Call['kind'][] = method === approve ? ['approve', 'pay'] : method === ethPay ? ['pay'] : ['approve', 'pay'];
    const at = method === approve ? 0 : kinds.length - 1;
    for (const change of fields) {
      for (const value of change.values) {
        const txs = transactions(p, kinds);
        (txs[at] as Tx).data = encode(method, { ...values(p), [change.field]: value });
        assert.equal(refused(p, txs), `page_calldata ${change.field}`, `${name}: ${change.field} = ${value}`);
      }
    }
  }
});

test('every single byte of calldata counts', () => {
  for (const { name, p, kinds } of orders) {
    kinds.forEach((kind, at) => {
      const bytes = (transactions(p, kinds)[at] as Tx).data.slice(2).match(/../g) ?? [];
      bytes.forEach((byte, i) => {
        for (const bit of [1, 0x80]) {
          const txs = transactions(p, kinds);
          const flipped = [...bytes];
          flipped[i] = (parseInt(byte, 16) ^ bit).toString(16).padStart(2, '0');
          (txs[at] as Tx).data = `0x${flipped.join('')}`;
          const why = refused(p, txs);
          assert.equal(why, `page_calldata ${blame(kind, p, i)}`, `${name} ${kind} byte ${i}`);
        }
      });
    });
  }
});

/** Which field the byte at this place belongs to. */
function blame(kind: Call['kind'], p: Payment, at: number): string {
  if (at < 4) return 'selector';
  const method = kind === 'pay' ? (p.assets[0].native ? ethPay : erc20Pay) : approve;
  const word = Math.floor((at - 4) / 32);
  const within = (at - 4) % 32;
  const n = method.inputs.length;
  if (word === n) return 'encoding'; // the reference's length
  if (word === n + 1) return within < 8 ? 'reference' : 'encoding';
  const [name, type] = method.inputs[word] ?? ['', 'bytes'];
  if (type === 'bytes' || (type === 'address' && within < 12)) return 'encoding';
  return name;
}

test('targets', () => {
  const p = usdc();
  const chain = chainOf(p);
  for (const to of [stranger, zero, chain.ethFeeProxy, registry[8453]?.erc20FeeProxy, '', '0x', null, 7, `${chain.erc20FeeProxy}00`]) {
    const txs = transactions(p, ['approve', 'pay']).map((t, i) => (i === 1 ? { ...t, to } : t));
    assert.equal(refused(p, txs), 'page_registry target', String(to));
  }
  // A payment sent to the token, an approval sent to the proxy, an approval of another token.
  const [a, b] = transactions(p, ['approve', 'pay']) as [Tx, Tx];
  assert.equal(refused(p, [a, { ...b, to: p.assets[0].address }]), 'page_calldata selector');
  assert.equal(refused(p, [{ ...a, to: chain.erc20FeeProxy }, b]), 'page_calldata selector');
  assert.equal(refused(p, [{ ...a, to: chain.tokens.find((t) => t.symbol === 'USDT')?.address }, b]), 'page_registry target');
  // A native payment knows no approval, not even of the zero address.
  const e = ether();
  assert.equal(refused(e, [{ ...a }, ...transactions(e, ['pay'])]), 'page_registry target');
  assert.equal(refused(e, [{ ...a, to: zero }, ...transactions(e, ['pay'])]), 'page_registry target');
  assert.equal(refused(e, [{ ...b }]), 'page_registry target');
});

test('other selectors, also of transfers that move the money elsewhere', () => {
  const p = usdc();
  const [a, b] = transactions(p, ['approve', 'pay']) as [Tx, Tx];
  // transfer, transferFrom, increaseAllowance, permit, multicall, nothing at all.
  for (const selector of ['a9059cbb', '23b872dd', '39509351', 'd505accf', 'ac9650d8', '00000000']) {
    assert.equal(refused(p, [{ ...a, data: `0x${selector}${a.data.slice(10)}` }, b]), 'page_calldata selector');
    assert.equal(refused(p, [a, { ...b, data: `0x${selector}${b.data.slice(10)}` }]), 'page_calldata selector');
  }
});

test('calldata that is no calldata, cut off or longer', () => {
  const p = usdc();
  const [a, b] = transactions(p, ['approve', 'pay']) as [Tx, Tx];
  for (const data of [undefined, null, 5, '', '0x', '0xc219a1', 'c219a14d', `${b.data}0`, `${b.data}zz`, `${b.data}00`, b.data + '0'.repeat(64), b.data.slice(0, -2), b.data + '00'.repeat(5_000), [b.data]]) {
    assert.equal(refused(p, [a, { ...b, data }]), 'page_calldata encoding', String(data).slice(0, 20));
  }
});

test('another offset that decodes to the same is refused', () => {
  const p = usdc();
  const [a, b] = transactions(p, ['approve', 'pay']) as [Tx, Tx];
  // The reference moved one word back, with a gap before it: contracts accept it.
  const words = b.data.slice(10).match(/.{64}/g) ?? [];
  words[3] = 'e0'.padStart(64, '0');
  words.splice(6, 0, '0'.repeat(64));
  assert.equal(refused(p, [a, { ...b, data: b.data.slice(0, 10) + words.join('') }]), 'page_calldata encoding');
});

test('values', () => {
  const p = usdc();
  for (const at of [0, 1]) {
    for (const value of ['0x1', '0xde0b6b3a7640000', '0', 0, 0n, '', '0x', null, undefined, '-0x0', '0xg', ' 0x0', { hex: '0x0' }]) {
      const txs = transactions(p, ['approve', 'pay']).map((t, i) => (i === at ? { ...t, value } : t));
      assert.equal(refused(p, txs), 'page_calldata value', `${at}: ${String(value)}`);
    }
  }
  const e = ether();
  for (const value of ['0x0', `0x${(total(e, 0) + 1n).toString(16)}`, `0x${(total(e, 0) - 1n).toString(16)}`, `0x${e.items[0].amount.toString(16)}`, String(total(e, 0)), `0x${maxUint.toString(16)}`]) {
    assert.equal(refused(e, transactions(e, ['pay']).map((t) => ({ ...t, value }))), 'page_calldata value', value);
  }
  assert.equal(plan(p, transactions(p, ['pay']).map((t) => ({ ...t, value: '0x00' }))).length, 1);
});

test('number and order', () => {
  const t = usdt();
  const [reset, approval, pay] = transactions(t, ['reset', 'approve', 'pay']) as [Tx, Tx, Tx];
  for (const txs of [[approval], [reset], [reset, pay], [pay, approval], [approval, approval, pay], [approval, reset, pay], [approval, pay, pay], [pay, pay], [reset, approval], [reset, reset, pay]]) {
    assert.equal(refused(t, txs), 'page_calldata order of transactions');
  }
  for (const txs of [[], [reset, approval, pay, pay], [reset, reset, approval, pay], Array(50).fill(pay)]) {
    assert.equal(refused(t, txs), 'page_calldata number of transactions');
  }
  for (const txs of [null, undefined, {}, 'pay', 3]) assert.equal(refused(t, txs), 'page_calldata transactions');
  for (const tx of [null, 'pay', [], 3]) assert.equal(refused(t, [approval, tx]), 'page_calldata transaction');
});

test('a reset only where the token asks for one', () => {
  const p = usdc();
  assert.equal(refused(p, transactions(p, ['reset', 'approve', 'pay'])), 'page_calldata approved amount');
});

test('another chain', () => {
  const p = usdc();
  assert.equal(refusal(() => verifyPlan(chainOf(p), p, transactions(p, ['pay']), undefined)).field, 'chain');
  for (const id of [8453, 1, 900042161, '900008453', null, 0]) {
    assert.equal(refused(p, transactions(p, ['approve', 'pay']), id), 'page_registry chain', String(id));
  }
  for (const chainId of [8453, '0x2105', '900008453', null]) {
    const txs = transactions(p, ['approve', 'pay']).map((t) => ({ ...t, chainId }));
    assert.equal(refused(p, txs), 'page_registry chain', String(chainId));
  }
  assert.equal(verifyCall(chainOf(p), p, { ...transactions(p, ['pay'])[0], chainId: `0x${p.chain.id.toString(16)}` }).kind, 'pay');
});

// The page itself.

const page = (p: Payment, shown: Shown = shownFor(p)): string => {
  const r = refusal(() => verifyPage(registry, p, shown));
  return `${r.check} ${r.field}`;
};

function changed(change: (p: Mutable<Payment>) => void, from = usdc()): Payment {
  const p = structuredClone(from) as Mutable<Payment>;
  change(p);
  return p;
}

test('a payment whose chain or asset is not as the registry has it', () => {
  const cases: [string, (p: Mutable<Payment>) => void][] = [
    ['chain', (p) => (p.chain.id = 900008454)],
    ['network name', (p) => (p.chain.id = 8453)],
    ['network', (p) => (p.chain.id = 42161)],
    ['network', (p) => (p.chain.network = 'mainnet')],
    ['network name', (p) => (p.chain.name = 'Base')],
    ['sandbox', (p) => (p.sandbox = false)],
    ['token', (p) => (p.assets[0].address = stranger)],
    ['token', (p) => (p.assets[0].address = zero)],
    ['token', (p) => (p.assets[0].address = registry[8453]?.tokens[1]?.address as Hex)],
    ['token', (p) => (p.assets[0].id = 'USDT-base')],
    ['token symbol', (p) => (p.assets[0].symbol = 'USDT')],
    ['token decimals', (p) => (p.assets[0].decimals = 18)],
    ['token', (p) => (p.assets[0].native = true)],
    ['token', (p) => (p.assets[0].resetAllowance = true)],
  ];
  for (const [field, change] of cases) assert.equal(page(changed(change)), `page_registry ${field}`);
  assert.equal(page(changed((p) => (p.assets[0].native = false), ether())), 'page_registry token');
});

test('a chain id that is a property every object has', () => {
  const p = changed((q) => ((q.chain as { id: unknown }).id = 'constructor'));
  assert.equal(page(p), 'page_registry chain');
});

test('amounts and accounts that no honest payment has', () => {
  assert.equal(page(usdc({ amount: 0n })), 'page_calldata amount');
  assert.equal(page(usdc({ amount: maxUint })), 'page_calldata amount');
  assert.equal(page(usdc({ payee: zero })), 'page_calldata payee');
  assert.equal(page(usdc({ fee: { amount: 1n, payee: zero } })), 'page_calldata fee payee');
});

test('a page that displays something else than its data', () => {
  const p = usdc();
  const cases: [string, Parameters<typeof displaying>[1]][] = [
    ['displayed payee', { payee: stranger }],
    ['displayed payee', { payee: p.items[0].payee.toLowerCase() }],
    ['displayed payee', { payee: '' }],
    ['displayed amount', { amount: '1.00 USDC' }],
    ['displayed amount', { amount: '10.00 USDT' }],
    ['displayed amount', { amount: '10.000 USDC' }],
    ['displayed amount', { amount: '' }],
    ['displayed fee', { fee: '' }],
    ['displayed fee', { fee: '0.01 USDC' }],
    ['displayed total', { total: '10.00 USDC' }],
    ['displayed reference', { reference: '0x0000000000000000' }],
  ];
  for (const [field, shown] of cases) assert.equal(page(p, displaying(p, shown)), `page_calldata ${field}`);
  verifyPage(registry, p, displaying(p, { payee: `\n ${p.items[0].payee.slice(0, 6)} ${p.items[0].payee.slice(6)} `, fee: null, total: null, reference: null }));
  const free = usdc({ fee: { amount: 0n, payee: zero } });
  assert.equal(page(free, displaying(free, { fee: '0.10 USDC' })), 'page_calldata displayed fee');
});

test('any honest payment passes and fails with any one digit of it changed', () => {
  const tokens = Object.entries(registry).flatMap(([id, c]) => c.tokens.map((t) => [Number(id), t.id] as const));
  for (let seed = 1; seed <= 400; seed++) {
    const r = chance(seed);
    const [id, token] = tokens[r.below(tokens.length)] ?? [0, ''];
    const fee = r.below(3) > 0 ? r.units() + 1n : 0n;
    const p = paymentIn(id, token, {
      payee: r.hex(20),
      amount: r.units() + 1n,
      fee: { amount: fee, payee: fee > 0n ? r.hex(20) : zero },
      reference: r.hex(8),
    });
    const kinds: Call['kind'][] = p.assets[0].native || r.below(2) ? ['pay'] : p.assets[0].resetAllowance ? ['reset', 'approve', 'pay'] : ['approve', 'pay'];
    const txs = transactions(p, kinds);
    assert.deepEqual(plan(p, txs).map((c) => c.kind), kinds, `seed ${seed}`);
    const tx = txs[r.below(txs.length)] as Tx;
    const key = (['to', 'data', 'value'] as const)[r.below(3)] ?? 'to';
    const at = 2 + r.below(tx[key].length - 2);
    const digit = ((parseInt(tx[key][at] ?? '0', 16) + 1 + r.below(15)) % 16).toString(16);
    tx[key] = tx[key].slice(0, at) + digit + tx[key].slice(at + 1);
    refusal(() => plan(p, txs));
  }
});
