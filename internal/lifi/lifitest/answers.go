package lifitest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"quittance/internal/asset"
	"quittance/internal/lifi"
)

type object = map[string]any

func answer(w http.ResponseWriter, v any) {
	w.WriteHeader(http.StatusOK)
	_ = json.MarshalWrite(w, v) // who left does not want it
}

func refuse(w http.ResponseWriter, status int, code lifi.Code, message string, details any) {
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, object{"message": message, "code": code, "errors": details})
}

func (r *Router) contractCalls(w http.ResponseWriter, req *http.Request) {
	var body struct {
		FromChain   asset.ChainID `json:"fromChain"`
		FromToken   string        `json:"fromToken"`
		FromAddress string        `json:"fromAddress"`
		ToChain     asset.ChainID `json:"toChain"`
		ToToken     string        `json:"toToken"`
		ToAmount    string        `json:"toAmount"`
		Fallback    string        `json:"toFallbackAddress"`
		Bridges     []string      `json:"allowBridges"`
		Calls       []struct {
			FromAmount string `json:"fromAmount"`
			FromToken  string `json:"fromTokenAddress"`
			To         string `json:"toContractAddress"`
			ToApproval string `json:"toApprovalAddress"`
			Data       string `json:"toContractCallData"`
			Gas        string `json:"toContractGasLimit"`
		} `json:"contractCalls"`
	}
	if err := json.UnmarshalRead(http.MaxBytesReader(w, req.Body, 1<<20), &body); err != nil {
		invalid(w, "/", err)
		return
	}
	q, err := r.question(body.FromChain, body.FromToken, body.ToChain, body.ToToken, body.FromAddress, body.ToAmount)
	switch {
	case err != nil:
		invalid(w, "/", err)
		return
	case len(body.Calls) != 1:
		invalid(w, "/contractCalls", fmt.Errorf("expected one call, got %d", len(body.Calls)))
		return
	case !q.crosses():
		invalid(w, "/toChain", errors.New("must be another chain"))
		return
	}
	call := body.Calls[0]
	q.bridges = body.Bridges
	q.fallback, err = person(body.Fallback)
	to, err2 := asset.ParseAddress(call.To)
	approval, err3 := asset.ParseAddress(call.ToApproval)
	data, err4 := hex.DecodeString(strings.TrimPrefix(call.Data, "0x"))
	if err := errors.Join(err, err2, err3, err4); err != nil || call.FromAmount != body.ToAmount || call.Gas == "" {
		invalid(w, "/contractCalls/0", err)
		return
	}
	q.callTo, q.approveTo, q.callData = to, approval, data
	r.quote(w, q)
}

func (r *Router) toAmount(w http.ResponseWriter, req *http.Request) {
	v := req.URL.Query()
	from, err1 := strconv.ParseUint(v.Get("fromChain"), 10, 64)
	to, err2 := strconv.ParseUint(v.Get("toChain"), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		invalid(w, "/fromChain", err)
		return
	}
	q, err := r.question(asset.ChainID(from), v.Get("fromToken"), asset.ChainID(to), v.Get("toToken"), v.Get("fromAddress"), v.Get("toAmount"))
	if err == nil && (q.crosses() || v.Get("toAddress") != v.Get("fromAddress")) {
		err = errors.New("only swaps to the payer are played here")
	}
	if err != nil {
		invalid(w, "/", err)
		return
	}
	r.quote(w, q)
}

// question reads what both quotes have in common.
func (r *Router) question(from asset.ChainID, fromToken string, to asset.ChainID, toToken, payer, amount string) (question, error) {
	var q question
	var err1, err2, err3 error
	q.from, err1 = r.stable(from, fromToken)
	q.to, err2 = r.stable(to, toToken)
	q.payer, err3 = person(payer)
	if err := errors.Join(err1, err2, err3); err != nil {
		return q, err
	}
	v, ok := new(big.Int).SetString(amount, 10)
	if !ok || v.Sign() <= 0 || v.BitLen() > 200 {
		return q, fmt.Errorf(`/toAmount must pass "isBigNumberish" keyword validation`)
	}
	q.amount = v
	return q, nil
}

func (r *Router) stable(chain asset.ChainID, token string) (asset.Token, error) {
	n, _ := r.table.Network(chain)
	a, err := asset.ParseAddress(token)
	if err != nil {
		return asset.Token{}, err
	}
	if s, ok := n.Stable(a); ok {
		return s, nil
	}
	return asset.Token{}, fmt.Errorf("no token %s on chain %d", token, chain)
}

// person is an address of somebody: the service refuses placeholders.
func person(text string) (asset.Address, error) {
	a, err := asset.ParseAddress(text)
	if err == nil && a.IsZero() {
		err = errors.New("a placeholder is no address")
	}
	return a, err
}

func invalid(w http.ResponseWriter, path string, err error) {
	refuse(w, http.StatusBadRequest, lifi.CodeValidation, fmt.Sprintf("%s: %v", path, err), nil)
}

