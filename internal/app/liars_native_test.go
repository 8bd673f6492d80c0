package app_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// tell has one endpoint tell of another amount of native currency wherever the honest one
// stands; 0 is the chain's own. Nil is the truth.
func (l *liars) tell(endpoint int, honest, lie *big.Int) {
	swap := strings.NewReplacer(
		fmt.Sprintf("%064x", honest), fmt.Sprintf("%064x", lie), // in what a contract answers
		fmt.Sprintf(`"value":"%#x"`, honest), fmt.Sprintf(`"value":"%#x"`, lie),
	)
	edit := func(method, result string) string {
		if method != "eth_call" && method != "eth_getBlockByNumber" {
			return result
		}
		return swap.Replace(result)
	}
	if endpoint > 0 {
		l.mirrors[endpoint-1].set(func(m *mirror) { m.edit = edit })
		return
	}
	for _, method := range []string{"eth_call", "eth_getBlockByNumber"} {
		l.Chain.Lie(method, func(_ []json.RawMessage, honest json.RawMessage) any {
			return json.RawMessage(edit(method, string(honest)))
		})
	}
}

func (l *liars) truth() {
	l.Chain.Behave()
	for _, m := range l.mirrors {
		m.set(func(m *mirror) { m.edit = nil })
	}
}

// natives are the ways in which native currency reaches a deposit address.
func (l *liars) natives(t *testing.T) map[string]func(to asset.Address, wei *big.Int) {
	named := deploy(t, l.Chain, payNamed, asset.Address{})
	return map[string]func(to asset.Address, wei *big.Int){
		"straight":      func(to asset.Address, wei *big.Int) { l.Chain.Send(to.String(), wei, nil) },
		"by a contract": func(to asset.Address, wei *big.Int) { l.Chain.Send(named, wei, append(make([]byte, 12), to[:]...)) },
	}
}

func nativeLiars(t *testing.T, endpoints int) *liars {
	return liarsWith(t, endpoints, webtest.Options{Deposits: &webtest.Deposits{}})
}

// final is what counts for good of what reached a payment's address.
func (l *liars) final(p *payment.Payment) *big.Int {
	sum := new(big.Int)
	for _, x := range l.Load(string(p.ID)).Transfers {
		if x.Stage == payment.Final {
			sum.Add(sum, x.Amount)
		}
	}
	return sum
}

// No log shows what native currency reaches an address. What one endpoint of three says
// otherwise than the other two counts for nobody, whichever it is.
func TestWithThreeEndpointsNativeMoneyIsWhatTwoSay(t *testing.T) {
	for liar := range 3 {
		l := nativeLiars(t, 3)
		for way, send := range l.natives(t) {
			t.Run(fmt.Sprintf("%s, %d", way, liar), func(t *testing.T) {
				p := order(t, l.World, tenDollars)
				half := hundredths(p, 50)
				l.tell(liar, half, new(big.Int).Mul(half, big.NewInt(3)))
				defer l.truth()
				send(p.Terms.Requests[0].Payee, half)
				l.pass(t, "half of it to count", func() bool { return l.final(p).Sign() > 0 })
				for range 10 {
					l.Chain.Mine(1)
				}
				if got := l.final(p); got.Cmp(half) != 0 {
					t.Errorf("%s wei count, want %s", got, half)
				}
			})
		}
		l.Stop()
		if liar == 0 && !strings.Contains(l.log.String(), "endpoint told what is not so") {
			t.Error("the liar that is asked first is not named in the log")
		}
	}
}

func TestWithTwoEndpointsADisputeOfNativeMoneyCreditsNobody(t *testing.T) {
	for liar := range 2 {
		l := nativeLiars(t, 2)
		for way, send := range l.natives(t) {
			t.Run(fmt.Sprintf("%s, %d", way, liar), func(t *testing.T) {
				p := order(t, l.World, tenDollars)
				half := hundredths(p, 50)
				lie := new(big.Int).Mul(half, big.NewInt(3))
				if liar > 0 {
					lie.SetInt64(1)
				}
				l.tell(liar, half, lie)
				send(p.Terms.Requests[0].Payee, half)
				l.pass(t, "something to be seen", func() bool { return len(l.Load(string(p.ID)).Transfers) > 0 })
				for range 15 {
					l.Chain.Mine(1)
				}
				if got := l.final(p); got.Sign() != 0 {
					t.Errorf("%s wei count in a dispute", got)
				}
				l.truth()
				l.pass(t, "half of it to count", func() bool { return l.final(p).Sign() > 0 })
				if got := l.final(p); got.Cmp(half) != 0 {
					t.Errorf("%s wei count, want %s", got, half)
				}
			})
		}
		l.Stop()
	}
}
