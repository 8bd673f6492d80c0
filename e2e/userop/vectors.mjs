// Reference values from the packages that wallets and pages use: user operations with their hashes and forms, what
// smart accounts' addresses, factories and calls look like, and permits. Nothing here is asked of a chain but the
// code of Safe's proxies, which is played.
import { createHash } from 'node:crypto';
import { createClient, custom, encodeAbiParameters, encodeFunctionData, erc20Abi, getAddress, hashDomain, hashTypedData, parseAbi } from 'viem';
import { entryPoint07Address, formatUserOperationRequest, getUserOperationHash, toPackedUserOperation } from 'viem/account-abstraction';
import { privateKeyToAccount } from 'viem/accounts';
import { toSafeSmartAccount } from 'permissionless/accounts';
import { encode7579Calls } from 'permissionless/utils';
// The package's own entry draws in a network client; these three files need viem alone.
import { LightAccountAbi_v2 } from './node_modules/@account-kit/smart-contracts/dist/esm/src/light-account/abis/LightAccountAbi_v2.js';
import { LightAccountFactoryAbi_v2 } from './node_modules/@account-kit/smart-contracts/dist/esm/src/light-account/abis/LightAccountFactoryAbi_v2.js';
import { predictLightAccountAddress } from './node_modules/@account-kit/smart-contracts/dist/esm/src/light-account/accounts/predictAddress.js';
import { AccountVersionRegistry } from './node_modules/@account-kit/smart-contracts/dist/esm/src/light-account/utils.js';
import { installed, readModule } from './paths.mjs';

const packages = ['@account-kit/smart-contracts', '@safe-global/safe-contracts', 'permissionless', 'viem'];
const chains = [1, 10, 137, 8453, 42161, 11155111];

// A stream of bytes that depends on the seed alone.
class Stream {
  #seed;
  #count = 0;

  constructor(seed) {
    this.#seed = seed;
  }

  hex(bytes) {
    return createHash('sha512').update(`${this.#seed}/${this.#count++}`).digest('hex').slice(0, 2 * bytes);
  }

  address() {
    return getAddress(`0x${this.hex(20)}`);
  }

  amount(bits) {
    return BigInt(`0x${this.hex(32)}`) % 2n ** BigInt(bits);
  }

  bytes(length) {
    let out = '';
    while (out.length < 2 * length) out += this.hex(64);
    return `0x${out.slice(0, 2 * length)}`;
  }
}

const proxyAbi = parseAbi([
  'function transferFromWithReferenceAndFee(address token, address to, uint256 amount, bytes ref, uint256 fee, address feeTo)',
]);

// What a payment's calls look like: the money is pulled, an approval, and a call that carries a reference.
function payment(s, account) {
  const [token, proxy, owner, amount] = [s.address(), s.address(), s.address(), s.amount(80)];
  const erc20 = (functionName, args) => encodeFunctionData({ abi: erc20Abi, functionName, args });
  return [
    { to: token, value: 0n, data: erc20('transferFrom', [owner, account, amount]) },
    { to: token, value: 0n, data: erc20('approve', [proxy, amount]) },
    {
      to: proxy,
      value: 0n,
      data: encodeFunctionData({
        abi: proxyAbi,
        functionName: 'transferFromWithReferenceAndFee',
        args: [token, s.address(), amount, `0x${s.hex(8)}`, 0n, s.address()],
      }),
    },
  ];
}

const text = (calls) => calls.map((c) => ({ ...c, value: c.value.toString() }));

function operation(s, chainId, { factory, paymaster, length }) {
  const op = {
    sender: s.address(),
    nonce: s.amount(64),
    callData: s.bytes(length),
    callGasLimit: s.amount(30),
    verificationGasLimit: s.amount(30),
    preVerificationGas: s.amount(30),
    maxFeePerGas: s.amount(40),
    maxPriorityFeePerGas: s.amount(40),
    signature: s.bytes(65),
    ...(factory ? { factory: s.address(), factoryData: s.bytes(length + 5) } : {}),
    ...(paymaster
      ? {
          paymaster: s.address(),
          paymasterVerificationGasLimit: s.amount(20),
          paymasterPostOpGasLimit: s.amount(20),
          paymasterData: s.bytes(paymaster - 1),
        }
      : {}),
  };
  const packed = toPackedUserOperation(op);
  return {
    chain: chainId,
    op: formatUserOperationRequest(op),
    packed: { ...packed, nonce: packed.nonce.toString(), preVerificationGas: packed.preVerificationGas.toString() },
    hash: getUserOperationHash({ chainId, entryPointAddress: entryPoint07Address, entryPointVersion: '0.7', userOperation: op }),
  };
}

function lightCase(s) {
  const owner = s.address();
  const { factory } = AccountVersionRegistry.LightAccount['v2.0.0'].addresses.default;
  const address = predictLightAccountAddress({ factoryAddress: factory, salt: 0n, ownerAddress: owner, version: 'v2.0.0' });
  const call = (functionName, args) => encodeFunctionData({ abi: LightAccountAbi_v2, functionName, args });
  const calls = payment(s, address);
  const [first] = calls;
  return {
    kind: 'light-account-2.0.0',
    owner,
    address,
    factory: getAddress(factory),
    factoryData: encodeFunctionData({ abi: LightAccountFactoryAbi_v2, functionName: 'createAccount', args: [owner, 0n] }),
    calls: text(calls),
    batch: call('executeBatch', [calls.map((c) => c.to), calls.map((c) => c.value), calls.map((c) => c.data)]),
    plain: call('executeBatch', [calls.map((c) => c.to), calls.map((c) => c.data)]),
    single: call('execute', [first.to, first.value, first.data]),
  };
}