func (r *Router) quote(w http.ResponseWriter, q question) {
	d, err := r.build(q)
	switch {
	case errors.Is(err, errNoQuote):
		refuse(w, http.StatusNotFound, lifi.CodeNoQuote, "No available quotes for the requested transfer", object{
			"filteredOut": []object{},
			"failed": []object{{"overallPath": "across", "subpaths": object{"across": []object{
				{"errorType": "NO_QUOTE", "code": "NO_POSSIBLE_ROUTE", "tool": "across", "message": "No route for the requested transfer."},
			}}}},
		})
	case err != nil:
		refuse(w, http.StatusInternalServerError, lifi.CodeFailedToBuild, err.Error(), nil)
	default:
		answer(w, d.step(r.remember(q)))
	}
}

func (r *Router) stepTransaction(w http.ResponseWriter, req *http.Request) {
	var body struct {
		ID     string `json:"id"`
		Type   string `json:"type"`
		Tool   string `json:"tool"`
		Action object `json:"action"`
	}
	if err := json.UnmarshalRead(http.MaxBytesReader(w, req.Body, 1<<20), &body); err != nil || body.Action == nil || body.Tool == "" {
		invalid(w, "/", err)
		return
	}
	q, ok := r.recall(body.ID)
	if !ok {
		invalid(w, "/id", errors.New("route no longer available"))
		return
	}
	r.quote(w, q)
}

// step is the answer to a quote.
func (d *draft) step(id string) object {
	tool := d.bridge
	if tool == "" {
		tool = "sushiswap"
	}
	fees := []object{}
	if d.fee.Sign() > 0 {
		fees = append(fees, object{"name": "LIFI Fixed Fee", "description": "Fixed LIFI fee", "percentage": "0.0025", "token": token(d.q.from),
			"amount": d.fee.String(), "amountUSD": usd(d.fee, d.q.from), "included": true})
	}
	if d.bridge != "" {
		cost := new(big.Int).Sub(rescaleUp(d.into, d.bridged.Decimals, d.q.to.Decimals), d.sure)
		fees = append(fees, object{"name": "Relayer fee", "description": "What the bridge takes", "percentage": fmt.Sprintf("0.%04d", d.cost()),
			"token": token(d.q.to), "amount": cost.String(), "amountUSD": usd(cost, d.q.to), "included": true})
	}
	// For calls on the destination the service does not say what arrives.
	toAmount := "0"
	if d.bridge == "" {
		toAmount = d.sure.String()
	}
	return object{
		"id": id, "type": "lifi", "tool": tool, "toolDetails": object{"key": tool, "name": strings.ToUpper(tool[:1]) + tool[1:]},
		"action": object{
			"fromChainId": d.q.from.Chain, "toChainId": d.q.to.Chain, "fromToken": token(d.q.from), "toToken": token(d.q.to),
			"fromAmount": d.given.String(), "slippage": 0.005, "fromAddress": d.q.payer.String(), "toAddress": d.q.payer.String(),
		},
		"estimate": object{
			"tool": tool, "fromAmount": d.given.String(), "toAmount": toAmount, "toAmountMin": toAmount,
			"approvalAddress": d.tx.Spender.String(), "executionDuration": d.duration(), "feeCosts": fees,
			"gasCosts":      []object{{"type": "SEND", "estimate": "310000", "limit": "400000", "amount": "31000000000000", "amountUSD": "0.10", "token": object{"address": asset.Address{}.String(), "chainId": d.q.from.Chain, "symbol": "ETH", "decimals": 18, "priceUSD": "3200.00"}}},
			"fromAmountUSD": usd(d.given, d.q.from), "toAmountUSD": usd(d.sure, d.q.to),
		},
		"includedSteps": []object{{"id": id + "-0", "type": "cross", "tool": tool}},
		"integrator":    "sandbox", "transactionId": "0x" + hex.EncodeToString(d.txID[:]),
		"transactionRequest": object{
			"to": d.tx.To.String(), "from": d.tx.From.String(), "data": "0x" + hex.EncodeToString(d.tx.Data), "value": "0x" + d.tx.Value.Text(16),
			"chainId": d.tx.Chain, "gasPrice": "0x5f5e100", "gasLimit": "0x61a80",
		},
	}
}

func (d *draft) duration() int {
	switch d.bridge {
	case "":
		return 15
	case lifi.BridgeAcross:
		return 8
	}
	return 120
}

func token(t asset.Token) object {
	return object{"address": t.Address.String(), "chainId": t.Chain, "symbol": t.Symbol, "name": t.Name, "decimals": t.Decimals,
		"priceUSD": "1.00", "coinKey": t.Symbol, "logoURI": ""}
}

// usd takes every asset here for a dollar.
func usd(v *big.Int, t asset.Token) string {
	cents := new(big.Int).Quo(new(big.Int).Mul(v, big.NewInt(100)), pow10(t.Decimals))
	return fmt.Sprintf("%d.%02d", new(big.Int).Quo(cents, big.NewInt(100)), new(big.Int).Rem(cents, big.NewInt(100)))
}

