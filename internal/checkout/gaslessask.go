package checkout

import (
	"context"
	"math/big"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// permitFor is how long a permit is good at the most: so long an operation that has
// one holds the payment.
const permitFor = 10 * time.Minute

// GaslessView is what a page needs to have a wallet's smart account pay.
type GaslessView struct {
	Option rail.Option
	Offer  GaslessOffer
	State  GaslessState
	Token  asset.Token // what the account takes of its owner
	Amount *big.Int    // base units of Token: exactly what the calls take
	Until  time.Time   // the latest deadline of a permit
	Calls  *rail.Calls // the account's
}

// GaslessAsker says who asks about an operation, and for which way to pay.
type GaslessAsker struct {
	Option string
	Wallet asset.Address // the connected wallet
	Own    bool          // it is a smart account itself, and asks for a paymaster (ERC-7677)
}

var (
	errGaslessOff = fault.New(fault.Unavailable, "gasless_unavailable", "Paying without gas is not available at the moment.")
	errNotPulled  = fault.Field("option", "gasless_native", "This way to pay cannot be taken without gas.")
	errNoWay      = fault.New(fault.NotFound, "no_route", "There is no such way to pay this.").At("option")
)

// GaslessView returns what it takes to pay an option by the smart account of a wallet.
//
// Faults: those of Prepare for the account as the payer; Unavailable
// "gasless_unavailable" where nobody pays for gas; Limited "gas_budget" for a payment
// that was tried too often; those of Gasless.Read.
func (s *Service) GaslessView(ctx context.Context, p *payment.Payment, optionID string, owner asset.Address) (GaslessView, error) {
	o, payer, err := s.gaslessPayer(ctx, p, GaslessAsker{Option: optionID, Wallet: owner})
	if err != nil {
		return GaslessView{}, err
	}
	if p.OpsLeft() == 0 {
		return GaslessView{}, errGasBudget
	}
	v := GaslessView{Option: o}
	token, _ := s.book.Token(o.Costs[0].Asset)
	var reading sync.WaitGroup
	var readErr error
	reading.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, s.patience.Price)
		defer cancel()
		v.State, readErr = s.gasless.Read(ctx, o.Chain, owner, token.Address)
	})
	w, err := s.work(ctx, p, o, payer)
	reading.Wait()
	if err != nil {
		return GaslessView{}, err
	}
	if readErr != nil {
		return GaslessView{}, readErr
	}
	v.Offer, v.Token, v.Amount, v.Until, v.Calls = w.offer, w.token, w.plan.Amount, w.plan.Until, w.calls
	return v, nil
}

// gaslessPayer finds the option, and who pays it: the smart account of a wallet, or the
// wallet that is one itself.
//
// Faults: NotFound "no_route"; Invalid "missing_wallet", "gasless_native"; Unavailable
// "gasless_unavailable"; those of unveiled.
func (s *Service) gaslessPayer(ctx context.Context, p *payment.Payment, by GaslessAsker) (rail.Option, rail.Payer, error) {
	if by.Wallet.IsZero() {
		return rail.Option{}, rail.Payer{}, fault.Field("wallet", "missing_wallet", "wallet is required.")
	}
	if s.gasless == nil {
		return rail.Option{}, rail.Payer{}, errGaslessOff
	}
	if err := s.unveiled(ctx, p, by.Wallet); err != nil {
		return rail.Option{}, rail.Payer{}, err
	}
	if err := s.Payable(p); err != nil {
		return rail.Option{}, rail.Payer{}, err
	}
	o, err := s.optionOf(ctx, p, by.Option)
	if err != nil {
		return o, rail.Payer{}, err
	}
	if !s.pullable(o) {
		return o, rail.Payer{}, errNotPulled
	}
	if by.Own {
		return o, rail.Payer{Wallet: by.Wallet}, nil
	}
	account, ok := s.gasless.Account(o.Chain, by.Wallet)
	if !ok {
		return o, rail.Payer{}, errGaslessOff
	}
	return o, rail.Payer{Wallet: account, Owner: by.Wallet}, nil
}

// optionOf finds an option that the rails offer to anybody, whatever the payment's
// state; "" asks for the first.
func (s *Service) optionOf(ctx context.Context, p *payment.Payment, id string) (rail.Option, error) {
	for _, r := range s.rails {
		options, err := r.Offer(ctx, p, rail.Payer{})
		if err != nil {
			return rail.Option{}, err
		}
		if i := slices.IndexFunc(options, func(o rail.Option) bool { return id == "" || o.ID == id }); i >= 0 {
			return options[i], nil
		}
	}
	return rail.Option{}, errNoWay
}

// unveiled refuses a wallet that a payment shows nothing to: which ways there are to pay
// it, and on which chains, is told only to those who are let in.
//
// Faults: Forbidden if the wallet is not admitted; Unavailable.
func (s *Service) unveiled(ctx context.Context, p *payment.Payment, wallet asset.Address) error {
	if !p.Terms.Access.HideUntilApproved {
		return nil
	}
	return s.letIn(ctx, p, wallet)
}

