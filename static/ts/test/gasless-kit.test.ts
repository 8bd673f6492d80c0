// What a kit may ask, and what not: the wallet signs the operation that was looked
// at and nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keccak } from '../src/calldata.ts';
import type { Hex } from '../src/data.ts';
import { Guard } from '../src/gasless-kit.ts';
import { entryPoint, hashOp, initCode, kindOf, paymasterAndData, safeModule } from '../src/gasless-op.ts';
import type { GaslessHost, OpStage } from '../src/gasless-types.ts';
import type { UserOp } from '../src/kit-types.ts';
import { Refusal } from '../src/verify.ts';
import { account as owner, chance, stranger } from './fixtures.ts';

const chain = 900008453;
const kind = kindOf('safe-4337-0.3.0') ?? assert.fail();
const mine = kind.derive(keccak, owner);
const calls = [{ to: stranger.toLowerCase() as Hex, data: '0x12345678' as Hex, value: 0n }, { to: owner.toLowerCase() as Hex, data: '0x9a' as Hex, value: 0n }];
const op: UserOp = {
  sender: mine.address, nonce: '0x3', factory: mine.factory, factoryData: mine.factoryData, callData: kind.encode(calls)[0] ?? '0x', callGasLimit: '0x30d40', verificationGasLimit: '0x186a0', preVerificationGas: '0xc350',
  maxFeePerGas: '0x3b9aca00', maxPriorityFeePerGas: '0x1', paymaster: stranger, paymasterVerificationGasLimit: '0x7530', paymasterPostOpGasLimit: '0x1', paymasterData: '0xfeed', signature: '0x00',
};

const safeOpTypes = [
  ['address', 'safe'], ['uint256', 'nonce'], ['bytes', 'initCode'], ['bytes', 'callData'], ['uint128', 'verificationGasLimit'], ['uint128', 'callGasLimit'], ['uint256', 'preVerificationGas'],
  ['uint128', 'maxPriorityFeePerGas'], ['uint128', 'maxFeePerGas'], ['bytes', 'paymasterAndData'], ['uint48', 'validAfter'], ['uint48', 'validUntil'], ['address', 'entryPoint'],
].map(([type, name]) => ({ type, name }));

function safeOp(change: Record<string, unknown> = {}, more: Record<string, unknown> = {}): string {
  const message = {
    safe: op.sender, nonce: op.nonce, initCode: initCode(op), callData: op.callData, verificationGasLimit: BigInt(op.verificationGasLimit).toString(), callGasLimit: op.callGasLimit,
    preVerificationGas: op.preVerificationGas, maxPriorityFeePerGas: op.maxPriorityFeePerGas, maxFeePerGas: op.maxFeePerGas, paymasterAndData: paymasterAndData(op), validAfter: 0, validUntil: '0', entryPoint, ...change,
  };
  return JSON.stringify({ types: { SafeOp: safeOpTypes }, primaryType: 'SafeOp', domain: { chainId: chain, verifyingContract: safeModule }, message, ...more });
}

function guard(): { g: Guard; signed: string[]; sent: unknown[]; stages: OpStage[] } {
  const signed: string[] = [];
  const sent: unknown[] = [];
  const stages: OpStage[] = [];
  const host = {
    tools: { Refusal, keccak },
    api: {
      json: async (_path: string, body: { method: string; params: unknown[] }) => {
        if (body.method === 'eth_sendUserOperation') sent.push(body.params[0]);
        return { jsonrpc: '2.0', id: 1, result: body.method.startsWith('pm_') ? { paymaster: stranger, paymasterData: '0xfeed' } : '0x1' };
      },
    },
  } as unknown as GaslessHost;
  const provider = { request: async ({ method }: { method: string }) => (signed.push(method), '0xsigned') };
  const g = new Guard({ host, provider, query: 'q', chain, step: (s) => void stages.push(s) }, { kind, account: mine, deployed: false, owner, nonce: 3n, calls, permit: null, maxFee: null });
  return { g, signed, sent, stages };
}

const refused = (run: () => Promise<unknown>) => assert.rejects(run, (err) => err instanceof Refusal || (err as { code?: number }).code === 4200);

async function looked(): Promise<ReturnType<typeof guard>> {
  const all = guard();
  await all.g.bundler('pm_getPaymasterData', []);
  all.g.look(op, true);
  return all;
}

test('the operation that was looked at is signed in either form', async () => {
  const { g, signed, stages } = await looked();
  await g.wallet('eth_signTypedData_v4', [owner.toLowerCase(), safeOp()]);
  await g.wallet('personal_sign', [hashOp(keccak, chain, op), owner]);
  assert.deepEqual(signed, ['eth_signTypedData_v4', 'personal_sign']);
  assert.deepEqual(stages, ['sponsor', 'sign', 'sign']);
});

