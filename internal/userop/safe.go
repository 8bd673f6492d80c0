package userop

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
)

// safeKind is a Safe 1.4.1 of one owner with Safe4337Module 0.3.0 as its module and
// fallback handler. Sources: the addresses of permissionless 0.4.1
// (toSafeSmartAccount) and @safe-global/safe-4337 0.3.0; those of Safe itself are
// pinned in internal/safe.
type safeKind struct{ multiSend asset.Address }

var (
	safeModule      = mustAddress("0x75cf11467937ce3F2f357CE24ffc3DBF8fD5c226")
	safeModuleSetup = mustAddress("0x2dd68b007B46fBe91B9A7c3EDa5A7a1063cB5b47")
	safeFactory     = mustAddress("0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67")
	safeSingleton   = mustAddress("0x41675C099F32341bf84BFc5382aF534df5C7461a")
	// safeMultiSend is used by the set-up alone, where it may delegate.
	safeMultiSend = mustAddress("0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526")
	// safeCreation is the hash of the code that deploys a proxy of safeSingleton.
	safeCreation = mustHash("0x76733d705f71b79841c0ee960a0ca880f779cde7ef446c989e6d23efc0a4adfb")

	slotSingleton = official.Hash{}
	// slotHandler and slotGuard are keccak256 of "fallback_manager.handler.address" and
	// of "guard_manager.guard.address".
	slotHandler = mustHash("0x6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5")
	slotGuard   = mustHash("0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8")

	// safeSentinel begins and ends a Safe's list of modules.
	safeSentinel = asset.Address{19: 1}
)

func newSafe(chain asset.ChainID) safeKind {
	for _, c := range safe.At(chain).Contracts(chain, safe.MultiSendCallOnly) {
		if c.Version == safe.V141 {
			return safeKind{multiSend: c.Address}
		}
	}
	panic("userop: no MultiSendCallOnly of Safe 1.4.1") // At has every version
}

// Name implements Kind.
func (safeKind) Name() string { return KindSafe }

var (
	selectorCreateProxy   = [4]byte{0x16, 0x88, 0xf0, 0xb9} // createProxyWithNonce(address,bytes,uint256)
	selectorSetup         = [4]byte{0xb6, 0x3e, 0x80, 0x0d} // setup(address[],uint256,address,bytes,address,address,uint256,address)
	selectorEnableModules = [4]byte{0x8d, 0x0d, 0xc4, 0x9f} // enableModules(address[])
	selectorOwners        = [4]byte{0xa0, 0xe6, 0x7e, 0x2b} // getOwners()
	selectorModules       = [4]byte{0xcc, 0x2f, 0x84, 0x52} // getModulesPaginated(address,uint256)
	selectorMultiSend     = [4]byte{0x8d, 0x80, 0xff, 0x0a} // multiSend(bytes)

	createProxyArgs   = arguments(addressType, blobType, uintType)
	setupArgs         = arguments(addressesType, uintType, addressType, blobType, addressType, addressType, uintType, addressType)
	enableModulesArgs = arguments(addressesType)
	modulesArgs       = arguments(addressType, uintType)
	modulesAnswer     = arguments(addressesType, addressType)
	blobArgs          = arguments(blobType)
)

// must is for calldata whose arguments always fit.
func must(data []byte, err error) []byte {
	if err != nil {
		panic("userop: " + err.Error())
	}
	return data
}

