package lifi_test

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"

	"quittance/internal/lifi"
)

// harmless are the fields that may change without costing anybody anything, or
// not more than was agreed to. A nil judge means any value.
var harmless = map[string]func(f flip) bool{
	// In events only.
	"transactionId": nil, "integrator": nil, "referrer": nil,
	"bridgeData.transactionId": nil, "bridgeData.bridge": nil, "bridgeData.integrator": nil, "bridgeData.referrer": nil,
	"acrossData.message>transactionId": nil, "stargateData.sendParams.composeMsg>transactionId": nil,
	// The facets do not use it where there is a call on the destination.
	"bridgeData.receiver": nil,
	// The facets overwrite them.
	"stargateData.sendParams.amountLD": nil,
	"acrossData.outputAmount":          func(f flip) bool { return f.swapsFirst() || f.covers() },
	// A pool pulls its own token, which nobody gave the Diamond.
	"stargateData.assetId": nil,
	// Who may deliver first, for a while.
	"acrossData.exclusiveRelayer": nil,
	"acrossData.exclusivityParameter": func(f flip) bool {
		v := f.number("acrossData.exclusivityParameter")
		return v <= 600 || 365*24*3600 < v && v <= now.Unix()+600
	},
	"acrossData.quoteTimestamp": func(f flip) bool {
		at := f.number("acrossData.quoteTimestamp") - now.Unix()
		return -1800 <= at && at <= 60
	},
	"acrossData.fillDeadline": func(f flip) bool {
		at := f.number("acrossData.fillDeadline") - now.Unix()
		return 300 <= at && at <= 6*3600+300
	},
	// What arrives is still enough.
	"bridgeData.minAmount":                   func(f flip) bool { return f.swapsFirst() && f.covers() },
	"acrossData.outputAmountMultiplier":      func(f flip) bool { return !f.swapsFirst() || f.covers() },
	"stargateData.sendParams.minAmountLD":    func(f flip) bool { return f.covers() },
	"minAmountOut":                           func(f flip) bool { return f.covers() },
	"stargateData.sendParams.extraOptions":   func(f flip) bool { return f.gas().Cmp(big.NewInt(200_000)) >= 0 },
	"swapData[*].callData>amountOutMin":      nil, // the Diamond checks what comes
	"swapData[*].callData>route":             nil, // bounded by what must come of it
	"swapData.callData>amountOutMin":         nil,
	"swapData.callData>route":                nil,
	"swapData[*].callData>distributions.to":  nil, // LI.FI's own business, within the limit
	"swapData[*].callData>distributions.fee": func(f flip) bool { return f.feeWithin() },
}

// flip is a changed route as go-ethereum reads it.
type flip struct {
	in     lifi.Intent
	fields map[string]string
}

func (f flip) big(path string) *big.Int {
	v, ok := new(big.Int).SetString(f.fields[path], 10)
	if !ok {
		return new(big.Int)
	}
	return v
}

func (f flip) number(path string) int64 { return f.big(path).Int64() }

func (f flip) swapsFirst() bool { return f.fields["bridgeData.hasSourceSwaps"] == "true" }

// covers computes anew what is sure to arrive, in dollars times 1e18.
func (f flip) covers() bool {
	scale := func(v *big.Int, decimals uint8) *big.Int {
		return new(big.Int).Mul(v, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(36-decimals)), nil))
	}
	needed := scale(f.in.Required(), f.in.To.Decimals)
	switch {
	case f.fields["acrossData.outputAmount"] != "" && !f.swapsFirst():
		out := scale(f.big("acrossData.outputAmount"), f.in.To.Decimals)
		return out.Cmp(needed) >= 0 && out.Cmp(scale(f.big("bridgeData.minAmount"), f.in.From.Decimals)) <= 0
	case f.fields["acrossData.outputAmountMultiplier"] != "":
		out := new(big.Int).Mul(f.big("bridgeData.minAmount"), f.big("acrossData.outputAmountMultiplier"))
		out = scale(out.Quo(out, big.NewInt(1e18)), f.in.To.Decimals)
		return out.Cmp(needed) >= 0 && out.Cmp(scale(f.big("bridgeData.minAmount"), f.in.From.Decimals)) <= 0
	case f.fields["stargateData.sendParams.minAmountLD"] != "":
		return scale(f.big("stargateData.sendParams.minAmountLD"), f.in.From.Decimals).Cmp(needed) >= 0
	}
	return f.big("minAmountOut").Cmp(f.in.Required()) >= 0
}

