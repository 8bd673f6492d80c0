package app

import (
	"math/big"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

// Of a transaction with several payments, each is the one's who made it: a bundle of
// two accounts' operations that pay the same payee as much, a batch, native currency.
func TestWhoPaidInABundle(t *testing.T) {
	id := asset.SandboxBase
	token, payee := asset.Address{0x70}, asset.Address{0x77}
	first, second, bundler := asset.Address{0x01}, asset.Address{0x02}, asset.Address{0xbb}
	registry := official.Default()
	batch, _ := registry.Contract(id, official.BatchPayments)
	word := func(a asset.Address) string { return "0x" + strings.Repeat("0", 24) + a.Lower()[2:] }
	moved := func(from, to asset.Address, amount int64) chain.Log {
		return chain.Log{Address: token, Topics: []string{official.TopicTransfer, word(from), word(to)}, Data: big.NewInt(amount).FillBytes(make([]byte, 32))}
	}
	begins := chain.Log{Address: userop.EntryPoint, Topics: []string{userop.TopicExecution}}
	ends := func(account asset.Address) chain.Log {
		data := make([]byte, 128)
		data[63] = 1
		hash := official.Hash{account[0]}
		return chain.Log{Address: userop.EntryPoint, Topics: []string{userop.TopicOperation, hash.String(), word(account), word(asset.Address{})}, Data: data}
	}
	paid := chain.Log{Address: asset.Address{0xfe}, Topics: []string{official.TopicERC20Paid}}
	for name, c := range map[string]struct {
		logs   []chain.Log
		native bool
		want   map[int]asset.Address // by the place of the event
	}{
		"a plain payment": {[]chain.Log{moved(first, payee, 5), moved(first, bundler, 1), paid}, false, map[int]asset.Address{2: first}},
		"two operations": {[]chain.Log{
			begins, moved(bundler, first, 6), moved(first, payee, 5), paid, ends(first), moved(second, payee, 5), paid, ends(second),
		}, false, map[int]asset.Address{3: first, 6: second}},
		"a batch": {[]chain.Log{
			moved(first, batch.Address, 10), moved(batch.Address, payee, 5), paid, moved(batch.Address, payee, 5), paid,
		}, false, map[int]asset.Address{2: first, 4: first}},
		"two batches": {[]chain.Log{
			begins, moved(first, batch.Address, 10), moved(batch.Address, payee, 5), paid, ends(first),
			moved(second, batch.Address, 9), moved(batch.Address, payee, 5), paid, ends(second),
		}, false, map[int]asset.Address{3: first, 7: second}},
		"only others' transfers": {[]chain.Log{moved(first, bundler, 5), moved(first, payee, 4), paid, moved(second, payee, 5)}, false, map[int]asset.Address{2: {}}},
		"native":                 {[]chain.Log{paid}, true, map[int]asset.Address{0: bundler}},
		"native in operations":   {[]chain.Log{begins, paid, ends(first), paid, ends(second)}, true, map[int]asset.Address{1: first, 3: second}},
	} {
		r := &chain.Receipt{From: bundler, To: userop.EntryPoint, Logs: c.logs}
		for i := range r.Logs {
			r.Logs[i].Index = uint(40 + i)
		}
		for at, want := range c.want {
			x := rail.Sighting{Chain: id, Token: token, To: payee, Amount: big.NewInt(5)}
			x.Evidence.LogIndex = uint(40 + at)
			if c.native {
				x.Token = asset.Address{}
			}
			if got := (&sink{registry: registry}).payer(x, r); got != want {
				t.Errorf("%s: event %d was paid by %s, want %s", name, at, got, want)
			}
		}
	}
}
