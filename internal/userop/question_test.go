package userop_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

func TestParseQuestion(t *testing.T) {
	op := string(load(t).Operations[5].Op)
	point, id := `"`+userop.EntryPoint.String()+`"`, `"0x2105"`
	ask := func(method string, params ...string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":[` + strings.Join(params, ",") + `]}`
	}
	kit := `{"policyId":"mine","entryPoint":` + point + `,"userOperation":` + op + `,"dummySignature":"0x1234","overrides":{"callGasLimit":"0x1"}}`
	hash := `"0x` + strings.Repeat("ab", 32) + `"`
	for _, text := range []string{
		ask(userop.MethodChain), ask(userop.MethodEntryPoints), ask(userop.MethodPrices), ask(userop.MethodTip), ask(userop.MethodReceipt, hash), ask(userop.MethodLookup, hash),
		ask(userop.MethodEstimate, op, point), ask(userop.MethodEstimate, op, point, "{}"), ask(userop.MethodSend, op, strings.ToLower(point)),
		ask(userop.MethodStub, op, point, id), ask(userop.MethodData, op, point, id, `{"policyId":"mine"}`), ask(userop.MethodAlchemy, kit),
		strings.Replace(ask(userop.MethodChain), "7", `"a-b"`, 1),
	} {
		q, err := userop.ParseQuestion([]byte(text), asset.Base)
		if err != nil {
			t.Errorf("%.80s: %v", text, err)
			continue
		}
		about := q.Op != nil || !q.Hash.IsZero()
		if simple := strings.HasSuffix(text, "[]}"); about == simple {
			t.Errorf("%.80s: %+v", text, q)
		}
		if q.Method == userop.MethodAlchemy && len(q.Op.Signature) != 2 {
			t.Errorf("the Kit's signature is %x", q.Op.Signature)
		}
	}
	for what, c := range map[string]struct {
		text string
		code int
	}{
		"nothing": {"", userop.CodeParse}, "several": {"[" + ask(userop.MethodChain) + "]", userop.CodeParse}, "a member twice": {`{"id":1,"id":2}`, userop.CodeParse},
		"no version": {`{"id":1,"method":"eth_chainId"}`, userop.CodeRequest}, "no id": {`{"jsonrpc":"2.0","method":"eth_chainId","params":[]}`, userop.CodeRequest},
		"an object for an id": {strings.Replace(ask(userop.MethodChain), "7", "{}", 1), userop.CodeRequest},
		"too long":            {ask(userop.MethodChain) + strings.Repeat(" ", userop.MaxQuestion), userop.CodeRequest},
		"another method":      {ask("eth_sendRawTransaction", `"0x"`), userop.CodeMethod}, "a debug method": {ask("debug_bundler_sendBundleNow"), userop.CodeMethod},
		"another EntryPoint": {ask(userop.MethodSend, op, `"0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"`), userop.CodeParams},
		"no EntryPoint":      {ask(userop.MethodSend, op), userop.CodeParams}, "another state": {ask(userop.MethodEstimate, op, point, `{"0x01":{}}`), userop.CodeParams},
		"another chain": {ask(userop.MethodStub, op, point, `"0x1"`), userop.CodeParams}, "no chain": {ask(userop.MethodStub, op, point), userop.CodeParams},
		"more parameters": {ask(userop.MethodData, op, point, id, "{}", "{}"), userop.CodeParams}, "for nothing": {ask(userop.MethodChain, "1"), userop.CodeParams},
		"no operation": {ask(userop.MethodSend, "{}", point), userop.CodeParams}, "an operation of 7702": {ask(userop.MethodSend, strings.Replace(op, "{", `{"eip7702Auth":{},`, 1), point), userop.CodeParams},
		"no hash": {ask(userop.MethodReceipt, `"0x12"`), userop.CodeParams}, "no hash at all": {ask(userop.MethodReceipt), userop.CodeParams},
		"the Kit's nothing": {ask(userop.MethodAlchemy, "{}"), userop.CodeParams}, "the Kit's other EntryPoint": {ask(userop.MethodAlchemy, strings.Replace(kit, "0x0000000071", "0x0000000072", 1)), userop.CodeParams},
	} {
		q, err := userop.ParseQuestion([]byte(c.text), asset.Base)
		r, ok := errors.AsType[*userop.Refusal](err)
		if !ok || r.Code != c.code {
			t.Errorf("%s: %v, want %d", what, err, c.code)
			continue
		}
		answer, err := q.Refuse(r)
		var said struct {
			ID    any
			Error struct{ Code int }
		}
		if err != nil || json.Unmarshal(answer, &said) != nil || said.Error.Code != c.code {
			t.Errorf("%s: answered %s, %v", what, answer, err)
		}
	}
	q, err := userop.ParseQuestion([]byte(ask(userop.MethodChain)), asset.Base)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ got, want string }{
		"an error of ours": {answered(q.Refuse(errors.New(secret))), `{"error":{"code":-32000,"message":"This cannot be answered right now."},"id":7,"jsonrpc":"2.0"}`},
		"a check":          {answered(q.Refuse(&userop.Refusal{Code: userop.CodeParams, Message: "Too much.", Name: userop.CheckGas})), `{"error":{"code":-32602,"data":{"code":"op_gas"},"message":"Too much."},"id":7,"jsonrpc":"2.0"}`},
		"a chain":          {answered(q.Answer(asset.Base)), `{"id":7,"jsonrpc":"2.0","result":"0x2105"}`},
		"no receipt":       {answered(q.Answer((*userop.Receipt)(nil))), `{"id":7,"jsonrpc":"2.0","result":null}`},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s", what, c.got)
		}
	}
}

