package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Deposits says how what is due in dollars is paid, to addresses made from merchants' own
// keys. It takes effect where Prices has a source.
type Deposits struct {
	// Assets may be sent, in the order in which they are offered: ETH-base, USDC-base.
	// Default all that have a price, "all".
	Assets Names `yaml:"assets"`
	// Pool is how many addresses are kept ready for each merchant's key. Default 200.
	Pool int `yaml:"pool"`
	// Slice is how many addresses are looked at in turn at each block, by network.
	// Default by the network's pace.
	Slice map[string]int `yaml:"slice"`
	// Funders are accounts that send gas money to deposit addresses, so that what is on them
	// can be moved. What they send is nobody's payment. Default none.
	Funders []string `yaml:"funders"`
}

// Names is a list of names, or the word all for the empty one.
type Names []string

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (n *Names) UnmarshalYAML(b []byte) error {
	var some []string
	if err := yaml.Unmarshal(b, &some); err == nil {
		if len(some) == 0 {
			return errors.New("an empty list: leave it out, or write all")
		}
		*n = some
		return nil
	}
	if word := strings.Trim(strings.TrimSpace(string(b)), `"'`); word != all {
		return errors.New("must be a list, or all")
	}
	*n = nil
	return nil
}

const all = "all"

// String writes the names as they are configured.
func (n Names) String() string {
	if len(n) == 0 {
		return all
	}
	return strings.Join(n, ",")
}

// Prices says who is asked what assets cost in dollars, and what a euro does, without which
// nothing has a price in euros. Default nobody.
type Prices struct {
	// Chainlink are price feeds, by the network on which they are read and the asset that
	// they are the price of; EUR is the euro's.
	Chainlink map[string]map[string]Feed `yaml:"chainlink"`
	// Sequencer are the uptime feeds of rollups, by network: an address, known or none.
	// Default known where prices are read on a network that has one.
	Sequencer map[string]string `yaml:"sequencer"`
	// API is asked for prices over HTTP.
	API PriceAPI `yaml:"api"`
	// Bound is how far feed and API may be apart, in percent. Default 2.
	Bound Percent `yaml:"bound"`
	// Alone lets a feed's price count while the API has none. Default off.
	Alone bool `yaml:"alone"`
}

// Feed is one price feed.
type Feed struct {
	// Feed is its proxy's address, or known for the one that this server knows. Default known.
	Feed string `yaml:"feed"`
	// MaxAge is how old its answer may be: its heartbeat, by Chainlink's list of feeds,
	// and some slack. It has no default but for EUR: 76h, see euroFeedAge.
	MaxAge Duration `yaml:"max_age"`
}

// PriceAPI is a price API that answers as CoinGecko's /simple/price does.
type PriceAPI struct {
	// URL is the API's, "https://pro-api.coingecko.com/api/v3". Default none.
	URL string `yaml:"url"`
	// Key is sent in the header KeyHeader, "x-cg-pro-api-key".
	Key       Secret `yaml:"key"`
	KeyHeader string `yaml:"key_header"`
	// IDs are the API's names of assets: ETH-base: ethereum, EUR: euro-coin.
	IDs map[string]string `yaml:"ids"`
	// MaxAge is how old a price may be. Default 5m.
	MaxAge Duration `yaml:"max_age"`
	// Timeout is for one question. Default 3s.
	Timeout Duration `yaml:"timeout"`
	// PerMinute is how often it is asked. Default 30.
	PerMinute int `yaml:"per_minute"`
}

// The words for feeds that need no address.
const (
	FeedKnown = "known"
	FeedNone  = "none"
)

// Euro is what the euro is called among the assets that have prices.
const Euro = "EUR"

// euroFeedAge is the usual age of the euro's price: its feed stands still while the market
// of currencies does, 49 hours from Friday to Sunday evening in New York, and may be a
// heartbeat of 24 hours old before and late after.
const euroFeedAge = Duration(76 * time.Hour)

