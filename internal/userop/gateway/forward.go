package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/userop"
)

// A Gateway can leave the bundler's part to another one, a real one on the same chain,
// and go on sponsoring. Alchemy's one answer is then made of what that bundler estimates.

var forwarded = []string{
	userop.MethodEstimate, userop.MethodSend, userop.MethodReceipt, userop.MethodLookup, userop.MethodPrices,
}

const maxForwarded = 1 << 20

var forwarder = &http.Client{
	Timeout:       20 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return errForward },
}

// errForward is an address that nothing is forwarded to: everything here stays on this
// machine.
var errForward = errors.New("forward: expected http on loopback")

func checkForward(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return errForward
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return errForward
	}
	return nil
}

func (b Behaviour) forwards(method string) bool {
	return b.Forward != "" && slices.Contains(forwarded, method)
}

// forward asks the other bundler, and repeats its result or its refusal.
func forward(ctx context.Context, to, method string, params any) (json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return nil, fmt.Errorf("forwarding %s: %w", method, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("forwarding %s: %w", method, err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := forwarder.Do(r)
	if err != nil {
		return nil, fmt.Errorf("forwarding %s: %w", method, err)
	}
	defer func() { _ = answer.Body.Close() }()
	var said struct {
		Result json.RawMessage `json:"result"`
		Error  *Refusal        `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxForwarded)).Decode(&said); err != nil {
		return nil, fmt.Errorf("forwarding %s: status %d: %w", method, answer.StatusCode, err)
	}
	if said.Error != nil {
		return nil, said.Error
	}
	if said.Result == nil {
		return json.RawMessage("null"), nil
	}
	return said.Result, nil
}

// estimated fills in what the other bundler takes an operation to cost, which has to
// have a paymaster's stub and a signature of the right form.
func estimated(ctx context.Context, to string, o userop.Op) (userop.Op, error) {
	text, err := forward(ctx, to, userop.MethodPrices, []any{})
	var prices struct {
		Fast struct{ MaxFeePerGas, MaxPriorityFeePerGas *hexutil.Big }
	}
	if err == nil {
		err = json.Unmarshal(text, &prices)
	}
	if err != nil || prices.Fast.MaxFeePerGas == nil || prices.Fast.MaxPriorityFeePerGas == nil {
		return o, fmt.Errorf("prices of the other bundler: %s %w", text, err)
	}
	o.MaxFeePerGas, o.MaxPriorityFeePerGas = prices.Fast.MaxFeePerGas.ToInt(), prices.Fast.MaxPriorityFeePerGas.ToInt()
	if text, err = forward(ctx, to, userop.MethodEstimate, []any{o, userop.EntryPoint.String()}); err != nil {
		return o, err
	}
	var gas struct{ CallGasLimit, VerificationGasLimit, PreVerificationGas, PaymasterVerificationGasLimit *hexutil.Big }
	if err := json.Unmarshal(text, &gas); err != nil {
		return o, fmt.Errorf("estimate of the other bundler: %w", err)
	}
	for _, f := range []struct {
		into **big.Int
		from *hexutil.Big
	}{
		{&o.CallGasLimit, gas.CallGasLimit}, {&o.VerificationGasLimit, gas.VerificationGasLimit},
		{&o.PreVerificationGas, gas.PreVerificationGas}, {&o.PaymasterVerificationGasLimit, gas.PaymasterVerificationGasLimit},
	} {
		if f.from != nil {
			*f.into = f.from.ToInt()
		}
	}
	return o, nil
}
