package userop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

const secret = "s3cret-key"

// services are clients of a Gateway without a chain, with a key in their address and
// one in a header.
type services struct {
	gateway   *gateway.Gateway
	bundler   *userop.Bundler
	paymaster *userop.Paymaster
	alchemy   *userop.Alchemy
	now       time.Time
}

func newServices(t *testing.T, pricing userop.Pricing, node chain.Batcher) *services {
	t.Helper()
	s := &services{gateway: gateway.New(gateway.Config{Chain: sandbox, Paymaster: stranger}), now: noon}
	server := httptest.NewServer(s.gateway)
	t.Cleanup(func() {
		s.gateway.Behave(gateway.Behaviour{})
		server.Close()
	})
	cfg := userop.ServiceConfig{
		Chain: sandbox, URL: server.URL + "/v2/" + secret + "?apikey=" + secret, Authorization: "Bearer " + secret,
		Timeout: 2 * time.Second, Now: func() time.Time { return s.now },
	}
	var errs [3]error
	s.bundler, errs[0] = userop.NewBundler(cfg, pricing, node)
	s.paymaster, errs[1] = userop.NewPaymaster(cfg, `{"policyId":"`+gateway.Policy+`"}`)
	s.alchemy, errs[2] = userop.NewAlchemy(cfg, gateway.Policy)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.bundler.Close(); s.paymaster.Close(); s.alchemy.Close() })
	return s
}

func isFault(t *testing.T, what string, err error, kind fault.Kind, code string) {
	t.Helper()
	if f := fault.From(err); err == nil || f.Kind != kind || f.Code != code {
		t.Errorf("%s: want %s %s, got %v", what, kind, code, err)
	}
	keepsSecret(t, what, err)
}

func keepsSecret(t *testing.T, what string, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), secret) {
			t.Errorf("%s: the error tells the key: %v", what, e)
		}
	}
}

func TestBundlerAnswers(t *testing.T) {
	s := newServices(t, userop.PricingPimlico, broken{})
	o := newOffer(t, userop.At(sandbox).Kinds(sandbox)[0], true).op
	if err := s.bundler.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	gas, err := s.bundler.Estimate(t.Context(), o)
	if err != nil || gas.Call.Sign() <= 0 || gas.Verification.Sign() <= 0 || gas.PreVerification.Sign() <= 0 || gas.PaymasterVerification == nil || gas.PaymasterPostOp != nil {
		t.Errorf("estimate: %+v, %v", gas, err)
	}
	if got := gas.Apply(o); got.CallGasLimit.Cmp(gas.Call) != 0 || got.PaymasterVerificationGasLimit.Cmp(gas.PaymasterVerification) != 0 || got.PaymasterPostOpGasLimit.Cmp(o.PaymasterPostOpGasLimit) != 0 {
		t.Errorf("applied: %+v", got)
	}
	if fees, err := s.bundler.Fees(t.Context()); err != nil || fees.Max.Cmp(fees.Tip) < 0 || fees.Tip.Sign() <= 0 {
		t.Errorf("fees: %+v, %v", fees, err)
	}
	if r, err := s.bundler.Receipt(t.Context(), official.Hash{1}); r != nil || err != nil {
		t.Errorf("an unknown receipt: %+v, %v", r, err)
	}
	if k, err := s.bundler.Lookup(t.Context(), official.Hash{1}); k != nil || err != nil {
		t.Errorf("an unknown operation: %+v, %v", k, err)
	}
	for _, a := range s.gateway.Asked() {
		if a.Authorization != "Bearer "+secret || !strings.Contains(a.Path, "apikey="+secret) {
			t.Errorf("%s was asked at %s with %q", a.Method, a.Path, a.Authorization)
		}
	}
	if s.bundler.Chain() != sandbox || !s.bundler.Available() {
		t.Error("it is of another chain, or not available")
	}
}

