// Package gasless answers the checkout's questions about payments without gas from
// chains, bundlers and sponsors, because whose word counts for what is neither the
// checkout's affair, which reads no operation, nor package userop's, which knows no
// payment's life. It implements checkout.Gasless, says nothing it was only told, and
// keeps nothing but how its services do.
package gasless

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

// Service is what chains, bundlers and sponsors tell of paying without gas. Only
// what a chain shows in final blocks is evidence; what a service says is passed on
// or held against what was expected, and never decides anything by itself. It is safe
// for concurrent use. It offers nothing before Run has checked the services.
type Service struct {
	chains map[asset.ChainID]*sponsoredChain
	final  func(asset.ChainID) uint64
}

// sponsoredChain is one chain on which gas is paid for.
type sponsoredChain struct {
	id        asset.ChainID
	node      chain.Batcher
	kind      userop.Kind
	limits    userop.Limits
	offer     checkout.GaslessOffer
	bundler   *userop.Bundler
	paymaster *userop.Paymaster
	alchemy   *userop.Alchemy // nil with other providers
	sponsor   userop.Sponsor
	strides   *chain.Stride
	usual     asset.Address // a contract that payments call, for trying the sponsor out
	log       *slog.Logger

	well    atomic.Bool   // what the last check of the services said
	trouble chan struct{} // has the services checked soon

	mu    sync.Mutex
	named map[asset.Address]bool // paymasters that the sponsor has named
}

var _ checkout.Gasless = (*Service)(nil)

// Close drops idle connections.
func (g *Service) Close() {
	for _, c := range g.chains {
		c.close()
	}
}

func (c *sponsoredChain) close() {
	c.bundler.Close()
	c.paymaster.Close()
	if c.alchemy != nil {
		c.alchemy.Close()
	}
}

// How long a question may take, all of its round trips together: a payer waits.
const (
	readPatience = 8 * time.Second
	askPatience  = 20 * time.Second
)

// Offer implements checkout.Gasless.
func (g *Service) Offer(id asset.ChainID) (checkout.GaslessOffer, bool) {
	c, known := g.chains[id]
	if !known || !c.available() {
		return checkout.GaslessOffer{}, false
	}
	return c.offer, true
}

func (c *sponsoredChain) available() bool {
	return c.well.Load() && c.bundler.Available() && c.paymaster.Available() && (c.alchemy == nil || c.alchemy.Available())
}

// Account implements checkout.Gasless.
func (g *Service) Account(id asset.ChainID, owner asset.Address) (asset.Address, bool) {
	c, known := g.chains[id]
	if !known {
		return asset.Address{}, false
	}
	return c.kind.Account(id, owner).Address, true
}

// Revoke implements checkout.Gasless.
func (g *Service) Revoke(token, account asset.Address) rail.Call {
	data, err := official.Approval{Spender: account, Amount: new(big.Int)}.Encode()
	if err != nil {
		panic(fmt.Sprintf("gasless: an approval of nothing: %v", err)) // there is no such amount
	}
	return rail.Call{Kind: rail.Revoke, To: token, Data: data, Value: new(big.Int)}
}

// errUnavailable is a chain on which nobody pays for gas, or not now.
var errUnavailable = fault.New(fault.Unavailable, "gasless_unavailable", "Paying without gas is not possible right now.")

func (g *Service) on(id asset.ChainID) (*sponsoredChain, error) {
	c, known := g.chains[id]
	if !known {
		return nil, errUnavailable
	}
	return c, nil
}

// Read implements checkout.Gasless, in two questions at once.
func (g *Service) Read(ctx context.Context, id asset.ChainID, owner, token asset.Address) (checkout.GaslessState, error) {
	c, err := g.on(id)
	if err != nil {
		return checkout.GaslessState{}, err
	}
	account := c.kind.Account(id, owner)
	state, terms, err := c.read(ctx, account, token)
	if err != nil {
		return checkout.GaslessState{}, err
	}
	out := checkout.GaslessState{
		Account: account.Address, Deployed: state.Deployed, Factory: account.Factory, FactoryData: account.FactoryData,
		Nonce: new(big.Int).SetUint64(state.Nonce), Balance: state.Balance, Allowance: state.Allowance, Block: state.Block.Number,
	}
	if terms != nil {
		out.Permit = &checkout.GaslessTerms{
			Name: terms.Domain.Name, Version: terms.Domain.Version, ChainID: terms.Domain.Chain, Contract: terms.Domain.Contract, Nonce: terms.Nonce,
		}
	}
	return out, nil
}

