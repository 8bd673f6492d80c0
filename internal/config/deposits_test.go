package config_test

import (
	"strings"
	"testing"
	"time"

	"quittance/internal/config"
)

const feeds = `prices: {chainlink: {base: {ETH-base: {max_age: 30m}, USDC-base: {feed: "0x7e860098F58bBFC8648a4311b374B1D669a2bc6B", max_age: 25h}}}`

// Nothing is due in dollars unless somebody says what things cost; then little has to be
// said.
func TestPrices(t *testing.T) {
	c, err := load(t, good, none)
	if err != nil || c.Prices.On() || strings.Contains(printed(t, c, none), "prices") {
		t.Fatalf("by default: %+v, %v", c.Prices, err)
	}
	if c, err = load(t, good+onBase+feeds+"}\n", none); err != nil {
		t.Fatal(err)
	}
	base := c.Prices.Chainlink["base"]
	if !c.Prices.On() || base["ETH-base"] != (config.Feed{Feed: "known", MaxAge: config.Duration(30 * time.Minute)}) || base["USDC-base"].Feed[:4] != "0x7e" ||
		c.Prices.Bound != 200 || c.Deposits.Pool != 200 || len(c.Deposits.Assets) != 0 {
		t.Errorf("by default: %+v, %+v", c.Prices, c.Deposits)
	}
	c, err = load(t, good+onBase+feeds+`, sequencer: {base: none}, bound: 0.5, alone: true,
  api: {url: "https://api.example/v3", key: HIDDEN, key_header: x-cg-pro-api-key, ids: {ETH-base: ethereum}, max_age: 2m, timeout: 1s, per_minute: 5}}
deposits: {assets: [ETH-base, USDC-base], pool: 50, slice: {base: 500}, funders: ["0x742d35Cc6634C0532925a3b844Bc454e4438f44e"]}
`, none)
	if err != nil {
		t.Fatal(err)
	}
	got := printed(t, c, none)
	for _, line := range []string{
		"deposits.assets: ETH-base,USDC-base\n", "deposits.pool: 50\n", "deposits.slice.base: 500\n", "deposits.funders: 0x742d35Cc6634C0532925a3b844Bc454e4438f44e\n", "prices.bound: 0.5\n", "prices.alone: true\n",
		"prices.chainlink.base.ETH-base: known, at most 30m0s old\n", "prices.sequencer.base: none\n", "prices.api.key: [secret]\n", "prices.api.ids.ETH-base: ethereum\n",
		"prices.api.max_age: 2m0s\n", "prices.api.timeout: 1s\n", "prices.api.per_minute: 5\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing from:\n%s", line, got)
		}
	}
	if strings.Contains(got, "HIDDEN") {
		t.Errorf("a secret is printed:\n%s", got)
	}
	if c, err = load(t, good+onBase+feeds+"}\ndeposits: {assets: all}\n", none); err != nil || len(c.Deposits.Assets) != 0 || c.Deposits.Assets.String() != "all" {
		t.Errorf("all: %v, %v", c.Deposits.Assets, err)
	}
}

