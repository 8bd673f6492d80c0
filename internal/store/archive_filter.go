package store

import "math/bits"

const (
	// filterBits are a filter's bits for each mark, and filterTests how many of them one
	// mark sets: it takes one in a hundred marks for one that it has.
	filterBits, filterTests = 10, 7
	filterLeast             = 1 << 14 // marks that there always is room for
)

// filter remembers marks in ten bits each. Of a mark that it was given it always says that
// it may have it, and of nearly all others that it has not (a Bloom filter).
type filter struct {
	words []uint64
	room  int // for how many marks more it is that good
}

// newFilter has room for so many marks, and for a quarter more that come later.
func newFilter(marks int) *filter {
	room := max(marks+marks/4, filterLeast)
	return &filter{words: make([]uint64, (room*filterBits+63)/64), room: room}
}

// place is where a mark's n-th bit is. Marks are hashes: one half of them says where to
// begin, and the other how far to go.
func (f *filter) place(mark int64, n int) (word uint64, bit uint64) {
	h := uint64(mark)
	at, _ := bits.Mul64(h+uint64(n)*(bits.RotateLeft64(h, 32)|1), uint64(len(f.words))*64)
	return at / 64, 1 << (at % 64)
}

func (f *filter) add(mark int64) {
	for n := range filterTests {
		word, bit := f.place(mark, n)
		f.words[word] |= bit
	}
	f.room--
}

// mayHave is false only for what was never added.
func (f *filter) mayHave(mark int64) bool {
	for n := range filterTests {
		if word, bit := f.place(mark, n); f.words[word]&bit == 0 {
			return false
		}
	}
	return true
}
