// The kit of Safes with the 4337 module: permissionless, asked through the page.
import { toSafeSmartAccount } from 'permissionless/accounts';
import { type LocalAccount, createClient, getTypesForEIP712Domain, serializeTypedData } from 'viem';
import { entryPoint07Address, formatUserOperation } from 'viem/account-abstraction';
import { toAccount } from 'viem/accounts';
import type { Hex } from '../../ts/src/data.ts';
import type { Kit, KitAccount, KitHost, KitModule } from '../../ts/src/kit-types.ts';
import { agree, asking, operation } from './ask.ts';

const version = '1.4.1';
const kind = 'safe-4337-0.3.0';
// Which policy pays, the server knows.
const policyId = 'the-server-decides';

/** The connected wallet as viem knows accounts. It signs the module's SafeOp. */
function signer(host: KitHost, owner: Hex): LocalAccount {
  const refuse = async (): Promise<never> => {
    throw new Error('a Safe signs typed data to pay, and nothing else');
  };
  return toAccount({
    address: owner,
    signMessage: refuse,
    signTransaction: refuse,
    signTypedData: async (typed) => {
      const domain = typed.domain ?? {};
      const data = { ...typed, domain, types: { EIP712Domain: getTypesForEIP712Domain({ domain }), ...typed.types } };
      return (await host.wallet('eth_signTypedData_v4', [owner, serializeTypedData(data as Parameters<typeof serializeTypedData>[0])])) as Hex;
    },
  });
}

export const open: KitModule['open'] = async (host: KitHost, wanted: KitAccount): Promise<Kit> => {
  const { chain, transport, run } = asking(host, wanted);
  const client = createClient({ chain, transport, ccipRead: false });
  const account = await toSafeSmartAccount({
    client, owners: [signer(host, wanted.owner)], version, entryPoint: { address: entryPoint07Address, version: '0.7' },
  });
  const { factory, factoryData } = wanted.deployed ? {} : await run(() => account.getFactoryArgs());
  const address = await run(() => account.getAddress());
  agree(wanted, kind, entryPoint07Address, { address, factory, factoryData });

  return {
    address,
    pay: (calls, look) => run(async () => {
      const unsponsored = operation({
        sender: address, nonce: wanted.nonce, factory, factoryData, callData: await account.encodeCalls(calls), signature: await account.getStubSignature(),
      });
      look(unsponsored, false);
      const { signature: dummySignature, ...userOperation } = unsponsored;
      const grant = await client.request<{ Method: string; Parameters: unknown; ReturnType: object }>({
        method: 'alchemy_requestGasAndPaymasterAndData', params: [{ policyId, entryPoint: entryPoint07Address, userOperation, dummySignature, overrides: {} }],
      });
      const op = operation({ ...unsponsored, ...grant });
      look(op, true);
      // The package takes an operation without the member `factory` for one of EntryPoint 0.6, and signs over no paymaster.
      const signature = await account.signUserOperation({ factory: undefined, factoryData: undefined, ...formatUserOperation(op), chainId: chain.id });
      return client.request<{ Method: string; Parameters: unknown; ReturnType: Hex }>({
        method: 'eth_sendUserOperation', params: [{ ...op, signature }, entryPoint07Address],
      });
    }),
  };
};