// GaslessChain is the chain of the operations that pay an option. For a payment with
// nothing left to pay it is that of its newest operation.
//
// Faults: NotFound "no_route"; those of unveiled.
func (s *Service) GaslessChain(ctx context.Context, p *payment.Payment, by GaslessAsker) (asset.ChainID, error) {
	if err := s.unveiled(ctx, p, by.Wallet); err != nil {
		return 0, err
	}
	o, err := s.optionOf(ctx, p, by.Option)
	if err == nil && o.Chain == 0 { // a bank's
		err = errNoWay
	}
	if err == nil {
		return o.Chain, nil
	}
	if a, ok := p.NewestOp(); ok && fault.Is(err, fault.NotFound) {
		return a.Chain, nil
	}
	return 0, err
}

// gasWork is an operation as it has to be, and what is spent on it at the most.
type gasWork struct {
	plan  GaslessPlan
	offer GaslessOffer
	token asset.Token
	calls *rail.Calls
}

// work prepares an option for whoever pays it by an operation, as Prepare does for
// everybody.
func (s *Service) work(ctx context.Context, p *payment.Payment, o rail.Option, payer rail.Payer) (gasWork, error) {
	offer, ok := s.gasless.Offer(o.Chain)
	if !ok || offer.MaxCost == nil {
		return gasWork{}, errGaslessOff
	}
	p, in, err := s.Prepare(ctx, p.ID, o.ID, payer)
	if err != nil {
		return gasWork{}, err
	}
	calls, ok := in.(*rail.Calls)
	if !ok || !oneToken(calls) {
		return gasWork{}, errNotPulled
	}
	token, ok := s.book.Token(calls.Funds.Assets[0].Asset)
	if !ok || token.Native || token.Chain != calls.Chain {
		return gasWork{}, errGaslessOff
	}
	now := s.now().UTC()
	until := sooner(now.Add(permitFor), p.Terms.ExpiresAt)
	if calls.Route != nil {
		until = sooner(until, calls.Route.Deadline)
	}
	return gasWork{offer: offer, token: token, calls: calls, plan: GaslessPlan{
		Chain: calls.Chain, Owner: payer.Person(), Own: payer.Owner.IsZero(), Token: token.Address, Amount: calls.Funds.Assets[0].Needed,
		Steps: calls.Steps, Until: until, Now: now,
	}}, nil
}

// AnswerGasless answers a question about an operation that pays, as JSON: the result
// in the form of the question's method.
//
// An operation is sponsored only if it does nothing but pay this, for a wallet that may,
// within what may be spent; it is sent only if it was sponsored here, and that announces
// it: the payment cannot be paid otherwise until its end is known, or its hold is over.
//
// Faults: those of Prepare for the payer; Invalid with the name of a refused check;
// Limited "gas_budget"; Forbidden "op_unknown" for sending what was not sponsored here,
// or long ago, and for what wallets do not ask; Conflict "op_over" for sending what has
// come to an end; NotFound "op_unknown" for asking about another's operation; those of
// Gasless.
func (s *Service) AnswerGasless(ctx context.Context, p *payment.Payment, by GaslessAsker, q GaslessQuestion) ([]byte, error) {
	if s.gasless == nil {
		return nil, errGaslessOff
	}
	if by.Own && q.Kind != GaslessStub && q.Kind != GaslessData {
		return nil, errOpUnknown
	}
	p, err := s.Payment(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	switch q.Kind {
	case GaslessSend:
		return s.sendOp(ctx, p, by, q)
	case GaslessReceipt, GaslessLookup:
		for _, a := range p.Attempts {
			if a.Op != nil && a.Handle == q.Hash {
				return s.gasless.Ask(ctx, a.Chain, q)
			}
		}
		return nil, fault.New(fault.NotFound, "op_unknown", "This is no operation of this payment.").At("hash")
	case GaslessFees, GaslessEstimate, GaslessStub, GaslessData, GaslessSponsor:
	default:
		return nil, fault.Newf(fault.Invalid, "unknown_question", "%q is no question about operations", q.Kind)
	}
	o, payer, err := s.gaslessPayer(ctx, p, by)
	if err != nil {
		return nil, err
	}
	if q.Kind == GaslessFees {
		return s.gasless.Ask(ctx, o.Chain, q)
	}
	w, err := s.work(ctx, p, o, payer)
	if err != nil {
		return nil, err
	}
	op, checks, err := s.gasless.Check(ctx, w.plan, q.Op)
	if err = refusedBy(checks, err); err != nil {
		return nil, err
	}
	if q.Kind == GaslessEstimate || q.Kind == GaslessStub {
		return s.gasless.Ask(ctx, o.Chain, GaslessQuestion{Kind: q.Kind, Method: q.Method, Op: op.JSON})
	}
	return s.sponsor(ctx, p, w, GaslessQuestion{Kind: q.Kind, Method: q.Method, Op: op.JSON})
}

// refusedBy is the fault of a refused check.
func refusedBy(checks []rail.Check, err error) error {
	if c, failed := rail.Failed(checks); err == nil && failed {
		return fault.New(fault.Invalid, c.Name, c.Detail).At("userOperation")
	}
	return err
}
