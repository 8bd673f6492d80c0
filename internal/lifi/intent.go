package lifi

import (
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/official"
)

// DefaultMaxFee is the most that fee legs may take together: LI.FI's own fee
// is 0.25 %.
const DefaultMaxFee money.BasisPoints = 30

// Intent is what a payer agreed to: what he gives at most, and what must come
// of it. Between two chains that is one call of the fee proxy on To's chain. On
// one chain it is enough of To in the payer's own wallet for that call, which he
// then makes himself.
type Intent struct {
	Payer   asset.Address // signs on From's chain
	From    asset.Token
	MaxFrom *big.Int // base units of From, fees of the route included
	To      asset.Token

	// Payment is the call of the official fee proxy on To's chain, in To's asset.
	Payment official.ERC20Payment

	// Refund gets the money back on From's chain if the bridge gives up. The
	// payer, or for a smart account an address he controls there. Not used on
	// one chain.
	Refund asset.Address
	// Fallback gets on To's chain what is left over, and everything if the fee
	// proxy's call fails: an account the payer controls there. Not used on one
	// chain.
	Fallback asset.Address

	// Bridges are those that may be used of the client's; all of them if empty. Not
	// used on one chain.
	Bridges []string

	MaxFee money.BasisPoints // of what the payer gives, for fee legs; DefaultMaxFee if zero
	// FeeReceivers are the only ones a fee may go to; anyone within MaxFee if
	// empty, since LI.FI publishes no list of its own.
	FeeReceivers []asset.Address
}

// Crosses reports whether the intent needs a bridge.
func (in Intent) Crosses() bool { return in.From.Chain != in.To.Chain }

// Required is what the payment takes on To's chain: amount and fee.
func (in Intent) Required() *big.Int { return new(big.Int).Add(in.Payment.Amount, in.Payment.Fee) }

func (in Intent) maxFee() money.BasisPoints {
	if in.MaxFee == 0 {
		return DefaultMaxFee
	}
	return in.MaxFee
}

// check refuses intents that no honest payment has, and those that nothing is
// pinned for.
func (in Intent) check(t *Table) error {
	from, known := t.Network(in.From.Chain)
	to, ends := t.Network(in.To.Chain)
	gives, has := from.Stable(in.From.Address)
	takes, wants := to.Stable(in.To.Address)
	p := in.Payment
	switch {
	case !known || !ends:
		return fmt.Errorf("nothing is pinned for chain %d or %d", in.From.Chain, in.To.Chain)
	case !has || !wants || gives.Decimals != in.From.Decimals || takes.Decimals != in.To.Decimals || gives.Symbol != in.From.Symbol || takes.Symbol != in.To.Symbol:
		return fmt.Errorf("asset %s or %s is not pinned", in.From.ID, in.To.ID)
	case !in.Crosses() && in.From.Address == in.To.Address:
		return errors.New("nothing to exchange")
	case in.Payer.IsZero() || in.Crosses() && (in.Refund.IsZero() || in.Fallback.IsZero()):
		return errors.New("payer, refund or fallback is missing")
	case in.MaxFrom == nil || in.MaxFrom.Sign() <= 0:
		return fmt.Errorf("limit %v is not positive", in.MaxFrom)
	case p.Amount == nil || p.Amount.Sign() <= 0 || p.Fee == nil || p.Fee.Sign() < 0 || in.Required().BitLen() > 256:
		return fmt.Errorf("amount %v and fee %v are no payment", p.Amount, p.Fee)
	case p.Token != in.To.Address:
		return fmt.Errorf("the payment is in %s, the route ends in %s", p.Token, in.To.Address)
	case p.Payee.IsZero() || p.Fee.Sign() > 0 && p.FeePayee.IsZero():
		return errors.New("payee or fee payee is missing")
	}
	return nil
}

// SourceCap is a limit for MaxFrom: what is required on the destination, in the
// base units of the source and with so much on top for the route. It takes both
// assets for dollars.
func SourceCap(required *big.Int, from, to asset.Token, onTop money.BasisPoints) *big.Int {
	limit := rescale(required, to.Decimals, from.Decimals)
	if rescale(limit, from.Decimals, to.Decimals).Cmp(required) < 0 {
		limit.Add(limit, big.NewInt(1)) // half a base unit is a whole one
	}
	return limit.Add(limit, onTop.Of(limit))
}

// rescale turns base units of one number of decimals into those of another,
// rounded down.
func rescale(v *big.Int, from, to uint8) *big.Int {
	if to >= from {
		return new(big.Int).Mul(v, pow10(to-from))
	}
	return new(big.Int).Quo(v, pow10(from-to))
}

func pow10(n uint8) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