func answered(b []byte, err error) string {
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// endpoint is what a server does with a page's or a wallet's questions: it looks at
// each operation before its own services see any of it, and again at what is sent.
type endpoint struct {
	rig       *rig
	paymaster *userop.Paymaster
	alchemy   *userop.Alchemy
	want      userop.Expectation
	granted   map[official.Hash]bool
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, userop.MaxQuestion+1))
	if err != nil {
		http.Error(w, "", http.StatusRequestEntityTooLarge)
		return
	}
	q, err := userop.ParseQuestion(body, sandbox)
	var result any
	if err == nil {
		result, err = e.answer(r.Context(), q)
	}
	var text []byte
	if err != nil {
		text, err = q.Refuse(err)
	} else {
		text, err = q.Answer(result)
	}
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text)
}

func (e *endpoint) answer(ctx context.Context, q userop.Question) (any, error) {
	b := e.rig.bundler
	switch q.Method {
	case userop.MethodChain:
		return sandbox, nil
	case userop.MethodEntryPoints:
		return []asset.Address{userop.EntryPoint}, nil
	case userop.MethodPrices, userop.MethodTip:
		return b.Fees(ctx)
	case userop.MethodReceipt:
		return b.Receipt(ctx, q.Hash)
	case userop.MethodLookup:
		return b.Lookup(ctx, q.Hash)
	}
	want := e.want
	want.Grant = userop.GrantOf(*q.Op) // at a stub's or a granted one's; what is sent is known by its hash
	if c, refused := rail.Failed(userop.Verify(*q.Op, want)); refused {
		return nil, &userop.Refusal{Code: userop.CodeParams, Message: c.Detail, Name: c.Name}
	}
	grant := func(o userop.Op, err error) error {
		if err == nil {
			var h official.Hash
			if h, err = o.Hash(sandbox); err == nil {
				e.granted[h] = true
			}
		}
		return err
	}
	switch q.Method {
	case userop.MethodEstimate:
		return b.Estimate(ctx, *q.Op)
	case userop.MethodStub:
		g, _, err := e.paymaster.Stub(ctx, *q.Op)
		return g, err
	case userop.MethodData:
		g, err := e.paymaster.Data(ctx, *q.Op)
		return g, grant(g.Apply(*q.Op), err)
	case userop.MethodAlchemy:
		o, err := e.alchemy.Sponsor(ctx, *q.Op)
		return o, grant(o, err)
	}
	if h, err := q.Op.Hash(sandbox); err != nil || !e.granted[h] {
		return nil, &userop.Refusal{Code: userop.CodeParams, Message: "not granted"}
	}
	return b.Send(ctx, *q.Op)
}