func (r *Router) chains(w http.ResponseWriter, _ *http.Request) {
	b := r.behaviour()
	var list []object
	for _, chain := range r.table.Chains() {
		n, _ := r.table.Network(chain)
		diamond, proxy := n.Diamond, n.Permit2Proxy
		if !b.Diamond.IsZero() {
			diamond = b.Diamond
		}
		if !b.Permit2Proxy.IsZero() {
			proxy = b.Permit2Proxy
		}
		list = append(list, object{
			"id": chain, "key": fmt.Sprintf("c%d", chain), "name": fmt.Sprintf("Chain %d", chain), "chainType": "EVM", "coin": "ETH", "mainnet": true,
			"diamondAddress": diamond.String(), "permit2Proxy": proxy.String(), "metamask": object{"rpcUrls": []string{}, "blockExplorerUrls": []string{}},
		})
	}
	answer(w, object{"chains": list})
}

func (r *Router) testKey(w http.ResponseWriter, req *http.Request) {
	key := req.Header.Get("x-lifi-api-key")
	if key == "" || (r.key != "" && key != r.key) {
		refuse(w, http.StatusUnauthorized, lifi.CodeUnauthorized, "Unauthorized", nil)
		return
	}
	answer(w, object{"apiKey": key})
}

func (r *Router) tokens(w http.ResponseWriter, req *http.Request) {
	wanted := req.URL.Query().Get("chains")
	byChain := object{}
	for _, chain := range r.table.Chains() {
		key := strconv.FormatUint(uint64(chain), 10)
		if wanted != "" && !strings.Contains(","+wanted+",", ","+key+",") {
			continue
		}
		n, _ := r.table.Network(chain)
		list := []object{{"address": asset.Address{}.String(), "chainId": chain, "symbol": "ETH", "name": "Ether", "decimals": 18, "priceUSD": "3200.00"}}
		for _, s := range n.Stables {
			list = append(list, token(s))
		}
		byChain[key] = list
	}
	answer(w, object{"tokens": byChain})
}

func (r *Router) tools(w http.ResponseWriter, _ *http.Request) {
	var across, stargate []object
	var chains []asset.ChainID
	for _, from := range r.table.Chains() {
		chains = append(chains, from)
		for _, to := range r.table.Chains() {
			pair := object{"fromChainId": from, "toChainId": to}
			n, _ := r.table.Network(to)
			if from != to && !n.ReceiverAcross.IsZero() {
				across = append(across, pair)
			}
			if from != to && !n.ReceiverStargate.IsZero() {
				stargate = append(stargate, pair)
			}
		}
	}
	answer(w, object{
		"bridges": []object{
			{"key": lifi.BridgeAcross, "name": "AcrossV4", "supportedChains": across},
			{"key": lifi.BridgeStargate, "name": "StargateV2 (Fast mode)", "supportedChains": stargate},
		},
		"exchanges": []object{{"key": "sushiswap", "name": "SushiSwap Aggregator", "supportedChains": chains}},
	})
}

func (r *Router) transferStatus(w http.ResponseWriter, req *http.Request) {
	v := req.URL.Query()
	hash := strings.ToLower(v.Get("txHash"))
	if len(hash) != 66 {
		invalid(w, "/txHash", errors.New("must be a transaction hash"))
		return
	}
	if s, ok := r.nextStatus(hash); ok {
		answer(w, statusBody(hash, s))
		return
	}
	if r.status != nil {
		from, _ := parseChain(v)
		if s, ok := r.status(req.Context(), lifi.StatusQuery{TxHash: hash, From: from, Bridge: v.Get("bridge")}); ok {
			answer(w, statusBody(hash, s))
			return
		}
	}
	answer(w, statusBody(hash, lifi.Status{State: lifi.StateNotFound}))
}

func parseChain(v url.Values) (asset.ChainID, error) {
	n, err := strconv.ParseUint(v.Get("fromChain"), 10, 64)
	return asset.ChainID(n), err
}

func (r *Router) nextStatus(hash string) (lifi.Status, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.transfers[hash]
	if len(list) == 0 {
		return lifi.Status{}, false
	}
	if len(list) > 1 {
		r.transfers[hash] = list[1:]
	}
	return list[0], true
}

func statusBody(hash string, s lifi.Status) object {
	body := object{"status": s.State, "sending": object{"txHash": hash, "chainId": s.Sending.Chain}}
	if s.State == lifi.StateNotFound {
		return body
	}
	receiving := object{"chainId": s.Receiving.Chain, "txHash": s.Receiving.TxHash}
	if s.Receiving.Amount != nil {
		t := s.Receiving.Token
		receiving["amount"] = s.Receiving.Amount.String()
		receiving["token"] = object{"address": t.Address.String(), "chainId": t.Chain, "symbol": t.Symbol, "decimals": t.Decimals, "priceUSD": "1.00"}
	}
	body["substatus"], body["substatusMessage"] = s.Substate, s.Message
	body["receiving"], body["tool"], body["transactionId"] = receiving, s.Tool, s.TransactionID
	body["lifiExplorerLink"] = s.Explorer
	return body
}