// The euro's feed stands still over weekends: its usual age allows for one. It may be said
// otherwise, and no other feed has a usual age.
func TestEuroFeed(t *testing.T) {
	age := func(settings string, getenv func(string) string) config.Feed {
		t.Helper()
		c, err := load(t, good+onBase+settings, getenv)
		if err != nil {
			t.Fatal(err)
		}
		return c.Prices.Chainlink["base"]["EUR"]
	}
	weekend := config.Feed{Feed: "known", MaxAge: config.Duration(76 * time.Hour)}
	if got := age("prices: {chainlink: {base: {EUR: {}}}}\n", none); got != weekend {
		t.Errorf("got %+v", got)
	}
	if got := age("prices: {chainlink: {base: {EUR: {feed: known, max_age: 100h}}}}\n", none); time.Duration(got.MaxAge) != 100*time.Hour {
		t.Errorf("got %+v", got)
	}
	for said, want := range map[string]config.Feed{
		"ETH-base=known@20m,EUR=known":     weekend,
		"EUR=known@50h,ETH-base=known@20m": {Feed: "known", MaxAge: config.Duration(50 * time.Hour)},
	} {
		if got := age("", func(name string) string { return map[string]string{"QUITTANCE_PRICES_CHAINLINK_BASE": said}[name] }); got != want {
			t.Errorf("%s: %+v", said, got)
		}
	}
	for _, said := range []string{"EUR=known@", "EUR", "EUR=@", "EUR=known@soon"} {
		if _, err := load(t, good+onBase, func(name string) string { return map[string]string{"QUITTANCE_PRICES_CHAINLINK_BASE": said}[name] }); err == nil {
			t.Errorf("%s is taken", said)
		}
	}
}

func TestPricesRefuse(t *testing.T) {
	for settings, field := range map[string]string{
		"deposits: {assets: [ETH-base]}\n":                                                                         "prices",
		feeds + "}\ndeposits: {assets: []}\n":                                                                      "",
		feeds + "}\ndeposits: {assets: some}\n":                                                                    "",
		feeds + "}\ndeposits: {assets: [ETH-base, ETH-base]}\n":                                                    "deposits.assets[1]",
		feeds + "}\ndeposits: {funders: [me]}\n":                                                                   "deposits.funders[0]",
		feeds + "}\ndeposits: {pool: 5}\n":                                                                         "deposits.pool",
		feeds + "}\ndeposits: {slice: {bsc: 100}}\n":                                                               "deposits.slice.bsc",
		feeds + "}\ndeposits: {slice: {base: 1}}\n":                                                                "deposits.slice.base",
		"prices: {chainlink: {mainnet: {ETH-mainnet: {max_age: 1h}}}}\n":                                           "prices.chainlink.mainnet",
		"prices: {chainlink: {base: {ETH-base: {feed: known}}}}\n":                                                 "prices.chainlink.base.ETH-base.max_age",
		"prices: {chainlink: {base: {ETH-base: {max_age: 900h}}}}\n":                                               "prices.chainlink.base.ETH-base.max_age",
		"prices: {chainlink: {base: {E: {feed: \"0x12\", max_age: 1h}}}}":                                          "prices.chainlink.base.E.feed",
		feeds + ", sequencer: {base: maybe}}\n":                                                                    "prices.sequencer.base",
		feeds + ", sequencer: {arbitrum-one: known}}\n":                                                            "prices.sequencer.arbitrum-one",
		feeds + ", bound: 30}\n":                                                                                   "prices.bound",
		feeds + ", api: {key: HIDDEN}}\n":                                                                          "prices.api.url",
		feeds + ", api: {url: \"http://api.example/HIDDEN\", ids: {a: b}}}\n":                                      "prices.api.url",
		feeds + ", api: {url: \"https://u:HIDDEN@api.example\", ids: {a: b}}}\n":                                   "prices.api.url",
		feeds + ", api: {url: \"https://api.example\"}}\n":                                                         "prices.api.ids",
		feeds + ", api: {url: \"https://api.example\", ids: {a: \"B C\"}}}\n":                                      "prices.api.ids.a",
		feeds + ", api: {url: \"https://api.example\", ids: {a: b}, key: HIDDEN}}\n":                               "prices.api.key_header",
		feeds + ", api: {url: \"https://api.example\", ids: {a: b}, key: \"HIDDEN HIDDEN\", key_header: x-key}}\n": "prices.api.key",
		feeds + ", api: {url: \"https://api.example\", ids: {a: b}, max_age: 2h}}\n":                               "prices.api.max_age",
		feeds + ", api: {url: \"https://api.example\", ids: {a: b}, timeout: 1m}}\n":                               "prices.api.timeout",
		feeds + ", api: {url: \"https://api.example\", ids: {a: b}, per_minute: -1}}\n":                            "prices.api.per_minute",
	} {
		_, err := load(t, good+onBase+settings, none)
		if err == nil || field != "" && !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%q: got %v, want something about %s", settings, err, field)
		}
		if err != nil && strings.Contains(err.Error(), "HIDDEN") {
			t.Errorf("%q: a secret is in: %v", settings, err)
		}
	}
}

