package lifi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
)

var sent = lifi.StatusQuery{TxHash: "0x" + strings.Repeat("ab", 32), From: asset.ArbitrumOne, To: asset.Base, Bridge: "across"}

func TestTransfersAreFollowed(t *testing.T) {
	done := func(s lifi.Substate) lifi.Status { return lifi.Status{State: lifi.StateDone, Substate: s} }
	pending := func(s lifi.Substate) lifi.Status { return lifi.Status{State: lifi.StatePending, Substate: s} }
	for name, c := range map[string]struct {
		said []lifi.Status
		want []lifi.Progress
	}{
		"completed": {[]lifi.Status{{State: lifi.StateNotFound}, pending("WAIT_SOURCE_CONFIRMATIONS"), pending("WAIT_DESTINATION_TRANSACTION"), done(lifi.SubstateCompleted)},
			[]lifi.Progress{lifi.Unseen, lifi.Underway, lifi.Underway, lifi.Arrived, lifi.Arrived}},
		"call failed":   {[]lifi.Status{pending(""), done(lifi.SubstatePartial)}, []lifi.Progress{lifi.Underway, lifi.Recovered, lifi.Recovered}},
		"refunded":      {[]lifi.Status{pending(lifi.SubstateRefunding), done(lifi.SubstateRefunded)}, []lifi.Progress{lifi.Refunding, lifi.Refunded}},
		"source failed": {[]lifi.Status{{State: lifi.StateFailed, Substate: "OUT_OF_GAS"}}, []lifi.Progress{lifi.Broken}},
		"invalid":       {[]lifi.Status{{State: lifi.StateInvalid}}, []lifi.Progress{lifi.Unseen}},
		"new words":     {[]lifi.Status{{State: "DREAMING"}, pending("INTENT_SOMETHING"), done("OTHERWISE")}, []lifi.Progress{lifi.Underway, lifi.Underway, lifi.Arrived}},
		"nobody's":      {nil, []lifi.Progress{lifi.Unseen}},
	} {
		r := newRig(t)
		r.router.Transfer(strings.ToUpper(sent.TxHash[2:3])+sent.TxHash[1:], c.said...) // any spelling
		r.router.Transfer(sent.TxHash, c.said...)
		var got []lifi.Progress
		for range c.want {
			s, err := r.client.Status(t.Context(), sent)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, s.Progress())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestStatusIsRead(t *testing.T) {
	r := newRig(t)
	arrived := "0x" + strings.Repeat("cd", 32)
	r.router.Transfer(sent.TxHash, lifi.Status{
		State: lifi.StateDone, Substate: lifi.SubstateCompleted, Message: "all\u0007 well", Tool: "across", TransactionID: "0x01",
		Receiving: lifi.Leg{Chain: asset.Base, TxHash: arrived, Amount: big.NewInt(100546005), Token: lifi.Token{Chain: asset.Base, Address: payee, Symbol: "USDC", Decimals: 6}},
		Explorer:  "https://scan.li.fi/tx/1",
	})
	s, err := r.client.Status(t.Context(), sent)
	if err != nil || s.Message != "all well" || s.Sending.TxHash != sent.TxHash || s.Receiving.TxHash != arrived || s.Receiving.Amount.Int64() != 100546005 ||
		s.Receiving.Token.Address != payee || s.Explorer != "https://scan.li.fi/tx/1" || s.Tool != "across" || s.TransactionID != "0x01" {
		t.Errorf("%+v, %v", s, err)
	}
	for body, want := range map[string]lifi.State{
		`{"status":"DONE","lifiExplorerLink":"javascript:alert(1)"}`:                     lifi.StateDone,
		`{"status":"PENDING","receiving":{"amount":"1.5","txHash":"0xzz"},"unknown":[]}`: lifi.StatePending,
	} {
		c := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		s, err := c.Status(t.Context(), sent)
		if err != nil || s.Explorer != "" || s.Receiving.Amount != nil || s.Receiving.TxHash != "" || s.State != want {
			t.Errorf("%s: %+v, %v", body, s, err)
		}
	}
	for body, kind := range map[string]fault.Kind{`{}`: fault.Unavailable, `{"status":7}`: fault.Unavailable} {
		c := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		if _, err := c.Status(t.Context(), sent); kindOfFault(err) != kind {
			t.Errorf("%s: %v", body, err)
		}
	}
	c := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"not found","code":1003}`)
	})
	if s, err := c.Status(t.Context(), sent); err != nil || s.State != lifi.StateNotFound {
		t.Errorf("404: %+v, %v", s, err)
	}
	for _, hash := range []string{"", "0x", strings.Repeat("ab", 33), "0x" + strings.Repeat("zz", 32), sent.TxHash + "00", `0x"` + strings.Repeat("a", 63)} {
		if _, err := c.Status(t.Context(), lifi.StatusQuery{TxHash: hash}); kindOfFault(err) != fault.Invalid {
			t.Errorf("%q: %v", hash, err)
		}
	}
}

