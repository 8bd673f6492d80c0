package crosschain

import (
	"bytes"
	"cmp"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/rail"
)

// bridged is the asset that goes into the bridge; for an exchange on one chain
// what comes out of it.
func (o *offer) bridged() asset.Token {
	if o.call.Bridge == nil {
		return o.intent.To
	}
	t, _ := o.network.Stable(o.call.Bridge.SendingAsset) // proven to be one
	return t
}

// arrives is what is sure to arrive, in base units of the payment's asset.
func (o *offer) arrives() *big.Int { return o.call.Arrives(o.bridged(), o.intent.To) }

// inFrom is an amount of another dollar token in base units of the payer's,
// rounded up.
func (o *offer) inFrom(amount *big.Int, of asset.Token) *big.Int {
	return lifi.SourceCap(amount, o.from, of, 0)
}

// fee is what the way itself takes: what leaves the payer without what arrives.
func (o *offer) fee() *big.Int {
	return notNegative(new(big.Int).Sub(o.deposit, o.inFrom(o.arrives(), o.intent.To)))
}

func notNegative(v *big.Int) *big.Int {
	if v.Sign() < 0 {
		return v.SetInt64(0)
	}
	return v
}

// fees are the parts of the fee: what LI.FI keeps, what is lost in the exchange
// and what the bridge takes, each in the payer's asset. Native currency that a
// bridge asks for comes on top, and last.
func (r *Rail) fees(o *offer) (fees []rail.NamedCost) {
	add := func(name string, of asset.ID, amount *big.Int) {
		if amount.Sign() > 0 {
			fees = append(fees, rail.NamedCost{Name: name, Cost: rail.Cost{Asset: of, Amount: amount}})
		}
	}
	lifiFee := o.call.Fees()
	add("LI.FI fee", o.from.ID, lifiFee)
	into, arrived := o.inFrom(o.arrives(), o.intent.To), o.inFrom(o.arrives(), o.intent.To)
	if o.call.Bridge != nil {
		into = o.inFrom(o.call.Bridge.MinAmount, o.bridged())
	}
	if o.from.Address != o.bridged().Address {
		lost := new(big.Int).Sub(o.deposit, lifiFee)
		add("Exchange fee", o.from.ID, lost.Sub(lost, into))
	}
	add("Bridge fee", o.from.ID, new(big.Int).Sub(into, arrived))
	if native, ok := r.book.TokenAt(o.from.Chain, asset.Address{}); ok {
		add("Bridge fee", native.ID, new(big.Int).Set(o.step.Transaction.Value))
	}
	return fees
}

// route says what is known of an offer. The tool is read from the calldata,
// where there is one to read.
func (r *Rail) route(d debt, o *offer) *rail.Route {
	kind, tool := rail.Conversion, o.step.Tool
	if over := bridgeOf(o.call); over != "" {
		kind, tool = rail.Crosschain, over
	}
	name := tool
	if tool == o.step.Tool {
		name = cmp.Or(o.step.ToolName, tool)
	}
	var deadline time.Time
	if o.valid.Decoded {
		deadline = o.valid.Execute
	}
	return &rail.Route{
		Type: kind, Tool: tool, ToolName: name,
		Give:    rail.Cost{Asset: o.from.ID, Amount: new(big.Int).Set(o.deposit)},
		Arrives: rail.Cost{Asset: d.to.ID, Amount: o.arrives()},
		Fee:     o.fee(), Fees: r.fees(o),
		FetchedAt: o.step.FetchedAt, ExpiresAt: o.valid.Fresh, Deadline: deadline, Duration: o.step.Duration,
		Raw: bytes.Clone(o.step.Raw),
	}
}
