package lifi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
)

// Chain is a network that the service routes over.
type Chain struct {
	ID           asset.ChainID
	Key, Name    string
	Diamond      asset.Address // zero if it was not said, or is no EVM address
	Permit2Proxy asset.Address
}

// Pair is two chains that a bridge connects.
type Pair struct{ From, To asset.ChainID }

// Bridge is a tool between chains.
type Bridge struct {
	Key, Name string
	Pairs     []Pair
}

// Exchange is a tool on one chain.
type Exchange struct {
	Key, Name string
	Chains    []asset.ChainID
}

// Tools is what the service routes through.
type Tools struct {
	Bridges   []Bridge
	Exchanges []Exchange
}

// Connected reports whether a bridge of this key goes from one chain to another.
func (t Tools) Connected(key string, from, to asset.ChainID) bool {
	for _, b := range t.Bridges {
		if b.Key != key {
			continue
		}
		for _, p := range b.Pairs {
			if p == (Pair{from, to}) {
				return true
			}
		}
	}
	return false
}

// Chains returns the EVM chains the service knows, kept for an hour.
// Faults: see Client.
func (c *Client) Chains(ctx context.Context) ([]Chain, error) {
	return c.chains.get(ctx, c.now, func(ctx context.Context) ([]Chain, error) {
		var w struct {
			Chains []struct {
				ID      asset.ChainID `json:"id"`
				Key     string        `json:"key"`
				Name    string        `json:"name"`
				Diamond string        `json:"diamondAddress"`
				Proxy   string        `json:"permit2Proxy"`
			} `json:"chains"`
		}
		q := question{family: others, path: "/chains", query: url.Values{"chainTypes": {"EVM"}}, limit: maxAnswer}
		if _, err := c.ask(ctx, q, &w); err != nil {
			return nil, err
		}
		out := make([]Chain, len(w.Chains))
		for i, n := range w.Chains {
			// An address that is none is the zero address: no pin is that one.
			diamond, _ := asset.ParseAddress(n.Diamond)
			proxy, _ := asset.ParseAddress(n.Proxy)
			out[i] = Chain{ID: n.ID, Key: clean(n.Key), Name: clean(n.Name), Diamond: diamond, Permit2Proxy: proxy}
		}
		return out, nil
	})
}

// Tools returns the bridges and exchanges, kept for an hour.
// Faults: see Client.
func (c *Client) Tools(ctx context.Context) (Tools, error) {
	return c.tools.get(ctx, c.now, func(ctx context.Context) (Tools, error) {
		var w struct {
			Bridges []struct {
				Key       string `json:"key"`
				Name      string `json:"name"`
				Supported []struct {
					From asset.ChainID `json:"fromChainId"`
					To   asset.ChainID `json:"toChainId"`
				} `json:"supportedChains"`
			} `json:"bridges"`
			Exchanges []struct {
				Key       string           `json:"key"`
				Name      string           `json:"name"`
				Supported []jsontext.Value `json:"supportedChains"`
			} `json:"exchanges"`
		}
		q := question{family: others, path: "/tools", limit: maxList}
		if _, err := c.ask(ctx, q, &w); err != nil {
			return Tools{}, err
		}
		var t Tools
		for _, b := range w.Bridges {
			bridge := Bridge{Key: clean(b.Key), Name: clean(b.Name)}
			for _, p := range b.Supported {
				bridge.Pairs = append(bridge.Pairs, Pair{p.From, p.To})
			}
			t.Bridges = append(t.Bridges, bridge)
		}
		for _, e := range w.Exchanges {
			exchange := Exchange{Key: clean(e.Key), Name: clean(e.Name)}
			for _, s := range e.Supported {
				// Numbers, or the numbers as text.
				if n, err := strconv.ParseUint(strings.Trim(string(s), `"`), 10, 64); err == nil {
					exchange.Chains = append(exchange.Chains, asset.ChainID(n))
				}
			}
			t.Exchanges = append(t.Exchanges, exchange)
		}
		return t, nil
	})
}

const (
	staticLife = time.Hour
	tokensLife = 10 * time.Minute
)

// Tokens returns what the service knows of one chain's tokens, kept for ten
// minutes. Faults: see Client.
func (c *Client) Tokens(ctx context.Context, chain asset.ChainID) ([]Token, error) {
	return c.tokensOf(chain).get(ctx, c.now, func(ctx context.Context) ([]Token, error) {
		var w struct {
			Tokens map[string][]wireListed `json:"tokens"`
		}
		q := question{family: others, path: "/tokens", query: url.Values{"chains": {id(chain)}}, limit: maxList}
		if _, err := c.ask(ctx, q, &w); err != nil {
			return nil, err
		}
		out := []Token{}
		for _, listed := range w.Tokens[id(chain)] {
			a, err := asset.ParseAddress(listed.Address)
			if err != nil || listed.Chain != chain {
				continue // a list of thousands has odd ones; none of them is ours
			}
			out = append(out, Token{
				Chain: chain, Address: a, Symbol: clean(listed.Symbol), Decimals: listed.Decimals, PriceUSD: cleanDecimal(listed.PriceUSD),
			})
		}
		return out, nil
	})
}

type wireListed struct {
	Chain    asset.ChainID `json:"chainId"`
	Address  string        `json:"address"`
	Symbol   string        `json:"symbol"`
	Decimals uint8         `json:"decimals"`
	PriceUSD string        `json:"priceUSD"`
}

func (c *Client) tokensOf(chain asset.ChainID) *cached[[]Token] {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tokens[chain]
	if t == nil {
		fresh := newCached[[]Token](tokensLife)
		t = &fresh
		c.tokens[chain] = t
	}
	return t
}

// CheckKey asks whether the service takes the configured key; without one it does
// not. Faults: see Client.
func (c *Client) CheckKey(ctx context.Context) (bool, error) {
	var said jsontext.Value // whatever it is: that there is an answer is the answer
	_, err := c.ask(ctx, question{family: others, path: "/keys/test", limit: maxAnswer}, &said)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeUnauthorized {
		return false, nil
	}
	return err == nil, err
}

// PinError is a contract that the service names and that is not the pinned one.
type PinError struct {
	Chain    asset.ChainID
	Contract string // "diamondAddress", "permit2Proxy"
	Pinned   asset.Address
	Answered asset.Address // zero if there is none, or no such chain
}

func (e *PinError) Error() string {
	return fmt.Sprintf("chain %d: %s is pinned as %s, the routing service says %s", e.Chain, e.Contract, e.Pinned, e.Answered)
}

// CheckPins compares the service's contracts with the pinned ones. Whoever gets
// an error that is a *PinError must stop offering routes: a new contract may be
// honest, but nobody here has read it.
//
// Faults beside that: see Client.
func (c *Client) CheckPins(ctx context.Context) error {
	chains, err := c.Chains(ctx)
	if err != nil {
		return err
	}
	said := map[asset.ChainID]Chain{}
	for _, n := range chains {
		said[n.ID] = n
	}
	var wrong []error
	for _, chain := range c.table.Chains() {
		pinned, _ := c.table.Network(chain)
		if d := said[chain].Diamond; d != pinned.Diamond {
			wrong = append(wrong, &PinError{chain, "diamondAddress", pinned.Diamond, d})
		}
		if p := said[chain].Permit2Proxy; p != pinned.Permit2Proxy {
			wrong = append(wrong, &PinError{chain, "permit2Proxy", pinned.Permit2Proxy, p})
		}
	}
	return errors.Join(wrong...)
}