// What the bundler does not tell, the chain does.
func TestFees(t *testing.T) {
	stack := useroptest.New(t)
	head, err := chain.Ask(t.Context(), stack.Node, chain.HeaderCall(chain.Latest), chain.Result.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []userop.Pricing{userop.PricingRundler, userop.PricingChain} {
		fees, err := newBundler(t, stack, p).Fees(t.Context())
		if err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		if base := new(big.Int).Sub(fees.Max, fees.Tip); base.Cmp(new(big.Int).Lsh(head.BaseFee, 1)) != 0 {
			t.Errorf("%q: %v for each unit, and a tip of %v; the base fee is %v", p, fees.Max, fees.Tip, head.BaseFee)
		}
	}
	s := newServices(t, userop.PricingRundler, broken{})
	_, err = s.bundler.Fees(t.Context())
	isFault(t, "a chain that does not answer", err, fault.Unavailable, "chain_unavailable")
}

// every asks each service once.
func (s *services) every(ctx context.Context, o userop.Op) map[string]error {
	_, err1 := s.bundler.Estimate(ctx, o)
	_, _, err2 := s.paymaster.Stub(ctx, o)
	_, err3 := s.alchemy.Sponsor(ctx, o)
	return map[string]error{"bundler": err1, "sponsor": err2, "sponsor ": err3}
}

func TestServicesThatMisbehave(t *testing.T) {
	o := newOffer(t, userop.At(sandbox).Kinds(sandbox)[0], true).op
	long := `{"jsonrpc":"2.0","id":$id,"result":"` + strings.Repeat("x", 3<<20) + `"}`
	for what, c := range map[string]struct {
		b    gateway.Behaviour
		kind fault.Kind
		code string // behind "bundler_" or "sponsor_"
	}{
		"a broken gateway":         {gateway.Behaviour{Status: 502, Body: "<html>"}, fault.Unavailable, "unavailable"},
		"a page":                   {gateway.Behaviour{Status: 200, Body: "<html>"}, fault.Unavailable, "unavailable"},
		"another answer":           {gateway.Behaviour{Status: 200, Body: `{"jsonrpc":"2.0","id":2,"result":{}}`}, fault.Unavailable, "unavailable"},
		"another refusal":          {gateway.Behaviour{Status: 200, Body: `{"jsonrpc":"2.0","id":2,"error":{"code":-32500,"message":"AA25 invalid account nonce"}}`}, fault.Unavailable, "unavailable"},
		"no answer":                {gateway.Behaviour{Status: 200, Body: `{"jsonrpc":"2.0","id":$id}`}, fault.Unavailable, "unavailable"},
		"null":                     {gateway.Behaviour{Status: 200, Body: `{"jsonrpc":"2.0","id":$id,"result":null}`}, fault.Unavailable, "unavailable"},
		"nothing in it":            {gateway.Behaviour{Status: 200, Body: `{"jsonrpc":"2.0","id":$id,"result":{}}`}, fault.Unavailable, "unavailable"},
		"another form":             {gateway.Behaviour{Status: 200, Body: `{"jsonrpc":"2.0","id":$id,"result":[1]}`}, fault.Unavailable, "unavailable"},
		"too long":                 {gateway.Behaviour{Status: 200, Body: long}, fault.Unavailable, "unavailable"},
		"cut short":                {gateway.Behaviour{Cut: true}, fault.Unavailable, "unavailable"},
		"sends us elsewhere":       {gateway.Behaviour{Redirect: "http://127.0.0.1:1/" + secret}, fault.Unavailable, "unavailable"},
		"the key is wrong":         {gateway.Behaviour{Status: 401, Body: "no"}, fault.Unavailable, "unavailable"},
		"asked too often":          {gateway.Behaviour{Status: 429, RetryAfter: "7"}, fault.Limited, "limited"},
		"asked too often, in JSON": {gateway.Behaviour{Status: 200, Body: `{"jsonrpc":"2.0","id":$id,"error":{"code":-32029,"message":"slow down"}}`}, fault.Limited, "limited"},
	} {
		s := newServices(t, userop.PricingPimlico, broken{})
		s.gateway.Behave(c.b)
		for service, err := range s.every(t.Context(), o) {
			isFault(t, what, err, c.kind, strings.TrimSpace(service)+"_"+c.code)
		}
	}
}

func TestServicesThatAreSlow(t *testing.T) {
	s := newServices(t, userop.PricingPimlico, broken{})
	s.gateway.Behave(gateway.Behaviour{Delay: time.Minute})
	o := newOffer(t, userop.At(sandbox).Kinds(sandbox)[0], true).op
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	for service, err := range s.every(ctx, o) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", service, err)
		}
		keepsSecret(t, service, err)
	}
	if !s.bundler.Available() {
		t.Error("a caller in a hurry made it unavailable")
	}
	hurried, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	_, err := s.bundler.Estimate(hurried, o)
	isFault(t, "out of time", err, fault.Unavailable, "bundler_unavailable")
}

