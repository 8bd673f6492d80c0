package deposit

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"quittance/internal/asset"
)

// Index is the set of addresses that are watched, on all chains. It is safe for
// concurrent use.
type Index struct {
	mu   sync.RWMutex
	all  map[asset.Address]int // its place among open, -1 for one that rests
	open []asset.Address

	// filter has a bit for the first eight bytes of every address, so that data can be
	// searched at every offset: one in sixteen offsets at the most needs a closer look.
	filter []uint64
	shift  uint
}

// NewIndex returns an empty index.
func NewIndex() *Index {
	x := &Index{all: map[asset.Address]int{}}
	x.resize(0)
	return x
}

const (
	minFilterBits = 16 // log2 of the number of bits
	bitsEach      = 16
)

// Add makes addresses watched, and looked at in turn.
func (x *Index) Add(as ...asset.Address) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range as {
		place, known := x.all[a]
		if known && place >= 0 {
			continue
		}
		x.all[a] = len(x.open)
		x.open = append(x.open, a)
		if !known {
			x.mark(a)
		}
	}
	if len(x.all)*bitsEach > 64*len(x.filter) {
		x.resize(len(x.all))
	}
}

// Rest makes addresses that are watched no longer looked at in turn: what names them is
// found as before, and what does not, no more.
func (x *Index) Rest(as ...asset.Address) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range as {
		place, known := x.all[a]
		if !known || place < 0 {
			continue
		}
		last := x.open[len(x.open)-1]
		x.open[place], x.all[last] = last, place
		x.open, x.all[a] = x.open[:len(x.open)-1], -1
	}
}

// Has reports whether an address is watched.
func (x *Index) Has(a asset.Address) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, ok := x.all[a]
	return ok
}

// Len returns how many addresses are watched, and how many of them are looked at in turn.
func (x *Index) Len() (watched, open int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.all), len(x.open)
}

func (x *Index) resize(n int) {
	width := max(minFilterBits, bits.Len(uint(2*n*bitsEach)))
	x.filter, x.shift = make([]uint64, 1<<width/64), uint(64-width)
	for a := range x.all {
		x.mark(a)
	}
}

func (x *Index) mark(a asset.Address) {
	at := x.place(binary.BigEndian.Uint64(a[:]))
	x.filter[at/64] |= 1 << (at % 64)
}

// place is where the filter has the bit of eight bytes (Fibonacci hashing).
func (x *Index) place(prefix uint64) uint64 { return prefix * 0x9e3779b97f4a7c15 >> x.shift }

// in calls found for every address that data holds, at whatever offset.
func (x *Index) in(data []byte, found func(asset.Address)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if len(x.all) == 0 || len(data) < len(asset.Address{}) {
		return
	}
	prefix := binary.BigEndian.Uint64(data)
	for i := 0; ; i++ {
		if at := x.place(prefix); x.filter[at/64]&(1<<(at%64)) != 0 {
			if a := asset.Address(data[i : i+20]); x.has(a) {
				found(a)
			}
		}
		if i+21 > len(data) {
			return
		}
		prefix = prefix<<8 | uint64(data[i+8])
	}
}

func (x *Index) has(a asset.Address) bool {
	_, ok := x.all[a]
	return ok
}

// rounds is how many blocks it takes until all of n addresses had their turn: a power
// of two, so that a turn that grows changes little of who is due when.
func rounds(n, slice int) uint64 {
	r := uint64(1)
	for uint64(n) > r*uint64(slice) {
		r *= 2
	}
	return r
}

// mostTogether bounds the turns that are taken together: what else a block brought waits for
// the answer.
const mostTogether = 2

// together is how many blocks' turns are taken at once in a round of so many blocks: a long
// round is little longer for it, and most blocks then need no question about balances.
func together(round uint64) uint64 { return max(1, min(round/16, mostTogether)) }

// due returns the open addresses whose turn is taken at one of the blocks from..to: at each
// block whose number is a multiple of those taken together, for those before it as well. Who is
// due at which block follows from the addresses alone, which are as good as random, so
// that nothing about it has to be remembered.
func (x *Index) due(from, to uint64, slice int) []asset.Address {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r := rounds(len(x.open), slice)
	of := together(r)
	first, last := (from+of-1)/of, to/of // the turns taken in the range, in groups
	if first > last {
		return nil
	}
	groups := r / of
	var out []asset.Address
	if last-first+1 >= groups {
		return append(out, x.open...)
	}
	for _, a := range x.open {
		turn := uint64(binary.BigEndian.Uint32(a[:])) & (r - 1) / of
		// How far behind to the last group with this turn is.
		if (last-turn)&(groups-1) <= last-first {
			out = append(out, a)
		}
	}
	return out
}
