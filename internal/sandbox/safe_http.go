//go:build !nosandbox

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/asset"
	"quittance/internal/safe"
)

const (
	maxSafeBody = 256 << 10
	safeTimeout = 15 * time.Second
)

// wireSafe is what the Safe app shows of the Safe on one chain. Amounts are in base units, as decimals.
type wireSafe struct {
	Address   string            `json:"address"`
	Version   string            `json:"version"`
	Network   string            `json:"network"`
	ChainID   uint64            `json:"chainId"`
	Owners    []string          `json:"owners"`
	Threshold int               `json:"threshold"`
	Nonce     uint64            `json:"nonce"`
	Balances  map[string]string `json:"balances"` // by symbol; "native" for the chain's own coin
	// Singleton, MultiSend and Handler are the contracts that it stands on.
	Singleton    string         `json:"singleton"`
	MultiSend    string         `json:"multiSend"`
	Handler      string         `json:"fallbackHandler"`
	Transactions []wireProposal `json:"transactions"` // newest first
}

type wireProposal struct {
	SafeTxHash    string             `json:"safeTxHash"`
	State         string             `json:"state"` // queued, executed, failed, replaced
	Tx            safe.Tx            `json:"safeTx"`
	Calls         []wireCall         `json:"calls"`
	Confirmations []wireConfirmation `json:"confirmations"`
	Threshold     int                `json:"threshold"`
	TxHash        string             `json:"txHash,omitempty"` // once executed
	CreatedAt     time.Time          `json:"createdAt"`
}

type wireCall struct {
	To    string `json:"to"`
	Value string `json:"value"` // wei, decimal
	Data  string `json:"data"`
}

type wireConfirmation struct {
	Owner     string `json:"owner"`
	Signature string `json:"signature"`
}

// SafeHandler serves the Safe wallet's side of the Safe app, JSON under /NETWORK:
//
//	GET  /base                                 the Safe, its balances and what was proposed
//	POST /base/transactions                    propose {calls, owner, safeTxGas?, nonce?}
//	GET  /base/transactions/HASH               one of them, by its safeTxHash
//	POST /base/transactions/HASH/sign          {owner}: 1 to 3
//	POST /base/transactions/HASH/execute       {owner, fail?}: that owner sends it and pays for gas; answers {txHash}
//	POST /base/transactions/HASH/reject        {owner}: proposes what uses up its nonce
//
// It signs whatever it is asked to, so only pages of its own origin may use it.
func (s *Chains) SafeHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{network}", s.safeCall(func(ctx context.Context, c *Chain, _ *http.Request) (any, error) { return s.safe.describe(ctx, c) }))
	mux.Handle("POST /{network}/transactions", s.safeCall(s.proposeCall))
	mux.Handle("GET /{network}/transactions/{hash}", s.safeCall(func(ctx context.Context, c *Chain, r *http.Request) (any, error) {
		p, err := s.named(c, r)
		if err != nil {
			return nil, err
		}
		return p.describe(ctx)
	}))
	mux.Handle("POST /{network}/transactions/{hash}/{action}", s.safeCall(s.act))
	return mux
}

// errNoProposal is a safeTxHash that was not proposed here.
var errNoProposal = errors.New("no such transaction was proposed on this chain")

func (s *Chains) named(c *Chain, r *http.Request) (*proposal, error) {
	p, ok := s.safe.find(c, strings.ToLower(r.PathValue("hash")))
	if !ok {
		return nil, errNoProposal
	}
	return p, nil
}

