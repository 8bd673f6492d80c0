// Package multisig answers the checkout's questions about Safes from chains and a
// Transaction Service, because what counts as an answer is neither the checkout's
// affair, which sees no chain, nor package safe's, which knows no payment's life. It
// implements checkout.Safes, and keeps nothing but how many blocks nodes answer for.
package multisig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
)

// Safes is what chains and a Transaction Service tell of Safes. What a chain
// shows in final blocks is evidence, all else is news; an answer that makes no
// sense is an error, and never an outcome. It is safe for concurrent use.
type Safes struct {
	table   *safe.Table
	service *safe.Service // nil if nobody is asked
	nodes   map[asset.ChainID]chain.Batcher
	final   func(asset.ChainID) uint64
	strides map[asset.ChainID]*chain.Stride
}

var _ checkout.Safes = (*Safes)(nil)

// Config is whom Safes asks.
type Config struct {
	Table   *safe.Table         // the official contracts
	Service *safe.ServiceConfig // nil asks no Transaction Service
	Nodes   map[asset.ChainID]chain.Batcher
	// Final is the height up to which a chain's blocks are there for good and have
	// been searched for payments: what a Safe's event says of a payment, its money
	// must have had the chance to say before.
	Final func(asset.ChainID) uint64
	// Ranges is how many blocks one question for a chain's events may span; those that
	// it does not name, or at zero, have chain.NewStride's default.
	Ranges map[asset.ChainID]uint64
}

