package evmref_test

import (
	"bytes"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/railtest"
)

// watcher is a rail that can only watch: it has no nodes.
func watcher(t testing.TB) *evmref.Rail {
	t.Helper()
	book, err := asset.NewBook(asset.Real())
	if err != nil {
		t.Fatal(err)
	}
	return evmref.New(evmref.Config{Book: book, Registry: official.Default()})
}

func TestFilter(t *testing.T) {
	r := watcher(t)
	want := chain.Filter{
		Addresses: []asset.Address{addr(t, "0x1892196E80C4c17ea5100Da765Ab48c1fE2Fb814"), addr(t, "0xd9C3889eB8DA6ce449bfFE3cd194d08A436e96f2")},
		Topics0:   []string{official.TopicERC20Paid, official.TopicEthPaid},
	}
	if got := r.Filter(asset.Base); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := r.Filter(84532); len(got.Addresses) != 0 || len(got.Topics0) != 0 {
		t.Errorf("a chain without proxies: %+v", got)
	}
}

// The two packages must mean the same address by a move of native currency.
func TestNativeTracer(t *testing.T) {
	if official.NativeTracer != chain.TransferTracer {
		t.Errorf("got %s, want %s", official.NativeTracer, chain.TransferTracer)
	}
}

// paidLog is the log of one token payment on Base.
func paidLog(t testing.TB) chain.Log {
	word := func(a asset.Address) []byte { return append(make([]byte, 12), a[:]...) }
	data := slices.Concat(word(addr(t, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913")), word(addr(t, payee)),
		big.NewInt(100).FillBytes(make([]byte, 32)), big.NewInt(3).FillBytes(make([]byte, 32)), word(addr(t, feeTo)))
	return chain.Log{
		Address: addr(t, "0x1892196E80C4c17ea5100Da765Ab48c1fE2Fb814"),
		Topics:  []string{official.TopicERC20Paid, official.Reference{1, 2, 3, 4, 5, 6, 7, 8}.Topic().String()}, Data: data,
		Block: chain.Block{Number: 7, Hash: "0x" + strings.Repeat("b", 64), Time: railtest.Now},
		Tx:    "0x" + strings.Repeat("a", 64), Index: 5,
	}
}

func TestDecode(t *testing.T) {
	r, l := watcher(t), paidLog(t)
	got, err := r.Decode(asset.Base, l)
	if err != nil {
		t.Fatal(err)
	}
	want := rail.Sighting{
		Rail: "evmref", Handle: "0xfec062278915ba5c3c3af6ebf470b5afc94fedadf39fe78eea427b9aa5df9692", // keccak256 of 0x0102030405060708
		Key:   "evmref:8453:0x" + strings.Repeat("a", 64) + ":5",
		Chain: asset.Base, Token: addr(t, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), To: addr(t, payee),
		Amount: big.NewInt(100), Fee: big.NewInt(3), FeeTo: addr(t, feeTo), Contract: l.Address, At: railtest.Now,
		Evidence: payment.Evidence{Chain: asset.Base, Block: 7, BlockHash: l.Block.Hash, Tx: l.Tx, LogIndex: 5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	r := watcher(t)
	change := func(f func(*chain.Log)) chain.Log { l := paidLog(t); f(&l); return l }
	tests := []struct {
		name  string
		chain asset.ChainID
		log   chain.Log
	}{
		{"another contract", asset.Base, change(func(l *chain.Log) { l.Address[0]++ })},
		{"the proxy of another chain", asset.Mainnet, paidLog(t)},
		{"an unknown chain", 84532, paidLog(t)},
		{"the batch contract", asset.Base, change(func(l *chain.Log) { l.Address = addr(t, "0x1aF3f22685AcdDc788B3730ed415912d8f654420") })},
		{"a token payment from the native proxy", asset.Base, change(func(l *chain.Log) { l.Address = addr(t, "0xd9C3889eB8DA6ce449bfFE3cd194d08A436e96f2") })},
		{"a native payment from the token proxy", asset.Base, change(func(l *chain.Log) { l.Topics[0] = official.TopicEthPaid; l.Data = l.Data[32:] })},
		{"another event", asset.Base, change(func(l *chain.Log) { l.Topics[0] = official.TopicTransfer })},
		{"no topics", asset.Base, change(func(l *chain.Log) { l.Topics = nil })},
		{"no reference", asset.Base, change(func(l *chain.Log) { l.Topics = l.Topics[:1] })},
		{"short data", asset.Base, change(func(l *chain.Log) { l.Data = l.Data[:159] })},
		{"long data", asset.Base, change(func(l *chain.Log) { l.Data = append(l.Data, 0) })},
		{"no data", asset.Base, change(func(l *chain.Log) { l.Data = nil })},
		{"a payee that is no address", asset.Base, change(func(l *chain.Log) { l.Data[32] = 1 })},
	}
	for _, tt := range tests {
		if got, err := r.Decode(tt.chain, tt.log); err == nil || !reflect.DeepEqual(got, rail.Sighting{}) {
			t.Errorf("%s: got %+v %v", tt.name, got, err)
		}
	}
}

// FuzzDecode feeds logs no honest chain has. What is accepted must come from an
// official contract, and be spelled by its own bytes.
func FuzzDecode(f *testing.F) {
	r := watcher(f)
	f.Fuzz(func(t *testing.T, address, data []byte, topic0, topic1 string, topics uint8, index uint32) {
		l := chain.Log{Data: data, Tx: "0x" + strings.Repeat("a", 64), Index: uint(index), Block: chain.Block{Time: time.Unix(1, 0)}}
		copy(l.Address[:], address)
		for i := range topics % 5 {
			l.Topics = append(l.Topics, []string{topic0, topic1, topic1, topic1}[i])
		}
		s, err := r.Decode(asset.Base, l)
		if err != nil {
			if !reflect.DeepEqual(s, rail.Sighting{}) {
				t.Fatalf("%+v beside %v", s, err)
			}
			return
		}
		contract, ok := official.Default().At(asset.Base, l.Address)
		native := contract.Kind == official.EthereumFeeProxy
		if !ok || (contract.Kind != official.ERC20FeeProxy && !native) || native != s.Token.IsZero() || !strings.EqualFold(s.Handle, topic1) || len(s.Handle) != 66 || s.Contract != l.Address {
			t.Fatalf("%+v is taken for %+v", l, s)
		}
		var again []byte
		pad := func(a asset.Address) { again = append(append(again, make([]byte, 12)...), a[:]...) }
		if !native {
			pad(s.Token)
		}
		pad(s.To)
		again = append(again, s.Amount.FillBytes(make([]byte, 32))...)
		again = append(again, s.Fee.FillBytes(make([]byte, 32))...)
		pad(s.FeeTo)
		if !bytes.Equal(again, data) || s.Evidence.LogIndex != uint(index) {
			t.Fatalf("%x of log %d is read as %+v", data, index, s)
		}
	})
}

func BenchmarkGuard(b *testing.B) {
	w := newWorld(b)
	p := railtest.Open(b, w.rail, request(b, "USDC-base", 3))
	b.ReportAllocs()
	for b.Loop() {
		if bad, failed := rail.Failed(w.rail.Guard(b.Context(), p)); failed {
			b.Fatal(bad)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	r, l := watcher(b), paidLog(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Decode(asset.Base, l); err != nil {
			b.Fatal(err)
		}
	}
}
