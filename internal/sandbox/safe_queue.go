//go:build !nosandbox

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/safe"
)

const (
	maxProposals = 500     // kept at once; the oldest are forgotten
	maxCalls     = 50      // of one proposal
	roomyGas     = 4 << 20 // more than any payment takes, and less than a block has
)

// What became of a proposal.
const (
	proposalQueued   = "queued"
	proposalExecuted = "executed"
	proposalFailed   = "failed"   // ExecutionFailure
	proposalReplaced = "replaced" // another one used its nonce
)

// proposal is a Safe transaction that was proposed on one chain.
type proposal struct {
	chain *Chain
	tx    safe.Tx
	hash  official.Hash
	calls []safe.Item
	made  time.Time

	mu         sync.Mutex
	signatures map[int][]byte // by the owner's index
}

// refused is a request that cannot be carried out, in words for people.
type refused string

func (r refused) Error() string { return string(r) }

// propose makes one Safe transaction of some calls, signed by the owner who proposes it. safeTxGas is what the
// calls may take; zero makes the transaction revert if one fails, as Safe's own app has it. nonce is nil
// for the next one that is free.
func (s *Safe) propose(ctx context.Context, c *Chain, calls []safe.Item, safeTxGas, nonce *big.Int, owner int) (*proposal, error) {
	if len(calls) == 0 || len(calls) > maxCalls {
		return nil, refused(fmt.Sprintf("a proposal has 1 to %d calls", maxCalls))
	}
	tx := safe.Tx{To: calls[0].To, Value: calls[0].Value, Data: calls[0].Data, SafeTxGas: safeTxGas}
	if len(calls) > 1 {
		batch, err := pinned(c.ChainID, safe.MultiSendCallOnly)
		if err != nil {
			return nil, err
		}
		data, err := safe.EncodeMultiSend(calls)
		if err != nil {
			return nil, refused(err.Error())
		}
		tx = safe.Tx{To: asset.Address(batch), Data: data, Operation: safe.OpDelegateCall, SafeTxGas: safeTxGas}
	}
	current, err := c.safeNonce(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tx.Nonce = current
	for _, p := range s.proposals {
		if p.chain == c {
			tx.Nonce = max(tx.Nonce, p.tx.Nonce+1)
		}
	}
	if nonce != nil {
		if !nonce.IsUint64() || nonce.Uint64() < current {
			return nil, refused("this nonce was used already")
		}
		tx.Nonce = nonce.Uint64()
	}
	hash, err := tx.Hash(asset.ChainID(c.ChainID), asset.Address(c.safe))
	if err != nil {
		return nil, refused(err.Error())
	}
	if i := slices.IndexFunc(s.proposals, func(p *proposal) bool { return p.chain == c && p.hash == hash }); i >= 0 {
		return s.proposals[i], s.proposals[i].sign(owner)
	}
	p := &proposal{chain: c, tx: tx, hash: hash, calls: calls, made: time.Now().UTC(), signatures: map[int][]byte{}}
	if err := p.sign(owner); err != nil {
		return nil, err
	}
	s.proposals = append(s.proposals, p)
	if len(s.proposals) > maxProposals {
		s.proposals = slices.Delete(s.proposals, 0, 1)
	}
	return p, nil
}

// reject proposes what uses a proposal's nonce up and does nothing.
func (s *Safe) reject(ctx context.Context, p *proposal, owner int) (*proposal, error) {
	nothing := []safe.Item{{To: asset.Address(s.address)}}
	return s.propose(ctx, p.chain, nothing, nil, new(big.Int).SetUint64(p.tx.Nonce), owner)
}

func (s *Safe) find(c *Chain, hash string) (*proposal, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.proposals, func(p *proposal) bool { return p.chain == c && p.hash.String() == hash })
	if i < 0 {
		return nil, false
	}
	return s.proposals[i], true
}

func (s *Safe) on(c *Chain) []*proposal {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*proposal
	for _, p := range s.proposals {
		if p.chain == c {
			out = append(out, p)
		}
	}
	return out
}

// sign adds the signature of an owner, who is counted from 1.
func (p *proposal) sign(owner int) error {
	if owner < 1 || owner > len(p.chain.owners) {
		return refused(fmt.Sprintf("owner: expected 1 to %d", len(p.chain.owners)))
	}
	signature, err := crypto.Sign(p.hash[:], p.chain.owners[owner-1].key)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	signature[64] += 27
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signatures[owner-1] = signature
	return nil
}