// New makes Safes that answer for the chains of the nodes. It asks nobody; nodes must
// not change afterwards. Its errors are those of safe.NewService.
func New(cfg Config) (*Safes, error) {
	s := &Safes{table: cfg.Table, nodes: cfg.Nodes, final: cfg.Final, strides: map[asset.ChainID]*chain.Stride{}}
	for id := range cfg.Nodes {
		s.strides[id] = chain.NewStride(cfg.Ranges[id])
	}
	if cfg.Service != nil {
		var err error
		if s.service, err = safe.NewService(*cfg.Service); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close drops idle connections.
func (s *Safes) Close() {
	if s.service != nil {
		s.service.Close()
	}
}

// How long a question may take, all of its round trips together: a payer waits
// for the first, a job for the others.
const (
	accountPatience = 8 * time.Second
	askPatience     = 8 * time.Second
	lookPatience    = 25 * time.Second
)

// Account implements checkout.Safes.
func (s *Safes) Account(ctx context.Context, id asset.ChainID, address asset.Address) (*rail.Multisig, error) {
	node, known := s.nodes[id]
	if !known || len(s.table.Contracts(id, safe.Singleton)) == 0 {
		return nil, fault.Field("wallet", "safe_unsupported", "Safe accounts cannot pay on this network.")
	}
	ctx, cancel := context.WithTimeout(ctx, accountPatience)
	defer cancel()
	a, err := s.table.Read(ctx, node, id, address)
	if err != nil {
		return nil, accountFault(err)
	}
	m := &rail.Multisig{
		Chain: id, Address: a.Address, Version: string(a.Version), Owners: a.Owners, Threshold: a.Threshold, Nonce: a.Nonce,
		MultiSend: a.MultiSend, Block: a.Block.Number,
	}
	for _, w := range a.Warnings {
		m.Warnings = append(m.Warnings, rail.Warning{Code: w.Code, Text: w.Text})
	}
	return m, nil
}

func accountFault(err error) error {
	wrong := func(code, text string) error { return fault.Field("wallet", code, text).Because(err) }
	switch {
	case errors.Is(err, safe.ErrNoContract):
		return wrong("no_contract", "There is no Safe account at this address on this network.")
	case errors.Is(err, safe.ErrVersion):
		return wrong("safe_version", "The Safe account at this address is of a version that is not supported here.")
	case errors.Is(err, safe.ErrNotSafe):
		return wrong("not_a_safe", "The account at this address is not a Safe.")
	case errors.Is(err, context.Canceled), fault.Is(err, fault.Unavailable):
		return err
	}
	return chain.Unavailable(err)
}

// Same is nil if an address is a Safe with the same owners, and as many of them
// needed, on two chains: then whoever has it on one has it on the other.
//
// Faults: those of Account for the first chain; Invalid on the field "wallet",
// "safe_not_there" if it is no such Safe on the second; Unavailable.
func (s *Safes) Same(ctx context.Context, from, to asset.ChainID, wallet asset.Address) error {
	var there *rail.Multisig
	var thereErr error
	var asking sync.WaitGroup
	asking.Go(func() { there, thereErr = s.Account(ctx, to, wallet) })
	here, err := s.Account(ctx, from, wallet)
	asking.Wait()
	switch {
	case err != nil:
		return err
	case thereErr != nil && !fault.Is(thereErr, fault.Invalid):
		return thereErr
	case thereErr != nil, !here.SameOwners(there):
		return checkout.ErrSafeNotThere.Because(thereErr)
	}
	return nil
}

func inOrder(as []asset.Address) []asset.Address {
	return slices.SortedFunc(slices.Values(as), func(a, b asset.Address) int { return slices.Compare(a[:], b[:]) })
}

// Sent implements checkout.Safes.
func (s *Safes) Sent(ctx context.Context, id asset.ChainID, tx string) (bool, error) {
	node, known := s.nodes[id]
	if !known {
		return false, fmt.Errorf("look for a transaction on chain %d: there is nobody to ask", id)
	}
	ctx, cancel := context.WithTimeout(ctx, accountPatience)
	defer cancel()
	t, err := chain.Ask(ctx, node, chain.TransactionCall(tx), chain.Result.Transaction)
	if err != nil {
		return false, fmt.Errorf("look for a transaction on chain %d: %w", id, err)
	}
	return t != nil && t.Hash == tx, nil
}

// Read implements checkout.Safes.
func (s *Safes) Read(id asset.ChainID, account asset.Address, hash string, text []byte) (checkout.SafeTx, error) {
	wrong := func(code, why string) error { return fault.Field("safeTx", code, why) }
	h, err := official.ParseHash(hash)
	if err != nil {
		return checkout.SafeTx{}, wrong(safe.CheckHash, "The hash is none.")
	}
	tx, err := safe.ParseTx(text)
	if err != nil {
		return checkout.SafeTx{}, fault.Field("safeTx", "safe_tx_invalid", "The transaction cannot be read as one of a Safe.").Because(err)
	}
	calls := callsOf(tx)
	for _, c := range s.table.Verify(safe.Proposal{Chain: id, Safe: account, Hash: h, Tx: tx}, calls, nil) {
		if c.Outcome == rail.Refused {
			return checkout.SafeTx{}, wrong(c.Name, c.Detail)
		}
	}
	canonical, err := tx.MarshalJSON()
	if err != nil {
		return checkout.SafeTx{}, fmt.Errorf("write a Safe transaction: %w", err)
	}
	return checkout.SafeTx{Nonce: tx.Nonce, Calls: calls, JSON: canonical}, nil
}

// callsOf returns what a Safe's transaction calls. One that cannot be taken apart
// is held against itself, which no check of a batch lets pass.
func callsOf(tx safe.Tx) []rail.Call {
	calls, err := tx.Calls()
	if err != nil {
		return []rail.Call{{To: tx.To, Value: tx.Value, Data: tx.Data}}
	}
	return calls
}

// The signature of one owner, and how many of them are looked at: each costs
// about a tenth of a millisecond.
const (
	oneSignature  = 65
	maxSignatures = 200
)

// Signers implements checkout.Safes. Signatures may also come one after the
// other in one text, as a Safe takes them.
func (s *Safes) Signers(hash string, signatures [][]byte) []asset.Address {
	h, err := official.ParseHash(hash)
	if err != nil {
		return nil
	}
	seen := map[asset.Address]bool{}
	left := maxSignatures
	for _, all := range signatures {
		for one := range slices.Chunk(all, oneSignature) {
			if left--; left < 0 {
				break
			}
			if who, ok := safe.Signer(h, one); ok {
				seen[who] = true
			}
		}
	}
	return inOrder(slices.Collect(maps.Keys(seen)))
}

// Ask implements checkout.Safes.
func (s *Safes) Ask(ctx context.Context, id asset.ChainID, hash string) (*checkout.SafeNews, error) {
	if s.service == nil || !s.service.Knows(id) {
		return nil, nil
	}
	h, err := official.ParseHash(hash)
	if err != nil {
		return nil, fmt.Errorf("ask about a Safe transaction: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	r, err := s.service.Transaction(ctx, id, h)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := r.Tx.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write a Safe transaction: %w", err)
	}
	news := &checkout.SafeNews{Account: r.Safe, Tx: text, Signatures: r.Signatures}
	if r.Executed {
		news.ExecutedBy = r.ExecutedBy.String()
	}
	return news, nil
}
