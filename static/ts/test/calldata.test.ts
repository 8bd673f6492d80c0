// The codec against the official packages' own calldata and against viem.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFunctionData } from 'viem-deep/utils/abi/decodeFunctionData.js';
import { encodeFunctionData } from 'viem-deep/utils/abi/encodeFunctionData.js';
import { getAddress } from 'viem-deep/utils/address/getAddress.js';
import { toFunctionSelector } from 'viem-deep/utils/hash/toFunctionSelector.js';
import official from '../../../internal/official/testdata/official-vectors.json' with { type: 'json' };
import { type Method, type Values, approve, checksum, decode, encode, erc20Pay, ethPay, hashText, keccak, signature } from '../src/calldata.ts';
import { SELECTOR_APPROVE, SELECTOR_ERC20, SELECTOR_ETH } from '../src/registry.gen.ts';
import { keccak_256 } from '@noble/hashes/sha3';
import { bytesToHex } from '@noble/hashes/utils';
import { chance } from './fixtures.ts';

const methods = [erc20Pay, ethPay, approve];

const abiOf = (m: Method) => [
  { type: 'function' as const, name: m.name, stateMutability: 'payable' as const, outputs: [], inputs: m.inputs.map(([name, type]) => ({ name, type })) },
];
const listed = (m: Method, v: Values): unknown[] => m.inputs.map(([name]) => v[name]);

/** What viem makes of calldata: the arguments, or null where it throws or encodes something else. */
function viemReads(m: Method, data: `0x${string}`): readonly unknown[] | null {
  try {
    const { args } = decodeFunctionData({ abi: abiOf(m), data });
    return encodeFunctionData({ abi: abiOf(m), functionName: m.name, args: args ?? [] }) === data ? (args ?? []) : null;
  } catch {
    return null;
  }
}

function randomValues(m: Method, seed: number): Values {
  const r = chance(seed);
  return Object.fromEntries(
    m.inputs.map(([name, type]) => [name, type === 'address' ? checksum(r.hex(20)) : type === 'bytes' ? r.hex(8) : r.units()]),
  );
}

test('keccak256 is the library’s, whatever the length', () => {
  const r = chance(11);
  for (let length = 0; length < 420; length++) {
    const bytes = Uint8Array.from({ length }, () => r.below(256));
    assert.equal(keccak(bytes), `0x${bytesToHex(keccak_256(bytes))}`, String(length));
  }
  assert.equal(hashText('₮ and \u{10ffff}'), `0x${bytesToHex(keccak_256('₮ and \u{10ffff}'))}`);
});

test('selectors are those of the signatures and of the Go table', () => {
  for (const m of methods) assert.equal(m.selector, toFunctionSelector(`function ${signature(m)}`));
  assert.deepEqual([erc20Pay.selector, ethPay.selector, approve.selector], [SELECTOR_ERC20, SELECTOR_ETH, SELECTOR_APPROVE]);
});

test('the official packages encode the same bytes', () => {
  let checked = 0;
  for (const c of official.cases) {
    if (c.kind === 'reference') continue;
    const m = c.kind === 'erc20' ? erc20Pay : c.kind === 'eth' ? ethPay : approve;
    const given: Record<string, string | undefined> = { ...c };
    const data = given['data'] ?? '';
    const values: Record<string, string | bigint> = {
      token: given['token'] ?? '',
      payee: given['payee'] ?? '',
      amount: BigInt(given['amount'] ?? 0),
      reference: given['reference'] ?? '',
      fee: BigInt(given['feeAmount'] ?? 0),
      'fee payee': given['feeAddress'] ?? '',
      spender: given['spender'] ?? '',
      'approved amount': BigInt(given['amount'] ?? 0),
    };
    const wanted = Object.fromEntries(m.inputs.map(([name, type]) => [name, type === 'address' ? checksum(String(values[name])) : (values[name] ?? '')]));
    assert.equal(encode(m, wanted), data);
    assert.deepEqual(decode(m, data), wanted);
    checked++;
  }
  assert.equal(checked, official.cases.filter((c) => c.kind !== 'reference').length);
  assert.ok(checked >= 40);
});

test('viem encodes and decodes the same', () => {
  for (const m of methods) {
    for (let seed = 1; seed <= 200; seed++) {
      const values = randomValues(m, seed);
      const data = encode(m, values);
      assert.equal(data, encodeFunctionData({ abi: abiOf(m), functionName: m.name, args: listed(m, values) }), `seed ${seed}`);
      assert.deepEqual(decode(m, data), values, `seed ${seed}`);
    }
  }
});

test('whatever is accepted, viem reads the same and encodes to the same bytes', () => {
  let refused = 0;
  let accepted = 0;
  for (const m of methods) {
    for (let seed = 1; seed <= 1_500; seed++) {
      const r = chance(seed);
      const bytes: string[] = encode(m, randomValues(m, seed)).slice(2).match(/../g) ?? [];
      const at = 4 + r.below(bytes.length - 4);
      const damage = r.below(4);
      if (damage === 0) bytes[at] = r.hex(1).slice(2);
      else if (damage === 1) bytes.splice(at, 1);
      else if (damage === 2) bytes.splice(at, 0, r.hex(1).slice(2));
      else bytes.push(...(r.hex(1 + r.below(40)).slice(2).match(/../g) ?? []));
      const data: `0x${string}` = `0x${bytes.join('')}`;
      const ours = decode(m, data);
      const theirs = viemReads(m, data);
      if (ours) {
        accepted++;
        assert.deepEqual(theirs, listed(m, ours), `seed ${seed} ${data}`);
      } else {
        refused++;
        // viem knows references of any length, this codec only those of eight bytes.
        const other = theirs?.some((v, i) => m.inputs[i]?.[1] === 'bytes' && String(v).length !== 18);
        assert.ok(theirs === null || other, `seed ${seed} ${data}`);
      }
    }
  }
  assert.ok(refused > 1_000 && accepted > 100, `${refused} refused, ${accepted} accepted`);
});

test('short, long and empty calldata is refused', () => {
  for (const m of methods) {
    const data = encode(m, randomValues(m, 1));
    for (let end = 2; end < data.length; end += 2) assert.equal(decode(m, data.slice(0, end)), null);
    assert.equal(decode(m, `${data}00`), null);
    assert.equal(decode(m, data + '0'.repeat(64)), null);
  }
});

test('checksums are EIP-55', () => {
  // The EIP's own examples.
  for (const a of ['0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359', '0x52908400098527886E0F7030069857D2E4169EE7', '0xde709f2102306220921060314715629080e2fb77']) {
    assert.equal(checksum(a.toLowerCase()), a);
  }
  for (let seed = 1; seed <= 200; seed++) {
    const a = chance(seed).hex(20);
    assert.equal(checksum(a), getAddress(a));
  }
});
