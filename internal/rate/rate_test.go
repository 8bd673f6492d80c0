package rate_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/rate"
	"quittance/internal/rate/market"
	"quittance/internal/sandbox/contracts"
)

const (
	eth   asset.ID = "ETH-base"
	usdc  asset.ID = "USDC-base"
	other asset.ID = "OTHER-base"
)

var (
	ethFeed  = asset.Address{0: 0x5a, 19: 1}
	usdcFeed = asset.Address{0: 0x5a, 19: 2}
	sequence = asset.Address{0: 0x5a, 19: 3}
	wrong    = asset.Address{0: 0x5a, 19: 4}
)

// oracle is a chain with feeds, the wallet that owns them, and a reader.
type oracle struct {
	*chaintest.Chain
	t    *testing.T
	node chain.Batcher
	now  time.Time
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	o := &oracle{t: t, now: time.Now().UTC().Truncate(time.Second)}
	owner := common.HexToAddress(chaintest.New(t).Address()) // the same in every chain
	feed := func(at asset.Address, description string, decimals uint8, answer int64, age time.Duration) chaintest.Option {
		a := contracts.Feed{Owner: owner, Description: description, Decimals: decimals, Answer: big.NewInt(answer), At: o.now.Add(-age)}.Account()
		return chaintest.WithCode(at.String(), a.Code, a.Storage)
	}
	o.Chain = chaintest.New(t,
		feed(ethFeed, "ETH / USD", 8, 374205353900, time.Minute),
		feed(usdcFeed, "USDC / USD", 8, 99990000, 20*time.Hour),
		feed(sequence, "L2 Sequencer Uptime Status Feed", 0, 0, 48*time.Hour),
		feed(wrong, "ETH / BTC", 18, 5, time.Minute))
	client, err := chain.NewClient(chain.Config{Chain: asset.ChainID(o.ID()), Endpoints: []chain.Endpoint{{URL: o.URL()}}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o.node = client
	o.SetClock(func() time.Time { return o.now })
	o.Mine(1)
	return o
}

func (o *oracle) source(change func(*rate.ChainlinkConfig)) *rate.Chainlink {
	o.t.Helper()
	multicall, err := asset.ParseAddress(o.Multicall3())
	if err != nil {
		o.t.Fatal(err)
	}
	c := rate.ChainlinkConfig{
		Chain: asset.ChainID(o.ID()), Node: o.node, Multicall: multicall, Sequencer: sequence,
		Feeds: map[asset.ID]rate.Feed{
			eth: {ethFeed, time.Hour}, usdc: {usdcFeed, 25 * time.Hour}, "WETH-base": {ethFeed, time.Hour},
		},
		Now: func() time.Time { return o.now },
	}
	if change != nil {
		change(&c)
	}
	s, err := rate.NewChainlink(c)
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// pretend makes a feed say anything.
func (o *oracle) pretend(feed asset.Address, r contracts.Round) {
	o.t.Helper()
	o.Send(feed.String(), nil, contracts.Call(contracts.PriceFeed, "pretend", r))
	o.Mine(1)
}

// ask asks a source for one price.
func ask(ctx context.Context, s rate.Source, of asset.ID) (rate.Price, error) {
	a, ok := s.Prices(ctx, []asset.ID{of})[of]
	if !ok {
		return a.Price, fmt.Errorf("no answer for %s", of)
	}
	return a.Price, a.Err
}

func why(err error) rate.Why {
	var e *rate.Error
	if errors.As(err, &e) {
		return e.Why
	}
	return rate.Why(fmt.Sprint(err))
}

func TestFeeds(t *testing.T) {
	o := newOracle(t)
	requests := o.Requests()
	told := o.source(nil).Prices(t.Context(), []asset.ID{eth, usdc, "WETH-base", other})
	if n := o.Requests() - requests; n != 1 {
		t.Errorf("%d round trips", n)
	}
	for id, want := range map[asset.ID]string{eth: "3742.05353900", usdc: "0.99990000", "WETH-base": "3742.05353900"} {
		if a := told[id]; a.Err != nil || a.Price.String() != want || a.Price.Source != "chainlink" {
			t.Errorf("%s: %s, %v; want %s", id, a.Price, a.Err, want)
		}
	}
	if got := told[eth].Price.At; !got.Equal(o.now.Add(-time.Minute)) {
		t.Errorf("seen at %s", got)
	}
	if len(told) != 4 || why(told[other].Err) != rate.Unknown {
		t.Errorf("%d answers, %v", len(told), told[other].Err)
	}
	o.Send(ethFeed.String(), nil, contracts.Call(contracts.PriceFeed, "publish", big.NewInt(400000000000)))
	o.Mine(1)
	if p, err := ask(t.Context(), o.source(nil), eth); err != nil || p.String() != "4000.00000000" {
		t.Errorf("%s, %v", p, err)
	}
	if _, err := ask(t.Context(), o.source(nil), other); why(err) != rate.Unknown {
		t.Errorf("%v", err)
	}
}

func n(v int64) *big.Int { return big.NewInt(v) }

func TestFeedsThatCannotBeBelieved(t *testing.T) {
	o := newOracle(t)
	now := o.now.Unix()
	good := contracts.Round{RoundID: n(9), AnsweredInRound: n(9), Answer: n(374205353900), StartedAt: n(now), UpdatedAt: n(now)}
	round := func(change func(*contracts.Round)) contracts.Round {
		r := good
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		round contracts.Round
		want  rate.Why
	}{
		"old":                      {round(func(r *contracts.Round) { r.UpdatedAt = n(now - 3601) }), rate.Stale},
		"answered in an old round": {round(func(r *contracts.Round) { r.AnsweredInRound = n(8) }), rate.Stale},
		"nothing":                  {round(func(r *contracts.Round) { r.Answer = n(0) }), rate.NotPositive},
		"negative":                 {round(func(r *contracts.Round) { r.Answer = n(-1) }), rate.NotPositive},
		"absurd":                   {round(func(r *contracts.Round) { r.Answer = new(big.Int).Lsh(n(1), 200) }), rate.NotPositive},
		"of tomorrow":              {round(func(r *contracts.Round) { r.UpdatedAt = n(now + 86400) }), rate.Ahead},
		"never answered":           {round(func(r *contracts.Round) { r.UpdatedAt = n(0) }), rate.Incomplete},
		"beyond time":              {round(func(r *contracts.Round) { r.UpdatedAt = new(big.Int).Lsh(n(1), 100) }), rate.Incomplete},
		"no round":                 {round(func(r *contracts.Round) { r.RoundID, r.AnsweredInRound = n(0), n(0) }), rate.Incomplete},
	} {
		o.pretend(ethFeed, c.round)
		if a := o.source(nil).Prices(t.Context(), []asset.ID{eth, usdc}); why(a[eth].Err) != c.want || a[usdc].Err != nil {
			t.Errorf("%s: %v, want %s; the other one %v", name, a[eth].Err, c.want, a[usdc].Err)
		}
	}
	o.pretend(ethFeed, good)
	if _, err := ask(t.Context(), o.source(nil), eth); err != nil {
		t.Fatal(err)
	}
	up := contracts.Round{RoundID: n(1), AnsweredInRound: n(1), Answer: n(0), StartedAt: n(now - 7200), UpdatedAt: n(now - 7200)}
	for name, c := range map[string]contracts.Round{
		"down": {RoundID: n(2), AnsweredInRound: n(2), Answer: n(1), StartedAt: n(now - 7200), UpdatedAt: n(now)},
		"back": {RoundID: n(3), AnsweredInRound: n(3), Answer: n(0), StartedAt: n(now - 3599), UpdatedAt: n(now)},
		"new":  {RoundID: n(0), AnsweredInRound: n(0), Answer: n(0), StartedAt: n(0), UpdatedAt: n(0)},
	} {
		o.pretend(sequence, c)
		if _, err := ask(t.Context(), o.source(nil), eth); why(err) != rate.Down {
			t.Errorf("the sequencer is %s: %v", name, err)
		}
	}
	o.pretend(sequence, up)
	if _, err := ask(t.Context(), o.source(nil), eth); err != nil {
		t.Errorf("the sequencer is up: %v", err)
	}
}

func TestChainsThatCannotBeBelieved(t *testing.T) {
	o := newOracle(t)
	with := func(a asset.Address) func(*rate.ChainlinkConfig) {
		return func(c *rate.ChainlinkConfig) { c.Feeds = map[asset.ID]rate.Feed{eth: {a, time.Hour}} }
	}
	for name, c := range map[string]struct {
		change func(*rate.ChainlinkConfig)
		spoil  func()
		want   rate.Why
	}{
		"another feed":  {with(wrong), nil, rate.Decimal},
		"no feed there": {with(asset.Address{19: 99}), nil, rate.Malformed},
		"a token there": {func(c *rate.ChainlinkConfig) {
			c.Feeds[eth] = rate.Feed{Address: mustAddress(o.USDC()), MaxAge: time.Hour}
		}, nil, rate.Malformed},
		"no sequencer":        {func(c *rate.ChainlinkConfig) { c.Sequencer = asset.Address{19: 98} }, nil, rate.Malformed},
		"an old block":        {func(c *rate.ChainlinkConfig) { c.Now = func() time.Time { return o.now.Add(10 * time.Minute) } }, nil, rate.Behind},
		"no Multicall3":       {func(c *rate.ChainlinkConfig) { c.Multicall = asset.Address{19: 97} }, nil, rate.Malformed},
		"a node that errs":    {nil, func() { o.FailMethod("eth_call", -32000, "out of memory") }, rate.Unreachable},
		"a node that is gone": {nil, func() { o.Fail(502) }, rate.Unreachable},
	} {
		if c.spoil != nil {
			c.spoil()
		}
		if _, err := ask(t.Context(), o.source(c.change), eth); why(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		o.Behave()
	}
}

func mustAddress(text string) asset.Address {
	a, err := asset.ParseAddress(text)
	if err != nil {
		panic(err) // from a test's own chain
	}
	return a
}

func TestConfigurations(t *testing.T) {
	ids := map[asset.ID]string{eth: "ethereum"}
	for name, c := range map[string]rate.APIConfig{
		"plain http":    {URL: "http://example.com/", IDs: ids},
		"a key in it":   {URL: "https://example.com/?key=1", IDs: ids},
		"a user in it":  {URL: "https://u:p@example.com/", IDs: ids},
		"nothing":       {IDs: ids},
		"no names":      {URL: "https://example.com/"},
		"an odd name":   {URL: "https://example.com/", IDs: map[asset.ID]string{eth: "ethereum,bitcoin"}},
		"an empty name": {URL: "https://example.com/", IDs: map[asset.ID]string{eth: ""}},
	} {
		if _, err := rate.NewAPI(c); err == nil || strings.Contains(err.Error(), "example.com") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rate.NewChainlink(rate.ChainlinkConfig{Chain: 1}); err == nil {
		t.Error("a chain without feeds is taken")
	}
}

// two sources that disagree, and one that is gone.
func TestAgreement(t *testing.T) {
	o, s := newOracle(t), newShop(t)
	strict := rate.Agreed{First: o.source(nil), Second: s.api, Bound: 200}
	alone := strict
	alone.Alone = true
	for name, c := range map[string]struct {
		mood          market.Mood
		strict, alone rate.Why
	}{
		"both say the same":        {market.Mood{}, "", ""},
		"within the bound":         {market.Mood{Jump: 1}, "", ""},
		"above it":                 {market.Mood{Jump: 3}, rate.Disagree, rate.Disagree},
		"below it":                 {market.Mood{Jump: -3}, rate.Disagree, rate.Disagree},
		"the second one is old":    {market.Mood{Age: time.Hour}, rate.Stale, ""},
		"the second one is broken": {market.Mood{Status: 404}, rate.Unreachable, ""},
	} {
		if err := s.Behave(c.mood); err != nil {
			t.Fatal(err)
		}
		for source, want := range map[rate.Agreed]rate.Why{strict: c.strict, alone: c.alone} {
			p, err := ask(t.Context(), source, eth)
			if want == "" && (err != nil || p.String() != "3742.05353900") || want != "" && why(err) != want {
				t.Errorf("%s, alone %t: %s, %v; want %q", name, source.Alone, p, err, want)
			}
		}
	}
	if err := s.Behave(market.Mood{}); err != nil {
		t.Fatal(err)
	}
	o.Fail(500)
	if _, err := ask(t.Context(), alone, eth); why(err) != rate.Unreachable {
		t.Errorf("without the first one: %v", err)
	}
}

func TestKept(t *testing.T) {
	s := newShop(t)
	kept := rate.Keep(s.api, 10*time.Second, func() time.Time { return s.now })
	for range 5 {
		if told := kept.Prices(t.Context(), []asset.ID{eth, usdc}); told[eth].Err != nil || told[usdc].Err != nil {
			t.Fatal(told)
		}
	}
	if s.Asked() != 1 {
		t.Errorf("asked %d times", s.Asked())
	}
	s.Set("ethereum", "4000")
	s.now = s.now.Add(11 * time.Second)
	if p, err := ask(t.Context(), kept, eth); err != nil || p.String() != "4000.00000000" || s.Asked() != 2 {
		t.Errorf("%s, %v, asked %d times", p, err, s.Asked())
	}
	// A caller that goes away does not take the answer with it.
	s.now = s.now.Add(11 * time.Second)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(gone, kept, eth); err != nil {
		t.Error(err)
	}
	// That there is none is not kept for long.
	if err := s.Behave(market.Mood{Lie: "negative"}); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(11 * time.Second)
	if _, err := ask(t.Context(), kept, eth); why(err) != rate.NotPositive {
		t.Error(err)
	}
	if err := s.Behave(market.Mood{}); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(3 * time.Second)
	if _, err := ask(t.Context(), kept, eth); err != nil {
		t.Error(err)
	}
}

func TestSeveralSources(t *testing.T) {
	at := time.Now()
	says := func(value int64, of ...asset.ID) (rate.Part, *told) {
		s := &told{answers: map[asset.ID]rate.Answer{}}
		for _, id := range of {
			s.answers[id] = rate.Answer{Price: rate.Price{Value: big.NewInt(value), At: at, Source: "played"}}
		}
		return rate.Part{Source: s, Of: of}, s
	}
	one, first := says(1, eth, usdc)
	two, second := says(2, usdc, other)
	got := rate.Several{one, two}.Prices(t.Context(), []asset.ID{eth, usdc, other, "NONE"})
	for id, want := range map[asset.ID]int64{eth: 1, usdc: 1, other: 2} {
		if a := got[id]; a.Err != nil || a.Price.Value.Int64() != want {
			t.Errorf("%s: %+v, want %d", id, a, want)
		}
	}
	if len(got) != 4 || why(got["NONE"].Err) != rate.Unknown {
		t.Errorf("%d answers, %v", len(got), got["NONE"].Err)
	}
	if first.asked != 1 || second.asked != 1 {
		t.Errorf("asked %d and %d times", first.asked, second.asked)
	}
	if got := (rate.Several{one, two}).Prices(t.Context(), []asset.ID{other}); len(got) != 1 || first.asked != 1 {
		t.Errorf("%d answers, the first asked %d times", len(got), first.asked)
	}
}

// told says what it was told to, and counts how often.
type told struct {
	answers map[asset.ID]rate.Answer
	asked   int
}

func (s *told) Prices(_ context.Context, of []asset.ID) map[asset.ID]rate.Answer {
	s.asked++
	out := map[asset.ID]rate.Answer{}
	for _, id := range of {
		out[id] = s.answers[id]
	}
	return out
}

// A source that hangs holds nobody up for longer than a moment.
func TestASourceThatHangs(t *testing.T) {
	k := rate.Keep(hanging{}, time.Second, time.Now)
	started := time.Now()
	if a := k.Prices(t.Context(), []asset.ID{eth})[eth]; a.Err == nil {
		t.Errorf("a price: %s", a.Price)
	}
	if took := time.Since(started); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

// hanging answers when it is given up.
type hanging struct{}

func (hanging) Prices(ctx context.Context, of []asset.ID) map[asset.ID]rate.Answer {
	<-ctx.Done()
	return map[asset.ID]rate.Answer{}
}