// read asks for an account and its owner's token, and for the token's permits, nil
// if it has none. A wallet that is an account itself needs no permit.
func (c *sponsoredChain) read(ctx context.Context, a userop.Account, token asset.Address) (userop.State, *userop.PermitTerms, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	var terms *userop.PermitTerms
	var permitErr error
	var asking sync.WaitGroup
	if own := a.Address == a.Owner; !own {
		asking.Go(func() {
			t, err := userop.ReadPermit(ctx, c.node, c.id, token, a.Owner)
			if err == nil {
				terms = &t
			} else if !errors.Is(err, userop.ErrNoPermit) {
				permitErr = err
			}
		})
	}
	state, err := userop.Read(ctx, c.node, a, token)
	asking.Wait()
	switch {
	case errors.Is(err, userop.ErrMissing):
		c.recheck()
		return userop.State{}, nil, errUnavailable.Because(err)
	case errors.Is(err, userop.ErrChanged):
		return userop.State{}, nil, fault.Field("wallet", "account_changed", "The smart account of this wallet has another owner or other code by now: it cannot be used to pay.").Because(err)
	case err != nil || permitErr != nil:
		return userop.State{}, nil, chainFault(errors.Join(err, permitErr))
	case a.Address != a.Owner && state.OwnerCode:
		return userop.State{}, nil, fault.Field("wallet", "owner_has_code", "This wallet is a smart account itself: it pays in its own way.")
	}
	return state, terms, nil
}

// chainFault is a fault of a chain's node for whoever waits for an answer.
func chainFault(err error) error {
	if errors.Is(err, context.Canceled) || fault.Is(err, fault.Unavailable) {
		return err
	}
	return chain.Unavailable(err)
}

// subject is an operation that is judged, and what it should be.
type subject struct {
	op   userop.Op
	want userop.Expectation
}

// subject reads an operation, and the chain for what it should be.
func (c *sponsoredChain) subject(ctx context.Context, plan checkout.GaslessPlan, text []byte) (*subject, error) {
	op, err := userop.Parse(text)
	if err != nil {
		return nil, errOp.Because(err)
	}
	kind := c.kind
	if plan.Own {
		kind = userop.Own()
	}
	account := kind.Account(c.id, plan.Owner)
	state, terms, err := c.read(ctx, account, plan.Token)
	if err != nil {
		return nil, err
	}
	s := &subject{op: op, want: userop.Expectation{
		Kind: kind, State: &state, Limits: c.limits, Now: plan.Now,
		Plan: userop.Plan{Account: account, Token: plan.Token, Amount: plan.Amount, Steps: plan.Steps},
	}}
	if !plan.Own && state.Allowance.Cmp(plan.Amount) < 0 {
		// Without permits there are no terms under which one could be good: the check says
		// that it is missing.
		s.want.Permit = &userop.PermitRule{Until: plan.Until, Cap: anyCap}
		if terms != nil {
			s.want.Permit.Terms = *terms
		}
	}
	return s, nil
}

// anyCap is the largest permit. How much more than the payment a payer lets his own
// account take is between him and the page, which asks for exactly the payment unless
// he wants more: it costs the sponsor nothing.
var anyCap = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

// checks compares the operation with what it should be. What it has of a paymaster
// may be what the sponsor gave out for estimating: it is bounded like the rest, and
// replaced before anybody signs.
func (s *subject) checks(named func(asset.Address) bool) []rail.Check {
	want := s.want
	if named(s.op.Paymaster) {
		want.Grant = userop.GrantOf(s.op)
	}
	return userop.Verify(s.op, want)
}