// Five failures and it is left alone, without being asked; a refusal is a sign of
// health.
func TestServicesAreLeftAlone(t *testing.T) {
	s := newServices(t, userop.PricingPimlico, broken{})
	o := newOffer(t, userop.At(sandbox).Kinds(sandbox)[0], true).op
	ask := func() error { _, err := s.bundler.Estimate(t.Context(), o); return err }
	s.gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{"eth_estimateUserOperationGas": {Code: -32521, Message: "execution reverted"}}})
	for range 10 {
		isFault(t, "refused", ask(), fault.Invalid, "op_refused")
	}
	s.gateway.Behave(gateway.Behaviour{Status: 500})
	for range 8 {
		isFault(t, "broken", ask(), fault.Unavailable, "bundler_unavailable")
	}
	if n := len(s.gateway.Asked()); n != 15 || s.bundler.Available() {
		t.Errorf("asked %d times, available %t", n, s.bundler.Available())
	}
	s.gateway.Behave(gateway.Behaviour{})
	s.now = s.now.Add(time.Minute)
	if err := ask(); err != nil || !s.bundler.Available() {
		t.Errorf("after a rest: %v", err)
	}
	s.gateway.Behave(gateway.Behaviour{Status: 429, RetryAfter: "30"})
	isFault(t, "limited", ask(), fault.Limited, "bundler_limited")
	s.gateway.Behave(gateway.Behaviour{})
	s.now = s.now.Add(29 * time.Second)
	isFault(t, "resting", ask(), fault.Limited, "bundler_limited")
	s.now = s.now.Add(time.Second)
	if err := ask(); err != nil {
		t.Errorf("after its own rest: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	o := newOffer(t, userop.At(sandbox).Kinds(sandbox)[0], true).op
	for _, c := range []struct {
		code    int
		message string
		kind    fault.Kind
		bundler string // the fault's code from a bundler
		sponsor string // and from a sponsor
	}{
		{-32500, "AA25 invalid account nonce", fault.Conflict, "op_nonce", "op_nonce"},
		{-32500, "AA10 sender already constructed", fault.Conflict, "op_deployed", "op_deployed"},
		{-32500, "AA24 signature error", fault.Invalid, "op_refused", "op_refused"},
		{-32507, "Invalid UserOperation signature", fault.Invalid, "op_refused", "op_refused"},
		{-32521, "UserOperation reverted during simulation", fault.Invalid, "op_refused", "op_refused"},
		{-32501, "AA33 reverted", fault.Forbidden, "sponsor_refused", "sponsor_refused"},
		{-32500, "AA34 signature error", fault.Forbidden, "sponsor_refused", "sponsor_refused"},
		{-32500, "AA31 paymaster deposit too low", fault.Unavailable, "sponsor_unavailable", "sponsor_unavailable"},
		{-32504, "paymaster throttled", fault.Unavailable, "sponsor_unavailable", "sponsor_unavailable"},
		{-32000, "user operation 0xaa25AA31 reverted: AA23", fault.Invalid, "op_refused", "op_refused"},
		{-32602, "invalid field callData", fault.Invalid, "op_refused", "-"},
		{-32500, "AA36 over paymasterVerificationGasLimit", fault.Forbidden, "sponsor_refused", "sponsor_refused"},
		{-32503, "expires too soon", fault.Forbidden, "sponsor_refused", "sponsor_refused"},
	} {
		s := newServices(t, userop.PricingPimlico, broken{})
		refusal := gateway.Refusal{Code: c.code, Message: c.message}
		s.gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{
			"eth_estimateUserOperationGas": refusal, "pm_getPaymasterStubData": refusal, "alchemy_requestGasAndPaymasterAndData": refusal,
		}})
		for service, err := range s.every(t.Context(), o) {
			want := c.bundler
			if service != "bundler" {
				want = c.sponsor
			}
			if want == "-" {
				continue // what a sponsor says of its own parameters is a refusal: see below
			}
			isFault(t, service+": "+c.message, err, c.kind, want)
			if e, ok := errors.AsType[*userop.RefusedError](err); !ok || e.Code != c.code {
				t.Errorf("%s: %s: the cause is %v", service, c.message, err)
			}
		}
	}
	// A policy's own words have no code of their own.
	s := newServices(t, userop.PricingPimlico, broken{})
	s.gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{
		"alchemy_requestGasAndPaymasterAndData": {Code: -32000, Message: "policy max spend per sender reached " + strings.Repeat("\x00", 9999)},
	}})
	_, err := s.alchemy.Sponsor(t.Context(), o)
	isFault(t, "a policy", err, fault.Forbidden, "sponsor_refused")
	if len(err.Error()) > 2000 || strings.Contains(err.Error(), "\x00") {
		t.Errorf("the sponsor's words come through: %d bytes", len(err.Error()))
	}
}