// A page that knows no key, and no policy but a wrong one, pays through the server,
// which asks for it; what is not this payment gets nowhere.
func TestThroughAServer(t *testing.T) {
	stack := useroptest.New(t)
	for i, kind := range (&rig{Stack: stack}).kinds() {
		t.Run(kind.Name(), func(t *testing.T) {
			r := newRig(t, stack, kind, stack.USDC())
			op, want := r.prepare(order(r.token, 1_000_000, byte(i+1)))
			e := &endpoint{rig: r, want: want, granted: map[official.Hash]bool{}}
			var err1, err2 error
			e.paymaster, err1 = userop.NewPaymaster(userop.ServiceConfig{Chain: sandbox, URL: stack.URL}, `{"policyId":"`+gateway.Policy+`"}`)
			e.alchemy, err2 = userop.NewAlchemy(userop.ServiceConfig{Chain: sandbox, URL: stack.URL}, gateway.Policy)
			server := httptest.NewServer(e)
			t.Cleanup(server.Close)
			cfg := userop.ServiceConfig{Chain: sandbox, URL: server.URL}
			bundler, err3 := userop.NewBundler(cfg, userop.PricingPimlico, broken{})
			paymaster, err4 := userop.NewPaymaster(cfg, `{"policyId":"the page's"}`)
			alchemy, err5 := userop.NewAlchemy(cfg, "the page's")
			if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
				t.Fatal(err)
			}
			sponsor := userop.Sponsor(userop.Sponsored{Bundler: bundler, Paymaster: paymaster})
			if i%2 == 1 {
				sponsor = alchemy
			}
			if err := bundler.Check(t.Context()); err != nil {
				t.Fatal(err)
			}

			bad := op
			bad.CallData = slices.Clone(op.CallData)
			bad.CallData[len(bad.CallData)-100] ^= 1
			before := len(stack.Gateway.Asked())
			_, err := alchemy.Sponsor(t.Context(), bad)
			isFault(t, "another payment", err, fault.Forbidden, "sponsor_refused")
			_, _, err = paymaster.Stub(t.Context(), bad)
			isFault(t, "another payment", err, fault.Forbidden, "sponsor_refused")
			_, err = bundler.Send(t.Context(), op)
			isFault(t, "what was not granted", err, fault.Invalid, "op_refused")
			if n := len(stack.Gateway.Asked()); n != before {
				t.Errorf("the services were asked %d times", n-before)
			}

			op, err = sponsor.Sponsor(t.Context(), op)
			if err != nil {
				t.Fatal(err)
			}
			from := stack.Head()
			dearer := op
			dearer.CallGasLimit = new(big.Int).Add(op.CallGasLimit, big.NewInt(1))
			_, err = bundler.Send(t.Context(), r.wallet.Sign(kind.Name(), sandbox, dearer))
			isFault(t, "changed after the grant", err, fault.Invalid, "op_refused")
			hash, err := bundler.Send(t.Context(), r.wallet.Sign(kind.Name(), sandbox, op))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.outcome(hash, from); !got.Success {
				t.Fatalf("%+v: %s", got, got.Why())
			}
			if receipt, err := bundler.Receipt(t.Context(), hash); err != nil || receipt == nil || !receipt.Success {
				t.Errorf("receipt: %+v, %v", receipt, err)
			}
			if known, err := bundler.Lookup(t.Context(), hash); err != nil || known == nil || known.Tx.IsZero() {
				t.Errorf("operation: %+v, %v", known, err)
			}
			if again, err := bundler.Send(t.Context(), r.wallet.Sign(kind.Name(), sandbox, op)); err != nil || again != hash {
				t.Errorf("sent again: %v", err)
			}
			r.holds(r.wallet.Address(), held-1_000_001) // once
		})
	}
}

func FuzzParseQuestion(f *testing.F) {
	v := load(f)
	for _, o := range v.Operations[4:6] {
		f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_sendUserOperation","params":[` + string(o.Op) + `,"` + userop.EntryPoint.String() + `"]}`))
	}
	f.Add([]byte(`{"jsonrpc":"2.0","id":"x","method":"eth_getUserOperationReceipt","params":["0x` + strings.Repeat("12", 32) + `"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := userop.ParseQuestion(body, asset.Base)
		if err != nil {
			if text, err := q.Refuse(err); err != nil || !json.Valid(text) {
				t.Fatalf("refused with %s, %v", text, err)
			}
			return
		}
		if q.Op != nil {
			hashOf(t, *q.Op)
		}
		if text, err := q.Answer(official.Hash{}); err != nil || !json.Valid(text) {
			t.Fatalf("answered with %s, %v", text, err)
		}
	})
}

// What a program is to know of a refusal stands beside the words.
func TestNamedRefusals(t *testing.T) {
	q, err := userop.ParseQuestion([]byte(`{"jsonrpc":"2.0","id":"a","method":"eth_chainId","params":[]}`), asset.Base)
	if err != nil {
		t.Fatal(err)
	}
	text, err := q.Refuse(&userop.Refusal{Code: userop.CodeServer, Message: "Later.", Name: "bundler_unavailable"})
	if want := `{"error":{"code":-32000,"data":{"code":"bundler_unavailable"},"message":"Later."},"id":"a","jsonrpc":"2.0"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	result, err := q.Result(asset.Base)
	if err != nil || string(result) != `"0x2105"` {
		t.Fatalf("%s, %v", result, err)
	}
	whole, err1 := q.Answer(asset.Base)
	again, err2 := q.Answer(result)
	if err := errors.Join(err1, err2); err != nil || string(whole) != string(again) {
		t.Errorf("%s and %s, %v", whole, again, err)
	}
}