// On reports whether anything can be due in dollars: there are prices.
func (p Prices) On() bool { return len(p.Chainlink) > 0 || p.API.URL != "" }

const (
	minPool, maxPool     = 10, 5000
	minSlice, maxSlice   = 50, 20_000
	minFeedAge           = Duration(time.Minute)
	maxFeedAge           = Duration(8 * 24 * time.Hour)
	maxBound             = Percent(2000)
	maxPriceAge          = Duration(time.Hour)
	maxPriceTimeout      = Duration(10 * time.Second)
	maxPricesPerMinute   = 10_000
	maxPricedByOneSource = 100
)

func (c *Config) pricesDefaults() {
	c.Deposits.Pool = cmp.Or(c.Deposits.Pool, 200)
	p := &c.Prices
	p.Bound = cmp.Or(p.Bound, 200)
	p.API.MaxAge = cmp.Or(p.API.MaxAge, Duration(5*time.Minute))
	p.API.Timeout = cmp.Or(p.API.Timeout, Duration(3*time.Second))
	p.API.PerMinute = cmp.Or(p.API.PerMinute, 30)
	for _, feeds := range p.Chainlink {
		for id, f := range feeds {
			f.Feed = cmp.Or(f.Feed, FeedKnown)
			if id == Euro {
				f.MaxAge = cmp.Or(f.MaxAge, euroFeedAge)
			}
			feeds[id] = f
		}
	}
}

func (c *Config) pricesErrors() []error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	network := func(field, name string) {
		if _, read := c.Chains[name]; !read {
			wrong(field, "this network is not among the chains")
		}
	}
	d := c.Deposits
	if (len(d.Assets) > 0 || len(d.Slice) > 0) && !c.Prices.On() {
		wrong("prices", "deposits need prices: of feeds (prices.chainlink) or an API (prices.api)")
	}
	if d.Pool < minPool || d.Pool > maxPool {
		wrong("deposits.pool", "must be between %d and %d", minPool, maxPool)
	}
	for i, id := range d.Assets {
		if slices.Contains(d.Assets[:i], id) {
			wrong(fmt.Sprintf("deposits.assets[%d]", i), "%s stands twice", id)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Slice)) {
		network("deposits.slice."+name, name)
		if n := d.Slice[name]; n < minSlice || n > maxSlice {
			wrong("deposits.slice."+name, "must be between %d and %d", minSlice, maxSlice)
		}
	}
	for i, at := range d.Funders {
		if !isAddress(at) {
			wrong(fmt.Sprintf("deposits.funders[%d]", i), "must be an address")
		}
	}
	p := c.Prices
	for _, name := range slices.Sorted(maps.Keys(p.Chainlink)) {
		network("prices.chainlink."+name, name)
		for _, id := range slices.Sorted(maps.Keys(p.Chainlink[name])) {
			errs = append(errs, p.Chainlink[name][id].validate("prices.chainlink."+name+"."+id)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Sequencer)) {
		if at := p.Sequencer[name]; at != FeedKnown && at != FeedNone && !isAddress(at) {
			wrong("prices.sequencer."+name, "must be an address, known or none")
		}
		if _, feeds := p.Chainlink[name]; !feeds {
			wrong("prices.sequencer."+name, "no feeds are read on this network")
		}
	}
	if p.Bound > maxBound {
		wrong("prices.bound", "must be at most %s percent", maxBound)
	}
	return append(errs, p.API.validate()...)
}

func (f Feed) validate(field string) []error {
	var errs []error
	if f.Feed != FeedKnown && !isAddress(f.Feed) {
		errs = append(errs, fmt.Errorf("%s.feed: must be an address, or known", field))
	}
	if f.MaxAge < minFeedAge || f.MaxAge > maxFeedAge {
		errs = append(errs, fmt.Errorf("%s.max_age: must be given, between %s and %s: the feed's heartbeat and some slack", field, minFeedAge, maxFeedAge))
	}
	return errs
}

