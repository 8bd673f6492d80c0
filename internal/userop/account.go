package userop

import (
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Kind is a kind of smart account: where a wallet's account is, how it comes to be,
// and how its calldata carries calls.
type Kind interface {
	// Name is stable: it is stored and sent on wires.
	Name() string
	// Account derives the account of an owner on a chain. It asks nobody.
	Account(chain asset.ChainID, owner asset.Address) Account
	// Encode returns the calldata that makes an account do calls, as the kind's own
	// tools write it. Of a call only To, Data and Value are looked at. Errors:
	// ErrCalls, official.ErrAmount.
	Encode(calls []rail.Call) ([]byte, error)
	// Decode returns the calls of such calldata, each with To, Data and Value. Bytes
	// that no tool writes, delegatecalls among them, are ErrCalldata.
	Decode(callData []byte) ([]rail.Call, error)
}

// Account is a wallet's smart account on one chain, deployed or not.
type Account struct {
	Kind    string
	Chain   asset.ChainID
	Owner   asset.Address // the wallet
	Address asset.Address

	// The call that makes the account, the two halves of its initCode; the factory is
	// zero if it has to be there already.
	Factory     asset.Address
	FactoryData []byte

	// Needs are the contracts that must have code for the account to be made and to
	// work, the factory among them.
	Needs []asset.Address
	// Proofs are what the account must answer once it is deployed: that it is the
	// wallet's own still, and runs the code it was made with.
	Proofs []Proof
	// AnyKey tells that nonces may have a key of the account's own choice. How far a
	// key has come is not asked: the EntryPoint refuses a nonce that was used.
	AnyKey bool
}

// Proof is a question to a deployed account and the one answer that it must give.
type Proof struct {
	Slot   *official.Hash // read from storage, or
	Call   []byte         // the calldata of a question
	Answer []byte
}

// The names of the kinds.
const (
	KindLight = "light-account-2.0.0"
	KindSafe  = "safe-4337-0.3.0"
)

// Table is which kinds of accounts there are on which chains. It does not change
// after it was made and is safe for concurrent use.
type Table struct{ kinds map[asset.ChainID][]Kind }

// Pinned returns the table of the real chains. Whether the contracts are there, Read
// asks.
func Pinned() *Table {
	chains, _ := asset.Real()
	ids := make([]asset.ChainID, len(chains))
	for i, c := range chains {
		ids[i] = c.ID
	}
	return At(ids...)
}

// At returns the table of chains that have the pinned contracts at their addresses,
// which are the same everywhere.
func At(chains ...asset.ChainID) *Table {
	t := &Table{kinds: map[asset.ChainID][]Kind{}}
	for _, c := range chains {
		t.kinds[c] = []Kind{light{}, newSafe(c)}
	}
	return t
}

// Kinds returns a chain's kinds, the preferred one first.
func (t *Table) Kinds(chain asset.ChainID) []Kind { return append([]Kind(nil), t.kinds[chain]...) }

// Kind returns a kind by its name.
func (t *Table) Kind(chain asset.ChainID, name string) (Kind, bool) {
	for _, k := range t.kinds[chain] {
		if k.Name() == name {
			return k, true
		}
	}
	return nil, false
}

// create2 is the address of what a factory deploys with a salt (EIP-1014).
func create2(factory asset.Address, salt [32]byte, creationHash official.Hash) asset.Address {
	return asset.Address(crypto.Keccak256([]byte{0xff}, factory[:], salt[:], creationHash[:])[12:])
}

func addressWord(a asset.Address) []byte { return append(make([]byte, 12), a[:]...) }

func plainCall(to asset.Address, value *big.Int, data []byte) rail.Call {
	return rail.Call{To: to, Data: data, Value: value}
}
