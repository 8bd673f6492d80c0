//go:build !nosandbox

package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"mime"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/money"
	"quittance/internal/sandbox/contracts"
)

// How says in which way the sandbox's exchange pays a customer out.
type How string

// The ways. All but the first are transfers inside of a transaction, which have none of their own.
const (
	FromWallet   How = "wallet"   // a plain transfer of an account
	FromContract How = "contract" // its contract sends
	InBatch      How = "batch"    // its contract sends to several at once
	FromStorage  How = "stored"   // its contract sends to whom an earlier transaction has named: this one does not
)

// Payout is what the exchange pays out.
type Payout struct {
	To     string
	Asset  string   // "ETH", "USDC", "USDT"
	Amount *big.Int // base units
	How    How      // FromWallet if empty
}

// exchangeGas is what its calls may take: estimating one whose note is not mined yet would fail.
const exchangeGas = 300_000

// addExchange gives the exchange's contract something to pay out.
func addExchange(holdings map[common.Address]contracts.Holding) {
	holdings[contracts.Address(contracts.HotWallet)] = contracts.Holding{
		Native: coins(1_000_000), USDC: units(1_000_000_000), USDT: units(1_000_000_000),
	}
}

// payout is the contract's structure.
type payout struct {
	Token, To common.Address
	Amount    *big.Int
}

// PayOut has the exchange pay, and returns the hash of the transaction without waiting for its block.
// Only FromStorage waits, for the block of the transaction before.
func (c *Chain) PayOut(ctx context.Context, p Payout) (txHash string, err error) {
	what, err := c.payout(p)
	if err != nil {
		return "", fmt.Errorf("paying out: %w", err)
	}
	wallet := contracts.Address(contracts.HotWallet)
	from := func(method string, args ...any) call {
		return call{to: wallet, data: contracts.Call(contracts.HotWallet, method, args...), gas: exchangeGas}
	}
	var pay call
	switch p.How {
	case FromWallet, "":
		pay = call{to: what.To, value: what.Amount}
		if what.Token != (common.Address{}) {
			pay = call{to: what.Token, data: contracts.Call(contracts.USDC, "transfer", what.To, what.Amount)}
		}
	case FromContract:
		pay = from("payout", what)
	case InBatch:
		others := payout{what.Token, address(c.treasury.key), big.NewInt(1)}
		pay = from("batch", []payout{others, what, others})
	case FromStorage:
		var id [32]byte
		if _, err := rand.Read(id[:]); err != nil {
			return "", fmt.Errorf("reading randomness: %w", err)
		}
		noted, err := c.treasury.send(ctx, from("note", id, what))
		if err == nil {
			err = c.confirmed(ctx, []common.Hash{noted})
		}
		if err != nil {
			return "", fmt.Errorf("noting a payout: %w", err)
		}
		pay = from("pay", id)
	default:
		return "", fmt.Errorf("paying out: no way is called %q: wallet, contract, batch or stored", p.How)
	}
	hash, err := c.treasury.send(ctx, pay)
	if err != nil {
		return "", fmt.Errorf("paying out: %w", err)
	}
	return hash.Hex(), nil
}

func (c *Chain) payout(p Payout) (payout, error) {
	if !common.IsHexAddress(p.To) || common.HexToAddress(p.To) == (common.Address{}) {
		return payout{}, fmt.Errorf("to: %q is not an account's address", p.To)
	}
	if !positive(p.Amount) || p.Amount.BitLen() > 256 {
		return payout{}, errors.New("amount: expected more than nothing")
	}
	out := payout{To: common.HexToAddress(p.To), Amount: p.Amount}
	if token, ok := c.Tokens[p.Asset]; ok {
		out.Token = common.HexToAddress(token.Address)
	} else if p.Asset != nativeSymbol {
		return payout{}, fmt.Errorf("asset: the exchange has no %q: ETH, USDC or USDT", p.Asset)
	}
	return out, nil
}

const nativeSymbol = "ETH"

const exchangePatience = 15 * time.Second

type wirePayout struct {
	To     string `json:"to"`
	Asset  string `json:"asset"`
	Amount string `json:"amount"` // in whole units, as decimal text: "0.0065"
	How    How    `json:"how"`
}

// ExchangeHandler has the exchange pay out on the chain whose network's name ends the path: POST
// {"to","asset","amount","how"} as JSON, of "ETH", "USDC" or "USDT" in whole units ("0.0065"), answered
// by {"txHash"}. It gives money away to whoever asks: serve it only where they may.
func (s *Chains) ExchangeHandler() http.Handler {
	return s.byNetwork(func(c *Chain) http.Handler { return http.HandlerFunc(c.exchange) })
}

func (c *Chain) exchange(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "the exchange is used by POST", http.StatusMethodNotAllowed)
		return
	}
	// A form of another site can be posted without asking; JSON cannot.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "the exchange takes application/json", http.StatusUnsupportedMediaType)
		return
	}
	var body wirePayout
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
	in.DisallowUnknownFields()
	if err := in.Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), exchangePatience)
	defer cancel()
	p := Payout{To: body.To, Asset: body.Asset, How: body.How}
	decimals := uint8(18)
	if t, ok := c.Tokens[p.Asset]; ok {
		decimals = uint8(t.Decimals)
	}
	var err error
	if p.Amount, err = money.Parse(body.Amount, decimals); err != nil {
		http.Error(w, "amount: "+err.Error(), http.StatusBadRequest)
		return
	}
	hash, err := c.PayOut(ctx, p)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"txHash": hash}) // who has gone needs no answer
}