// confirmation is one owner's signature.
type confirmation struct {
	owner     common.Address
	signature []byte
}

// confirmations are the signatures in the order of their owners' addresses, as the contract wants them.
func (p *proposal) confirmations() []confirmation {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []confirmation{}
	for i, signature := range p.signatures {
		out = append(out, confirmation{address(p.chain.owners[i].key), signature})
	}
	slices.SortFunc(out, func(a, b confirmation) int { return a.owner.Cmp(b.owner) })
	return out
}

// execute has an owner send the transaction with the signatures there are, and returns its hash without
// waiting for a block. The chain says no in its own words if it would be reverted. With fail it is sent with so
// little gas that its calls fail and the Safe goes on, which takes a transaction with safeTxGas.
func (p *proposal) execute(ctx context.Context, owner int, fail bool) (common.Hash, error) {
	if owner < 1 || owner > len(p.chain.owners) {
		return common.Hash{}, refused(fmt.Sprintf("owner: expected 1 to %d", len(p.chain.owners)))
	}
	var all []byte
	for _, c := range p.confirmations() {
		all = append(all, c.signature...)
	}
	data, err := safe.EncodeExec(p.tx, all)
	if err != nil {
		return common.Hash{}, refused(err.Error())
	}
	sender := p.chain.owners[owner-1]
	send := call{to: p.chain.safe, data: data}
	gas := p.tx.SafeTxGas != nil && p.tx.SafeTxGas.Sign() > 0
	switch {
	case fail && !gas:
		return common.Hash{}, refused("it was proposed without safeTxGas: it would be reverted, and could be tried again")
	case fail:
		// Paid for beforehand, the call leaves the Safe the 2,500 gas that it keeps back for its event.
		send.accessed = types.AccessList{{Address: common.Address(p.tx.To), StorageKeys: []common.Hash{}}}
		send.gas, err = p.chain.tooLittleGas(ctx, send, address(sender.key))
	case gas:
		// What the node estimates would be what is just enough for a failure.
		send.gas = roomyGas
		_, err = p.chain.client.CallContract(ctx, ethereum.CallMsg{From: address(sender.key), To: &send.to, Data: data, Gas: send.gas}, nil)
	}
	if err != nil {
		return common.Hash{}, asRefusal(err)
	}
	hash, err := sender.send(ctx, send)
	return hash, asRefusal(err)
}

// asRefusal takes what the chain says of a transaction for a refusal: GS013 and its like.
func asRefusal(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return refused(err.Error())
}

// tooLittleGas looks for an amount of gas with which an execution succeeds and its calls do not.
func (c *Chain) tooLittleGas(ctx context.Context, send call, from common.Address) (uint64, error) {
	for gas := uint64(40_000); gas <= roomyGas; gas += 4_000 {
		out, err := c.client.CallContract(ctx, ethereum.CallMsg{From: from, To: &send.to, Data: send.data, Gas: gas, AccessList: send.accessed}, nil)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil || len(out) != 32 {
			continue // too little for the Safe itself
		}
		if bytes.Equal(out, make([]byte, 32)) {
			return gas, nil
		}
		break
	}
	return 0, refused("no amount of gas makes its calls fail")
}

// fate says what became of a proposal and, once executed, in which transaction. nonce is the Safe's.
func (p *proposal) fate(ctx context.Context, nonce uint64) (state string, tx common.Hash, err error) {
	if p.tx.Nonce >= nonce {
		return proposalQueued, tx, nil
	}
	logs, err := p.chain.client.FilterLogs(ctx, ethereum.FilterQuery{
		FromBlock: new(big.Int), Addresses: []common.Address{p.chain.safe},
		Topics: [][]common.Hash{{common.HexToHash(safe.TopicSuccess), common.HexToHash(safe.TopicFailure)}, {common.Hash(p.hash)}},
	})
	switch {
	case err != nil:
		return "", tx, fmt.Errorf("events of the Safe: %w", err)
	case len(logs) == 0:
		return proposalReplaced, tx, nil
	case logs[0].Topics[0] == common.HexToHash(safe.TopicFailure):
		return proposalFailed, logs[0].TxHash, nil
	}
	return proposalExecuted, logs[0].TxHash, nil
}