// What a bundler says of an operation is held against its hash.
func TestLies(t *testing.T) {
	stack := useroptest.New(t)
	r := newRig(t, stack, userop.At(sandbox).Kinds(sandbox)[0], stack.USDC())
	got := r.pay(order(r.token, 1_000_000, 1), r.sponsor())
	lie := func(method string, f func(any) any) {
		stack.Gateway.Behave(gateway.Behaviour{Lie: func(m string, result any) any {
			if m == method {
				return f(result)
			}
			return result
		}})
	}
	set := func(name string, v any) func(any) any {
		return func(result any) any { result.(map[string]any)[name] = v; return result }
	}
	other := official.Hash{9}
	for what, f := range map[string]func(any) any{
		"another operation": set("userOpHash", other.String()), "no transaction": set("receipt", map[string]any{}),
		"a transaction that is none": set("receipt", map[string]any{"transactionHash": "0x12"}),
	} {
		lie("eth_getUserOperationReceipt", f)
		_, err := r.bundler.Receipt(t.Context(), got.Hash)
		isFault(t, what, err, fault.Unavailable, "bundler_unavailable")
	}
	for what, f := range map[string]func(any) any{
		"another EntryPoint": set("entryPoint", stranger.String()), "no operation": set("userOperation", nil),
		"another operation": func(result any) any {
			op := result.(map[string]any)["userOperation"].(map[string]any)
			op["nonce"] = "0x77"
			return result
		},
	} {
		lie("eth_getUserOperationByHash", f)
		_, err := r.bundler.Lookup(t.Context(), got.Hash)
		isFault(t, what, err, fault.Unavailable, "bundler_unavailable")
	}
	lie("eth_chainId", func(any) any { return "0x1" })
	if err := r.bundler.Check(t.Context()); !errors.Is(err, userop.ErrBundler) {
		t.Errorf("another chain: %v", err)
	}
	lie("eth_supportedEntryPoints", func(any) any { return []string{"0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"} })
	if err := r.bundler.Check(t.Context()); !errors.Is(err, userop.ErrBundler) {
		t.Errorf("another EntryPoint: %v", err)
	}
	op, _ := r.prepare(order(r.token, 1_000_000, 2))
	op, err := r.alchemy().Sponsor(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	lie("eth_sendUserOperation", func(any) any { return other.String() })
	_, err = r.bundler.Send(t.Context(), r.wallet.Sign(r.kind.Name(), sandbox, op))
	isFault(t, "another operation was sent", err, fault.Unavailable, "bundler_unavailable")
}

// A sponsor fills in gas, prices and paymaster, and nothing else; what it asks for too
// much, Verify refuses.
func TestSponsors(t *testing.T) {
	stack := useroptest.New(t)
	r := newRig(t, stack, userop.At(sandbox).Kinds(sandbox)[1], stack.USDC())
	for name, sponsor := range map[string]userop.Sponsor{"erc7677": r.sponsor(), "alchemy": r.alchemy()} {
		op, want := r.prepare(order(r.token, 1_000_000, 1))
		got, err := sponsor.Sponsor(t.Context(), op)
		if err != nil {
			t.Fatal(err)
		}
		grant := userop.GrantOf(got)
		if grant == nil || grant.Paymaster != stack.Paymaster || userop.GrantOf(op) != nil {
			t.Errorf("%s: grant %+v", name, grant)
		}
		back := bare(got)
		a, err1 := json.Marshal(back)
		b, err2 := json.Marshal(op)
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s changed the operation:\n%s\n%s", name, a, b)
		}
		want.Grant = grant
		accepted(t, name, got, want)
		want.Limits.MaxFeePerGas = big.NewInt(1)
		refusedFor(t, name, userop.Verify(got, want), userop.CheckFees)
	}
	greedy := func(method, member string) {
		t.Helper()
		stack.Gateway.Behave(gateway.Behaviour{Lie: func(m string, result any) any {
			if m == method {
				result.(map[string]any)[member] = "0xffffffffff"
			}
			return result
		}})
		defer stack.Gateway.Behave(gateway.Behaviour{})
		op, want := r.prepare(order(r.token, 1_000_000, 1))
		sponsor := r.sponsor()
		if strings.HasPrefix(method, "alchemy") {
			sponsor = r.alchemy()
		}
		op, err := sponsor.Sponsor(t.Context(), op)
		if err != nil {
			t.Fatal(err)
		}
		want.Grant = userop.GrantOf(op)
		refusedFor(t, method+" "+member, userop.Verify(op, want), userop.CheckGas)
	}
	for _, member := range []string{"callGasLimit", "verificationGasLimit", "preVerificationGas", "paymasterVerificationGasLimit"} {
		if member != "paymasterVerificationGasLimit" { // the paymaster has the last word on its own gas
			greedy("eth_estimateUserOperationGas", member)
		}
		greedy("alchemy_requestGasAndPaymasterAndData", member)
	}
	greedy("pm_getPaymasterData", "paymasterPostOpGasLimit")

	// A stub that is good for sending is not asked about again.
	stack.Gateway.Behave(gateway.Behaviour{Final: true})
	before := len(stack.Gateway.Asked())
	op, _ := r.prepare(order(r.token, 1_000_000, 1))
	if _, err := r.sponsor().Sponsor(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	for _, a := range stack.Gateway.Asked()[before:] {
		if a.Method == "pm_getPaymasterData" {
			t.Error("asked for what was final")
		}
	}
	// Each step's failure is the whole's.
	for method, code := range map[string]string{
		"pimlico_getUserOperationGasPrice": "bundler_unavailable", "pm_getPaymasterStubData": "sponsor_refused",
		"eth_estimateUserOperationGas": "bundler_unavailable", "pm_getPaymasterData": "sponsor_refused",
	} {
		stack.Gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{method: {Code: -32000, Message: "no"}}})
		_, err := r.sponsor().Sponsor(t.Context(), op)
		if f := fault.From(err); err == nil || f.Code != code {
			t.Errorf("%s: %v", method, err)
		}
	}
	// A paymaster of another policy.
	p, err := userop.NewPaymaster(userop.ServiceConfig{Chain: sandbox, URL: stack.URL}, "")
	if err != nil {
		t.Fatal(err)
	}
	stack.Gateway.Behave(gateway.Behaviour{})
	_, _, err = p.Stub(t.Context(), op)
	isFault(t, "another policy", err, fault.Forbidden, "sponsor_refused")
}