func TestPricesFromTheEnvironment(t *testing.T) {
	env := map[string]string{
		"QUITTANCE_DEPOSITS_ASSETS": "ETH-base, USDT-arbitrum-one", "QUITTANCE_DEPOSITS_POOL": "20", "QUITTANCE_DEPOSITS_SLICE_ARBITRUM_ONE": "300",
		"QUITTANCE_PRICES_CHAINLINK_BASE":         "ETH-base=known@20m,USDC-base=0x7e860098F58bBFC8648a4311b374B1D669a2bc6B@25h",
		"QUITTANCE_PRICES_CHAINLINK_ARBITRUM_ONE": "USDT-arbitrum-one=known@25h", "QUITTANCE_PRICES_SEQUENCER_BASE": "known",
		"QUITTANCE_PRICES_BOUND": "1.5", "QUITTANCE_PRICES_ALONE": "true",
		"QUITTANCE_PRICES_API_URL": "https://api.example", "QUITTANCE_PRICES_API_KEY": "HIDDEN", "QUITTANCE_PRICES_API_KEY_HEADER": "x-key",
		"QUITTANCE_PRICES_API_IDS": "ETH-base=ethereum,USDC-base=usd-coin", "QUITTANCE_PRICES_API_MAX_AGE": "3m", "QUITTANCE_PRICES_API_TIMEOUT": "2s", "QUITTANCE_PRICES_API_PER_MINUTE": "7",
	}
	getenv := func(k string) string { return env[k] }
	c, err := load(t, good+onBase, getenv)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Prices
	if c.Deposits.Assets.String() != "ETH-base,USDT-arbitrum-one" || c.Deposits.Pool != 20 || c.Deposits.Slice["arbitrum-one"] != 300 ||
		len(p.Chainlink["base"]) != 2 || time.Duration(p.Chainlink["base"]["ETH-base"].MaxAge) != 20*time.Minute || p.Chainlink["arbitrum-one"]["USDT-arbitrum-one"].Feed != "known" ||
		p.Sequencer["base"] != "known" || p.Bound != 150 || !p.Alone || p.API.IDs["USDC-base"] != "usd-coin" || string(p.API.Key) != "HIDDEN" || p.API.PerMinute != 7 ||
		time.Duration(p.API.MaxAge) != 3*time.Minute || time.Duration(p.API.Timeout) != 2*time.Second {
		t.Errorf("got %+v, %+v", c.Deposits, p)
	}
	if got := printed(t, c, getenv); !strings.Contains(got, "deposits.pool: 20  (environment)\n") || strings.Contains(got, "HIDDEN") {
		t.Errorf("printed:\n%s", got)
	}
	for name, value := range map[string]string{
		"QUITTANCE_DEPOSITS_POOL": "many", "QUITTANCE_DEPOSITS_SLICE_BASE": "x", "QUITTANCE_PRICES_CHAINLINK_BASE": "ETH-base", "QUITTANCE_PRICES_BOUND": "-1",
		"QUITTANCE_PRICES_ALONE": "perhaps", "QUITTANCE_PRICES_API_IDS": "ethereum", "QUITTANCE_PRICES_API_MAX_AGE": "old", "QUITTANCE_PRICES_API_PER_MINUTE": "x", "QUITTANCE_PRICES_API_TIMEOUT": "x",
	} {
		if _, err := load(t, good+onBase, func(k string) string { return map[string]string{name: value}[k] }); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: got %v", name, value, err)
		}
	}
}