test('nothing is signed before an operation was looked at', async () => {
  const { g, signed } = guard();
  await refused(() => g.wallet('personal_sign', [hashOp(keccak, chain, op), owner]));
  await refused(() => g.wallet('eth_signTypedData_v4', [owner, safeOp()]));
  await refused(() => g.bundler('eth_sendUserOperation', [op, entryPoint]));
  assert.deepEqual(signed, []);
});

test('nothing else is signed', async () => {
  const { g, signed } = await looked();
  const other: readonly (readonly [string, unknown[]])[] = [
    ['personal_sign', [`0x${'12'.repeat(32)}`, owner]],
    ['personal_sign', [hashOp(keccak, chain + 1, op), owner]],
    ['personal_sign', [hashOp(keccak, chain, op), stranger]],
    ['personal_sign', []],
    ['eth_signTypedData_v4', [stranger, safeOp()]],
    ['eth_signTypedData_v4', [owner, '{']],
    ['eth_signTypedData_v4', [owner, 'null']],
    ['eth_signTypedData_v4', [owner, safeOp({}, { primaryType: 'Permit' })]],
    ['eth_signTypedData_v4', [owner, safeOp({}, { types: { SafeOp: safeOpTypes.slice(1) } })]],
    ['eth_signTypedData_v4', [owner, safeOp({}, { types: {} })]],
    ['eth_signTypedData_v4', [owner, safeOp({}, { domain: { chainId: 1, verifyingContract: safeModule } })]],
    ['eth_signTypedData_v4', [owner, safeOp({}, { domain: { chainId: chain, verifyingContract: stranger } })]],
    ...(['safe', 'initCode', 'callData', 'paymasterAndData', 'entryPoint'] as const).map((key) => ['eth_signTypedData_v4', [owner, safeOp({ [key]: stranger })]] as [string, unknown[]]),
    ...(['nonce', 'verificationGasLimit', 'callGasLimit', 'preVerificationGas', 'maxPriorityFeePerGas', 'maxFeePerGas', 'validAfter', 'validUntil'] as const).map((key) => ['eth_signTypedData_v4', [owner, safeOp({ [key]: '0x777' })]] as [string, unknown[]]),
    ['eth_signTypedData_v4', [owner, safeOp({ extra: '0x0' })]],
    ['eth_signTypedData_v4', [owner, safeOp({ nonce: undefined })]],
    ['eth_sendTransaction', [{ to: stranger }]],
    ['eth_sign', [owner, hashOp(keccak, chain, op)]],
    ['wallet_sendCalls', [{}]],
    ['eth_signTypedData', [safeOp(), owner]],
  ];
  for (const [method, params] of other) await refused(() => g.wallet(method, [...params]));
  assert.deepEqual(signed, []);
});

test('reads go to the wallet, and their failures are the kit’s to bear', async () => {
  const { g, signed } = guard();
  for (const method of ['eth_call', 'eth_getCode', 'eth_chainId']) await g.wallet(method, []);
  assert.deepEqual(signed, ['eth_call', 'eth_getCode', 'eth_chainId']);
  assert.equal(g.failure, null);
});

test('what is sent is what was looked at, but for the signature', async () => {
  const { g, sent } = await looked();
  await g.bundler('eth_sendUserOperation', [{ ...op, signature: '0x1234' }, entryPoint]);
  assert.equal(sent.length, 1);
  const { below } = chance(7);
  const keys = Object.keys(op).filter((k) => k !== 'signature') as (keyof UserOp)[];
  for (let i = 0; i < 60; i++) {
    const key = keys[below(keys.length)] ?? 'nonce';
    const value = String(op[key]);
    const at = 2 + below(value.length - 2);
    const changed = `${value.slice(0, at)}${value[at] === '4' ? '5' : '4'}${value.slice(at + 1)}`;
    await refused(() => g.bundler('eth_sendUserOperation', [{ ...op, [key]: changed }, entryPoint]));
  }
  await refused(() => g.bundler('eth_sendUserOperation', [{ ...op, more: '0x' }, entryPoint]));
  await refused(() => g.bundler('eth_sendUserOperation', [op, stranger]));
  await refused(() => g.bundler('eth_sendUserOperation', [null, entryPoint]));
  assert.equal(sent.length, 1);
});

test('who has given up has nothing signed or sent any more', async () => {
  const { g, signed, sent } = await looked();
  g.abandon();
  await assert.rejects(() => g.wallet('personal_sign', [hashOp(keccak, chain, op), owner]));
  await assert.rejects(() => g.bundler('eth_sendUserOperation', [op, entryPoint]));
  assert.throws(() => g.look(op, true));
  assert.deepEqual([signed, sent], [[], []]);
});

test('the kit’s object may change after it was looked at: what was seen counts', async () => {
  const { g } = await looked();
  const mutable = { ...op };
  g.look(mutable, true);
  mutable.sender = stranger;
  assert.equal(g.looked?.hash, hashOp(keccak, chain, op));
  await refused(() => g.bundler('eth_sendUserOperation', [mutable, entryPoint]));
});