// isAddress takes the form; whether a checksum is right, the server's start says.
func isAddress(text string) bool {
	return len(text) == 42 && strings.HasPrefix(text, "0x") && strings.Trim(text[2:], "0123456789abcdefABCDEF") == ""
}

func (a PriceAPI) validate() []error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("prices.api.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if a.URL == "" {
		if len(a.IDs) > 0 || a.Key != "" {
			wrong("url", "is needed")
		}
		return errs
	}
	if err := serviceURL(a.URL); err != nil {
		wrong("url", "%v", err)
	} else if strings.ContainsAny(a.URL, "?#@") {
		wrong("url", "must have no name, password or query: the key is prices.api.key")
	}
	if len(a.IDs) == 0 || len(a.IDs) > maxPricedByOneSource {
		wrong("ids", "the API's names of 1 to %d assets are needed", maxPricedByOneSource)
	}
	for _, id := range slices.Sorted(maps.Keys(a.IDs)) {
		if name := a.IDs[id]; name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			wrong("ids."+id, "must be a name like ethereum")
		}
	}
	printable := func(s string) bool { return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) }
	if !printable(string(a.Key)) {
		wrong("key", "has characters that no key has")
	}
	if (a.Key == "") != (a.KeyHeader == "") || strings.Trim(strings.ToLower(a.KeyHeader), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		wrong("key_header", "key and key_header belong together: x-cg-pro-api-key")
	}
	if a.MaxAge < minFeedAge || a.MaxAge > maxPriceAge {
		wrong("max_age", "must be between %s and %s", minFeedAge, maxPriceAge)
	}
	if a.Timeout < Duration(100*time.Millisecond) || a.Timeout > maxPriceTimeout {
		wrong("timeout", "must be between 100ms and %s", maxPriceTimeout)
	}
	if a.PerMinute < 1 || a.PerMinute > maxPricesPerMinute {
		wrong("per_minute", "must be between 1 and %d", maxPricesPerMinute)
	}
	return errs
}

// pricesEnvironment reads QUITTANCE_DEPOSITS_ASSETS (a list, or all), _POOL and, for each
// network with dashes as underscores, _SLICE_<NETWORK>; QUITTANCE_PRICES_BOUND, _ALONE,
// _CHAINLINK_<NETWORK> ("ETH-base=known@30m,USDC-base=0x…@25h,EUR=known"), _SEQUENCER_<NETWORK>,
// _API_URL, _API_KEY, _API_KEY_HEADER, _API_IDS ("ETH-base=ethereum"), _API_MAX_AGE,
// _API_TIMEOUT and _API_PER_MINUTE.
func (c *Config) pricesEnvironment(getenv func(string) string) error {
	e := &variables{getenv: getenv}
	d, p := &c.Deposits, &c.Prices
	e.read("DEPOSITS_ASSETS", func(v string) error {
		if d.Assets = nil; v != all {
			d.Assets = list(v)
		}
		return nil
	})
	e.read("DEPOSITS_POOL", number(&d.Pool))
	for _, name := range Networks() {
		suffix := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		e.read("DEPOSITS_SLICE_"+suffix, func(v string) error {
			var n int
			err := number(&n)(v)
			d.Slice = with(d.Slice, name, n)
			return err
		})
		e.read("PRICES_CHAINLINK_"+suffix, func(v string) error {
			feeds, err := feedsOf(v)
			p.Chainlink = with(p.Chainlink, name, feeds)
			return err
		})
		e.read("PRICES_SEQUENCER_"+suffix, func(v string) error { p.Sequencer = with(p.Sequencer, name, v); return nil })
	}
	e.read("DEPOSITS_FUNDERS", func(v string) error { d.Funders = list(v); return nil })
	e.read("PRICES_BOUND", p.Bound.parse)
	e.read("PRICES_ALONE", func(v string) (err error) {
		if p.Alone, err = strconv.ParseBool(v); err != nil {
			return errors.New("must be true or false")
		}
		return nil
	})
	e.read("PRICES_API_URL", func(v string) error { p.API.URL = v; return nil })
	e.read("PRICES_API_KEY", func(v string) error { p.API.Key = Secret(v); return nil })
	e.read("PRICES_API_KEY_HEADER", func(v string) error { p.API.KeyHeader = v; return nil })
	e.read("PRICES_API_IDS", func(v string) error {
		p.API.IDs = map[string]string{}
		for _, pair := range list(v) {
			id, name, ok := strings.Cut(pair, "=")
			if !ok {
				return errors.New("must be like ETH-base=ethereum,USDC-base=usd-coin")
			}
			p.API.IDs[id] = name
		}
		return nil
	})
	e.read("PRICES_API_MAX_AGE", func(v string) error { return p.API.MaxAge.UnmarshalYAML([]byte(v)) })
	e.read("PRICES_API_TIMEOUT", func(v string) error { return p.API.Timeout.UnmarshalYAML([]byte(v)) })
	e.read("PRICES_API_PER_MINUTE", number(&p.API.PerMinute))
	return e.err
}

