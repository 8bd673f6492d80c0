package gasless

import (
	"context"
	"errors"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

// Sponsor implements checkout.Gasless. Before anybody is asked to pay, the calls are
// tried out: an operation whose calls fail costs the sponsor all the same.
func (g *Service) Sponsor(ctx context.Context, plan checkout.GaslessPlan, q checkout.GaslessQuestion) (checkout.GaslessGrant, error) {
	c, err := g.on(plan.Chain)
	if err != nil {
		return checkout.GaslessGrant{}, err
	}
	if !c.available() {
		return checkout.GaslessGrant{}, errUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	s, err := c.subject(ctx, plan, q.Op)
	if err != nil {
		return checkout.GaslessGrant{}, err
	}
	checks := s.checks(c.isNamed)
	if _, refused := rail.Failed(checks); refused {
		return checkout.GaslessGrant{Checks: checks}, nil
	}
	if err := c.rehearse(ctx, s); err != nil {
		return checkout.GaslessGrant{}, err
	}
	if q.Kind == checkout.GaslessData {
		if err := c.narrow(ctx, s); err != nil {
			return checkout.GaslessGrant{}, c.felt(err)
		}
		if checks := s.checks(c.isNamed); !passed(checks) {
			return checkout.GaslessGrant{Checks: checks}, nil
		}
	}
	result, err := c.grant(ctx, q.Kind, s)
	if err != nil {
		return checkout.GaslessGrant{}, c.felt(err)
	}
	out := checkout.GaslessGrant{Checks: s.checks(func(asset.Address) bool { return false })}
	if _, refused := rail.Failed(out.Checks); refused {
		return out, nil
	}
	if out.Op, err = s.tell(); err != nil {
		return checkout.GaslessGrant{}, err
	}
	out.Result, err = userop.Question{Method: q.Method}.Result(result)
	return out, err
}

func passed(checks []rail.Check) bool {
	_, refused := rail.Failed(checks)
	return !refused
}

// narrow bounds an operation whose gas somebody else has settled by what the bundler
// says that it needs: whoever bundles it himself is paid for what it says. A wallet
// that is an account itself may ask without a signature of its own form, so that it
// cannot be estimated: then its price is bounded, and its gas as any other's.
func (c *sponsoredChain) narrow(ctx context.Context, s *subject) error {
	fees, err := c.bundler.Fees(ctx)
	if err != nil {
		return err
	}
	stub, _, err := c.paymaster.Stub(ctx, s.op)
	if err != nil {
		return err
	}
	gas, err := c.bundler.Estimate(ctx, stub.Apply(s.op))
	if own := s.want.Plan.Account.Address == s.want.Plan.Account.Owner; own && fault.Is(err, fault.Invalid) {
		gas, err = userop.Gas{}, nil
	}
	if err != nil {
		return err
	}
	s.want.Limits = s.want.Limits.Around(gas, fees)
	return nil
}

// grant has the gas of an operation paid for, and keeps in the subject what it is
// then. It returns what is answered.
func (c *sponsoredChain) grant(ctx context.Context, kind checkout.GaslessKind, s *subject) (any, error) {
	switch kind {
	case checkout.GaslessData:
		grant, err := c.paymaster.Data(ctx, s.op)
		if err != nil {
			return nil, err
		}
		s.op, s.want.Grant = grant.Apply(s.op), &grant
		return grant, c.name(ctx, grant.Paymaster)
	case checkout.GaslessSponsor:
		op, err := c.sponsor.Sponsor(ctx, userop.Grant{}.Apply(s.op))
		if err != nil {
			return nil, err
		}
		s.op, s.want.Grant = op, userop.GrantOf(op)
		return op, c.name(ctx, op.Paymaster)
	}
	return nil, fmt.Errorf("the question %q asks nobody to pay", kind)
}

// rehearse tries out what an operation calls. Nodes that cannot are not asked: the
// bundler tries it too, when it estimates.
func (c *sponsoredChain) rehearse(ctx context.Context, s *subject) error {
	calls, err := s.want.Kind.Decode(s.op.CallData)
	if err != nil {
		return fmt.Errorf("decoding what was checked: %w", err)
	}
	msgs := make([]chain.Msg, len(calls))
	for i, call := range calls {
		msgs[i] = chain.Msg{From: s.op.Sender, To: call.To, Data: call.Data}
	}
	tried, err := chain.Ask(ctx, c.node, chain.SimulateCall(msgs, chain.Latest), chain.Result.Simulated)
	if refused, ok := chain.AsRPC(err); ok && refused.Unsupported() {
		return nil
	}
	if err != nil {
		return chainFault(err)
	}
	for i, one := range tried {
		if !one.Succeeded {
			return fault.New(fault.Invalid, "op_refused", "The payment would fail: the wallet may not have enough of the token.").
				Because(fmt.Errorf("call %d of %d fails: %s", i+1, len(calls), one.Err))
		}
	}
	return nil
}

// Ask implements checkout.Gasless.
func (g *Service) Ask(ctx context.Context, id asset.ChainID, q checkout.GaslessQuestion) ([]byte, error) {
	c, err := g.on(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	result, err := c.ask(ctx, q)
	if err != nil {
		return nil, c.felt(err)
	}
	return userop.Question{Method: q.Method}.Result(result)
}

func (c *sponsoredChain) ask(ctx context.Context, q checkout.GaslessQuestion) (any, error) {
	switch q.Kind {
	case checkout.GaslessFees:
		return c.bundler.Fees(ctx)
	case checkout.GaslessReceipt, checkout.GaslessLookup:
		hash, err := official.ParseHash(q.Hash)
		if err != nil {
			return nil, fault.New(fault.Invalid, "op_invalid", "The hash is none.").Because(err)
		}
		if q.Kind == checkout.GaslessReceipt {
			return c.bundler.Receipt(ctx, hash)
		}
		return c.bundler.Lookup(ctx, hash)
	}
	op, err := userop.Parse(q.Op)
	if err != nil {
		return nil, errOp.Because(err)
	}
	switch q.Kind {
	case checkout.GaslessEstimate:
		return c.bundler.Estimate(ctx, op)
	case checkout.GaslessStub:
		stub, final, err := c.paymaster.Stub(ctx, op)
		if err != nil {
			return nil, err
		}
		if final { // nothing was reserved for what could be sent at once
			return nil, errStub
		}
		return stub, c.name(ctx, stub.Paymaster)
	case checkout.GaslessSend:
		return c.bundler.Send(ctx, op)
	}
	return nil, fmt.Errorf("nobody is asked the question %q", q.Kind)
}

// errStub is a sponsor whose stubs are grants: it is asked for what is counted alone.
var errStub = fault.New(fault.Forbidden, "sponsor_refused", "Gas is not paid for this payment.").Because(errors.New("the sponsor's stub is good for sending"))

// felt has the services checked if one of them failed.
func (c *sponsoredChain) felt(err error) error {
	if fault.Is(err, fault.Unavailable) && fault.CodeOf(err) != chain.CodeUnavailable {
		c.recheck()
	}
	return err
}
