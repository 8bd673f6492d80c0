package deposit

import (
	"math/big"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
)

var (
	from  = asset.Address{1}
	to    = asset.Address{2}
	token = asset.Token{ID: "USDC-base", Symbol: "USDC", Chain: 1, Address: asset.Address{3}, Decimals: 6}
	coin  = asset.Token{ID: "ETH-base", Symbol: "ETH", Chain: 1, Native: true, Decimals: 18}
)

// Every bit of a call counts: one that is changed is noticed.
func TestChangedCallsAreNoticed(t *testing.T) {
	for _, of := range []asset.Token{token, coin} {
		x := transfer{of: of, to: to, amount: big.NewInt(1234)}
		if c := x.matches(x.call()); c.Outcome != rail.Passed {
			t.Fatalf("%s: %+v", of.ID, c)
		}
		refuse := func(what string, change func(*rail.Call)) {
			c := x.call()
			change(&c)
			if got := x.matches(c); got.Outcome != rail.Refused || got.Detail == "" {
				t.Errorf("%s, %s: %+v", of.ID, what, got)
			}
		}
		refuse("to another account", func(c *rail.Call) { c.To[5] ^= 1 })
		refuse("more value", func(c *rail.Call) { c.Value.Add(c.Value, big.NewInt(1)) })
		refuse("no value", func(c *rail.Call) { c.Value = nil })
		refuse("a byte more", func(c *rail.Call) { c.Data = append(c.Data, 0) })
		for i := range x.call().Data {
			refuse("another byte", func(c *rail.Call) { c.Data[i] ^= 1 })
		}
	}
}

func transferLog(at, from, to asset.Address, amount int64) chain.Log {
	return chain.Log{Address: at, Topics: []string{official.TopicTransfer, topic(from), topic(to)}, Data: big.NewInt(amount).FillBytes(make([]byte, 32))}
}

func topic(a asset.Address) string { return "0x" + strings.Repeat("0", 24) + a.Lower()[2:] }

func TestTrialRuns(t *testing.T) {
	odd := transferLog(token.Address, from, to, 7)
	odd.Topics[1] = "0x1" + odd.Topics[1][3:]
	nft := transferLog(token.Address, from, to, 7)
	nft.Topics = append(nft.Topics, topic(to))
	for name, c := range map[string]struct {
		of   asset.Token
		logs []chain.Log
		good bool
	}{
		"a token":               {token, []chain.Log{transferLog(token.Address, from, to, 7)}, true},
		"native":                {coin, []chain.Log{transferLog(chain.TransferTracer, from, to, 7)}, true},
		"other events":          {token, []chain.Log{{Address: token.Address, Topics: []string{"0x01"}}, transferLog(token.Address, from, to, 7)}, true},
		"others' transfers":     {token, []chain.Log{transferLog(token.Address, to, asset.Address{9}, 1), transferLog(token.Address, from, to, 7)}, true},
		"nothing":               {token, nil, false},
		"another token":         {token, []chain.Log{transferLog(asset.Address{8}, from, to, 7)}, false},
		"native for a token":    {token, []chain.Log{transferLog(chain.TransferTracer, from, to, 7)}, false},
		"less":                  {token, []chain.Log{transferLog(token.Address, from, to, 6)}, false},
		"to another":            {token, []chain.Log{transferLog(token.Address, from, asset.Address{9}, 7)}, false},
		"from another":          {token, []chain.Log{transferLog(token.Address, asset.Address{9}, to, 7)}, false},
		"twice":                 {token, []chain.Log{transferLog(token.Address, from, to, 7), transferLog(token.Address, from, to, 7)}, false},
		"and something else":    {token, []chain.Log{transferLog(token.Address, from, to, 7), transferLog(asset.Address{8}, from, asset.Address{9}, 1)}, false},
		"and native":            {token, []chain.Log{transferLog(token.Address, from, to, 7), transferLog(chain.TransferTracer, from, asset.Address{9}, 1)}, false},
		"an unreadable owner":   {token, []chain.Log{transferLog(token.Address, from, to, 7), odd}, false},
		"a thing of its own":    {token, []chain.Log{transferLog(token.Address, from, to, 7), nft}, false},
		"a token for native":    {coin, []chain.Log{transferLog(token.Address, from, to, 7)}, false},
		"native, and once more": {coin, []chain.Log{transferLog(chain.TransferTracer, from, to, 7), transferLog(chain.TransferTracer, from, to, 7)}, false},
	} {
		if wrong := (transfer{of: c.of, to: to, amount: big.NewInt(7)}).moved(from, c.logs); (wrong == "") != c.good {
			t.Errorf("%s: %q", name, wrong)
		}
	}
}
