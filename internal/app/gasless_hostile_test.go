package app_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/gasless"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/web/webtest"
)

const otherPayee = "0x1111111111111111111111111111111111111111"

// asked is how often the services have been asked what costs money, or could.
func asked(w *webtest.World) int {
	n := 0
	for _, a := range w.Gas.Gateway.Asked() {
		switch a.Method {
		case userop.MethodStub, userop.MethodData, userop.MethodAlchemy, userop.MethodEstimate, userop.MethodSend:
			n++
		}
	}
	return n
}

// robbery is a world with a payer whose operations are made by somebody else.
type robbery struct {
	*webtest.World
	t      *testing.T
	victim *webtest.Saver
	facts  webtest.Facts
	plan   userop.Plan // with a permit
}

func newRobbery(t *testing.T, kind string) *robbery {
	t.Helper()
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Kind: kind}})
	r := &robbery{World: w, t: t, victim: w.Saver("payer", w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000)}
	r.facts = r.victim.Facts()
	r.plan = r.victim.Plan(r.facts)
	r.plan.Permit = r.victim.Permit(r.facts, r.plan.Account.Address, r.plan.Amount)
	return r
}

// calls are those of the operation that pays, to be changed.
func (r *robbery) calls() []rail.Call {
	r.t.Helper()
	calls, err := r.plan.Calls()
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range calls {
		calls[i].Data = bytes.Clone(calls[i].Data)
	}
	return calls
}

// op is the operation that pays, with its gas and prices.
func (r *robbery) op() userop.Op { return priced(r.victim.OpOf(r.facts, r.calls())) }

func priced(o userop.Op) userop.Op {
	o.CallGasLimit, o.VerificationGasLimit, o.PreVerificationGas = big.NewInt(400_000), big.NewInt(700_000), big.NewInt(60_000)
	o.MaxFeePerGas, o.MaxPriorityFeePerGas = big.NewInt(3e9), big.NewInt(1e9)
	return o
}

// refused puts an operation to every question that costs somebody something, and
// expects it to be refused by one check.
func (r *robbery) refused(what string, by *webtest.Saver, o userop.Op, check string) {
	r.t.Helper()
	id, point := "0x"+new(big.Int).SetUint64(r.Gas.ID()).Text(16), userop.EntryPoint.String()
	questions := map[string][]any{
		userop.MethodStub: {o, point, id, map[string]any{}}, userop.MethodEstimate: {o, point}, userop.MethodData: {o, point, id, map[string]any{}},
		userop.MethodAlchemy: {map[string]any{"policyId": "x", "entryPoint": point, "userOperation": o, "dummySignature": "0x" + hex.EncodeToString(o.Signature)}},
	}
	before := asked(r.World)
	for method, params := range questions {
		if _, refused := by.Ask(method, params...); refused == nil || refused.Code != userop.CodeParams || refused.Data.Code != check || refused.Message == "" {
			r.t.Errorf("%s: %s: %+v, want %s", what, method, refused, check)
		}
	}
	if _, refused := by.Send(r.victim.Signed(o)); refused == nil || refused.Data.Code != "op_unknown" {
		r.t.Errorf("%s: sent: %+v", what, refused)
	}
	if n := asked(r.World) - before; n != 0 {
		r.t.Errorf("%s: the services were asked %d times", what, n)
	}
}