// client plays a chain on which nothing is but the factory of Safe's proxies.
function client(chainId) {
  const { bytecode } = JSON.parse(readModule('@safe-global/safe-contracts/build/artifacts/contracts/proxies/SafeProxy.sol/SafeProxy.json'));
  const code = encodeAbiParameters([{ type: 'bytes' }], [bytecode]);
  return createClient({
    transport: custom({
      async request({ method, params }) {
        if (method === 'eth_chainId') return `0x${chainId.toString(16)}`;
        if (method === 'eth_getCode') return '0x';
        // proxyCreationCode()
        if (method === 'eth_call' && params[0].data === '0x53e5d935') return code;
        throw new Error(`nobody plays ${method} ${JSON.stringify(params)}`);
      },
    }),
  });
}

async function safeCase(s, chainId) {
  const owner = privateKeyToAccount(`0x${s.hex(32)}`);
  const entryPoint = { address: entryPoint07Address, version: '0.7' };
  const account = await toSafeSmartAccount({ client: client(chainId), owners: [owner], version: '1.4.1', entryPoint });
  const address = await account.getAddress();
  const { factory, factoryData } = await account.getFactoryArgs();
  const calls = payment(s, address);
  return {
    kind: 'safe-4337-0.3.0',
    owner: owner.address,
    address,
    factory,
    factoryData,
    calls: text(calls),
    batch: await account.encodeCalls(calls),
    single: await account.encodeCalls(calls.slice(0, 1)),
  };
}

// ownCase has the forms in which wallets that are smart accounts carry calls.
function ownCase(s, length) {
  const calls = [...payment(s, s.address()), { to: s.address(), value: s.amount(60), data: s.bytes(length) }];
  const tuples = parseAbi(['struct Call { address target; uint256 value; bytes data; }', 'function executeBatch(Call[] calls)']);
  const modular = (type, callData) => encode7579Calls({ mode: { type, revertOnError: true, selector: '0x', context: '0x' }, callData });
  return {
    calls: text(calls),
    tuples: encodeFunctionData({ abi: tuples, functionName: 'executeBatch', args: [calls.map(({ to, ...c }) => ({ target: to, ...c }))] }),
    modular: encode7579Calls({ mode: { type: 'batchcall', revertOnError: false, selector: '0x', context: '0x' }, callData: calls }),
    modularSingle: encode7579Calls({ mode: { type: 'call', revertOnError: false, selector: '0x', context: '0x' }, callData: calls.slice(3) }),
    // What must not be taken for a plain batch: one whose calls may fail each on its own, and other code run as the account.
    others: [modular('batchcall', calls), modular('delegatecall', calls.slice(3)), modular('call', calls.slice(3))],
  };
}

async function permitCase(s, chainId, domain) {
  const owner = privateKeyToAccount(`0x${s.hex(32)}`);
  const typed = {
    domain: { ...domain, chainId, verifyingContract: s.address() },
    types: {
      Permit: [
        { name: 'owner', type: 'address' },
        { name: 'spender', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'nonce', type: 'uint256' },
        { name: 'deadline', type: 'uint256' },
      ],
    },
    primaryType: 'Permit',
    message: { owner: owner.address, spender: s.address(), value: s.amount(90), nonce: s.amount(10), deadline: s.amount(32) },
  };
  const domainTypes = [
    { name: 'name', type: 'string' },
    { name: 'version', type: 'string' },
    { name: 'chainId', type: 'uint256' },
    { name: 'verifyingContract', type: 'address' },
  ];
  const separator = hashDomain({ domain: typed.domain, types: { EIP712Domain: domainTypes } });
  const { value, nonce, deadline, ...parties } = typed.message;
  const signature = await owner.signTypedData(typed);
  const abi = parseAbi(['function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)']);
  const [r, sig, v] = [`0x${signature.slice(2, 66)}`, `0x${signature.slice(66, 130)}`, Number(`0x${signature.slice(130)}`)];
  return {
    ...typed.domain,
    ...parties,
    value: value.toString(),
    nonce: nonce.toString(),
    deadline: deadline.toString(),
    separator,
    digest: hashTypedData(typed),
    signature,
    call: encodeFunctionData({ abi, functionName: 'permit', args: [owner.address, parties.spender, value, deadline, v, r, sig] }),
  };
}

// generate returns the packages' versions and their answers. The same seed gives the same.
export async function generate(seed) {
  const s = new Stream(seed);
  const operations = [];
  for (const chain of chains) {
    for (const factory of [false, true]) {
      for (const paymaster of [0, 1, 66]) operations.push(operation(s, chain, { factory, paymaster, length: operations.length }));
    }
  }
  const accounts = [];
  for (const chain of chains) accounts.push(lightCase(s), await safeCase(s, chain));
  const permits = [];
  for (const chain of chains) {
    permits.push(await permitCase(s, chain, { name: 'USD Coin', version: '2' }), await permitCase(s, chain, { name: `Token ${chain}`, version: '1' }));
  }
  const own = [0, 1, 32, 300].map((length) => ownCase(s, length));
  return { packages: Object.fromEntries(packages.map((name) => [name, installed(name)])), operations, accounts, permits, own };
}

// format is the text kept in the repository: one case a line, so that a
// difference names its case.
export function format({ packages: from, ...lists }) {
  const lines = Object.entries(lists).map(([name, list]) => `"${name}":[\n${list.map((c) => JSON.stringify(c)).join(',\n')}\n]`);
  return `{"packages":${JSON.stringify(from)},\n${lines.join(',\n')}}\n`;
}
