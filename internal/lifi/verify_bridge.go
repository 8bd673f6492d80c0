package lifi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// How long an Across deposit may wait, measured from now. Its SpokePool takes
// quotes of the last hour and deadlines within six hours; half an hour leaves a
// payer time to sign, and the minute is for clocks that differ.
const (
	maxQuoteAge    = 30 * time.Minute
	clockSkew      = time.Minute
	minFill        = 5 * time.Minute
	maxFill        = 6*time.Hour + 5*time.Minute
	maxExclusivity = 10 * time.Minute

	// maxExclusivityPeriod is the SpokePool's: up to here the parameter counts
	// from the deposit, above it is a point in time.
	maxExclusivityPeriod = 365 * 24 * 60 * 60
)

// one is an Across multiplier of one for one.
var one = big.NewInt(1e18)

func (v *verifier) bridge() {
	b := v.call.Bridge
	if _, ok := v.from.Stable(b.SendingAsset); !ok {
		v.set(CheckBridge, fmt.Sprintf("The bridge gets %s, which is no known asset.", b.SendingAsset))
	}
	if b.MinAmount.Sign() <= 0 {
		v.set(CheckBridge, "The bridge gets nothing.")
	}
	sameAmount(v, CheckBridge, "destination chain", new(big.Int).SetUint64(uint64(v.in.To.Chain)), b.DestinationChain)
	same(v, CheckBridge, "mark of source swaps", v.call.Selector == AcrossSwap || v.call.Selector == StargateSwap, b.HasSourceSwaps)
	same(v, CheckBridge, "mark of a call on the destination", true, b.HasDestinationCall)
	if b.Receiver.IsZero() { // the Diamond would refuse it
		v.set(CheckBridge, "The bridge names no receiver.")
	}
}

// bridged is the asset that goes into the bridge. If it is not known, bridge
// has refused it.
func (v *verifier) bridged() asset.Token {
	if v.call.Bridge == nil {
		return asset.Token{} // an exchange gives what it is asked for
	}
	s, _ := v.from.Stable(v.call.Bridge.SendingAsset)
	return s
}

func (v *verifier) across(a *AcrossData) {
	wordIs(v, CheckReceiver, "contract that gets the money", v.to.ReceiverAcross, a.Receiver)
	wordIs(v, CheckRefund, "address that gets refunds", v.in.Refund, a.Refund)
	wordIs(v, CheckBridge, "asset that Across takes", v.call.Bridge.SendingAsset, a.SendingAsset)
	wordIs(v, CheckReceiver, "asset that Across gives", v.in.To.Address, a.ReceivingAsset)
	v.acrossOutput(a)
	v.acrossTimes(a)
}

// wordIs compares an address that fills a word. Its upper bytes matter: Across
// knows chains on which they are part of it.
func wordIs(v *verifier, check, field string, expected asset.Address, got [32]byte) {
	var w [32]byte
	copy(w[12:], expected[:])
	if expected.IsZero() || got != w {
		v.set(check, fmt.Sprintf("The %s differs: expected %s, got 0x%x.", field, expected, got))
	}
}

// acrossOutput: relayers pay what is asked for. Less than the payment, and it
// fails; more than goes in, and nobody pays at all.
func (v *verifier) acrossOutput(a *AcrossData) {
	minAmount, bridged := v.call.Bridge.MinAmount, v.bridged()
	par := rescale(minAmount, bridged.Decimals, v.in.To.Decimals)
	if v.call.Selector == AcrossSwap {
		if a.OutputMultiplier.Cmp(rescale(one, bridged.Decimals, v.in.To.Decimals)) > 0 {
			v.set(CheckOutput, fmt.Sprintf("A multiplier of %v asks for more than goes in.", a.OutputMultiplier))
		}
	} else if a.OutputAmount.Cmp(par) > 0 {
		v.set(CheckOutput, fmt.Sprintf("It asks for %v, more than the %v that go in.", a.OutputAmount, par))
	}
	v.covers()
}

// covers compares what is sure to arrive with what the payment takes.
func (v *verifier) covers() {
	needed, sure := v.in.Required(), v.call.Arrives(v.bridged(), v.in.To)
	if sure.Cmp(needed) < 0 {
		v.set(CheckOutput, fmt.Sprintf("The payment needs %v, and only %v is sure to arrive.", needed, sure))
	}
}

