package userop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// The reasons why a wallet's account is not used.
var (
	// ErrMissing is a chain without the EntryPoint, or without a contract that the
	// account needs.
	ErrMissing = errors.New("a contract that smart accounts need is not on this chain")
	// ErrChanged is a deployed account that answers otherwise than it was made.
	ErrChanged = errors.New("the account has another owner or other code by now")
	// ErrNonce is an account that has used more nonces than there can be.
	ErrNonce = errors.New("the account's nonce makes no sense")
)

// State is an account as it stood at a block, and what its owner has of a token.
type State struct {
	Deployed  bool
	Nonce     uint64   // of the next operation, with the key 0
	Balance   *big.Int // of the owner, base units
	Allowance *big.Int // what the account may take of it
	// OwnerCode tells that the owner is a contract, or an account that runs one
	// (EIP-7702): then its key's signature may not be what a token asks for.
	OwnerCode bool
	Block     chain.Block
}

// getNonce is getNonce(address,uint192) of the EntryPoint for the key 0.
func getNonce(a asset.Address) []byte { return keyedNonce(a, new(big.Int)) }

func keyedNonce(a asset.Address, key *big.Int) []byte {
	return append(append([]byte{0x35, 0x56, 0x7e, 0x1a}, addressWord(a)...), key.FillBytes(make([]byte, 32))...)
}

// NonceCall asks for the next nonce of an account under the key that a nonce has.
// Decode with official.ReadAmount.
func NonceCall(a asset.Address, nonce *big.Int, at chain.At) chain.Call {
	key := new(big.Int).Rsh(new(big.Int).Abs(orZero(nonce)), 64)
	if key.BitLen() > 192 {
		key.SetInt64(0) // no nonce has such a key
	}
	return chain.ContractCall(chain.Msg{To: EntryPoint, Data: keyedNonce(a, key)}, at)
}

// Read asks a chain for an account and its owner's token, all in one round trip at
// its head.
//
// Errors: ErrMissing; ErrChanged; what the node's Batch returns, the fault
// Unavailable "chain_unavailable" among it; and others if the node's or the token's
// answers make no sense.
func Read(ctx context.Context, node chain.Batcher, a Account, token asset.Address) (State, error) {
	view := func(to asset.Address, data []byte) chain.Call {
		return chain.ContractCall(chain.Msg{To: to, Data: data}, chain.Latest)
	}
	calls := []chain.Call{
		chain.HeaderCall(chain.Latest), view(EntryPoint, getNonce(a.Address)),
		view(token, official.BalanceOf(a.Owner)), view(token, official.Allowance(a.Owner, a.Address)), chain.CodeCall(a.Address, chain.Latest),
		chain.CodeCall(a.Owner, chain.Latest),
	}
	head := len(calls)
	contracts := append([]asset.Address{EntryPoint}, a.Needs...)
	for _, c := range contracts {
		calls = append(calls, chain.CodeCall(c, chain.Latest))
	}
	for _, p := range a.Proofs {
		if p.Slot != nil {
			calls = append(calls, chain.Call{Method: "eth_getStorageAt", Params: []any{a.Address.Lower(), p.Slot.String(), chain.Latest}})
		} else {
			calls = append(calls, view(a.Address, p.Call))
		}
	}
	rs, err := node.Batch(ctx, calls)
	if err != nil {
		return State{}, fmt.Errorf("reading a smart account on chain %d: %w", a.Chain, err)
	}
	if len(rs) != len(calls) {
		return State{}, fmt.Errorf("chain %d: %d answers to %d questions", a.Chain, len(rs), len(calls))
	}
	for i, c := range contracts {
		code, err := rs[head+i].Bytes()
		if err != nil {
			return State{}, fmt.Errorf("chain %d: code of %s: %w", a.Chain, c, err)
		}
		if len(code) == 0 {
			return State{}, fmt.Errorf("%w: %s on chain %d", ErrMissing, c, a.Chain)
		}
	}
	s, err := fill(rs[:head])
	if err != nil {
		return State{}, fmt.Errorf("%s on chain %d: %w", a.Address, a.Chain, err)
	}
	if s.Deployed {
		for i, p := range a.Proofs {
			said, err := answer(rs[head+len(contracts)+i])
			if err != nil {
				return State{}, fmt.Errorf("%s on chain %d: %w", a.Address, a.Chain, err)
			}
			if !bytes.Equal(said, p.Answer) {
				return State{}, fmt.Errorf("%w: %s on chain %d", ErrChanged, a.Address, a.Chain)
			}
		}
	}
	return s, nil
}

func fill(rs []chain.Result) (s State, err error) {
	var errs [6]error
	var header *chain.Header
	var nonce *big.Int
	var code, owner []byte
	header, errs[0] = rs[0].Header()
	nonce, errs[1] = official.ReadAmount(rs[1])
	s.Balance, errs[2] = official.ReadAmount(rs[2])
	s.Allowance, errs[3] = official.ReadAmount(rs[3])
	code, errs[4] = rs[4].Bytes()
	owner, errs[5] = rs[5].Bytes()
	if err := errors.Join(errs[:]...); err != nil {
		return State{}, err
	}
	if header == nil || !nonce.IsUint64() {
		return State{}, ErrNonce
	}
	s.Nonce, s.Deployed, s.Block = nonce.Uint64(), len(code) > 0, header.Block
	s.OwnerCode = len(owner) > 0
	return s, nil
}
