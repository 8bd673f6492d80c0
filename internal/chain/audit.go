package chain

import (
	"context"
	"errors"
	"fmt"
)

// maxAudit bounds the blocks whose logs are compared at once. A scanner begins with
// firstAudit: much may wait for one that takes over, new blocks too.
const (
	maxAudit   = 200
	firstAudit = 25
)

// poll is one vote: on blocks, and on the logs of the range that is to become final.
type poll struct {
	ballots   []*ballot
	filter    Filter
	from, to  uint64            // the range whose logs are compared; to is 0 for none
	told      map[string]uint64 // up to which block hosts have told the range's logs
	contested map[string]Block  // by hash: blocks on whose logs not all agree
}

// auditEnd is up to which block logs can be compared at once.
func (s *Scanner) auditEnd(top uint64) uint64 {
	if s.records == nil || s.agree == 1 {
		return top
	}
	return min(top, s.unaudited()+s.audit.Width()-1)
}

// unaudited is the first block whose logs were not compared.
func (s *Scanner) unaudited() uint64 { return max(s.final+1, s.blocks[0].Number) }

// dueNow leaves out blocks on which endpoints disagree for long: they are asked about
// less and less often. waiting tells whether any other block is to be made final.
func (s *Scanner) dueNow(pending []Block) (due []Block, waiting bool) {
	if s.records == nil {
		return pending, len(pending) > 0
	}
	before := s.disputes
	s.disputes = map[string]int{}
	for _, b := range pending {
		looks, disputed := before[b.Hash]
		if b.Number > s.final {
			waiting = true
		} else {
			disputed = true // it was passed over, or nobody knows any more who told of it
		}
		if disputed {
			s.disputes[b.Hash] = looks + 1
		}
		if !disputed || looks < 4 || looks%16 == 0 {
			due = append(due, b)
		}
	}
	return due, waiting
}

// open begins a poll.
func (s *Scanner) open(pending []Block) *poll {
	p := &poll{told: map[string]uint64{}, contested: map[string]Block{}}
	if s.records == nil || s.agree == 1 {
		return p
	}
	for _, b := range pending {
		if s.disputes[b.Hash] > 0 {
			p.contested[b.Hash] = b
		}
	}
	if s.candidate == 0 {
		return p
	}
	p.filter, p.from, p.to = s.filter(), s.unaudited(), s.candidate
	if source, known := s.sources.of(p.from, p.to); known {
		p.told[s.client.endpoints[source].host] = p.to
	}
	return p
}

func (p *poll) heard(host string) bool { return p.to == 0 || p.told[host] >= p.to }

// cut leaves the logs from a block on for another look.
func (p *poll) cut(from uint64) {
	for host, upTo := range p.told {
		p.told[host] = min(upTo, from-1)
	}
}

// logCalls asks for the range's logs.
func (p *poll) logCalls() []Call {
	if p.to == 0 || len(p.filter.Addresses) == 0 {
		return nil
	}
	return []Call{LogsCall(p.filter, p.from, p.to)}
}

// narrow has fewer blocks compared at once if so many were the reason of an error.
func (p *poll) narrow(s *Scanner, err error) {
	refusal, refused := AsRPC(err)
	if p.to > p.from && (errors.Is(err, errTooLong) || errors.Is(err, context.DeadlineExceeded) || refused && refusal.tooMuch()) {
		s.audit.shrink(p.to - p.from + 1)
	}
}

// backed reports whether enough hosts have told the logs of a block, or none need to.
func (s *Scanner) backed(p *poll, n uint64) bool {
	if s.records == nil || s.agree == 1 || n <= s.final {
		return true
	}
	hosts := 0
	for _, upTo := range p.told {
		if upTo >= n {
			hosts++
		}
	}
	return hosts >= s.agree
}

// wantsLogs reports whether more endpoints are to tell the range's logs.
func (s *Scanner) wantsLogs(p *poll) bool { return p.to > 0 && !s.backed(p, p.to) }

// hear compares the logs that an endpoint tells of the range, up to a block, with what is kept.
func (s *Scanner) hear(ctx context.Context, i int, p *poll, rs []Result, upTo uint64) (why string, err error) {
	host := s.client.endpoints[i].host
	if upTo < p.from || p.told[host] >= upTo {
		return "", nil
	}
	var logs []Log
	if len(rs) > 0 {
		logs, err = rs[0].Logs()
		if err == nil {
			logs, err = sortLogs(logs, p.filter, p.from, p.to)
		}
		if err != nil {
			p.narrow(s, err)
			s.judge(ctx, i, err)
			return fmt.Sprintf("logs of blocks %d to %d: %s", p.from, p.to, clean(err.Error())), nil
		}
		s.audit.grow(p.to - p.from + 1)
	}
	for len(logs) > 0 && logs[len(logs)-1].Block.Number > upTo {
		logs = logs[:len(logs)-1] // not final by its word
	}
	differences, err := s.records.Compare(ctx, Sweep{Chain: s.chain, From: p.from, To: Block{Number: upTo}, Logs: logs})
	if err != nil {
		return "", fmt.Errorf("comparing blocks %d to %d: %w", p.from, upTo, err)
	}
	for _, d := range differences {
		p.contested[d.Block.Hash] = d.Block
	}
	p.told[host] = upTo
	return "", nil
}

// auditBy has the endpoint of the look tell the range's logs once more: nobody knows any
// more who told them first.
func (s *Scanner) auditBy(ctx context.Context, v view, p *poll) error {
	var rs []Result
	if calls := p.logCalls(); len(calls) > 0 {
		var err error
		if rs, err = s.client.on(ctx, v.endpoint, calls); err != nil {
			p.narrow(s, err)
			return err
		}
	}
	_, err := s.hear(ctx, v.endpoint, p, rs, p.to)
	return err
}

// confirmed reports whether enough endpoints agree on what is kept of a block they agree on.
func (s *Scanner) confirmed(ctx context.Context, p *poll, b *ballot) (bool, error) {
	_, contested := p.contested[b.block.Hash]
	switch {
	case s.records == nil || s.agree == 1 || b.settled:
		return true, nil
	case !contested && s.backed(p, b.block.Number):
		return true, nil
	case !b.evidence:
		return false, nil
	}
	small, err := s.records.Small(ctx, s.chain, b.block)
	if err != nil {
		return false, fmt.Errorf("weighing block %d: %w", b.block.Number, err)
	}
	return small, nil
}