func (v *verifier) acrossTimes(a *AcrossData) {
	quoted, fill := time.Unix(int64(a.QuoteTimestamp), 0), time.Unix(int64(a.FillDeadline), 0)
	if quoted.Before(v.now.Add(-maxQuoteAge)) || quoted.After(v.now.Add(clockSkew)) {
		v.set(CheckDeadline, "The quote is of "+stamp(quoted)+", which is not now.")
	}
	if fill.Before(v.now.Add(minFill)) || fill.After(v.now.Add(maxFill)) {
		v.set(CheckDeadline, "The money may be on its way until "+stamp(fill)+", which is too soon or too late.")
	}
	exclusive := v.now.Add(time.Duration(a.Exclusivity) * time.Second)
	if a.Exclusivity > maxExclusivityPeriod {
		exclusive = time.Unix(int64(a.Exclusivity), 0)
	}
	switch {
	case a.Exclusivity == 0:
	case a.ExclusiveRelayer == [32]byte{}:
		v.set(CheckDeadline, "It is reserved for a relayer that is not named.")
	case exclusive.After(v.now.Add(maxExclusivity)):
		v.set(CheckDeadline, "It is reserved for one relayer until "+stamp(exclusive)+", which is too long.")
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (v *verifier) stargate(s *StargateData) {
	wordIs(v, CheckReceiver, "contract that gets the money", v.to.ReceiverStargate, s.To)
	if v.to.Endpoint == 0 || s.DstEID != v.to.Endpoint {
		v.set(CheckReceiver, differs("destination of the bridge", v.to.Endpoint, s.DstEID))
	}
	// Stargate gives what it takes. Nothing in the calldata says which asset that is over there.
	same(v, CheckReceiver, "asset that Stargate gives", v.in.To.Symbol, v.bridged().Symbol)
	same(v, CheckRefund, "address that gets refunds", v.in.Refund, s.Refund)
	sameAmount(v, CheckValue, "fee in LayerZero's token", new(big.Int), s.LZTokenFee)
	if len(s.OFTCmd) != 0 {
		v.set(CheckBridge, "It would wait for a bus, which carries no call.")
	}
	if err := checkOptions(s.ExtraOptions); err != nil {
		v.set(CheckBridge, "Options of the bridge: "+err.Error()+".")
	}
	if s.MinAmount.Cmp(v.call.Bridge.MinAmount) > 0 {
		v.set(CheckOutput, fmt.Sprintf("It asks for %v, more than the %v that go in.", s.MinAmount, v.call.Bridge.MinAmount))
	}
	v.covers()
}

// minComposeGas is below what LI.FI's receiver keeps back (100,000) and the two
// transfers of the fee proxy take: with less the payment would surely fail.
const minComposeGas = 200_000

// checkOptions reads LayerZero's options of type 3: gas for delivery and for
// the call. Native currency for anyone, and anything unknown, is refused.
// Source: LayerZero V2 ExecutorOptions and OptionsBuilder.
func checkOptions(b []byte) error {
	if len(b) < 2 || binary.BigEndian.Uint16(b) != 3 {
		return errors.New("not of type 3")
	}
	for b = b[2:]; len(b) > 0; {
		if len(b) < 4 || b[0] != 1 {
			return errors.New("not for the executor")
		}
		size := int(binary.BigEndian.Uint16(b[1:]))
		if size < 1 || len(b) < 3+size {
			return errors.New("cut short")
		}
		kind, body := b[3], b[4:3+size]
		b = b[3+size:]
		switch {
		case kind == 1 && len(body) == 16: // gas for lzReceive
		case kind == 3 && len(body) == 2+16 && body[0] == 0 && body[1] == 0: // gas for the first lzCompose
			if new(big.Int).SetBytes(body[2:]).Cmp(big.NewInt(minComposeGas)) < 0 {
				return errors.New("too little gas for the payment")
			}
		default:
			return fmt.Errorf("option %d with %d bytes", kind, len(body))
		}
	}
	return nil
}

// message compares what is done on arrival. LI.FI's receiver takes any calls;
// here it is one, the fee proxy's, byte for byte.
func (v *verifier) message(data []byte) {
	m, err := DecodeMessage(data)
	if err != nil {
		v.set(CheckPayment, "Call on arrival: "+err.Error()+".")
		return
	}
	same(v, CheckRefund, "address that gets what is left on arrival", v.in.Fallback, m.Receiver)
	if len(m.Swaps) != 1 {
		v.set(CheckPayment, fmt.Sprintf("Expected one call on arrival, got %d.", len(m.Swaps)))
		return
	}
	s := m.Swaps[0]
	same(v, CheckPayment, "contract called on arrival", v.to.FeeProxy, s.CallTo)
	same(v, CheckPayment, "contract allowed on arrival", v.to.FeeProxy, s.ApproveTo)
	same(v, CheckPayment, "asset spent on arrival", v.in.To.Address, s.SendingAsset)
	same(v, CheckPayment, "asset left on arrival", v.in.To.Address, s.ReceivingAsset)
	same(v, CheckPayment, "mark of a deposit on arrival", false, s.RequiresDeposit)
	sameAmount(v, CheckPayment, "amount spent on arrival", v.in.Required(), s.FromAmount)
	v.payment(s.CallData)
}

// payment compares the bytes, and reads them only to say what differs.
func (v *verifier) payment(data []byte) {
	want, err := v.in.Payment.Encode()
	if err == nil && bytes.Equal(want, data) {
		return
	}
	got, err := official.DecodeERC20Payment(data)
	if err != nil {
		v.set(CheckPayment, "Payment on arrival: "+err.Error()+".")
		return
	}
	p := v.in.Payment
	same(v, CheckPayment, "token of the payment", p.Token, got.Token)
	same(v, CheckPayment, "payee", p.Payee, got.Payee)
	sameAmount(v, CheckPayment, "amount", p.Amount, got.Amount)
	same(v, CheckPayment, "payment reference", p.Reference, got.Reference)
	sameAmount(v, CheckPayment, "fee", p.Fee, got.Fee)
	same(v, CheckPayment, "fee address", p.FeePayee, got.FeePayee)
	v.set(CheckPayment, "The payment on arrival is not the one agreed to.") // whatever it is that differs
}
