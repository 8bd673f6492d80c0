package deposit

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

func some(n int) []asset.Address {
	as := make([]asset.Address, n)
	for i := range as {
		binary.BigEndian.PutUint64(as[i][:], uint64(i+1)*0x9e3779b97f4a7c15)
		as[i][19] = byte(i)
	}
	return as
}

// Data is searched at every offset, and as a slow search finds.
func TestSearch(t *testing.T) {
	x, as := NewIndex(), some(5000)
	x.Add(as...)
	rapid.Check(t, func(t *rapid.T) {
		var data []byte
		for range rapid.IntRange(0, 6).Draw(t, "parts") {
			data = append(data, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "noise")...)
			a := rapid.SampledFrom(as).Draw(t, "address")
			data = append(data, a[:rapid.SampledFrom([]int{20, 20, 19, 8}).Draw(t, "length")]...)
		}
		got, want := map[asset.Address]bool{}, map[asset.Address]bool{}
		x.in(data, func(a asset.Address) { got[a] = true })
		for _, a := range as {
			if bytes.Contains(data, a[:]) {
				want[a] = true
			}
		}
		if len(got) != len(want) {
			t.Fatalf("found %d, want %d in %x", len(got), len(want), data)
		}
		for a := range want {
			if !got[a] {
				t.Fatalf("%s is not found in %x", a, data)
			}
		}
	})
}

// Every open address has its turn exactly once in each round, however blocks are
// gathered into sweeps; those that rest have none and are watched all the same.
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, as := NewIndex(), some(rapid.IntRange(0, 300).Draw(t, "addresses"))
		x.Add(as...)
		x.Add(as...)
		resting := as[:rapid.IntRange(0, len(as)).Draw(t, "resting")]
		x.Rest(resting...)
		x.Rest(resting...)
		slice := rapid.IntRange(1, 50).Draw(t, "slice")
		open := len(as) - len(resting)
		if all, n := x.Len(); all != len(as) || n != open {
			t.Fatalf("%d watched, %d open; want %d and %d", all, n, len(as), open)
		}
		from := rapid.Uint64Range(0, 1<<40).Draw(t, "from")
		end := from + rounds(open, slice)
		turns := map[asset.Address]int{}
		for at := from; at < end; {
			to := min(at+rapid.Uint64Range(0, 5).Draw(t, "more"), end-1)
			for _, a := range x.due(at, to, slice) {
				turns[a]++
			}
			at = to + 1
		}
		for _, a := range as {
			want := 1
			if slices.Contains(resting, a) {
				want = 0
			}
			if turns[a] != want || !x.Has(a) {
				t.Fatalf("%s: %d turns, want %d; watched %t", a, turns[a], want, x.Has(a))
			}
		}
	})
}

func TestRounds(t *testing.T) {
	for n, want := range map[int]uint64{0: 1, 1: 1, 2000: 1, 2001: 2, 4001: 4, 100_000: 64, 1_000_000: 512} {
		if got := rounds(n, 2000); got != want {
			t.Errorf("%d addresses: %d blocks, want %d", n, got, want)
		}
	}
}

// FuzzTokens: a log in any other form than a plain transfer to a watched address, in an
// enabled token, is no evidence.
func FuzzTokens(f *testing.F) {
	as := some(3)
	topic := func(a asset.Address) string { return "0x000000000000000000000000" + a.Lower()[2:] }
	usdc := asset.Address{19: 7}
	f.Add(usdc[:], official.TopicTransfer, topic(as[0]), topic(as[1]), make([]byte, 32), 3)
	f.Add(usdc[:], official.TopicTransfer, topic(as[0]), topic(as[1]), append(make([]byte, 31), 9), 3)
	f.Add(usdc[:], official.TopicTransfer, topic(as[1]), topic(as[1]), append(make([]byte, 31), 9), 3)
	f.Add(usdc[:], official.TopicTransfer, "0x01", topic(as[1])+"00", []byte{1}, 4)
	index := NewIndex()
	index.Add(as[1:]...)
	f.Fuzz(func(t *testing.T, emitter []byte, t0, t1, t2 string, data []byte, n int) {
		if len(emitter) != 20 || n < 0 || n > 4 {
			return
		}
		l := chain.Log{Address: asset.Address(emitter), Topics: slices.Concat([]string{t0, t1, t2}, []string{t2})[:n], Data: data}
		for _, x := range tokens(chain.Sweep{Chain: 1, Logs: []chain.Log{l}}, map[asset.Address]bool{usdc: true}, index) {
			if x.Token != usdc || x.Token != l.Address || !index.Has(x.To) || x.Amount.Sign() <= 0 || x.Amount.BitLen() > 256 ||
				n != 3 || t0 != official.TopicTransfer || t1 == t2 || !bytes.Equal(x.Amount.FillBytes(make([]byte, 32)), data) {
				t.Fatalf("%+v of %+v", x, l)
			}
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	x := NewIndex()
	x.Add(some(100_000)...)
	data := bytes.Repeat([]byte{0, 0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233}, 75_000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		x.in(data, func(asset.Address) {})
	}
}