// Account implements Kind, for the nonce 0 and one owner, as permissionless makes
// it: the set-up enables the module by MultiSend.
func (safeKind) Account(chain asset.ChainID, owner asset.Address) Account {
	enable := must(pack(selectorEnableModules, enableModulesArgs, []common.Address{common.Address(safeModule)}))
	item := append([]byte{byte(safe.OpDelegateCall)}, safeModuleSetup[:]...)
	item = append(item, make([]byte, 32)...)
	item = append(item, big.NewInt(int64(len(enable))).FillBytes(make([]byte, 32))...)
	zero, owners := common.Address{}, []common.Address{common.Address(owner)}
	setup := must(pack(selectorSetup, setupArgs, owners, big.NewInt(1), common.Address(safeMultiSend),
		must(pack(selectorMultiSend, blobArgs, append(item, enable...))), common.Address(safeModule), zero, new(big.Int), zero))
	salt := crypto.Keccak256Hash(crypto.Keccak256(setup), make([]byte, 32))
	return Account{
		Kind: KindSafe, Chain: chain, Owner: owner,
		Address: create2(safeFactory, salt, safeCreation),
		Factory: safeFactory, FactoryData: must(pack(selectorCreateProxy, createProxyArgs, common.Address(safeSingleton), setup, new(big.Int))),
		Needs: []asset.Address{safeFactory, safeSingleton, safeModule, safeModuleSetup, safeMultiSend, newSafe(chain).multiSend},
		Proofs: []Proof{
			{Slot: &slotSingleton, Answer: addressWord(safeSingleton)},
			{Call: selectorOwners[:], Answer: must(enableModulesArgs.Pack(owners))},
			// Another module could take what the account may take of its owner.
			{
				Call:   must(pack(selectorModules, modulesArgs, common.Address(safeSentinel), big.NewInt(10))),
				Answer: must(modulesAnswer.Pack([]common.Address{common.Address(safeModule)}, common.Address(safeSentinel))),
			},
			{Slot: &slotHandler, Answer: addressWord(safeModule)},
			{Slot: &slotGuard, Answer: make([]byte, 32)},
		},
	}
}

var (
	selectorExecuteOp      = [4]byte{0x7b, 0xb3, 0x74, 0x28} // executeUserOp(address,uint256,bytes,uint8)
	selectorExecuteOpError = [4]byte{0x54, 0x1d, 0x63, 0xc8} // executeUserOpWithErrorString(address,uint256,bytes,uint8)

	executeOpArgs = arguments(addressType, uintType, blobType, abiType("uint8"))
)

// Encode implements Kind: executeUserOpWithErrorString of the one call, or of
// MultiSendCallOnly.
func (k safeKind) Encode(calls []rail.Call) ([]byte, error) {
	if err := checkCalls(calls); err != nil {
		return nil, err
	}
	return k.encode(selectorExecuteOpError, calls)
}

func (k safeKind) encode(selector [4]byte, calls []rail.Call) ([]byte, error) {
	if len(calls) == 1 {
		c := calls[0]
		return pack(selector, executeOpArgs, common.Address(c.To), orZero(c.Value), c.Data, uint8(safe.OpCall))
	}
	items := make([]safe.Item, len(calls))
	for i, c := range calls {
		items[i] = safe.Item{To: c.To, Value: orZero(c.Value), Data: c.Data}
	}
	data, err := safe.EncodeMultiSend(items)
	if err != nil {
		return nil, fmt.Errorf("a batch of calls: %w", err)
	}
	return pack(selector, executeOpArgs, common.Address(k.multiSend), new(big.Int), data, uint8(safe.OpDelegateCall))
}

// Decode implements Kind. A delegatecall goes to the pinned MultiSendCallOnly or is
// refused.
func (k safeKind) Decode(data []byte) ([]rail.Call, error) {
	selector := selectorExecuteOpError
	if bytes.HasPrefix(data, selectorExecuteOp[:]) {
		selector = selectorExecuteOp
	}
	var to common.Address
	var value *big.Int
	var inner []byte
	var operation uint8
	if err := unpack(data, selector, executeOpArgs, &to, &value, &inner, &operation); err != nil {
		return nil, fmt.Errorf("executeUserOp: %w", err)
	}
	calls := []rail.Call{plainCall(asset.Address(to), value, inner)}
	if operation == uint8(safe.OpDelegateCall) {
		items, err := safe.DecodeMultiSend(inner)
		if err != nil || asset.Address(to) != k.multiSend || len(items) < 2 {
			return nil, fmt.Errorf("executeUserOp: a delegatecall to %s: %w", asset.Address(to), ErrCalldata)
		}
		calls = calls[:0]
		for _, item := range items {
			calls = append(calls, plainCall(item.To, item.Value, item.Data))
		}
	}
	if err := checkCalls(calls); err != nil {
		return nil, fmt.Errorf("executeUserOp: %w", ErrCalldata)
	}
	if again, err := k.encode(selector, calls); err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("executeUserOp: %w", ErrCalldata)
	}
	return calls, nil
}