// Operations that are not this payment's are refused, each by its own check, whatever
// is asked about them; nobody is asked to pay and nothing is spent.
func TestHostileOperations(t *testing.T) {
	for _, kind := range gasless.Accounts {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRobbery(t, kind)
			deposit := r.Gas.Deposited(r.Gas.Paymaster)
			thief := r.Saver("thief", r.CreatePayment("5"), usdcWay, r.Gas.USDC(), 20_000_000)
			thiefFacts := thief.Facts()
			thiefPlan := thief.Plan(thiefFacts)

			elsewhere := r.Create(`{"requests":[{"payee":"` + otherPayee + `","paymentCurrency":"USDC-base","amount":"5"}]}`)
			r.refused("another payee", r.victim, priced(r.victim.OpOf(r.facts, r.stepsOf(elsewhere, usdcWay))), userop.CheckCalls)
			r.refused("another payment, to the same", r.victim, priced(r.victim.OpOf(r.facts, r.stepsOf(r.CreatePayment("5"), usdcWay))), userop.CheckCalls)
			r.otherToken()
			for what, c := range map[string]struct {
				change func(calls []rail.Call) []rail.Call
				check  string
			}{
				"an extra call": {func(c []rail.Call) []rail.Call {
					return append(c, rail.Call{To: r.plan.Token, Data: transferTo(otherPayee, 1), Value: new(big.Int)})
				}, userop.CheckCalls},
				"a call before": {func(c []rail.Call) []rail.Call {
					return slices.Insert(c, 1, rail.Call{To: r.plan.Token, Data: transferTo(otherPayee, 1), Value: new(big.Int)})
				}, userop.CheckCalls},
				"a call less":   {func(c []rail.Call) []rail.Call { return c[:len(c)-1] }, userop.CheckCalls},
				"a larger pull": {func(c []rail.Call) []rail.Call { c[1].Data[len(c[1].Data)-1]++; return c }, userop.CheckCalls},
				"a pull of another's": {func(c []rail.Call) []rail.Call {
					copy(c[1].Data[16:36], bytes.Repeat([]byte{7}, 20))
					return c
				}, userop.CheckCalls},
				"native value":    {func(c []rail.Call) []rail.Call { c[3].Value = big.NewInt(1); return c }, userop.CheckValue},
				"another target":  {func(c []rail.Call) []rail.Call { c[3].To = asset.Address{9}; return c }, userop.CheckCalls},
				"twice":           {func(c []rail.Call) []rail.Call { return append(c, c[3]) }, userop.CheckCalls},
				"no permit":       {func(c []rail.Call) []rail.Call { return c[1:] }, userop.CheckPermit},
				"a spoilt permit": {func(c []rail.Call) []rail.Call { c[0].Data[len(c[0].Data)-1] ^= 1; return c }, userop.CheckPermit},
			} {
				r.refused(what, r.victim, priced(r.victim.OpOf(r.facts, c.change(r.calls()))), c.check)
			}
			for what, permit := range map[string]*userop.Permit{
				"another owner's permit": thief.Permit(thiefFacts, r.plan.Account.Address, r.plan.Amount),
				"a permit for another":   r.victim.Permit(r.facts, thiefPlan.Account.Address, r.plan.Amount),
				"a permit for less":      r.victim.Permit(r.facts, r.plan.Account.Address, big.NewInt(1)),
				"a permit for ever":      r.lastingPermit(),
			} {
				calls := r.calls()
				data, err := permit.Encode()
				if err != nil {
					t.Fatal(err)
				}
				calls[0].Data = data
				r.refused(what, r.victim, priced(r.victim.OpOf(r.facts, calls)), userop.CheckPermit)
			}
			for what, c := range map[string]struct {
				change func(*userop.Op)
				check  string
			}{
				"another sender":          {func(o *userop.Op) { o.Sender = thiefPlan.Account.Address }, userop.CheckSender},
				"another factory":         {func(o *userop.Op) { o.Factory = asset.Address{9} }, userop.CheckFactory},
				"a factory for another":   {func(o *userop.Op) { o.FactoryData = thiefPlan.Account.FactoryData }, userop.CheckFactory},
				"no factory":              {func(o *userop.Op) { o.Factory, o.FactoryData = asset.Address{}, nil }, userop.CheckFactory},
				"a later nonce":           {func(o *userop.Op) { o.Nonce = big.NewInt(1) }, userop.CheckNonce},
				"a nonce with a key":      {func(o *userop.Op) { o.Nonce = new(big.Int).Lsh(big.NewInt(1), 64) }, userop.CheckNonce},
				"much gas for the calls":  {func(o *userop.Op) { o.CallGasLimit = big.NewInt(30_000_000) }, userop.CheckGas},
				"much gas for validation": {func(o *userop.Op) { o.VerificationGasLimit = big.NewInt(30_000_000) }, userop.CheckGas},
				"much gas for bundling":   {func(o *userop.Op) { o.PreVerificationGas = big.NewInt(30_000_000) }, userop.CheckGas},
				"dear gas":                {func(o *userop.Op) { o.MaxFeePerGas = big.NewInt(1e15) }, userop.CheckFees},
				"a dear tip":              {func(o *userop.Op) { o.MaxPriorityFeePerGas = big.NewInt(1e15) }, userop.CheckFees},
				"all of it dear":          {func(o *userop.Op) { o.MaxFeePerGas = big.NewInt(9e10) }, userop.CheckFees},
				"a paymaster of his own":  {func(o *userop.Op) { o.Paymaster = asset.Address{9} }, userop.CheckPaymaster},
				"a paymaster's gas": {func(o *userop.Op) {
					o.Paymaster, o.PaymasterVerificationGasLimit = r.Gas.Paymaster, big.NewInt(30_000_000)
				}, userop.CheckGas},
				"other calldata": {func(o *userop.Op) { o.CallData = append(bytes.Clone(o.CallData), 0) }, userop.CheckCalls},
			} {
				o := r.op()
				c.change(&o)
				r.refused(what, r.victim, o, c.check)
			}
			r.refused("another wallet's operation", thief.For(r.victim.Payment, usdcWay), r.op(), userop.CheckSender)
			if got := r.Gas.Deposited(r.Gas.Paymaster); got.Cmp(deposit) != 0 {
				t.Errorf("the sponsor has %v of %v", got, deposit)
			}
			// None of it is in the way of the payment itself.
			r.victim.Pay()
			settle(r.World, r.victim.Payment)
		})
	}
}

