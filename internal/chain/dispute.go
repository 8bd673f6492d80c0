package chain

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"quittance/internal/asset"
)

// maxContested bounds the blocks that all endpoints are asked about at one look.
const maxContested = 32

// account is what one endpoint says of one block.
type account struct {
	endpoint int
	head     *Header
	logs     []Log // with their block's time
}

// text is the same for accounts that say the same.
func (a account) text() string {
	var b strings.Builder
	b.WriteString(a.head.Hash)
	for _, l := range a.logs {
		fmt.Fprintf(&b, "|%d %d %s %s %v %x", l.Index, l.TxIndex, l.Tx, l.Address, l.Topics, l.Data)
	}
	return b.String()
}

// resolve asks all endpoints about the blocks on whose logs not all agree. What enough of
// them say is so: evidence is brought into line with it, and who says otherwise is set
// aside. Where not enough say the same, all that anybody says is kept, none of it becomes
// final, and the endpoints are named in what is returned.
func (s *Scanner) resolve(ctx context.Context, p *poll) (held string, err error) {
	blocks := slices.SortedFunc(maps.Values(p.contested), func(a, b Block) int { return cmp.Compare(a.Number, b.Number) })
	if len(blocks) > maxContested {
		p.cut(blocks[maxContested].Number)
		blocks = blocks[:maxContested]
	}
	for _, b := range blocks {
		accounts := s.hearing(ctx, b.Number)
		said, enough := s.majority(accounts)
		if !enough {
			why, err := s.undecided(ctx, b, accounts)
			if err != nil {
				return "", err
			}
			held = cmp.Or(held, why)
			continue
		}
		if err := s.correct(ctx, b, said, accounts); err != nil {
			return "", err
		}
		for _, o := range p.ballots {
			o.settled = o.settled || o.block.Hash == b.Hash && said.head.Hash == b.Hash
		}
	}
	return held, nil
}

// hearing asks all endpoints about one block, and leaves out those for which it is not final.
func (s *Scanner) hearing(ctx context.Context, n uint64) (out []account) {
	f := s.filter()
	for _, i := range s.client.order(s.avoided) {
		calls := s.tipCalls()
		tips := len(calls)
		calls = append(calls, HeaderCall(AtBlock(n)))
		if len(f.Addresses) > 0 {
			calls = append(calls, LogsCall(f, n, n))
		}
		rs, err := s.client.on(ctx, i, calls)
		if err != nil {
			continue // it is counted where it failed
		}
		a, err := s.accountOf(i, n, f, rs, tips)
		if err != nil {
			s.judge(ctx, i, err)
			continue
		}
		if a.head != nil {
			out = append(out, a)
		}
	}
	return out
}

// accountOf decodes what an endpoint says of a block; without a head if it is not final by
// its word.
func (s *Scanner) accountOf(i int, n uint64, f Filter, rs []Result, tips int) (account, error) {
	a := account{endpoint: i}
	_, final, err := s.tips(rs)
	if err != nil || final < n {
		return a, err
	}
	head, err := headerAt(rs[tips], n)
	if err != nil || head == nil {
		return a, err
	}
	if len(f.Addresses) > 0 {
		if a.logs, err = rs[tips+1].Logs(); err != nil {
			return a, err
		}
		if a.logs, err = sortLogs(a.logs, f, n, n); err != nil {
			return a, err
		}
	}
	for j := range a.logs {
		if a.logs[j].Block.Hash != head.Hash {
			return a, fmt.Errorf("%w: block %d", errWrongBlock, n)
		}
		a.logs[j].Block = head.Block
	}
	a.head = head
	return a, nil
}

// majority is the account that enough hosts give, and more than any other one.
func (s *Scanner) majority(accounts []account) (said account, enough bool) {
	by := map[string][]int{}
	for _, a := range accounts {
		by[a.text()] = append(by[a.text()], a.endpoint)
	}
	most, second := 0, 0
	for _, a := range accounts {
		switch n := s.opinions(by[a.text()]); {
		case n > most:
			second = most
			most, said = n, a
		case a.text() != said.text():
			second = max(second, n)
		}
	}
	return said, most >= s.agree && most > second
}