func TestPinsAreCompared(t *testing.T) {
	r := newRig(t)
	if err := r.client.CheckPins(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]lifitest.Behaviour{"diamondAddress": {Diamond: lifitest.Thief}, "permit2Proxy": {Permit2Proxy: lifitest.Thief}} {
		r := newRig(t)
		r.router.Behave(b)
		err := r.client.CheckPins(t.Context())
		var pin *lifi.PinError
		if !errors.As(err, &pin) || pin.Contract != name || pin.Answered != lifitest.Thief || pin.Pinned.IsZero() ||
			!strings.Contains(err.Error(), pin.Pinned.String()) || !strings.Contains(err.Error(), lifitest.Thief.String()) {
			t.Errorf("%s: %v", name, err)
		}
		if n := strings.Count(err.Error(), name); n != 6 {
			t.Errorf("%s: named for %d chains", name, n)
		}
	}
	c := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"chains":[{"id":1151111081099710,"diamondAddress":"So11111111111111111111111111111111111111112"},{"id":1}]}`)
	})
	var pin *lifi.PinError
	if err := c.CheckPins(t.Context()); !errors.As(err, &pin) || !pin.Answered.IsZero() {
		t.Errorf("chains that are not there: %v", err)
	}
	r.router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 503}})
	fresh, err := lifi.NewClient(lifi.Config{Transport: lifitest.Transport{Router: r.router}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fresh.CheckPins(t.Context()); kindOfFault(err) != fault.Unavailable || errors.As(err, &pin) {
		t.Errorf("no answer: %v", err)
	}
}

func TestToolsAndTokensAreRead(t *testing.T) {
	r := newRig(t)
	tools, err := r.client.Tools(t.Context())
	if err != nil || !tools.Connected("across", asset.ArbitrumOne, asset.Base) || tools.Connected("across", asset.Base, asset.Base) ||
		tools.Connected("relay", asset.ArbitrumOne, asset.Base) || len(tools.Exchanges) != 1 || len(tools.Exchanges[0].Chains) != 6 {
		t.Errorf("%+v, %v", tools, err)
	}
	tokens, err := r.client.Tokens(t.Context(), asset.Base)
	if err != nil || len(tokens) != 3 || !slices.ContainsFunc(tokens, func(k lifi.Token) bool {
		return k.Address == token(t, "USDC-base").Address && k.PriceUSD == "1.00" && k.Decimals == 6 && k.Chain == asset.Base
	}) {
		t.Errorf("%+v, %v", tokens, err)
	}
	c := answers(t, lifi.Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/tools" {
			_, _ = io.WriteString(w, `{"bridges":[],"exchanges":[{"key":"a","supportedChains":["1",10,"x",null,{}]}]}`)
			return
		}
		_, _ = io.WriteString(w, `{"tokens":{"1":[{"chainId":1,"address":"odd"},{"chainId":10,"address":"0x0000000000000000000000000000000000000001"},
			{"chainId":1,"address":"0x0000000000000000000000000000000000000002","symbol":"T\u202eX","decimals":6,"priceUSD":"cheap"}],"10":[{"chainId":1}]}}`)
	})
	if tools, err := c.Tools(t.Context()); err != nil || !slices.Equal(tools.Exchanges[0].Chains, []asset.ChainID{1, 10}) {
		t.Errorf("%+v, %v", tools, err)
	}
	if tokens, err := c.Tokens(t.Context(), 1); err != nil || len(tokens) != 1 || tokens[0].PriceUSD != "" || tokens[0].Symbol != "TX" {
		t.Errorf("%+v, %v", tokens, err)
	}
}

func TestStepsAreStampedAnew(t *testing.T) {
	r := newRig(t)
	at := now
	client, err := lifi.NewClient(lifi.Config{
		Transport: lifitest.Transport{Router: lifitest.New(lifitest.Options{Now: func() time.Time { return at }})}, Now: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	in := intent(t, "USDC-arbitrum-one", "USDC-base")
	step, err := client.Quote(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	at = at.Add(time.Hour)
	if got := refusals(r.table.Verify(in, step.Transaction, nil, at)); !slices.Equal(got, []string{lifi.CheckDeadline}) {
		t.Errorf("an hour later: refused by %v", got)
	}
	again, err := client.StepTransaction(t.Context(), step.Raw)
	if err != nil || again.FetchedAt != at {
		t.Fatalf("%+v, %v", again, err)
	}
	if got := refusals(r.table.Verify(in, again.Transaction, nil, at)); got != nil {
		t.Errorf("stamped anew: refused by %v", got)
	}
	for _, raw := range []string{"", "[]", "{", `"step"`, `{"id":"step-1"}`, `{"id":"gone","tool":"across","action":{}}`, "{" + strings.Repeat(" ", 600<<10) + "}"} {
		if _, err := client.StepTransaction(t.Context(), []byte(raw)); kindOfFault(err) != fault.Invalid {
			t.Errorf("%.40q: %v", raw, err)
		}
	}
}

func TestValidityIsReadFromTheCalldata(t *testing.T) {
	r := newRig(t)
	for _, s := range scenes {
		_, step := r.ask(t, s)
		call, err := lifi.DecodeCall(step.Transaction.Data)
		if err != nil {
			t.Fatal(err)
		}
		v := call.Validity(step.FetchedAt)
		want := lifi.Validity{Fresh: now.Add(45 * time.Second), Execute: now.Add(45 * time.Second)}
		if call.Across != nil {
			want.Execute, want.Decoded, want.Latest = now.Add(30*time.Minute), true, now.Add(55*time.Minute)
		}
		if v != want {
			t.Errorf("%s: %+v, want %+v", s.name, v, want)
		}
	}
	_, step := r.ask(t, scenes[0])
	call, _ := lifi.DecodeCall(step.Transaction.Data)
	call.Across.FillDeadline = uint32(now.Add(10*time.Minute + 20*time.Second).Unix())
	if v := call.Validity(now); v.Execute != now.Add(20*time.Second) || v.Fresh != v.Execute || v.Latest != v.Execute {
		t.Errorf("a near deadline: %+v", v)
	}
	call.Across.FillDeadline = uint32(now.Add(50 * time.Minute).Unix())
	if v := call.Validity(now); v.Execute != now.Add(30*time.Minute) || v.Latest != now.Add(40*time.Minute) {
		t.Errorf("a deadline between: %+v", v)
	}
}

func TestOldQuotesAreRefusedAndPricesMove(t *testing.T) {
	r := newRig(t)
	s := scenes[0]
	s.b.Age = 40 * time.Minute
	in, step := r.ask(t, s)
	if got := refusals(r.table.Verify(in, step.Transaction, nil, now)); !slices.Equal(got, []string{lifi.CheckDeadline}) {
		t.Errorf("an old quote: refused by %v", got)
	}
	_, cheap := r.ask(t, scenes[0])
	s.b = lifitest.Behaviour{Cost: 60}
	_, dear := r.ask(t, s)
	moved := new(big.Int).Sub(dear.FromAmount, cheap.FromAmount)
	if moved.Cmp(big.NewInt(400_000)) < 0 || moved.Cmp(big.NewInt(600_000)) > 0 { // half a percent of 100 dollars
		t.Errorf("from %v to %v", cheap.FromAmount, dear.FromAmount)
	}
	if got := refusals(r.table.Verify(in, dear.Transaction, approvals(t, in, dear.FromAmount), now)); got != nil {
		t.Errorf("dearer: refused by %v", got)
	}
	s.b.Cost = 200
	_, toll := r.ask(t, s)
	if got := refusals(r.table.Verify(in, toll.Transaction, nil, now)); !slices.Equal(got, []string{lifi.CheckSource}) {
		t.Errorf("over the limit: refused by %v", got)
	}
}

func TestStepsSayWhatTheyCost(t *testing.T) {
	_, step := newRig(t).ask(t, scenes[0])
	if len(step.Fees) != 2 || step.Fees[0].Name != "LIFI Fixed Fee" || step.Fees[0].Share != "0.0025" || !step.Fees[0].Included || step.Fees[0].Amount.Sign() <= 0 {
		t.Errorf("%+v", step.Fees)
	}
	if step.Tool != "across" || step.Duration != 8*time.Second || step.Gas != 400_000 || len(step.GasCosts) != 1 || step.GasCosts[0].USD != "0.10" {
		t.Errorf("%+v", step)
	}
	call, err := lifi.DecodeCall(step.Transaction.Data)
	if err != nil {
		t.Fatal(err)
	}
	fee, err := lifi.DecodeFeeCall(call.Swaps[0].CallData)
	if err != nil || fee.Total().Cmp(step.Fees[0].Amount) != 0 {
		t.Errorf("announced %v, taken %v", step.Fees[0].Amount, fee.Total())
	}
}

// The played service refuses what the real one does.
func TestThePlayedServiceChecksQuestions(t *testing.T) {
	r := newRig(t)
	server, err := lifitest.Serve(r.router)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	good := `{"fromChain":42161,"fromToken":"0xaf88d065e77c8cC2239327C5EDb3A432268e5831","fromAddress":"%[1]s","toChain":8453,
		"toToken":"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913","toAmount":"100","toFallbackAddress":"%[1]s","allowBridges":["across"],
		"contractCalls":[{"fromAmount":"100","fromTokenAddress":"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913","toContractAddress":"%[1]s",
		"toApprovalAddress":"%[1]s","toContractCallData":"0x01","toContractGasLimit":"1"}]}`
	good = fmt.Sprintf(good, payer)
	for name, c := range map[string]struct {
		body   string
		status int
		code   lifi.Code
	}{
		"good":              {good, 200, 0},
		"two calls":         {strings.Replace(good, `"contractCalls":[`, `"contractCalls":[{},`, 1), 400, lifi.CodeValidation},
		"placeholder":       {strings.Replace(good, payer.String(), "0x0000000000000000000000000000000000000000", 1), 400, lifi.CodeValidation},
		"bad amount":        {strings.ReplaceAll(good, `"100"`, `"1e3"`), 400, lifi.CodeValidation},
		"other amount":      {strings.Replace(good, `"100"`, `"101"`, 1), 400, lifi.CodeValidation},
		"unknown token":     {strings.Replace(good, "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", payer.String(), 1), 400, lifi.CodeValidation},
		"one chain":         {strings.Replace(strings.Replace(good, "8453", "42161", 1), "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9", 1), 400, lifi.CodeValidation},
		"no allowed bridge": {strings.Replace(good, `["across"]`, `["relay"]`, 1), 404, lifi.CodeNoQuote},
		"not json":          {"{", 400, lifi.CodeValidation},
	} {
		resp, err := http.Post(server.URL+"/quote/contractCalls", "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ Code lifi.Code }
		_ = json.NewDecoder(resp.Body).Decode(&e)
		resp.Body.Close()
		if resp.StatusCode != c.status || e.Code != c.code {
			t.Errorf("%s: %d, code %d", name, resp.StatusCode, e.Code)
		}
	}
	resp, err := http.Get(server.URL + "/gas/prices/1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("another path: %d", resp.StatusCode)
	}
}