// stepsOf are the calls for another payment of the same wallet, behind its own permit.
func (r *robbery) stepsOf(token, way string) []rail.Call {
	r.t.Helper()
	p := r.plan
	p.Steps = r.victim.Plan(r.victim.For(token, way).Facts()).Steps
	calls, err := p.Calls()
	if err != nil {
		r.t.Fatal(err)
	}
	return calls
}

// otherToken asks with an operation that takes and pays another token.
func (r *robbery) otherToken() {
	r.t.Helper()
	p := r.victim.Plan(r.victim.For(createUSDT(r.World), usdtWay).Facts())
	calls, err := p.Calls()
	if err != nil {
		r.t.Fatal(err)
	}
	permitted := append(r.calls()[:1:1], calls...)
	r.refused("another token", r.victim, priced(r.victim.OpOf(r.facts, permitted)), userop.CheckCalls)
}

// lastingPermit is the wallet's own, good for longer than it has to be.
func (r *robbery) lastingPermit() *userop.Permit {
	r.t.Helper()
	f := r.facts
	terms := *f.Permit
	terms.Deadline += 3600
	f.Permit = &terms
	return r.victim.Permit(f, r.plan.Account.Address, r.plan.Amount)
}

func transferTo(to string, units byte) []byte {
	data, err := hex.DecodeString("a9059cbb" + strings.Repeat("0", 24) + to[2:] + strings.Repeat("0", 62) + fmt.Sprintf("%02x", units))
	if err != nil {
		panic(err)
	}
	return data
}

// Only what was granted for this payment, to this wallet, is sent, and no more than
// once.
func TestHostileSending(t *testing.T) {
	t.Parallel()
	r := newRobbery(t, userop.KindLight)
	s := r.victim
	granted, refused := s.Manager(r.op())
	if refused != nil {
		t.Fatalf("the sponsor: %+v", refused)
	}
	other := s.For(r.CreatePayment("5"), usdcWay)
	thief := r.Saver("thief", s.Payment, usdcWay, r.Gas.USDC(), 20_000_000)
	before := asked(r.World)
	unknown := func(what string, by *webtest.Saver, o userop.Op) {
		t.Helper()
		if _, refused := by.Send(s.Signed(o)); refused == nil || refused.Data.Code != "op_unknown" {
			t.Errorf("%s: %+v", what, refused)
		}
	}
	unknown("another payment's", other, granted)
	unknown("another wallet's", thief, granted)
	for what, change := range map[string]func(*userop.Op){
		"more gas":          func(o *userop.Op) { o.CallGasLimit = new(big.Int).Add(o.CallGasLimit, big.NewInt(1)) },
		"a dearer price":    func(o *userop.Op) { o.MaxFeePerGas = new(big.Int).Add(o.MaxFeePerGas, big.NewInt(1)) },
		"other calls":       func(o *userop.Op) { o.CallData = s.OpOf(r.facts, r.calls()[:3]).CallData },
		"another paymaster": func(o *userop.Op) { o.Paymaster = asset.Address{9} },
		"no paymaster": func(o *userop.Op) {
			o.Paymaster, o.PaymasterData, o.PaymasterVerificationGasLimit = asset.Address{}, nil, nil
		},
		"another nonce": func(o *userop.Op) { o.Nonce = big.NewInt(1) },
	} {
		o := granted
		change(&o)
		unknown("changed after the grant: "+what, s, o)
	}
	if n := asked(r.World) - before; n != 0 {
		t.Errorf("the services were asked %d times", n)
	}
	if len(r.Load(s.Payment).Attempts) != 0 {
		t.Error("something was announced")
	}
	hash, refused := s.Send(s.Signed(granted))
	if refused != nil {
		t.Fatalf("the bundler: %+v", refused)
	}
	// Again while it is under way, and once it has come to its end.
	if again, refused := s.Send(s.Signed(granted)); refused != nil && refused.Data.Code != "op_over" || refused == nil && again != hash {
		t.Errorf("again: %s, %+v", again, refused)
	}
	settle(r.World, s.Payment)
	r.Await("the attempt to be executed", func() bool { return r.Load(s.Payment).Attempts[0].Stage == "executed" })
	if _, refused := s.Send(s.Signed(granted)); refused == nil || refused.Data.Code != "op_over" {
		t.Errorf("after its end: %+v", refused)
	}
	if _, refused := s.Manager(r.op()); refused == nil {
		t.Error("a payment that is made is sponsored again")
	}
	holds(t, r.World, r.Gas.USDC(), map[string]int64{s.Address().String(): 15_000_000, webtest.Payee: 5_000_000})
	if n := len(r.Load(s.Payment).Attempts); n != 1 {
		t.Errorf("%d attempts", n)
	}
	for _, method := range []string{userop.MethodReceipt, userop.MethodLookup} {
		if result, refused := s.Ask(method, hash); refused != nil || len(result) < 10 {
			t.Errorf("%s: %s, %+v", method, result, refused)
		}
		if _, refused := other.Ask(method, hash); refused == nil || refused.Data.Code != "op_unknown" {
			t.Errorf("%s over another payment: %+v", method, refused)
		}
	}
}

