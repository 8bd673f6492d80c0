// The kit of LightAccounts: Alchemy's Account Kit, asked through the page.
import { type SmartAccountSigner, createSmartAccountClient, resolveProperties } from '@aa-sdk/core';
import { type AlchemyTransport, alchemyGasAndPaymasterAndDataMiddleware } from '@account-kit/infra';
import { createLightAccount } from '@account-kit/smart-contracts';
import type { Hex } from '../../ts/src/data.ts';
import type { Kit, KitAccount, KitHost, KitModule, UserOp } from '../../ts/src/kit-types.ts';
import { agree, asking, operation } from './ask.ts';

const version = 'v2.0.0';
const kind = 'light-account-2.0.0';
// Which policy pays, the server knows.
const policyId = 'the-server-decides';

/** The connected wallet as Account Kit knows signers. It signs operations' hashes. */
function signer(host: KitHost, owner: Hex): SmartAccountSigner<KitHost> {
  return {
    signerType: 'wallet',
    inner: host,
    getAddress: async () => owner,
    signMessage: async (message) => {
      if (typeof message === 'string' || typeof message.raw !== 'string') throw new Error('an operation is signed by its hash');
      return (await host.wallet('personal_sign', [message.raw, owner])) as Hex;
    },
    signTypedData: async () => {
      throw new Error('a LightAccount signs no typed data to pay');
    },
  };
}

export const open: KitModule['open'] = async (host: KitHost, wanted: KitAccount): Promise<Kit> => {
  const { chain, transport, run } = asking(host, wanted);
  const made = await createLightAccount({ chain, transport, signer: signer(host, wanted.owner), version });
  const entryPoint = made.getEntryPoint();
  agree(wanted, kind, entryPoint.address, {
    address: made.address, factory: await made.getFactoryAddress(), factoryData: await made.getFactoryData(),
  });
  // What a node behind would say of the account, the page has read already.
  const account: typeof made = { ...made, isAccountDeployed: async () => wanted.deployed, getAccountNonce: async () => wanted.nonce };

  return {
    address: made.address,
    pay: (calls, look) => run(async () => {
      const client = createSmartAccountClient({
        chain, transport, account,
        // Its transport is for operations that nobody sponsors: there are none.
        ...alchemyGasAndPaymasterAndDataMiddleware({ policyId, transport: transport as unknown as AlchemyTransport }),
        // Runs right before the sponsor is asked.
        customMiddleware: async (struct) => {
          look(operation(await resolveProperties(struct)), false);
          return struct;
        },
      });
      const uo = calls.map(({ to, data, value }) => ({ target: to, data, value }));
      const op: UserOp = operation(await client.buildUserOperation({ uo }));
      look(op, true);
      const { signature } = await client.signUserOperation({ uoStruct: op });
      return client.sendRawUserOperation({ ...op, signature: signature as Hex }, entryPoint.address);
    }),
  };
};
