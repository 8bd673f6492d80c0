// The official contracts' code and ABI, and what the stand-ins compile to.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { concatHex, getContractAddress, keccak256, size } from 'viem';
import { entryPoint07Address } from 'viem/account-abstraction';
import { installed, readModule, safeDeploymentsFile, sources } from './paths.mjs';

const require = createRequire(import.meta.url);
const solc = require('solc');

// The factory that everybody can have a contract deployed by at an address that follows from its code, and the
// salt that the EntryPoint was deployed with (eth-infinitism/account-abstraction, v0.7.0).
const deployer = '0x4e59b44847b379578588920cA78FbF26c0B4956C';
const entryPointSalt = '0x90d8084deab30c2a37c45e8d47f49f2f7965183cb6990a98943ef94940681de3';

const aa = (name) => JSON.parse(readModule(`@account-abstraction/contracts/artifacts/${name}.json`));

const safe = (from, name) => {
  const path = from === '@safe-global/safe-4337' ? `contracts/${name}.sol/${name}` : `contracts/libraries/${name}.sol/${name}`;
  return JSON.parse(readModule(`${from}/build/artifacts/${path}.json`));
};

const licences = {
  '@account-abstraction/contracts': ['core/EntryPoint.sol', 'samples/SimpleAccountFactory.sol', 'samples/VerifyingPaymaster.sol'],
  '@safe-global/safe-4337': ['contracts/Safe4337Module.sol', 'contracts/SafeModuleSetup.sol'],
  '@safe-global/safe-contracts': ['contracts/libraries/MultiSend.sol'],
};

// spdx is what a package's sources say of their licence, the same in all that are used.
function spdx(name) {
  const lines = new Set(licences[name].map((f) => readModule(`${name}/${f}`).split('\n', 1)[0]));
  if (lines.size !== 1) throw new Error(`${name}: ${[...lines].join(', ')}`);
  return [...lines][0].replace('// SPDX-License-Identifier: ', '');
}

function entryPoint() {
  const { abi, bytecode } = aa('EntryPoint');
  const made = getContractAddress({ opcode: 'CREATE2', from: deployer, salt: entryPointSalt, bytecode });
  if (made !== entryPoint07Address) throw new Error(`the package's EntryPoint would be at ${made}`);
  return { abi, creation: bytecode, salt: entryPointSalt };
}

// multiSend knows its own address, which the package leaves open: with it, the code is what is deployed.
function multiSend() {
  const { deployedBytecode } = safe('@safe-global/safe-contracts', 'MultiSend');
  const { deployments } = JSON.parse(readFileSync(safeDeploymentsFile, 'utf8'));
  const deployed = deployments.find((d) => d.contract === 'MultiSend' && d.version === '1.4.1');
  const open = `7f${'0'.repeat(64)}`;
  const runtime = deployedBytecode.replaceAll(open, `7f${deployed.address.slice(2).toLowerCase().padStart(64, '0')}`);
  if (keccak256(runtime) !== deployed.codeHash) throw new Error(`MultiSend is not what is deployed: ${keccak256(runtime)}`);
  return { address: deployed.address, runtime };
}

export function contracts() {
  const abiAndCreation = ({ abi, bytecode }) => ({ abi, creation: bytecode });
  const module = safe('@safe-global/safe-4337', 'Safe4337Module');
  const setup = safe('@safe-global/safe-4337', 'SafeModuleSetup');
  const out = {
    packages: Object.fromEntries(Object.keys(licences).map((name) => [name, { version: installed(name), licence: spdx(name) }])),
    contracts: {
      EntryPoint: entryPoint(),
      SimpleAccountFactory: abiAndCreation(aa('SimpleAccountFactory')),
      VerifyingPaymaster: abiAndCreation(aa('VerifyingPaymaster')),
      Safe4337Module: abiAndCreation(module),
      SafeModuleSetup: { abi: setup.abi, runtime: setup.deployedBytecode },
      MultiSend: multiSend(),
    },
  };
  return `${JSON.stringify(out, null, 1)}\n`;
}

// standins compiles our own contracts. The output depends only on the sources and the pinned compiler.
export function standins() {
  const names = ['LightAccount', 'LightAccountFactory'];
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(names.map((n) => [`${n}.sol`, { content: readFileSync(new URL(`${n}.sol`, sources), 'utf8') }])),
    settings: {
      evmVersion: 'cancun',
      optimizer: { enabled: true, runs: 200 },
      metadata: { bytecodeHash: 'none', appendCBOR: false },
      outputSelection: { '*': { '*': ['abi', 'evm.deployedBytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  if (output.errors?.length) throw new Error(output.errors.map((e) => e.formattedMessage).join('\n'));
  const of = (n) => {
    const c = output.contracts[`${n}.sol`][n];
    const runtime = concatHex([`0x${c.evm.deployedBytecode.object}`]);
    if (size(runtime) === 0) throw new Error(`${n} has no code`);
    return { abi: c.abi, runtime };
  };
  return `${JSON.stringify({ compiler: solc.version(), contracts: Object.fromEntries(names.map((n) => [n, of(n)])) }, null, 1)}\n`;
}
