package lifi

import (
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
)

// source follows the money on the payer's chain: what the Diamond pulls, what
// the fee legs take of it, and an exchange of all the rest. The Diamond itself
// checks only that it may call each target, and what is left in the end.
func (v *verifier) source() {
	deposit := v.call.Deposit()
	if deposit.Sign() <= 0 || deposit.Cmp(v.in.MaxFrom) > 0 {
		v.set(CheckSource, fmt.Sprintf("It takes %v of the payer's asset, agreed were at most %v.", deposit, v.in.MaxFrom))
	}
	out, rest, fees := v.legs()
	if limit := v.in.maxFee().Of(deposit); fees.Cmp(limit) > 0 {
		v.set(CheckSource, fmt.Sprintf("Fees of %v are over the limit of %v.", fees, limit))
	}
	if b := v.call.Bridge; b != nil {
		v.handOver(b, out, rest)
		return
	}
	same(v, CheckReceiver, "asset that comes out", v.in.To.Address, out)
}

// handOver compares what the legs leave with what the bridge takes.
func (v *verifier) handOver(b *BridgeData, out asset.Address, rest *big.Int) {
	same(v, CheckSource, "asset that is left for the bridge", b.SendingAsset, out)
	if rest != nil && b.MinAmount.Cmp(rest) > 0 {
		v.set(CheckSource, fmt.Sprintf("The bridge is to get %v, and only %v is left.", b.MinAmount, rest))
	}
}

// legs checks each source swap and returns the asset that comes out, how much
// of it (nil after an exchange, which is never exact), and what fees took.
func (v *verifier) legs() (out asset.Address, rest, fees *big.Int) {
	source, have, fees := v.in.From.Address, new(big.Int), new(big.Int)
	if v.call.Selector == AcrossStart || v.call.Selector == StargateStart {
		return source, v.call.Deposit(), fees
	}
	for i, leg := range v.call.Swaps {
		same(v, CheckSource, "asset that is spent", source, leg.SendingAsset)
		if leg.RequiresDeposit || v.call.Selector == SwapSingle {
			have.Add(have, leg.FromAmount)
		}
		same(v, CheckSource, "contract that a leg allows", leg.CallTo, leg.ApproveTo)
		switch {
		case leg.CallTo == v.from.FeeForwarder, leg.CallTo == v.from.FeeCollector && !leg.CallTo.IsZero():
			taken := v.feeLeg(leg, have)
			have.Sub(have, taken)
			fees.Add(fees, taken)
		case slices.Contains(v.from.DEXes, leg.CallTo):
			if i != len(v.call.Swaps)-1 {
				v.set(CheckSource, "An exchange is not the last leg.")
			}
			v.dexLeg(leg, have)
			return leg.ReceivingAsset, nil, fees
		default:
			v.set(CheckSource, fmt.Sprintf("A leg calls %s, which is no known contract.", leg.CallTo))
			return v.call.Swaps[len(v.call.Swaps)-1].ReceivingAsset, nil, fees // as far as anyone can tell
		}
	}
	return source, have, fees
}

// feeLeg returns what a fee leg takes.
func (v *verifier) feeLeg(leg SwapData, have *big.Int) *big.Int {
	same(v, CheckSource, "asset a fee leg leaves", v.in.From.Address, leg.ReceivingAsset)
	c, err := DecodeFeeCall(leg.CallData)
	if err != nil {
		v.set(CheckSource, "Fee leg: "+err.Error()+".")
		return new(big.Int)
	}
	same(v, CheckSource, "contract of the fee leg's function", c.Collected, leg.CallTo != v.from.FeeForwarder)
	same(v, CheckSource, "asset of the fee", v.in.From.Address, c.Token)
	for i, share := range c.Shares {
		if c.Collected && i == 1 {
			continue // LI.FI's own share, which the collector keeps
		}
		v.feeShare(share)
	}
	total := c.Total()
	if total.Cmp(leg.FromAmount) > 0 || total.Cmp(have) > 0 {
		v.set(CheckSource, fmt.Sprintf("A fee leg takes %v of %v.", total, have))
		return new(big.Int)
	}
	return total
}

func (v *verifier) feeShare(s FeeShare) {
	switch {
	case s.Amount.Sign() == 0:
	case s.To.IsZero() || s.To == v.from.Diamond: // lost, or anyone's
		v.set(CheckSource, fmt.Sprintf("A fee goes to %s, where nobody owns it.", s.To))
	case len(v.in.FeeReceivers) > 0 && !slices.Contains(v.in.FeeReceivers, s.To):
		v.set(CheckSource, fmt.Sprintf("A fee goes to %s, who may not get one.", s.To))
	}
}

// dexLeg compares an exchange: all that is left, back to the Diamond, which
// checks how much came.
func (v *verifier) dexLeg(leg SwapData, have *big.Int) {
	sameAmount(v, CheckSource, "amount to exchange", have, leg.FromAmount)
	if _, ok := v.from.Stable(leg.ReceivingAsset); !ok || leg.ReceivingAsset == v.in.From.Address {
		v.set(CheckSource, fmt.Sprintf("It exchanges for %s, which is no known asset.", leg.ReceivingAsset))
	}
	c, err := DecodeDEXCall(leg.CallData)
	if err != nil {
		v.set(CheckSource, "Exchange: "+err.Error()+".")
		return
	}
	same(v, CheckSource, "asset the exchange takes", leg.SendingAsset, c.TokenIn)
	sameAmount(v, CheckSource, "amount the exchange takes", leg.FromAmount, c.AmountIn)
	same(v, CheckSource, "asset the exchange gives", leg.ReceivingAsset, c.TokenOut)
	same(v, CheckSource, "receiver of the exchange", v.from.Diamond, c.To)
}
