//go:build !nosandbox

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"quittance/internal/money"
	"quittance/internal/sandbox/contracts"
)

const (
	// FeedEvery is how often the price feeds publish, changed prices or not.
	FeedEvery = time.Minute

	feedGas      = 200_000 // of any call of a feed: estimating would cost a start time
	feedPatience = 15 * time.Second
)

// Priced is an asset that the sandbox knows the price of.
type Priced struct {
	Symbol  string // "ETH", or "EUR" for the euro, which is a currency and on no chain
	Name    string // the price API's: "ethereum"
	Dollars string // decimal text with eight decimals
}

// PricedAssets are the assets of every chain and the euro, with what they cost unless a control says
// otherwise. Feeds of all of them are on every chain.
func PricedAssets() []Priced {
	return []Priced{
		{"ETH", "ethereum", "3742.05353900"},
		{"USDC", "usd-coin", "0.99985000"},
		{"USDT", "tether", "1.00021000"},
		{"EUR", "euro-coin", "1.08000000"},
	}
}

// feedAddresses are the same on every chain, and nobody's accounts.
var feedAddresses = map[string]common.Address{
	"ETH":  common.HexToAddress("0x5a4db000000000000000000000000000feed0e78"),
	"USDC": common.HexToAddress("0x5a4db000000000000000000000000000feed05dc"),
	"USDT": common.HexToAddress("0x5a4db000000000000000000000000000feed05d7"),
	"EUR":  common.HexToAddress("0x5a4db000000000000000000000000000feed0e06"),
}

var sequencerAddress = common.HexToAddress("0x5a4db000000000000000000000000000feed05e9")

// sequencerUp is when the sequencer has come up: so long ago that prices are believed at once.
var sequencerUp = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// addFeeds puts the price feeds at their addresses. What they say there is as old as the genesis block:
// they publish at each start.
func addFeeds(alloc types.GenesisAlloc, owner common.Address) error {
	for _, p := range PricedAssets() {
		answer, err := money.Parse(p.Dollars, money.PriceDecimals)
		if err != nil {
			return fmt.Errorf("price of %s: %w", p.Symbol, err)
		}
		alloc[feedAddresses[p.Symbol]] = contracts.Feed{
			Owner: owner, Description: p.Symbol + " / USD", Decimals: money.PriceDecimals, Answer: answer, At: sequencerUp,
		}.Account()
	}
	alloc[sequencerAddress] = contracts.Feed{Owner: owner, Description: "L2 Sequencer Uptime Status Feed", Answer: new(big.Int), At: sequencerUp}.Account()
	return nil
}

// FeedMood is what is wrong with a price feed. The zero value is nothing.
type FeedMood struct {
	Price    string        // dollars in place of the usual ones, as decimal text
	Jump     int           // percent by which the price is off, either way
	Stale    time.Duration // how old the price is; nothing new is published
	Decimals uint8         // other than its answers have, zero for the right ones
	Down     bool          // refuses to answer
	Garbage  bool          // answers with a round that cannot be
}

// moods are what the feeds of a chain were told.
type moods struct {
	mu      sync.Mutex // from the choice of a mood until the chain has it
	of      map[string]FeedMood
	stopped bool // the sequencer
}

func (m FeedMood) check() error {
	if m.Jump <= -100 || m.Jump > 10_000 || m.Stale < 0 || m.Stale > 365*24*time.Hour {
		return errors.New("a price jumps by -99 to 10000 percent, and is at most a year old")
	}
	if _, err := m.answer(Priced{Dollars: "1"}); err != nil {
		return fmt.Errorf("price: %w", err)
	}
	return nil
}

// answer is what the feed of an asset says in this mood, with eight decimals.
func (m FeedMood) answer(p Priced) (*big.Int, error) {
	text := p.Dollars
	if m.Price != "" {
		text = m.Price
	}
	v, err := money.Parse(text, money.PriceDecimals)
	if err != nil {
		return nil, err
	}
	v.Mul(v, big.NewInt(int64(100+m.Jump)))
	return v.Quo(v, big.NewInt(100)), nil
}

// calls make a feed be in a mood. all is false for what is repeated every minute.
func (m FeedMood) calls(p Priced, now time.Time, all bool) ([]call, error) {
	answer, err := m.answer(p)
	if err != nil {
		return nil, fmt.Errorf("price of %s: %w", p.Symbol, err)
	}
	feed := feedAddresses[p.Symbol]
	to := func(method string, args ...any) call {
		return call{to: feed, data: contracts.Call(contracts.PriceFeed, method, args...), gas: feedGas}
	}
	var out []call
	if all {
		decimals := m.Decimals
		if decimals == 0 {
			decimals = money.PriceDecimals
		}
		out = append(out, to("behave", decimals, m.Down))
	}
	switch {
	case m.Garbage || m.Stale > 0:
		if all {
			out = append(out, to("pretend", m.round(answer, now)))
		}
	default:
		out = append(out, to("publish", answer))
	}
	return out, nil
}

func (m FeedMood) round(answer *big.Int, now time.Time) contracts.Round {
	if m.Garbage {
		return contracts.Round{RoundID: big.NewInt(9), AnsweredInRound: big.NewInt(3), Answer: big.NewInt(-1), StartedAt: new(big.Int), UpdatedAt: new(big.Int)}
	}
	at := big.NewInt(now.Add(-m.Stale).Unix())
	return contracts.Round{RoundID: big.NewInt(9), AnsweredInRound: big.NewInt(9), Answer: answer, StartedAt: at, UpdatedAt: at}
}

