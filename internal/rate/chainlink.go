package rate

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/money"
	"quittance/internal/multicall"
)

// Feed is one price feed on a chain: a proxy with Chainlink's AggregatorV3Interface,
// in dollars, with eight decimals.
type Feed struct {
	Address asset.Address
	// MaxAge is how old its answer may be: its heartbeat and some slack.
	MaxAge time.Duration
}

// ChainlinkConfig says which feeds are read.
type ChainlinkConfig struct {
	Chain     asset.ChainID
	Node      chain.Batcher
	Multicall asset.Address // the chain's Multicall3
	Feeds     map[asset.ID]Feed
	// Sequencer is the rollup's uptime feed, zero on chains without a sequencer.
	Sequencer asset.Address
	Now       func() time.Time // time.Now if nil
}

const (
	// sequencerGrace is how long after a sequencer came back prices are not believed
	// (Chainlink's documentation of L2 sequencer uptime feeds).
	sequencerGrace = time.Hour
	// maxBlockAge is how old the newest block may be.
	maxBlockAge = 5 * time.Minute
)

// Chainlink reads feeds on one chain. It is safe for concurrent use.
type Chainlink struct {
	config ChainlinkConfig
}

const chainlinkName = "chainlink"

// NewChainlink checks the configuration; it asks nobody.
func NewChainlink(c ChainlinkConfig) (*Chainlink, error) {
	if c.Chain == 0 || c.Node == nil || c.Multicall.IsZero() || len(c.Feeds) == 0 {
		return nil, errors.New("price feeds: chain, node, Multicall3 and feeds are needed")
	}
	for id, f := range c.Feeds {
		if f.Address.IsZero() || f.MaxAge <= 0 {
			return nil, fmt.Errorf("price feed of %s: an address and the age of an answer are needed", id)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Chainlink{config: c}, nil
}

// The functions that are asked. AggregatorV3Interface is Chainlink's.
var (
	latestRoundData = []byte{0xfe, 0xaf, 0x96, 0x8c} // latestRoundData()
	decimals        = []byte{0x31, 0x3c, 0xe5, 0x67} // decimals()
	blockTimestamp  = []byte{0x0f, 0x28, 0xc9, 0x7d} // getCurrentBlockTimestamp(), of Multicall3
)

// description is description() of the same interface.
var description = []byte{0x72, 0x84, 0xe4, 0x16}

// Describe asks a feed what it calls itself, "ETH / USD".
func Describe(ctx context.Context, node chain.Batcher, feed asset.Address) (string, error) {
	data, err := chain.Ask(ctx, node, chain.ContractCall(chain.Msg{To: feed, Data: description}, chain.Latest), chain.Result.Bytes)
	if err != nil {
		return "", fmt.Errorf("asking feed %s: %w", feed, err)
	}
	// One text: where it begins, its length, and its bytes, padded.
	if len(data) < 2*word || new(big.Int).SetBytes(data[:word]).Cmp(big.NewInt(word)) != 0 {
		return "", fmt.Errorf("feed %s does not say what it is", feed)
	}
	size := new(big.Int).SetBytes(data[word : 2*word])
	if !size.IsInt64() || size.Int64() > int64(len(data)-2*word) || size.Int64() > 100 {
		return "", fmt.Errorf("feed %s does not say what it is", feed)
	}
	return string(data[2*word : 2*word+int(size.Int64())]), nil
}

// places are where an asset's answers are.
type places struct{ round, decimals int }

// Prices implements Source. It asks the chain once: all that it is told is of one block.
func (c *Chainlink) Prices(ctx context.Context, of []asset.ID) map[asset.ID]Answer {
	var b multicall.Bundle
	clock, sequencer := b.Add(c.config.Multicall, blockTimestamp), -1
	if !c.config.Sequencer.IsZero() {
		sequencer = b.Add(c.config.Sequencer, latestRoundData)
	}
	at := map[asset.ID]places{}
	for _, id := range of {
		if f, ok := c.config.Feeds[id]; ok {
			at[id] = places{b.Add(f.Address, latestRoundData), b.Add(f.Address, decimals)}
		}
	}
	now := c.config.Now()
	answers, why, err := c.ask(ctx, &b, clock, sequencer, now)
	if err != nil {
		return failed(of, chainlinkName, why, err)
	}
	out := map[asset.ID]Answer{}
	for _, id := range of {
		where, ok := at[id]
		if !ok {
			out[id] = Answer{Err: &Error{Asset: id, Source: chainlinkName, Why: Unknown}}
			continue
		}
		p, why, detail := read(answers[where.round], answers[where.decimals], c.config.Feeds[id].MaxAge, now)
		if why != "" {
			out[id] = Answer{Err: &Error{Asset: id, Source: chainlinkName, Why: why, Detail: detail}}
			continue
		}
		out[id] = Answer{Price: p}
	}
	return out
}

// ask puts the questions and judges what holds for all of the chain.
func (c *Chainlink) ask(ctx context.Context, b *multicall.Bundle, clock, sequencer int, now time.Time) ([]multicall.Answer, Why, error) {
	call := chain.ContractCall(chain.Msg{To: c.config.Multicall, Data: b.Encode()}, chain.Latest)
	data, err := chain.Ask(ctx, c.config.Node, call, chain.Result.Bytes)
	if err != nil {
		return nil, Unreachable, fmt.Errorf("asking chain %d: %w", c.config.Chain, err)
	}
	answers, err := multicall.Decode(data, b.Len())
	if err != nil {
		return nil, Malformed, fmt.Errorf("what chain %d says: %w", c.config.Chain, err)
	}
	block, ok := instant(answers[clock].Amount())
	if !ok {
		return nil, Malformed, errors.New("the newest block has no time")
	}
	if now.Sub(block) > maxBlockAge {
		return nil, Behind, fmt.Errorf("the newest block of chain %d is of %s", c.config.Chain, block.Format(time.RFC3339))
	}
	if sequencer < 0 {
		return answers, "", nil
	}
	r, err := decodeRound(answers[sequencer])
	if err != nil {
		return nil, Malformed, fmt.Errorf("the sequencer's feed: %w", err)
	}
	// 0 is up and 1 is down; startedAt is when it became so, and 0 where the feed has
	// not begun.
	since, ok := instant(r.startedAt)
	switch {
	case r.answer.Sign() != 0:
		return nil, Down, fmt.Errorf("the sequencer's feed says %s", r.answer)
	case !ok || r.startedAt.Sign() == 0:
		return nil, Down, errors.New("the sequencer's feed has not begun")
	case now.Sub(since) <= sequencerGrace:
		return nil, Down, fmt.Errorf("the sequencer is back since %s", since.Format(time.RFC3339))
	}
	return answers, "", nil
}

// round is what latestRoundData returns.
type round struct {
	id, answer, startedAt, updatedAt, answeredIn *big.Int
}

const word = 32

func decodeRound(a multicall.Answer) (round, error) {
	if !a.Success {
		return round{}, errors.New("it refuses to answer")
	}
	if len(a.Data) != 5*word {
		return round{}, fmt.Errorf("%d bytes where five words should be", len(a.Data))
	}
	var w [5]*big.Int
	for i, part := range slices.Collect(slices.Chunk(a.Data, word)) {
		w[i] = new(big.Int).SetBytes(part)
	}
	if w[1].Bit(word*8-1) == 1 { // int256
		w[1].Sub(w[1], new(big.Int).Lsh(big.NewInt(1), word*8))
	}
	if w[0].BitLen() > 80 || w[4].BitLen() > 80 {
		return round{}, errors.New("a round of more than 80 bits")
	}
	return round{id: w[0], answer: w[1], startedAt: w[2], updatedAt: w[3], answeredIn: w[4]}, nil
}

// read makes a price of a feed's answers.
func read(latest, decimals multicall.Answer, maxAge time.Duration, now time.Time) (Price, Why, string) {
	r, err := decodeRound(latest)
	if err != nil {
		return Price{}, Malformed, err.Error()
	}
	if d := decimals.Amount(); d == nil || !d.IsUint64() || d.Uint64() != money.PriceDecimals {
		return Price{}, Decimal, fmt.Sprintf("%v decimals", d)
	}
	at, ok := instant(r.updatedAt)
	switch {
	case !ok || r.updatedAt.Sign() == 0 || r.id.Sign() == 0:
		return Price{}, Incomplete, "the round has no answer yet"
	case r.answeredIn.Cmp(r.id) < 0:
		return Price{}, Stale, fmt.Sprintf("round %s was answered in %s", r.id, r.answeredIn)
	}
	p := Price{Value: r.answer, At: at, Source: chainlinkName}
	if why, detail := sane(p, maxAge, now); why != "" {
		return Price{}, why, detail
	}
	return p, "", ""
}

// instant reads Unix seconds before the year 10000.
func instant(v *big.Int) (time.Time, bool) {
	if v == nil || !v.IsInt64() || v.Int64() < 0 || v.Int64() > 253402300799 {
		return time.Time{}, false
	}
	return time.Unix(v.Int64(), 0).UTC(), true
}
