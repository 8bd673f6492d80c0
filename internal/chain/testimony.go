package chain

import (
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

// vouch asks endpoints about evidence that no log shows. moved reports that it was denied by
// enough of them, and is read again.
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
		s.unvouched[b.Hash] = before[b.Hash]
	}
	asked := 0
	for _, b := range blocks {
		h := s.unvouched[b.Hash]
		if asked == maxVouched {
			break
		}
		if h.looks++; h.looks > 4 && h.looks%16 != 0 { // what nobody can tell is asked less and less
			s.unvouched[b.Hash] = h
			continue
		}
		asked++
		s.unvouched[b.Hash] = h
		moved, why, err := s.vouchFor(ctx, v, b)
		if moved || err != nil {
			return moved, err
		}
		if h.why = why; why == "" {
			delete(s.unvouched, b.Hash)
		} else {
			s.unvouched[b.Hash] = h
		}
	}
	return false, nil
}

// inquiry is how it went with a block for whose evidence nobody has vouched.
type inquiry struct {
	looks int
	why   string
}

// unheard says why nobody vouches for some block, "" if there is none.
func (s *Scanner) unheard() (why string) {
	for _, h := range s.unvouched {
		why = max(why, h.why) // any, and the same one each time
	}
	return why
}

// vouchFor asks about one block, and says why nobody vouches for it, "" if somebody does.
func (s *Scanner) vouchFor(ctx context.Context, v view, b Block) (moved bool, why string, err error) {
	var yes, no []int
	var said []Testimony
	why = fmt.Sprintf("nobody else has told of block %d yet", b.Number)
	for _, i := range s.client.order(s.avoided) {
		if len(no) == 0 && s.opinions(yes) >= s.agree {
			break
		}
		t, err := s.witness.Testify(ctx, s.chain, b, only{s.client, i})
		if err != nil {
			if ctx.Err() != nil {
				return false, "", err
			}
			t = Testimony{Detail: clean(err.Error())}
		}
		switch t.Word {
		case Affirms:
			yes, said = append(yes, i), append(said, t)
			continue
		case Denies:
			no = append(no, i)
		case Silent:
		}
		why = s.client.endpoints[i].name + ": " + t.Detail
	}
	affirm, deny := s.opinions(yes), s.opinions(no)
	switch {
	case affirm >= s.agree && affirm > deny:
		for _, i := range no {
			s.caught(ctx, i, Altered, fmt.Sprintf("it denies what others have of block %d", b.Number))
		}
		if err := s.witness.Vouch(ctx, s.chain, b, said); err != nil {
			return false, "", fmt.Errorf("vouching for block %d: %w", b.Number, err)
		}
		return false, "", nil
	case deny >= s.agree && deny > affirm:
		moved, err = s.reread(ctx, v, b, yes, why)
	}
	return moved, why, err
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
// too little for that.
func (s *Scanner) spoken(ctx context.Context, pending []Block) (out []Block, err error) {
	for _, b := range pending {
		if _, open := s.unvouched[b.Hash]; !open {
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