func (f flip) gas() *big.Int {
	options := f.fields["stargateData.sendParams.extraOptions"]
	v, _ := new(big.Int).SetString(options[len(options)-32:], 16)
	return v
}

func (f flip) feeWithin() bool {
	fee := f.big("swapData[0].callData>distributions[0].amount")
	return new(big.Int).Mul(fee, big.NewInt(1000)).Cmp(new(big.Int).Mul(f.big("swapData[0].fromAmount"), big.NewInt(3))) <= 0
}

var (
	share = regexp.MustCompile(`distributions\[\d+\]\.(recipient|amount)$`)
	index = regexp.MustCompile(`\[\d+\]`)
)

func kindOf(path string) string {
	if m := share.FindStringSubmatch(path); m != nil {
		path = strings.TrimSuffix(path, m[0]) + "distributions." + map[string]string{"recipient": "to", "amount": "fee"}[m[1]]
	}
	return index.ReplaceAllString(path, "[*]")
}

// Any byte of an accepted route, changed to anything else, makes it refused, or
// changes a field that is harmless. go-ethereum says which field that was.
func TestAnyChangedByteIsRefusedOrHarmless(t *testing.T) {
	ref, r := reference(t), newRig(t)
	random := rand.New(rand.NewPCG(4, 11))
	seen := map[string]bool{}
	for _, s := range scenes {
		in, step := r.ask(t, s)
		tx := step.Transaction
		approve := approvals(t, in, step.FromAmount)
		before, err := fields(t, ref, tx.Data)
		if err != nil {
			t.Fatal(err)
		}
		refused, accepted := 0, 0
		for i := range tx.Data {
			for _, x := range []byte{1 << random.UintN(8), byte(1 + random.UintN(255))} {
				changed := tx
				changed.Data = bytes.Clone(tx.Data)
				changed.Data[i] ^= x
				if refusals(r.table.Verify(in, changed, approve, now)) != nil {
					refused++
					continue
				}
				accepted++
				for _, problem := range judgeFlip(t, ref, in, before, changed.Data, seen) {
					t.Errorf("%s: byte %d changed by %#x: %s", s.name, i, x, problem)
				}
			}
		}
		if refused < 4*accepted {
			t.Errorf("%s: %d changes refused and %d accepted", s.name, refused, accepted)
		}
	}
	for _, field := range []string{"bridgeData.receiver", "acrossData.outputAmount", "acrossData.exclusiveRelayer", "transactionId"} {
		if !seen[field] {
			t.Errorf("no accepted change of %s: the test looks at nothing", field)
		}
	}
}

func judgeFlip(t testing.TB, ref abi.ABI, in lifi.Intent, before map[string]string, data []byte, seen map[string]bool) (problems []string) {
	after, err := fields(t, ref, data)
	if err != nil {
		return []string{fmt.Sprintf("accepted, and go-ethereum says %v", err)}
	}
	f, changes := flip{in, after}, 0
	for path, was := range before {
		if after[path] == was {
			continue
		}
		changes++
		judge, known := harmless[kindOf(path)]
		if !known || judge != nil && !judge(f) {
			problems = append(problems, fmt.Sprintf("accepted: %s was %s and is %s", path, was, after[path]))
		}
		seen[kindOf(path)] = true
	}
	if changes != 1 || len(after) != len(before) {
		problems = append(problems, fmt.Sprintf("accepted, and %d fields changed", changes))
	}
	return problems
}