// What is no question is refused before anything is read of it.
func TestHostileQuestions(t *testing.T) {
	t.Parallel()
	r := newRobbery(t, userop.KindLight)
	s, before := r.victim, len(r.Gas.Gateway.Asked())
	one := `{"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":[]}`
	for what, c := range map[string]struct {
		body string
		code int
	}{
		"several at once": {"[" + one + "," + one + "]", userop.CodeParse}, "no JSON": {"eth_chainId", userop.CodeParse}, "another version": {`{"jsonrpc":"1.0","id":7,"method":"eth_chainId"}`, userop.CodeRequest},
		"another method": {strings.Replace(one, "eth_chainId", "eth_sendRawTransaction", 1), userop.CodeMethod}, "the debugger": {strings.Replace(one, "eth_chainId", "debug_bundler_clearState", 1), userop.CodeMethod},
		"without an id": {`{"jsonrpc":"2.0","method":"eth_chainId"}`, userop.CodeRequest}, "what is no operation": {`{"jsonrpc":"2.0","id":7,"method":"eth_estimateUserOperationGas","params":[{},"` + userop.EntryPoint.String() + `"]}`, userop.CodeParams},
		"another EntryPoint": {`{"jsonrpc":"2.0","id":7,"method":"eth_sendUserOperation","params":[` + wire(t, r.op()) + `,"0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"]}`, userop.CodeParams},
		"another chain":      {`{"jsonrpc":"2.0","id":7,"method":"pm_getPaymasterData","params":[` + wire(t, r.op()) + `,"` + userop.EntryPoint.String() + `","0x1",{}]}`, userop.CodeParams},
		"another state":      {`{"jsonrpc":"2.0","id":7,"method":"eth_estimateUserOperationGas","params":[` + wire(t, r.op()) + `,"` + userop.EntryPoint.String() + `",{"0x00":{"balance":"0x1"}}]}`, userop.CodeParams},
	} {
		var out struct{ Error webtest.Refused }
		got := s.Post(c.body)
		if err := json.Unmarshal(got.Body, &out); err != nil || got.Status != http.StatusOK || out.Error.Code != c.code {
			t.Errorf("%s: %d %s, want %d", what, got.Status, got.Body, c.code)
		}
	}
	if got := s.Post(`{"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":["` + strings.Repeat("x", userop.MaxQuestion) + `"]}`); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: %d %.200s", got.Status, got.Body)
	}
	path := "/checkout/" + s.Payment + "/bundler?option=" + usdcWay + "&wallet=" + s.Address().String()
	if got := r.Do(http.MethodPost, path, one, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"); got.Status != http.StatusForbidden {
		t.Errorf("from another site: %d %s", got.Status, got.Body)
	}
	if n := len(r.Gas.Gateway.Asked()) - before; n != 0 {
		t.Errorf("the services were asked %d times", n)
	}
}

func wire(t *testing.T, o userop.Op) string {
	t.Helper()
	b, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
