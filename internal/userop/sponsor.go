package userop

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Sponsor pays for operations.
//
// Its errors are the faults of Bundler; "sponsor_limited" and "sponsor_unavailable"
// stand for the sponsor, and Forbidden "sponsor_refused" for whatever else it
// refuses.
type Sponsor interface {
	// Sponsor returns the operation with gas, its price and the paymaster's fields
	// filled in, ready to be signed; nothing else of it is changed. It needs sender,
	// nonce, factory, calldata, and a signature of the right form. Whether what was
	// filled in is within bounds, Verify tells.
	Sponsor(ctx context.Context, o Op) (Op, error)
}

// Paymaster is a paymaster's web service (ERC-7677) on one chain. It is safe for
// concurrent use. Its errors: see Sponsor.
type Paymaster struct {
	*service
	context jsontext.Value
}

// NewPaymaster checks the configuration; it asks nobody. context is a JSON object of
// the provider's own, none if empty: {"sponsorshipPolicyId": …} of Pimlico,
// {"policyId": …} of Alchemy.
func NewPaymaster(cfg ServiceConfig, context string) (*Paymaster, error) {
	p := &Paymaster{context: jsontext.Value("{}")}
	if context != "" {
		p.context = jsontext.Value(context)
	}
	if !p.context.IsValid() || p.context.Kind() != '{' {
		return nil, errors.New("the sponsor's context is not a JSON object") // without it: it may hold a secret
	}
	var err error
	p.service, err = newService("the sponsor", cfg)
	return p, err
}

// wireGrant is what a paymaster answers. paymasterAndData, of older EntryPoints, is
// not among it.
type wireGrant struct {
	Paymaster       account  `json:"paymaster"`
	Data            hexBytes `json:"paymasterData"`
	VerificationGas quantity `json:"paymasterVerificationGasLimit"`
	PostOpGas       quantity `json:"paymasterPostOpGasLimit"`
	Final           bool     `json:"isFinal"`
}

func (p *Paymaster) put(ctx context.Context, method string, o Op) (wireGrant, error) {
	var w wireGrant
	err := p.ask(ctx, &w, method, o, EntryPoint.String(), quantity{asNumber(p.chain)}, p.context)
	if err == nil && (w.Paymaster.v.IsZero() || !w.Data.said) {
		err = fmt.Errorf("%s: %w: no paymaster", method, errAnswer)
	}
	if err != nil {
		return wireGrant{}, toFault(ctx, "sponsor", err)
	}
	return w, nil
}

func (w wireGrant) grant() Grant {
	return Grant{Paymaster: w.Paymaster.v, Data: w.Data.v, VerificationGas: w.VerificationGas.v, PostOpGas: w.PostOpGas.v}
}

// Stub asks for a grant that is good for estimating. final tells that it is good for
// sending, too.
func (p *Paymaster) Stub(ctx context.Context, o Op) (g Grant, final bool, err error) {
	w, err := p.put(ctx, MethodStub, o)
	return w.grant(), w.Final, err
}

// Data asks for the grant of an operation whose gas is settled. Limits of its gas
// that the answer leaves out are the operation's own.
func (p *Paymaster) Data(ctx context.Context, o Op) (Grant, error) {
	w, err := p.put(ctx, MethodData, o)
	g := w.grant()
	if g.VerificationGas == nil {
		g.VerificationGas = o.PaymasterVerificationGasLimit
	}
	if g.PostOpGas == nil {
		g.PostOpGas = o.PaymasterPostOpGasLimit
	}
	return g, err
}

// Sponsored joins a paymaster's service with any bundler.
type Sponsored struct {
	Bundler   *Bundler
	Paymaster *Paymaster
}

// Sponsor implements Sponsor: prices, stub, estimate, grant.
func (s Sponsored) Sponsor(ctx context.Context, o Op) (Op, error) {
	fees, err := s.Bundler.Fees(ctx)
	if err != nil {
		return Op{}, err
	}
	o.MaxFeePerGas, o.MaxPriorityFeePerGas = fees.Max, fees.Tip
	stub, final, err := s.Paymaster.Stub(ctx, o)
	if err != nil {
		return Op{}, err
	}
	o = stub.Apply(o)
	gas, err := s.Bundler.Estimate(ctx, o)
	if err != nil {
		return Op{}, err
	}
	o = gas.Apply(o)
	if final {
		return o, nil
	}
	grant, err := s.Paymaster.Data(ctx, o)
	if err != nil {
		return Op{}, err
	}
	return grant.Apply(o), nil
}

// Alchemy is Alchemy's gas manager on one chain, which estimates and sponsors in one
// answer. It is safe for concurrent use.
type Alchemy struct {
	*service
	policy string
}

// NewAlchemy checks the configuration; it asks nobody. policy is the gas policy's id.
func NewAlchemy(cfg ServiceConfig, policy string) (*Alchemy, error) {
	if policy == "" {
		return nil, errors.New("the sponsor has no gas policy")
	}
	s, err := newService("the sponsor", cfg)
	if err != nil {
		return nil, err
	}
	return &Alchemy{s, policy}, nil
}

// Sponsor implements Sponsor.
func (a *Alchemy) Sponsor(ctx context.Context, o Op) (Op, error) {
	request := map[string]any{"sender": o.Sender.String(), "nonce": quantity{orZero(o.Nonce)}, "callData": hexBytes{o.CallData, true}}
	if !o.Factory.IsZero() {
		request["factory"], request["factoryData"] = o.Factory.String(), hexBytes{o.FactoryData, true}
	}
	var w struct {
		wireGrant
		CallGasLimit         quantity `json:"callGasLimit"`
		VerificationGasLimit quantity `json:"verificationGasLimit"`
		PreVerificationGas   quantity `json:"preVerificationGas"`
		MaxFeePerGas         quantity `json:"maxFeePerGas"`
		MaxPriorityFeePerGas quantity `json:"maxPriorityFeePerGas"`
	}
	err := a.ask(ctx, &w, MethodAlchemy, map[string]any{
		"policyId": a.policy, "entryPoint": EntryPoint.String(), "userOperation": request, "dummySignature": hexBytes{o.Signature, true},
	})
	if err == nil && (w.Paymaster.v.IsZero() || !w.Data.said || w.CallGasLimit.v == nil || w.VerificationGasLimit.v == nil ||
		w.PreVerificationGas.v == nil || w.MaxFeePerGas.v == nil || w.MaxPriorityFeePerGas.v == nil || w.VerificationGas.v == nil) {
		err = fmt.Errorf("sponsoring: %w: a member is missing", errAnswer)
	}
	if err != nil {
		return Op{}, toFault(ctx, "sponsor", err)
	}
	o.CallGasLimit, o.VerificationGasLimit, o.PreVerificationGas = w.CallGasLimit.v, w.VerificationGasLimit.v, w.PreVerificationGas.v
	o.MaxFeePerGas, o.MaxPriorityFeePerGas = w.MaxFeePerGas.v, w.MaxPriorityFeePerGas.v
	return w.grant().Apply(o), nil
}

var (
	_ Sponsor = Sponsored{}
	_ Sponsor = (*Alchemy)(nil)
)