// sequencerCall says that the sequencer is down since now, or up for long.
func sequencerCall(stopped bool, now time.Time) call {
	answer, at := int64(0), sequencerUp
	if stopped {
		answer, at = 1, now
	}
	r := contracts.Round{
		RoundID: big.NewInt(9), AnsweredInRound: big.NewInt(9), Answer: big.NewInt(answer), StartedAt: big.NewInt(at.Unix()), UpdatedAt: big.NewInt(at.Unix()),
	}
	return call{to: sequencerAddress, data: contracts.Call(contracts.PriceFeed, "pretend", r), gas: feedGas}
}

// SetFeed changes the mood of one asset's feed ("ETH"), or of all for "", and whether the sequencer's
// feed says that it is down. It returns once the chain has it.
func (c *Chain) SetFeed(ctx context.Context, symbol string, m FeedMood, sequencerDown bool) error {
	if _, known := feedAddresses[symbol]; !known && symbol != "" {
		return fmt.Errorf("no feed of %q: %v have one", symbol, slices.Sorted(maps.Keys(feedAddresses)))
	}
	if err := m.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	c.moods.mu.Lock()
	defer c.moods.mu.Unlock()
	for s := range feedAddresses {
		if symbol == "" || s == symbol {
			c.moods.of[s] = m
		}
	}
	c.moods.stopped = sequencerDown
	sent, err := c.sendMoods(ctx, true)
	if err != nil {
		return err
	}
	return c.confirmed(ctx, sent)
}

// sendMoods tells the feeds what they say. The caller holds the moods' lock, or is alone.
func (c *Chain) sendMoods(ctx context.Context, all bool) (sent []common.Hash, err error) {
	now := time.Now()
	var calls []call
	for _, p := range PricedAssets() {
		some, err := c.moods.of[p.Symbol].calls(p, now, all)
		if err != nil {
			return nil, err
		}
		calls = append(calls, some...)
	}
	if all {
		calls = append(calls, sequencerCall(c.moods.stopped, now))
	}
	for _, one := range calls {
		hash, err := c.treasury.send(ctx, one)
		if err != nil {
			return sent, fmt.Errorf("publishing prices: %w", err)
		}
		sent = append(sent, hash)
	}
	return sent, nil
}

// publish repeats what the feeds say until ctx ends, so that prices stay fresh.
func (c *Chain) publish(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(FeedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.moods.mu.Lock()
		_, err := c.sendMoods(ctx, false)
		c.moods.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "the sandbox's price feeds cannot publish", "chain", c.Network, "error", err)
		}
	}
}

// wireFeed is what a chain's feeds are told. Durations are Go's ("3h").
type wireFeed struct {
	Asset         string `json:"asset"` // "" for all
	Price         string `json:"price"`
	Jump          int    `json:"jump"`
	Stale         string `json:"stale"`
	Decimals      uint8  `json:"decimals"`
	Down          bool   `json:"down"`
	Garbage       bool   `json:"garbage"`
	SequencerDown bool   `json:"sequencerDown"`
}

// FeedControl tells the price feeds of the chains, each under its network's name, how to behave: PUT
// takes {"asset":"ETH","price":"3000","jump":20,"stale":"3h","decimals":18,"down":true,"garbage":true,
// "sequencerDown":true}; {"asset":"ETH"} makes that feed honest again and {} all; GET shows them.
func (s *Chains) FeedControl() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := s.Chain(path.Base(r.URL.Path))
		if c == nil {
			http.NotFound(w, r)
			return
		}
		control(c.describeFeeds, c.commandFeeds).ServeHTTP(w, r)
	})
}

type wireFeedState struct {
	Address  string `json:"address"`
	Price    string `json:"price"`
	Jump     int    `json:"jump"`
	Stale    string `json:"stale"`
	Decimals uint8  `json:"decimals"`
	Down     bool   `json:"down"`
	Garbage  bool   `json:"garbage"`
}

func (c *Chain) describeFeeds() any {
	c.moods.mu.Lock()
	defer c.moods.mu.Unlock()
	out := struct {
		Network       string                   `json:"network"`
		Feeds         map[string]wireFeedState `json:"feeds"`
		SequencerDown bool                     `json:"sequencerDown"`
	}{c.Network, map[string]wireFeedState{}, c.moods.stopped}
	for _, p := range PricedAssets() {
		m := c.moods.of[p.Symbol]
		if m.Price == "" {
			m.Price = p.Dollars
		}
		if m.Decimals == 0 {
			m.Decimals = money.PriceDecimals
		}
		out.Feeds[p.Symbol] = wireFeedState{c.Feeds[p.Symbol], m.Price, m.Jump, m.Stale.String(), m.Decimals, m.Down, m.Garbage}
	}
	return out
}

func (c *Chain) commandFeeds(r *http.Request, body wireFeed) error {
	m := FeedMood{Price: body.Price, Jump: body.Jump, Decimals: body.Decimals, Down: body.Down, Garbage: body.Garbage}
	if body.Stale != "" {
		var err error
		if m.Stale, err = time.ParseDuration(body.Stale); err != nil {
			return err
		}
	}
	return c.SetFeed(r.Context(), body.Asset, m, body.SequencerDown)
}