// errOp is what is no operation.
var errOp = fault.New(fault.Invalid, "op_invalid", "The operation cannot be read.")

// Parse implements checkout.Gasless.
func (g *Service) Parse(id asset.ChainID, text []byte) (checkout.GaslessOp, error) {
	op, err := userop.Parse(text)
	if err != nil {
		return checkout.GaslessOp{}, errOp.Because(err)
	}
	return tell(id, op)
}

// tell says what the checkout wants to know of any operation.
func tell(id asset.ChainID, op userop.Op) (checkout.GaslessOp, error) {
	hash, err := op.Hash(id)
	if err != nil {
		return checkout.GaslessOp{}, errOp.Because(err)
	}
	text, err := op.MarshalJSON()
	if err != nil {
		return checkout.GaslessOp{}, fmt.Errorf("write an operation: %w", err)
	}
	out := checkout.GaslessOp{Hash: hash.String(), Sender: op.Sender, Nonce: op.Nonce, JSON: text}
	if out.Nonce == nil {
		out.Nonce = new(big.Int)
	}
	if cost := op.MaxCost(); cost.Sign() > 0 {
		out.Cost = cost
	}
	return out, nil
}

// tell says what the checkout wants to know of one that was compared.
func (s *subject) tell() (checkout.GaslessOp, error) {
	out, err := tell(s.want.Plan.Account.Chain, s.op)
	if err != nil {
		return checkout.GaslessOp{}, err
	}
	out.Block = s.want.State.Block.Number
	if calls, err := s.want.Kind.Decode(s.op.CallData); err == nil {
		if p, found := userop.PermitOf(calls, s.want.Plan.Token); found && p.Deadline.IsInt64() {
			out.Deadline = time.Unix(p.Deadline.Int64(), 0).UTC()
		}
	}
	return out, nil
}

// Check implements checkout.Gasless.
func (g *Service) Check(ctx context.Context, plan checkout.GaslessPlan, text []byte) (checkout.GaslessOp, []rail.Check, error) {
	c, err := g.on(plan.Chain)
	if err != nil {
		return checkout.GaslessOp{}, nil, err
	}
	s, err := c.subject(ctx, plan, text)
	if err != nil {
		return checkout.GaslessOp{}, nil, err
	}
	told, err := s.tell()
	if err != nil {
		return checkout.GaslessOp{}, nil, err
	}
	return told, s.checks(c.isNamed), nil
}

// isNamed reports whether the sponsor has named a paymaster.
func (c *sponsoredChain) isNamed(a asset.Address) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.named[a]
}

// maxNamed is how many paymasters a sponsor may name: providers have a few on a chain.
const maxNamed = 64

// name takes a paymaster that the sponsor names into the list of those that may stand
// in an operation. One that is not there, or has not the money for one operation,
// would have the bundler refuse what the payer has signed by then.
func (c *sponsoredChain) name(ctx context.Context, a asset.Address) error {
	if c.isNamed(a) {
		return nil
	}
	rs, err := c.node.Batch(ctx, []chain.Call{
		chain.CodeCall(a, chain.Latest), chain.ContractCall(chain.Msg{To: userop.EntryPoint, Data: official.BalanceOf(a)}, chain.Latest),
	})
	if err != nil {
		return chainFault(err)
	}
	if len(rs) != 2 {
		return chainFault(fmt.Errorf("%d answers to 2 questions", len(rs)))
	}
	code, err1 := rs[0].Bytes()
	deposit, err2 := official.ReadAmount(rs[1])
	if err := errors.Join(err1, err2); err != nil {
		return chainFault(err)
	}
	if len(code) == 0 || deposit.Cmp(c.limits.MaxCost) < 0 {
		return fault.New(fault.Unavailable, "sponsor_unavailable", "Gas is not paid for right now.").
			Because(fmt.Errorf("the paymaster %s has %d bytes of code and %v wei in the EntryPoint", a, len(code), deposit))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.named) >= maxNamed {
		clear(c.named)
	}
	c.named[a] = true
	return nil
}
