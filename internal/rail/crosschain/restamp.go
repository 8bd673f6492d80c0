package crosschain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Restamped is a route with fresh deadlines.
type Restamped struct {
	Step      lifi.Step // as the service answered it; its Transaction was proven
	Give      rail.Cost // what leaves the payer now
	ExpiresAt time.Time
	Deadline  time.Time // when the contracts refuse the calldata, zero if they never do
	Checks    []rail.Check
}

// restampTolerance is how much dearer than the step that is sent back the new
// one may be.
const restampTolerance money.BasisPoints = 50

// sentBack is what is read of a step that somebody sends back. It says what its
// sender agreed to, and binds nobody else.
type sentBack struct {
	Action struct {
		FromChain asset.ChainID `json:"fromChainId"`
		ToChain   asset.ChainID `json:"toChainId"`
		FromToken struct {
			Address string `json:"address"`
		} `json:"fromToken"`
		FromAmount  string `json:"fromAmount"`
		FromAddress string `json:"fromAddress"`
	} `json:"action"`
}

// Restamp has a route that was handed out stamped anew, and proves that what
// comes back pays what is still missing of this payment, from the account, in
// the asset and for at most half a percent more than the step said. raw is the
// step as JSON, with whatever its sender made of it. No chain is asked. A step of a
// smart account gives its owner back what others get back themselves: RestampFor.
//
// Faults: as Rail.Prepare; Invalid "route_gone" at "step" if the step makes no
// sense for this payment, if the service has no such route any more, or only a
// dearer one or one that comes too late; Forbidden "unsafe" if what came back does something else.
func (r *Rail) Restamp(ctx context.Context, p *payment.Payment, raw []byte) (Restamped, error) {
	return r.RestampFor(ctx, p, asset.Address{}, raw)
}

// RestampFor is Restamp for the smart account of an owner, zero for anybody else. That
// the step's account is his, the caller has made sure of.
func (r *Rail) RestampFor(ctx context.Context, p *payment.Payment, owner asset.Address, raw []byte) (Restamped, error) {
	in, w, err := r.agreed(p, owner, raw)
	if err != nil {
		return Restamped{}, err
	}
	step, err := r.client.StepTransaction(ctx, raw)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound) {
		err = routeGone(err)
	}
	if err != nil {
		return Restamped{}, err
	}
	call, err := lifi.DecodeCall(step.Transaction.Data)
	if err != nil {
		return Restamped{}, unsafe(r.table.Verify(in, step.Transaction, nil, r.now()))
	}
	if tool := bridgeOf(call); tool != "" && !slices.Contains(in.Bridges, tool) {
		return Restamped{}, routeGone(fmt.Errorf("the route goes over %s, which it may not", tool))
	}
	if step.Transaction.Data, err = refunding(call, in, step.Transaction.Data); err != nil {
		return Restamped{}, err
	}
	deposit := call.Deposit()
	dear := deposit.Cmp(in.MaxFrom) > 0
	if dear { // prices move; that is no lie
		in.MaxFrom = deposit
	}
	// The approval was given for the earlier amount; the page compares.
	checks := append(r.table.Verify(in, step.Transaction, nil, r.now()), r.codes.Check(in.To.Chain, official.ERC20FeeProxy))
	if err := cmp.Or(unsafe(checks), unread(checks)); err != nil {
		return Restamped{}, err
	}
	switch {
	case dear:
		return Restamped{}, routeGone(fmt.Errorf("the route takes %v of %s now", deposit, w.from.ID))
	case r.late(p, w, step):
		return Restamped{}, routeGone(errors.New("the payment closes before the money could arrive"))
	}
	valid := call.Validity(step.FetchedAt)
	out := Restamped{Step: step, Give: rail.Cost{Asset: w.from.ID, Amount: deposit}, ExpiresAt: valid.Fresh, Checks: checks}
	if valid.Decoded {
		out.Deadline = valid.Execute
	}
	return out, nil
}

func routeGone(cause error) error {
	return fault.Field("step", "route_gone", "Route no longer available or invalid step").Because(cause)
}

// agreed reads from a step what its sender agreed to.
func (r *Rail) agreed(p *payment.Payment, owner asset.Address, raw []byte) (lifi.Intent, way, error) {
	var s sentBack
	if err := json.Unmarshal(raw, &s); err != nil {
		return lifi.Intent{}, way{}, routeGone(err)
	}
	wallet, err := asset.ParseAddress(s.Action.FromAddress)
	if err != nil || wallet.IsZero() {
		return lifi.Intent{}, way{}, routeGone(fmt.Errorf("the step's sender: %w", err))
	}
	address, err := asset.ParseAddress(s.Action.FromToken.Address)
	if err != nil {
		return lifi.Intent{}, way{}, routeGone(fmt.Errorf("the step's asset: %w", err))
	}
	amount, ok := new(big.Int).SetString(s.Action.FromAmount, 10)
	if !ok || amount.Sign() <= 0 || amount.BitLen() > 256 {
		return lifi.Intent{}, way{}, routeGone(fmt.Errorf("the step's amount %.80q", s.Action.FromAmount))
	}
	from, known := r.book.TokenAt(s.Action.FromChain, address)
	if !known {
		return lifi.Intent{}, way{}, routeGone(fmt.Errorf("the step's asset %s on chain %d", address, s.Action.FromChain))
	}
	payer := rail.Payer{Wallet: wallet, Owner: owner}
	d, w, err := r.chosen(p, optionID(from), payer)
	if fault.Is(err, fault.NotFound) {
		err = routeGone(err)
	}
	if err != nil {
		return lifi.Intent{}, way{}, err
	}
	if s.Action.ToChain != d.to.Chain {
		return lifi.Intent{}, way{}, routeGone(fmt.Errorf("the step ends on chain %d", s.Action.ToChain))
	}
	in := r.intent(d, w, payer)
	in.MaxFrom = amount.Add(amount, restampTolerance.Of(amount))
	return in, w, nil
}