// correct brings what is kept of a block into line with what was agreed on.
func (s *Scanner) correct(ctx context.Context, b Block, said account, accounts []account) error {
	for _, a := range accounts {
		if kind, detail := said.against(a); kind != "" {
			s.caught(ctx, a.endpoint, kind, detail)
		}
	}
	if said.head.Hash != b.Hash {
		return nil // the block is on no chain: see doubt
	}
	differences, err := s.records.Compare(ctx, said.sweep(s.chain))
	if err != nil {
		return fmt.Errorf("comparing block %d: %w", b.Number, err)
	}
	if len(differences) == 0 {
		return nil
	}
	s.accuse(ctx, b, said, accounts, differences)
	var gone []Difference
	for _, d := range differences {
		if d.Kind == Missing {
			gone = append(gone, d)
		}
	}
	s.log.WarnContext(ctx, "evidence is brought into line with what endpoints agree on", "block", b.Number, "differences", len(differences), "dropped", len(gone))
	if len(gone) > 0 {
		if err := s.records.Forget(ctx, s.chain, gone); err != nil {
			return fmt.Errorf("dropping evidence of block %d: %w", b.Number, err)
		}
	}
	if err := s.records.Learn(ctx, s.chain, said.logs); err != nil {
		return fmt.Errorf("keeping evidence of block %d: %w", b.Number, err)
	}
	return nil
}

func (a account) sweep(id asset.ChainID) Sweep {
	return Sweep{Chain: id, From: a.head.Number, To: a.head.Block, Logs: a.logs}
}

// accuse names the endpoint that told of a block at first, where it does not tell the same any more.
func (s *Scanner) accuse(ctx context.Context, b Block, said account, accounts []account, differences []Difference) {
	source, known := s.sources.of(b.Number, b.Number)
	if !known || slices.ContainsFunc(accounts, func(a account) bool { return a.endpoint == source && a.text() != said.text() }) {
		return // it is named already
	}
	kind := differences[0].Kind
	switch kind {
	case Missing: // what was kept is not there
		kind = Invented
	case Invented:
		kind = Missing
	}
	s.caught(ctx, source, kind, fmt.Sprintf("it told otherwise of block %d before", b.Number))
}

// against says what is wrong with another account, "" if nothing is.
func (a account) against(other account) (kind Kind, detail string) {
	n := a.head.Number
	if a.head.Hash != other.head.Hash {
		return OtherFork, fmt.Sprintf("its block %d is %s, not %s", n, other.head.Hash, a.head.Hash)
	}
	for _, l := range a.logs {
		switch i := slices.IndexFunc(other.logs, func(m Log) bool { return m.Index == l.Index }); {
		case i < 0:
			return Missing, fmt.Sprintf("it leaves out log %d of block %d", l.Index, n)
		case !l.equal(other.logs[i]):
			return Altered, fmt.Sprintf("its log %d of block %d reads differently", l.Index, n)
		}
	}
	for _, m := range other.logs {
		if !slices.ContainsFunc(a.logs, func(l Log) bool { return m.Index == l.Index }) {
			return Invented, fmt.Sprintf("it has a log %d of block %d", m.Index, n)
		}
	}
	return "", ""
}

// undecided keeps what anybody says of a block and nobody has told before, as seen and no
// more, and says who disagrees.
func (s *Scanner) undecided(ctx context.Context, b Block, accounts []account) (held string, err error) {
	news := s.disputes[b.Hash] <= 1
	s.disputes[b.Hash] = max(s.disputes[b.Hash], 1)
	var words []string
	for _, a := range accounts {
		if a.head.Hash != b.Hash {
			words = append(words, fmt.Sprintf("%s: its block is %s", s.name(a), a.head.Hash))
			continue
		}
		differences, err := s.records.Compare(ctx, a.sweep(s.chain))
		if err != nil {
			return "", fmt.Errorf("comparing block %d: %w", b.Number, err)
		}
		var unknown []Log
		for _, d := range differences {
			words = append(words, fmt.Sprintf("%s: %s %s", s.name(a), d.words(), d.Key))
			if d.Kind != Invented {
				continue
			}
			if i := slices.IndexFunc(a.logs, func(l Log) bool { return l.Tx == d.Tx && l.Index == d.Index }); i >= 0 {
				unknown = append(unknown, a.logs[i])
			}
		}
		if len(unknown) > 0 {
			if err := s.records.Learn(ctx, s.chain, unknown); err != nil {
				return "", fmt.Errorf("keeping evidence of block %d: %w", b.Number, err)
			}
		}
	}
	if news && len(words) > 0 {
		for _, a := range accounts {
			s.client.endpoints[a.endpoint].disputed()
		}
	}
	return fmt.Sprintf("the logs of block %d are not agreed on (%s); %d of %d endpoints answered", b.Number, strings.Join(words, "; "), len(accounts), len(s.client.endpoints)), nil
}

func (s *Scanner) name(a account) string { return s.client.endpoints[a.endpoint].name }

// words say of an account what the difference to what is kept is.
func (d Difference) words() string {
	switch d.Kind {
	case Missing:
		return "it does not have"
	case Invented:
		return "it alone has"
	}
	return "it reads differently at"
}
