package chain

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// trio is a rig with three nodes on one ledger, of which agree must agree.
func trio(t *testing.T, agree int) (*rig, *ledger) {
	l := newLedger()
	nodes := []*node{newNode(t, l), newNode(t, l), newNode(t, l)}
	if agree > 0 {
		nodes = nodes[:max(agree, 2)]
	}
	r := newRig(t, nodes, newMemory(t), func(cfg *ScannerConfig) { cfg.Agree = agree })
	for i := range 10 {
		l.mine(fmt.Sprint(i))
	}
	return r, l
}

func TestEndpointsThatAgreeMakeFinal(t *testing.T) {
	r, _ := trio(t, 2)
	r.idle()
	r.wantAll()
	if h := r.scan.Health(); r.sink.finals() != 8 || h.Final != 8 || h.Disagreement != "" {
		t.Errorf("%d final, health %+v", r.sink.finals(), h)
	}
	before := r.nodes[1].tripCount()
	r.idle()
	if got := r.nodes[1].tripCount() - before; got != 0 {
		t.Errorf("the second endpoint was asked %d times although nothing waits", got)
	}
}

func TestVeryManyBlocksAreAgreedOn(t *testing.T) {
	r, l := trio(t, 2)
	for i := range 5 * maxHeaders {
		l.mine(fmt.Sprint("more", i))
	}
	r.idle()
	r.wantAll()
	if got, want := r.sink.finals(), 8+5*maxHeaders; got != want {
		t.Errorf("%d final, want %d", got, want)
	}
}

func TestASecondEndpointThatIsBehindDelaysFinality(t *testing.T) {
	r, l := trio(t, 2)
	r.nodes[1].set(func(n *node) { n.lag = 4 })
	r.idle()
	h := r.scan.Health()
	if r.sink.finals() != 4 || h.Disagreement == "" {
		t.Errorf("%d final, disagreement %q: want the 4 final for both, and a word", r.sink.finals(), h.Disagreement)
	}
	for i := range 20 { // it never catches up, and never stops what it has from being final
		l.mine(fmt.Sprint("more", i))
		r.idle()
	}
	if got := r.sink.finals(); got != 24 {
		t.Errorf("%d final, want 24: all that is final 4 blocks ago", got)
	}
	if got := r.scan.FinalHeight(); got != 24 {
		t.Errorf("final height %d, want 24", got)
	}
}

func TestASecondEndpointOnAnotherForkStopsFinality(t *testing.T) {
	r, l := trio(t, 2)
	fork := l.clone()
	fork.reorg(5, []string{"x"}, nil, nil, nil, nil, nil, nil)
	r.nodes[1].set(func(n *node) { n.ledger = fork })
	for range 5 {
		r.idle()
	}
	r.wantAll() // nothing is taken back on the word of one of two
	h := r.scan.Health()
	if r.sink.finals() != 5 || !strings.Contains(h.Disagreement, "node1") || !strings.Contains(h.Disagreement, "block") {
		t.Errorf("%d final, disagreement %q: want the 5 below the fork, and a word", r.sink.finals(), h.Disagreement)
	}
	if h.Final > 5 {
		t.Errorf("final height %d above the fork", h.Final)
	}
	r.nodes[1].set(func(n *node) { n.ledger = l })
	r.idle()
	if h := r.scan.Health(); r.sink.finals() != 8 || h.Disagreement != "" {
		t.Errorf("%d final, disagreement %q after they agree again", r.sink.finals(), h.Disagreement)
	}
}

func TestASecondEndpointThatIsDownStopsFinality(t *testing.T) {
	r, _ := trio(t, 2)
	r.nodes[1].set(func(n *node) { n.before = func(string) error { return errors.New("away") } })
	r.idle()
	r.wantAll()
	if h := r.scan.Health(); r.sink.finals() != 0 || !strings.Contains(h.Disagreement, "does not answer") {
		t.Errorf("%d final, disagreement %q", r.sink.finals(), h.Disagreement)
	}
	if !r.scan.CaughtUp() {
		t.Error("not caught up, although the first endpoint is followed")
	}
}

func TestTwoOfThreeAreEnough(t *testing.T) {
	l := newLedger()
	fork := l.clone()
	for i := range 10 {
		l.mine(fmt.Sprint(i))
	}
	for range 12 {
		fork.mine("x")
	}
	liar := newNode(t, fork)
	r := newRig(t, []*node{newNode(t, l), liar, newNode(t, l)}, newMemory(t), func(cfg *ScannerConfig) { cfg.Agree = 2 })
	r.idle()
	r.wantAll()
	if h := r.scan.Health(); r.sink.finals() != 8 || h.Disagreement != "" {
		t.Errorf("%d final, disagreement %q: want two of three to do", r.sink.finals(), h.Disagreement)
	}
}

func TestALonelyFinalizedTagIsNotBelieved(t *testing.T) {
	l := newLedger()
	for i := range 10 {
		l.mine(fmt.Sprint(i))
	}
	l.finalize(4)
	eager := newNode(t, l)
	eager.lie = func(method string, args []any, honest any) any {
		if method == "eth_getBlockByNumber" && args[0] == Finalized {
			return l.blocks[len(l.blocks)-1].header
		}
		return honest
	}
	r := newRig(t, []*node{eager, newNode(t, l)}, newMemory(t), func(cfg *ScannerConfig) {
		cfg.Agree, cfg.Finality = 2, Finality{Tag: true}
	})
	r.idle()
	r.wantAll()
	if r.sink.finals() != 4 || r.scan.FinalHeight() > 4 {
		t.Errorf("%d final, height %d: want 4, as the other endpoint says", r.sink.finals(), r.scan.FinalHeight())
	}
}

func TestTheFinalHeightIsAgreedOnWithoutEvidence(t *testing.T) {
	l := newLedger()
	behind := newNode(t, l)
	behind.lag = 2 // always
	r := newRig(t, []*node{newNode(t, l), behind}, newMemory(t), func(cfg *ScannerConfig) { cfg.Agree = 2 })
	for range 2 * settleEvery {
		l.mine()
		if err := r.once(); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.scan.FinalHeight(); got < settleEvery-4 {
		t.Errorf("final height %d, want it to follow the head %d", got, l.head())
	}
	if got := len(r.sink.blocks); got > settleEvery+10 {
		t.Errorf("%d checkpoints are kept", got)
	}
	if got := behind.tripCount(); got > 12 {
		t.Errorf("the second endpoint was asked %d times for nothing", got)
	}
}

// TestReadingIsNotSettling has a chain known as caught up as soon as it is read, and not
// only when other endpoints have said what they have of it.
func TestReadingIsNotSettling(t *testing.T) {
	r, _ := trio(t, 2)
	asked := 0
	r.sink.fail = func(call string, after bool) error {
		if call == "pending" && !after {
			if asked++; !r.scan.CaughtUp() {
				t.Error("it is settled, and not said to be read")
			}
		}
		return nil
	}
	if r.scan.CaughtUp() {
		t.Error("caught up before the first look")
	}
	r.idle()
	if asked == 0 {
		t.Error("nothing was settled")
	}
}