func (s *Chains) proposeCall(ctx context.Context, c *Chain, r *http.Request) (any, error) {
	var in struct {
		Calls     []wireCall `json:"calls"`
		Owner     int        `json:"owner"`
		SafeTxGas uint64     `json:"safeTxGas"`
		Nonce     *uint64    `json:"nonce"`
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	var calls []safe.Item
	for i, one := range in.Calls {
		item, err := one.item()
		if err != nil {
			return nil, refused(fmt.Sprintf("call %d: %v", i+1, err))
		}
		calls = append(calls, item)
	}
	var nonce *big.Int
	if in.Nonce != nil {
		nonce = new(big.Int).SetUint64(*in.Nonce)
	}
	p, err := s.safe.propose(ctx, c, calls, new(big.Int).SetUint64(in.SafeTxGas), nonce, in.Owner)
	if err != nil {
		return nil, err
	}
	return p.describe(ctx)
}

func (s *Chains) act(ctx context.Context, c *Chain, r *http.Request) (any, error) {
	var in struct {
		Owner int  `json:"owner"`
		Fail  bool `json:"fail"`
	}
	p, err := s.named(c, r)
	if err != nil {
		return nil, err
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	switch r.PathValue("action") {
	case "sign":
		err = p.sign(in.Owner)
	case "reject":
		p, err = s.safe.reject(ctx, p, in.Owner)
	case "execute":
		hash, err := p.execute(ctx, in.Owner, in.Fail)
		return map[string]string{"txHash": hash.Hex()}, err
	default:
		return nil, errNoProposal
	}
	if err != nil {
		return nil, err
	}
	return p.describe(ctx)
}

func (w wireCall) item() (safe.Item, error) {
	to, err := asset.ParseAddress(w.To)
	if err != nil {
		return safe.Item{}, err
	}
	value, ok := new(big.Int), true
	if w.Value != "" {
		value, ok = value.SetString(w.Value, 0) // apps write decimals, some hexadecimals
	}
	if !ok || value.Sign() < 0 || value.BitLen() > 256 {
		return safe.Item{}, errors.New("value: expected wei")
	}
	data := []byte{}
	if w.Data != "" {
		if data, err = hexutil.Decode(w.Data); err != nil {
			return safe.Item{}, fmt.Errorf("data: %w", err)
		}
	}
	return safe.Item{To: to, Value: value, Data: data}, nil
}

func (p *proposal) describe(ctx context.Context) (wireProposal, error) {
	nonce, err := p.chain.safeNonce(ctx)
	if err != nil {
		return wireProposal{}, err
	}
	state, executed, err := p.fate(ctx, nonce)
	if err != nil {
		return wireProposal{}, err
	}
	out := wireProposal{
		SafeTxHash: p.hash.String(), State: state, Tx: p.tx, Threshold: safeThreshold, CreatedAt: p.made,
		Calls: []wireCall{}, Confirmations: []wireConfirmation{},
	}
	if executed.Big().Sign() != 0 {
		out.TxHash = executed.Hex()
	}
	for _, c := range p.calls {
		value := "0"
		if c.Value != nil {
			value = c.Value.String()
		}
		out.Calls = append(out.Calls, wireCall{c.To.String(), value, hexutil.Encode(c.Data)})
	}
	for _, c := range p.confirmations() {
		out.Confirmations = append(out.Confirmations, wireConfirmation{c.owner.Hex(), hexutil.Encode(c.signature)})
	}
	return out, nil
}

func (s *Safe) describe(ctx context.Context, c *Chain) (wireSafe, error) {
	h, err := c.safeHolding(ctx)
	if err != nil {
		return wireSafe{}, err
	}
	out := wireSafe{
		Address: s.Address, Version: string(SafeVersion), Network: c.Network, ChainID: c.ChainID, Owners: s.Owners, Threshold: safeThreshold,
		Nonce: h.nonce, Balances: map[string]string{"native": h.native.String(), "USDC": h.usdc.String(), "USDT": h.usdt.String()},
		Transactions: []wireProposal{},
	}
	for kind, into := range map[safe.Kind]*string{safe.SingletonL2: &out.Singleton, safe.MultiSendCallOnly: &out.MultiSend, safe.FallbackHandler: &out.Handler} {
		at, err := pinned(c.ChainID, kind)
		if err != nil {
			return wireSafe{}, err
		}
		*into = at.Hex()
	}
	all := s.on(c)
	for i := len(all) - 1; i >= 0; i-- {
		p, err := all[i].describe(ctx)
		if err != nil {
			return wireSafe{}, err
		}
		out.Transactions = append(out.Transactions, p)
	}
	return out, nil
}

// safeCall answers with what work returns, in JSON.
func (s *Chains) safeCall(work func(context.Context, *Chain, *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		say := func(status int, body any) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body) // who has gone needs no answer
		}
		c := s.Chain(r.PathValue("network"))
		if c == nil {
			say(http.StatusNotFound, map[string]string{"error": "no such network"})
			return
		}
		if r.Method != http.MethodGet && !sameOrigin(r) {
			say(http.StatusForbidden, map[string]string{"error": "the sandbox's Safe serves pages of its own origin only"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxSafeBody)
		ctx, cancel := context.WithTimeout(r.Context(), safeTimeout)
		defer cancel()
		c.node.AwaitHead() // a page that has seen a receipt must see the state it led to
		out, err := work(ctx, c, r)
		no, isRefusal := errors.AsType[refused](err)
		switch {
		case err == nil:
			say(http.StatusOK, out)
		case isRefusal:
			say(http.StatusConflict, map[string]string{"error": string(no)})
		case errors.Is(err, errNoProposal):
			say(http.StatusNotFound, map[string]string{"error": err.Error()})
		default:
			say(http.StatusBadGateway, map[string]string{"error": err.Error()})
		}
	})
}

// readJSON reads a body. A form of another site can be posted without asking; JSON cannot.
func readJSON(r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refused("the sandbox's Safe takes application/json")
	}
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		return refused("the body: " + err.Error())
	}
	return nil
}