// variables reads environment variables until one is wrong.
type variables struct {
	getenv func(string) string
	err    error
}

func (e *variables) read(name string, set func(string) error) {
	v := e.getenv(prefix + name)
	if v == "" || e.err != nil {
		return
	}
	if err := set(v); err != nil {
		e.err = fmt.Errorf("%s%s: %w", prefix, name, err)
	}
}

func number(to *int) func(string) error {
	return func(v string) (err error) {
		if *to, err = strconv.Atoi(v); err != nil {
			return errors.New("not a number")
		}
		return nil
	}
}

func with[V any](m map[string]V, name string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[name] = v
	return m
}

func feedsOf(text string) (map[string]Feed, error) {
	feeds := map[string]Feed{}
	for _, part := range list(text) {
		id, rest, ok := strings.Cut(part, "=")
		at, age, aged := strings.Cut(rest, "@")
		f := Feed{Feed: at}
		if !ok || !aged && id != Euro || aged && f.MaxAge.UnmarshalYAML([]byte(age)) != nil {
			return nil, errors.New("must be like ETH-base=known@30m,USDC-base=0x…@25h,EUR=known")
		}
		feeds[id] = f
	}
	return feeds, nil
}

// printPrices adds the settings as they are understood.
func (c *Config) printPrices(lines map[string]any) {
	if !c.Prices.On() {
		return
	}
	lines["deposits.assets"], lines["deposits.pool"] = c.Deposits.Assets, c.Deposits.Pool
	for name, n := range c.Deposits.Slice {
		lines["deposits.slice."+name] = n
	}
	if len(c.Deposits.Funders) > 0 {
		lines["deposits.funders"] = strings.Join(c.Deposits.Funders, ",")
	}
	p := c.Prices
	lines["prices.bound"], lines["prices.alone"] = p.Bound, p.Alone
	for name, feeds := range p.Chainlink {
		for id, f := range feeds {
			lines["prices.chainlink."+name+"."+id] = fmt.Sprintf("%s, at most %s old", f.Feed, f.MaxAge)
		}
	}
	for name, at := range p.Sequencer {
		lines["prices.sequencer."+name] = at
	}
	if p.API.URL == "" {
		return
	}
	lines["prices.api.url"], lines["prices.api.key"], lines["prices.api.key_header"] = p.API.URL, cmp.Or(p.API.Key.String(), "none"), p.API.KeyHeader
	lines["prices.api.max_age"], lines["prices.api.timeout"], lines["prices.api.per_minute"] = p.API.MaxAge, p.API.Timeout, p.API.PerMinute
	for id, name := range p.API.IDs {
		lines["prices.api.ids."+id] = name
	}
}
