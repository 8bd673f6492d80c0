package crosschain

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/rail"
)

// bridgesOf are the bridges that a payer can use. A smart account whose gas somebody
// else pays has no native currency, of which Stargate asks for some.
func (r *Rail) bridgesOf(payer rail.Payer) []string {
	if payer.Owner.IsZero() {
		return r.bridges
	}
	return slices.DeleteFunc(slices.Clone(r.bridges), func(b string) bool { return b != lifi.BridgeAcross })
}

// accountLife is how long a route stays the same for a smart account. Its owner signs
// twice, and whoever pays for gas compares the operation, between the two, with what
// is prepared then: a route that is another one by that time could not be paid for.
// Bridges and contracts take older ones, as they do from Safes.
const accountLife = 5 * time.Minute

// validity is how long a route is good for whoever asked for it.
func validity(call *lifi.Call, in lifi.Intent, fetched time.Time) lifi.Validity {
	v := call.Validity(fetched)
	if in.Refund == in.Payer { // nobody else's account
		return v
	}
	v.Fresh = fetched.Add(accountLife)
	if v.Decoded && v.Execute.Before(v.Fresh) {
		v.Fresh = v.Execute
	}
	return v
}

var errNoBridge = fault.New(fault.NotFound, codeNoBridge, "The bridges from there take native currency, so that nobody can pay without gas.")

// wordOf is an address as Across has it.
func wordOf(a asset.Address) (w [32]byte) {
	copy(w[12:], a[:])
	return w
}

// refunding has what a bridge gives back go where the intent says, and returns the
// calldata. LI.FI cannot be told: it names whoever makes the call, which a smart
// account's owner should not have to look after. Nothing depends on the address but
// who is given back to, and nothing signs the calldata; what comes of this is proven
// as any other is. Source: AcrossFacetV4, lifinance/contracts.
func refunding(call *lifi.Call, in lifi.Intent, data []byte) ([]byte, error) {
	if call.Across == nil || in.Refund == in.Payer || call.Across.Refund != wordOf(in.Payer) {
		return data, nil
	}
	call.Across.Refund = wordOf(in.Refund)
	again, err := call.Encode()
	if err != nil || bytes.Equal(again, data) {
		return nil, fmt.Errorf("naming who is given back to: %w", err)
	}
	return again, nil
}
