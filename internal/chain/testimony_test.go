package chain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
)

// witness says of a memory's blocks what each node is told to say.
type witness struct {
	*memory
	words   map[int]func(b Block) (Testimony, error) // by node; it affirms if there is none
	vouched map[string]bool
	asked   map[int][]uint64
	hidden  int // so many times nothing is known of what is not vouched for
}

func (w *witness) Unvouched(context.Context, asset.ChainID) (out []Block, err error) {
	if w.hidden > 0 {
		w.hidden--
		return nil, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	set := map[Block]bool{}
	for _, f := range w.evidence {
		if b := f.log.Block; !f.final && !w.vouched[b.Hash] {
			set[Block{Number: b.Number, Hash: b.Hash}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b Block) int { return int(a.Number) - int(b.Number) }), nil
}

func (w *witness) Testify(_ context.Context, _ asset.ChainID, b Block, by Batcher) (Testimony, error) {
	i := by.(only).endpoint
	w.asked[i] = append(w.asked[i], b.Number)
	if f := w.words[i]; f != nil {
		return f(b)
	}
	return Testimony{Word: Affirms, Kept: map[asset.Address]*big.Int{}}, nil
}

func (w *witness) Vouch(_ context.Context, _ asset.ChainID, b Block, said []Testimony) error {
	if len(said) < 2 {
		return errors.New("one word is not enough")
	}
	w.vouched[b.Hash] = true
	return nil
}

// witnessed is a crowd whose evidence somebody has to vouch for.
func witnessed(t *testing.T, nodes int) (*rig, *ledger, *witness) {
	r, l := crowd(t, nodes)
	w := &witness{memory: r.sink, words: map[int]func(Block) (Testimony, error){}, vouched: map[string]bool{}, asked: map[int][]uint64{}}
	r.cfg.Witness = w
	r.restart()
	return r, l, w
}

func silently(later bool) func(Block) (Testimony, error) {
	return func(Block) (Testimony, error) { return Testimony{Detail: "it cannot tell", Later: later}, nil }
}

func TestWhatNobodyVouchesForIsNotFinal(t *testing.T) {
	r, l, w := witnessed(t, 2)
	w.words[1] = silently(true)
	l.mine("a")
	r.idle()
	if h := r.scan.Health(); h.Disagreement != "" {
		t.Errorf("of what is not due, health says %q", h.Disagreement)
	}
	for range 6 {
		l.mine()
		r.idle()
	}
	h := r.scan.Health()
	if r.sink.finals() != 0 || !strings.Contains(h.Disagreement, "node1: it cannot tell") {
		t.Errorf("%d final, %q", r.sink.finals(), h.Disagreement)
	}
	l.mine("b")
	r.restart() // what is not vouched for is not, whoever reads on
	r.idle()
	if r.sink.finals() != 0 {
		t.Error("a restart made final what nobody vouches for")
	}
	delete(w.words, 1)
	l.mine()
	l.mine()
	r.idle()
	if h := r.scan.Health(); r.sink.finals() != 2 || h.Disagreement != "" {
		t.Errorf("%d final, %q", r.sink.finals(), h.Disagreement)
	}
	before := len(w.asked[0]) + len(w.asked[1])
	for range 3 {
		l.mine()
		r.idle()
	}
	if got := len(w.asked[0]) + len(w.asked[1]); got != before {
		t.Errorf("%d questions although all is vouched for", got-before)
	}
}

func TestWhatEnoughDenyIsReadAgain(t *testing.T) {
	r, l, w := witnessed(t, 3)
	deny := func(Block) (Testimony, error) { return Testimony{Word: Denies, Detail: "it is not so"}, nil }
	w.words[1], w.words[2] = deny, deny
	r.nodes[0].set(lying(invent))
	l.mine("a")
	r.idle()
	if kinds(r, 0)[Invented] == 0 || len(r.sink.rewinds) == 0 {
		t.Errorf("the liar is caught %v, rewinds %v", kinds(r, 0), r.sink.rewinds)
	}
	clear(w.words)
	for range 6 {
		l.mine()
		r.idle()
	}
	wantFinal(t, r, l, 1)
}

// Evidence may be in a block that is on another fork than the cursor. Nobody else can vouch
// for that, and it is read again all the same.
func TestEvidenceOnAForkNeedsNobodyToVouch(t *testing.T) {
	r, l, w := witnessed(t, 3)
	r.cfg.Records = nil // no log shows it
	r.restart()
	l.mine()
	l.mine("a")
	r.idle()
	r.sink.mu.Lock()
	for k, f := range r.sink.evidence {
		delete(r.sink.evidence, k)
		f.log.Block.Hash = digest("another fork")
		r.sink.evidence[logKey(f.log)] = f
	}
	r.sink.mu.Unlock()
	for i := range 3 {
		w.words[i] = func(b Block) (Testimony, error) {
			if b.Hash == digest("another fork") {
				return silently(true)(b)
			}
			return Testimony{Word: Affirms}, nil
		}
	}
	for range 10 {
		l.mine()
		r.idle()
	}
	r.wantAll()
	wantFinal(t, r, l, 1)
}

// Another server may have read on between the question who vouches and the end of the votes.
func TestWhatCameMeanwhileIsNotFinalUnvouched(t *testing.T) {
	r, l, w := witnessed(t, 2)
	for i := range 2 {
		w.words[i] = silently(false)
	}
	l.mine("a")
	l.mine()
	r.idle()
	l.mine()
	w.hidden = 1
	r.idle()
	if r.sink.finals() != 0 {
		t.Error("it is final, and nobody vouched")
	}
}

// An endpoint that hangs is asked once a look, and what came last does not wait behind
// blocks that nobody can tell of.
func TestWhoeverIsSilentKeepsNobodyWaiting(t *testing.T) {
	r, l, w := witnessed(t, 2)
	w.words[1] = func(Block) (Testimony, error) { return Testimony{}, errors.New("no answer") }
	for i := range 3 * maxVouched {
		l.mine(fmt.Sprint("old", i))
	}
	if err := r.once(); err != nil {
		t.Fatal(err)
	}
	if got := len(w.asked[1]); got != 1 {
		t.Errorf("an endpoint that does not answer was asked %d times at one look", got)
	}
	if n := len(w.asked[0]); n != maxVouched {
		t.Errorf("%d blocks were asked about at one look", n)
	}
	w.words[1] = silently(false)
	for range 5 {
		r.idle()
	}
	clear(w.asked)
	delete(w.words, 1)
	l.mine("new")
	if err := r.once(); err != nil {
		t.Fatal(err)
	}
	if n := l.head(); len(w.asked[1]) == 0 || w.asked[1][0] != n {
		t.Errorf("asked about %v first, %d is new", w.asked[1], n)
	}
}

func TestWhoMaySpeakLaterIsAskedMoreOften(t *testing.T) {
	for later, want := range map[bool]int{false: looksTold + 3, true: looksLater} {
		r, l, w := witnessed(t, 2)
		w.words[1] = silently(later)
		l.mine("a")
		for range looksLater {
			if err := r.once(); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(w.asked[1]); got != want {
			t.Errorf("later %t: asked at %d of %d looks, want %d", later, got, looksLater, want)
		}
	}
}