// An operation that is taken and sent by nobody waits, and its nonce is free.
func TestHeldOperations(t *testing.T) {
	stack := useroptest.New(t)
	r := newRig(t, stack, userop.At(sandbox).Kinds(sandbox)[0], stack.USDC())
	op, _ := r.prepare(order(r.token, 1_000_000, 1))
	op, err := r.sponsor().Sponsor(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	stack.Gateway.Behave(gateway.Behaviour{Hold: true})
	hash, err := r.bundler.Send(t.Context(), r.wallet.Sign(r.kind.Name(), sandbox, op))
	if err != nil {
		t.Fatal(err)
	}
	known, err := r.bundler.Lookup(t.Context(), hash)
	if err != nil || known == nil || !known.Tx.IsZero() {
		t.Errorf("it waits: %+v, %v", known, err)
	}
	if receipt, err := r.bundler.Receipt(t.Context(), hash); receipt != nil || err != nil {
		t.Errorf("it has a receipt: %+v, %v", receipt, err)
	}
	before := r.state().Nonce
	stack.Gateway.Behave(gateway.Behaviour{})
	if got := r.pay(order(r.token, 1_000_000, 2), r.sponsor()); !got.Success {
		t.Fatalf("%+v: %s", got, got.Why())
	}
	if next := r.state().Nonce; next != before+1 {
		t.Errorf("the next nonce is %d after %d", next, before)
	}
}

func TestConfigurations(t *testing.T) {
	good := userop.ServiceConfig{Chain: sandbox, URL: "https://bundler.example/" + secret}
	for what, change := range map[string]func(c *userop.ServiceConfig){
		"no chain": func(c *userop.ServiceConfig) { c.Chain = 0 }, "no address": func(c *userop.ServiceConfig) { c.URL = "" },
		"no URL": func(c *userop.ServiceConfig) { c.URL = "://" + secret }, "plain http": func(c *userop.ServiceConfig) { c.URL = "http://bundler.example/" + secret },
		"a password": func(c *userop.ServiceConfig) { c.URL = "https://a:" + secret + "@bundler.example" }, "a fragment": func(c *userop.ServiceConfig) { c.URL += "#" + secret },
		"a negative timeout": func(c *userop.ServiceConfig) { c.Timeout = -1 }, "a header of two lines": func(c *userop.ServiceConfig) { c.Authorization = secret + "\n" },
	} {
		cfg := good
		change(&cfg)
		_, err1 := userop.NewBundler(cfg, "", broken{})
		_, err2 := userop.NewPaymaster(cfg, "")
		_, err3 := userop.NewAlchemy(cfg, "policy")
		for _, err := range []error{err1, err2, err3} {
			if err == nil {
				t.Errorf("%s: taken", what)
			}
			keepsSecret(t, what, err)
		}
	}
	if _, err := userop.NewBundler(good, "guess", broken{}); err == nil {
		t.Error("an unknown pricing was taken")
	}
	if _, err := userop.NewAlchemy(good, ""); err == nil {
		t.Error("no policy was taken")
	}
	for _, context := range []string{"[]", "{", `"` + secret + `"`, "null"} {
		_, err := userop.NewPaymaster(good, context)
		if err == nil {
			t.Errorf("the context %s was taken", context)
		}
		keepsSecret(t, context, err)
	}
	local := good
	local.URL = "http://127.0.0.1:1"
	b, err := userop.NewBundler(local, "", broken{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Lookup(t.Context(), official.Hash{})
	isFault(t, "nobody there", err, fault.Unavailable, "bundler_unavailable")
	_, err = b.Send(t.Context(), userop.Op{FactoryData: []byte{1}})
	if !errors.Is(err, userop.ErrOp) {
		t.Errorf("not an operation: %v", err)
	}
}
