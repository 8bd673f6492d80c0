// What this script makes of accounts, calls, operations and permits, against
// what the official packages make of the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashTypedData } from 'viem';
import vectors from '../../../internal/userop/testdata/packages.json' with { type: 'json' };
import { keccak } from '../src/calldata.ts';
import type { Hex } from '../src/data.ts';
import { hashOp, kindOf, permitCall, permitData, readPermit } from '../src/gasless-op.ts';
import type { KitCall, UserOp } from '../src/kit-types.ts';

const lower = (s: string): string => s.toLowerCase();
const callsOf = (list: readonly { to: string; value: string; data: string }[]): KitCall[] =>
  list.map((c) => ({ to: lower(c.to) as Hex, value: BigInt(c.value), data: lower(c.data) as Hex }));

test('the hash of an operation is the EntryPoint’s', () => {
  assert.ok(vectors.operations.length >= 30);
  for (const v of vectors.operations) assert.equal(hashOp(keccak, v.chain, v.op as unknown as UserOp), v.hash);
  const [first] = vectors.operations;
  assert.throws(() => hashOp(keccak, 1, { ...(first?.op as unknown as UserOp), callGasLimit: `0x1${'0'.repeat(32)}` }), RangeError);
});

test('accounts are where the kits find them, made by the call that the kits make', () => {
  for (const v of vectors.accounts) {
    const kind = kindOf(v.kind) ?? assert.fail(v.kind);
    const { address, factory, factoryData } = kind.derive(keccak, v.owner);
    assert.deepEqual([address, factory, factoryData], [v.address, v.factory, v.factoryData].map(lower));
  }
  assert.deepEqual([...new Set(vectors.accounts.map((v) => v.kind))].sort(), ['light-account-2.0.0', 'safe-4337-0.3.0']);
  assert.equal(kindOf('own'), null);
  assert.equal(kindOf('constructor'), null);
});

test('calls are read out of what the kits write, and out of nothing else', () => {
  for (const v of vectors.accounts) {
    const kind = kindOf(v.kind) ?? assert.fail(v.kind);
    const calls = callsOf(v.calls);
    const valueless = calls.map((c) => ({ ...c, value: 0n }));
    assert.deepEqual(kind.decode(v.batch), calls);
    assert.deepEqual(kind.decode(v.single), calls.slice(0, 1));
    assert.ok(kind.encode(calls).includes(v.batch as Hex));
    assert.ok(kind.encode(calls.slice(0, 1)).includes(v.single as Hex));
    if (v.plain) assert.deepEqual(kind.decode(v.plain), valueless);
    for (const data of [v.batch, v.single, ...(v.plain ? [v.plain] : [])]) {
      // Any bit more, less or elsewhere: other calls, or none.
      assert.equal(kind.decode(`${data}00`), null);
      assert.equal(kind.decode(data.slice(0, -2)), null);
      assert.equal(kind.decode(data.slice(0, 10)), null);
      for (let at = 2; at < data.length; at += 7) {
        const other = `${data.slice(0, at)}${data[at] === '1' ? '2' : '1'}${data.slice(at + 1)}`;
        assert.notDeepEqual(kind.decode(other), kind.decode(data), `digit ${at}`);
      }
    }
  }
});

test('a Safe’s delegatecall goes to no other contract', () => {
  const v = vectors.accounts.find((a) => a.kind === 'safe-4337-0.3.0') ?? assert.fail();
  const kind = kindOf(v.kind) ?? assert.fail();
  assert.equal(kind.decode(v.batch.replace('9641d764fc13c8b624c04430c7356c1c7c8102e2', '38869bf66a61cf6bdb996a6ae40d5853fd43b526')), null);
});

test('permits are signed under the token’s own domain and encoded as it takes them', () => {
  assert.ok(vectors.permits.length >= 10);
  for (const v of vectors.permits) {
    const permit = { owner: v.owner as Hex, spender: v.spender as Hex, value: BigInt(v.value), nonce: BigInt(v.nonce), deadline: BigInt(v.deadline) };
    const domain = { name: v.name, version: v.version, chainId: v.chainId, verifyingContract: v.verifyingContract as Hex, salt: '' as const };
    assert.equal(hashTypedData(JSON.parse(permitData(domain, permit))), v.digest);
    assert.equal(permitCall(permit, v.signature), lower(v.call));
    assert.deepEqual(readPermit(lower(v.call)), { owner: lower(v.owner), spender: lower(v.spender), value: permit.value, deadline: permit.deadline });
    // Some wallets count from zero.
    const end = parseInt(v.signature.slice(-2), 16) - 27;
    assert.equal(permitCall(permit, `${v.signature.slice(0, -2)}0${end}`), lower(v.call));
  }
  const [v] = vectors.permits;
  for (const bad of [null, '', '0x', `${v?.signature}00`, `${v?.signature.slice(0, -2)}1d`]) {
    assert.equal(permitCall({ owner: '0x', spender: '0x', value: 1n, nonce: 0n, deadline: 1n }, bad), null);
  }
});

test('a domain with a salt is signed with it', () => {
  const data = JSON.parse(permitData({ name: 'T', version: '1', chainId: 1, verifyingContract: '0x1111111111111111111111111111111111111111', salt: `0x${'ab'.repeat(32)}` }, { owner: '0x1111111111111111111111111111111111111111', spender: '0x2222222222222222222222222222222222222222', value: 1n, nonce: 0n, deadline: 1n }));
  assert.equal(data.domain.salt, `0x${'ab'.repeat(32)}`);
  assert.deepEqual(data.types.EIP712Domain.at(-1), { type: 'bytes32', name: 'salt' });
});
