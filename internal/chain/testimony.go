package chain

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
)

// Word is what an endpoint says of evidence that another one told of.
type Word int

// The words.
const (
	Silent  Word = iota // it cannot tell
	Affirms             // it has all of it
	Denies              // it has not
)

// Testimony is an endpoint's word on what is kept of a block, with what is wrong.
type Testimony struct {
	Word   Word
	Detail string
	// Later tells of one that is silent that it may well speak later: it has no such block yet.
	Later bool
	// Kept are the addresses that it was asked about, with what was kept of their balance after
	// the block, and Balances those whose kept balance is sound: what comes later may count from
	// there on.
	Kept     map[asset.Address]*big.Int
	Balances []asset.Address
}

// Witness knows of evidence that no log shows, which endpoints are asked about one by one.
type Witness interface {
	// Unvouched returns the blocks with such evidence that is not final and for which nobody has
	// vouched, the lowest first.
	Unvouched(ctx context.Context, id asset.ChainID) ([]Block, error)

	// Testify asks an endpoint about what is kept of a block.
	Testify(ctx context.Context, id asset.ChainID, b Block, by Batcher) (Testimony, error)

	// Vouch keeps that endpoints have what is kept of a block.
	Vouch(ctx context.Context, id asset.ChainID, b Block, said []Testimony) error
}

// only is one endpoint of a client.
type only struct {
	*Client
	endpoint int
}

// Batch implements Batcher.
func (o only) Batch(ctx context.Context, calls []Call) ([]Result, error) {
	return o.on(ctx, o.endpoint, calls)
}

// maxVouched bounds the blocks that endpoints are asked about at one look.
const maxVouched = 8

// For so many looks it is asked about a block at each, and then at every 16th: nodes soon
// forget balances, so one that may speak later must not be asked too late.
const (
	looksTold  = 8
	looksLater = 64
)

// inquiry is how it went with a block for whose evidence nobody has vouched.
type inquiry struct {
	number uint64
	looks  int
	why    string
	later  bool // somebody may speak later
}

func (h inquiry) due() bool {
	return h.looks < looksTold || h.later && h.looks < looksLater || h.looks%16 == 0
}

// vouch asks endpoints about evidence that no log shows, what nobody was asked about first.
// moved reports that it was denied by enough of them, and is read again.
func (s *Scanner) vouch(ctx context.Context, v view) (moved bool, err error) {
	if s.witness == nil || s.agree == 1 {
		return false, nil
	}
	blocks, err := s.witness.Unvouched(ctx, s.chain)
	if err != nil {
		return false, fmt.Errorf("reading blocks to be vouched for: %w", err)
	}
	before := s.unvouched
	s.unvouched = map[string]inquiry{}
	for _, b := range blocks {
		h := before[b.Hash]
		h.number = b.Number
		s.unvouched[b.Hash] = h
	}
	slices.SortStableFunc(blocks, func(a, b Block) int {
		return cmp.Compare(s.unvouched[a.Hash].looks, s.unvouched[b.Hash].looks)
	})
	asked, deaf := 0, map[int]bool{}
	for _, b := range blocks {
		h := s.unvouched[b.Hash]
		due := h.due()
		if due && asked == maxVouched {
			if h.looks == 0 {
				s.Nudge() // more of what is new is there: not only at the next interval
			}
			continue
		}
		h.looks++
		s.unvouched[b.Hash] = h
		if !due {
			continue
		}
		asked++
		if moved, err := s.vouchFor(ctx, v, b, deaf); moved || err != nil {
			return moved, err
		}
	}
	return false, nil
}

// unheard says why nobody vouches for some block that should be final, "" if there is none.
func (s *Scanner) unheard(top uint64) (why string) {
	for _, h := range s.unvouched {
		if h.number <= top {
			why = max(why, h.why) // any, and the same one each time
		}
	}
	return why
}

// vouchFor asks about one block. Endpoints that do not answer are deaf: they are not asked
// again at this look, lest one that hangs keep the others waiting.
func (s *Scanner) vouchFor(ctx context.Context, v view, b Block, deaf map[int]bool) (moved bool, err error) {
	var yes, no []int
	var said []Testimony
	h := s.unvouched[b.Hash]
	h.why, h.later = fmt.Sprintf("nobody else has told of block %d yet", b.Number), false
	for _, i := range s.client.order(s.avoided) {
		if len(no) == 0 && s.opinions(yes) >= s.agree {
			break
		}
		t := Testimony{Detail: "it does not answer", Later: true}
		if !deaf[i] {
			if t, err = s.witness.Testify(ctx, s.chain, b, only{s.client, i}); err != nil {
				if ctx.Err() != nil {
					return false, err
				}
				t, deaf[i] = Testimony{Detail: clean(err.Error()), Later: true}, true
			}
		}
		switch t.Word {
		case Affirms:
			yes, said = append(yes, i), append(said, t)
			continue
		case Denies:
			no = append(no, i)
		case Silent:
			h.later = h.later || t.Later
		}
		h.why = s.client.endpoints[i].name + ": " + t.Detail
	}
	s.unvouched[b.Hash] = h
	affirm, deny := s.opinions(yes), s.opinions(no)
	switch {
	case affirm >= s.agree && affirm > deny:
		for _, i := range no {
			s.caught(ctx, i, Altered, fmt.Sprintf("it denies what others have of block %d", b.Number))
		}
		if err := s.witness.Vouch(ctx, s.chain, b, said); err != nil {
			return false, fmt.Errorf("vouching for block %d: %w", b.Number, err)
		}
		delete(s.unvouched, b.Hash)
		delete(s.disputes, b.Hash) // it may be final at once
	case deny >= s.agree && deny > affirm:
		return s.reread(ctx, v, b, yes, h.why)
	}
	return false, nil
}

// reread goes back below a block whose evidence enough endpoints deny, and sets aside who
// affirms it. By an endpoint that does the block is not read again.
func (s *Scanner) reread(ctx context.Context, v view, b Block, yes []int, why string) (moved bool, err error) {
	for _, i := range yes {
		s.caught(ctx, i, Invented, fmt.Sprintf("it alone has what is kept of block %d", b.Number))
	}
	if slices.Contains(yes, v.endpoint) {
		return false, nil
	}
	to, err := s.below(ctx, v, b.Number)
	if err != nil {
		s.blame(v.endpoint)
		return false, err
	}
	s.log.WarnContext(ctx, "reading again from below evidence that endpoints deny", "block", b.Number, "to", to.Number, "detail", why)
	return true, s.rewind(ctx, to)
}

// spoken leaves out blocks for whose evidence not enough endpoints have spoken, unless it is
// too little for that. It goes by what is kept now: another server may have read on since.
func (s *Scanner) spoken(ctx context.Context, blocks []Block) (out []Block, err error) {
	if s.witness == nil || s.agree == 1 || len(blocks) == 0 {
		return blocks, nil
	}
	open, err := s.witness.Unvouched(ctx, s.chain)
	if err != nil {
		return nil, fmt.Errorf("reading blocks to be vouched for: %w", err)
	}
	for _, b := range blocks {
		if !slices.ContainsFunc(open, func(o Block) bool { return o.Hash == b.Hash }) {
			out = append(out, b)
			continue
		}
		if s.records == nil {
			continue
		}
		small, err := s.records.Small(ctx, s.chain, b)
		if err != nil {
			return nil, fmt.Errorf("weighing block %d: %w", b.Number, err)
		}
		if small {
			out = append(out, b)
		}
	}
	return out, nil
}
