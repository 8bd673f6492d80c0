package webtest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/gasless"
	"quittance/internal/rail"
	"quittance/internal/siwe"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

// Gasless has payers' gas paid for, by played bundlers and sponsors in front of the
// real contracts. The zero value is ERC-7677 for the chain's preferred accounts, with
// budgets that no test uses up.
type Gasless struct {
	Provider string // gasless.ProviderAlchemy and its like
	Kind     string // userop.KindLight, userop.KindSafe
	Policy   string // of the sponsor; what it knows if empty
	MaxCost  *big.Int
	Budget   checkout.GaslessBudget // what is not set in it is ample
	Timeout  time.Duration
	// Down has New not wait until gas is paid for.
	Down bool
	// First and Second are stacks that run already, on Options.Chain and Options.Second.
	First, Second *useroptest.Stack
}

var ether = big.NewInt(1e18)

func ample(v *big.Int) *big.Int {
	if v == nil {
		return ether
	}
	return v
}

// startGasless puts bundlers and sponsors in front of the chains.
func (w *World) startGasless(o Options) {
	w.t.Helper()
	if o.Gasless == nil {
		return
	}
	if w.Gas = o.Gasless.First; w.Gas == nil {
		w.Gas = useroptest.On(w.t, w.Chain)
	}
	if w.Second == nil {
		return
	}
	if w.GasSecond = o.Gasless.Second; w.GasSecond == nil {
		w.GasSecond = useroptest.On(w.t, w.Second)
	}
}

func (w *World) gasless(o Options) *app.GaslessSetup {
	g := o.Gasless
	if g == nil {
		return nil
	}
	setup := &app.GaslessSetup{Table: userop.At(asset.SandboxBase, asset.SandboxArbitrum), Chains: map[asset.ChainID]gasless.Chain{}}
	for id, s := range map[asset.ChainID]*useroptest.Stack{asset.SandboxBase: w.Gas, asset.SandboxArbitrum: w.GasSecond} {
		if s == nil {
			continue
		}
		c := gasless.Chain{
			Provider: g.Provider, Name: "Test sponsor", Kind: g.Kind, BundlerURL: s.URL, Policy: g.Policy, Pricing: userop.PricingPimlico,
			MaxFeePerGas: big.NewInt(1e11), MaxCost: g.MaxCost, Timeout: g.Timeout,
			Budget: checkout.GaslessBudget{Payment: ample(g.Budget.Payment), Grants: g.Budget.Grants, WalletDay: ample(g.Budget.WalletDay), ChainDay: ample(g.Budget.ChainDay)},
		}
		if c.Provider == "" {
			c.Provider = gasless.ProviderERC7677
		}
		if c.MaxCost == nil {
			c.MaxCost = big.NewInt(1e16)
		}
		if c.Budget.Grants == 0 {
			c.Budget.Grants = 1000
		}
		if c.Policy == "" {
			c.Policy, c.Context = gateway.Policy, `{"policyId":"`+gateway.Policy+`"}`
		}
		setup.Chains[id] = c
	}
	return setup
}

// AwaitGas polls until gas is paid for on every chain.
func (w *World) AwaitGas() {
	w.t.Helper()
	w.Await("gas to be paid for", func() bool {
		return w.App.PaysGas(asset.SandboxBase) && (w.GasSecond == nil || w.App.PaysGas(asset.SandboxArbitrum))
	})
}

// Saver is a payer without native coins, who does what the page and its kit do.
type Saver struct {
	*useroptest.Wallet
	// Kind is that of the accounts.
	Kind userop.Kind

	Payment string // its token
	Way     string // the option's id

	w     *World
	stack *useroptest.Stack
}

// Saver makes a wallet that has units (base units) of a token of the first chain and
// nothing else, to make a payment by an option with.
func (w *World) Saver(name, payment, option, token string, units int64) *Saver {
	w.t.Helper()
	return w.saver(w.Gas, name, payment, option, token, units)
}

// SaverOfSecond is Saver on the second chain.
func (w *World) SaverOfSecond(name, payment, option, token string, units int64) *Saver {
	w.t.Helper()
	return w.saver(w.GasSecond, name, payment, option, token, units)
}

func (w *World) saver(s *useroptest.Stack, name, payment, option, token string, units int64) *Saver {
	w.t.Helper()
	return &Saver{Wallet: s.Payer(name, token, big.NewInt(units)), w: w, stack: s, Payment: payment, Way: option}
}

// For is the same wallet with another payment.
func (s *Saver) For(payment, option string) *Saver {
	other := *s
	other.Payment, other.Way = payment, option
	return &other
}

// At is the same wallet with another server on the same chain.
func (s *Saver) At(w *World) *Saver {
	other := *s
	other.w = w
	return &other
}

// Facts is what the page is told of paying without gas.
type Facts struct {
	Kind        string `json:"kind"`
	Sponsor     string `json:"sponsor"`
	EntryPoint  string `json:"entryPoint"`
	ChainID     uint64 `json:"chainId"`
	Account     string `json:"account"`
	Deployed    bool   `json:"deployed"`
	Factory     string `json:"factory"`
	FactoryData string `json:"factoryData"`
	Nonce       string `json:"nonce"`
	Token       struct {
		Asset    string `json:"asset"`
		Symbol   string `json:"symbol"`
		Decimals int    `json:"decimals"`
		Address  string `json:"address"`
	} `json:"token"`
	Amount    string `json:"amount"`
	Balance   string `json:"balance"`
	Allowance string `json:"allowance"`
	Permit    *struct {
		Name     string `json:"name"`
		Version  string `json:"version"`
		ChainID  uint64 `json:"chainId"`
		Contract string `json:"verifyingContract"`
		Salt     string `json:"salt"`
		Nonce    string `json:"nonce"`
		Deadline int64  `json:"deadline"`
	} `json:"permit"`
	BundlerURL string `json:"bundlerUrl"`
	Calls      struct {
		Transactions []struct {
			To    string `json:"to"`
			Data  string `json:"data"`
			Value string `json:"value"`
		} `json:"transactions"`
	} `json:"calls"`
}

func (s *Saver) query() string { return "?wallet=" + s.Address().String() + "&option=" + s.Way }

// Look asks for the facts, whatever the answer is.
func (s *Saver) Look() Response {
	s.w.t.Helper()
	return s.w.Get("/checkout/" + s.Payment + "/gasless" + s.query())
}

// Facts asks for the facts.
func (s *Saver) Facts() Facts {
	s.w.t.Helper()
	r := s.Look().Want(http.StatusOK)
	var f Facts
	if err := json.Unmarshal(r.Body, &f); err != nil {
		s.w.t.Fatalf("facts: %v\n%s", err, r.Body)
	}
	return f
}

// Refused is the error of JSON-RPC.
type Refused struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Code string `json:"code"`
	} `json:"data"`
}

// Post sends a body to the page's bundler.
func (s *Saver) Post(body string, headers ...string) Response {
	s.w.t.Helper()
	return s.w.Do(http.MethodPost, "/checkout/"+s.Payment+"/bundler"+s.query(), body, append([]string{"Origin: " + BaseURL, "Sec-Fetch-Site: same-origin"}, headers...)...)
}

// Ask puts a question to the page's bundler. The result is nil if it was refused.
func (s *Saver) Ask(method string, params ...any) (json.RawMessage, *Refused) {
	s.w.t.Helper()
	return answer(s.w.t, s.Post(question(s.w.t, method, params)))
}

func question(t testing.TB, method string, params []any) string {
	t.Helper()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func answer(t testing.TB, r Response) (json.RawMessage, *Refused) {
	t.Helper()
	r.Want(http.StatusOK)
	var out struct {
		ID     int             `json:"id"`
		Result json.RawMessage `json:"result"`
		Error  *Refused        `json:"error"`
	}
	if err := json.Unmarshal(r.Body, &out); err != nil || out.ID != 7 || (out.Error == nil) == (out.Result == nil) {
		t.Fatalf("no answer: %s, %v", r.Body, err)
	}
	return out.Result, out.Error
}

// Plan is what the operation of the facts does, without a permit.
func (s *Saver) Plan(f Facts) userop.Plan {
	s.w.t.Helper()
	kind, known := userop.At(asset.ChainID(f.ChainID)).Kind(asset.ChainID(f.ChainID), f.Kind)
	if !known {
		s.w.t.Fatalf("there is no kind %q", f.Kind)
	}
	s.Kind = kind
	p := userop.Plan{Account: kind.Account(asset.ChainID(f.ChainID), s.Address()), Token: s.address(f.Token.Address), Amount: s.number(f.Amount)}
	if p.Account.Address.String() != f.Account {
		s.w.t.Fatalf("the account is %s, and not %s", p.Account.Address, f.Account)
	}
	for _, c := range f.Calls.Transactions {
		p.Steps = append(p.Steps, rail.Call{To: s.address(c.To), Data: s.bytes(c.Data), Value: s.number(c.Value)})
	}
	return p
}

// Permit signs a permit of what the facts ask for.
func (s *Saver) Permit(f Facts, spender asset.Address, value *big.Int) *userop.Permit {
	s.w.t.Helper()
	terms := userop.PermitTerms{Owner: s.Address(), Nonce: s.number(f.Permit.Nonce), Domain: siwe.Domain{
		Name: f.Permit.Name, Version: f.Permit.Version, Chain: asset.ChainID(f.Permit.ChainID), Contract: s.address(f.Permit.Contract),
	}}
	p := s.Wallet.Permit(terms, spender, value, big.NewInt(f.Permit.Deadline))
	return &p
}

// Op makes the operation of a plan, as it is before anybody pays for its gas.
func (s *Saver) Op(f Facts, p userop.Plan) userop.Op {
	s.w.t.Helper()
	calls, err := p.Calls()
	if err != nil {
		s.w.t.Fatal(err)
	}
	return s.OpOf(f, calls)
}

// OpOf is Op for any calls.
func (s *Saver) OpOf(f Facts, calls []rail.Call) userop.Op {
	s.w.t.Helper()
	data, err := s.Kind.Encode(calls)
	if err != nil {
		s.w.t.Fatal(err)
	}
	op := userop.Op{Sender: s.address(f.Account), Nonce: s.number(f.Nonce), CallData: data, Signature: useroptest.Stub(f.Kind)}
	if !f.Deployed {
		op.Factory, op.FactoryData = s.address(f.Factory), s.bytes(f.FactoryData)
	}
	return op
}

// Due is the operation that pays, with a permit unless the account may take the
// money already.
func (s *Saver) Due() (Facts, userop.Op) {
	s.w.t.Helper()
	f := s.Facts()
	p := s.Plan(f)
	if s.number(f.Allowance).Cmp(p.Amount) < 0 {
		if f.Permit == nil {
			s.w.t.Fatal("the token has no permits, and nothing was approved")
		}
		p.Permit = s.Permit(f, p.Account.Address, p.Amount)
	}
	return f, s.Op(f, p)
}

// Manager asks as Account Kit does for gas, prices and a paymaster at once.
func (s *Saver) Manager(op userop.Op) (userop.Op, *Refused) {
	s.w.t.Helper()
	asked := map[string]any{"sender": op.Sender.String(), "nonce": "0x" + op.Nonce.Text(16), "callData": "0x" + hex.EncodeToString(op.CallData)}
	if !op.Factory.IsZero() {
		asked["factory"], asked["factoryData"] = op.Factory.String(), "0x"+hex.EncodeToString(op.FactoryData)
	}
	result, refused := s.Ask(userop.MethodAlchemy, map[string]any{
		"policyId": "the page's", "entryPoint": userop.EntryPoint.String(), "userOperation": asked, "dummySignature": "0x" + hex.EncodeToString(op.Signature),
	})
	if refused != nil {
		return op, refused
	}
	return s.Fill(op, result), nil
}

// Stepwise asks as permissionless does: prices, a stub, an estimate, and a paymaster.
func (s *Saver) Stepwise(op userop.Op) (userop.Op, *Refused) {
	s.w.t.Helper()
	prices, refused := s.Ask(userop.MethodPrices)
	if refused != nil {
		return op, refused
	}
	var fast struct{ Fast json.RawMessage }
	if err := json.Unmarshal(prices, &fast); err != nil {
		s.w.t.Fatal(err)
	}
	op = s.Fill(op, fast.Fast)
	id := "0x" + new(big.Int).SetUint64(s.stack.ID()).Text(16)
	for _, method := range []string{userop.MethodStub, userop.MethodEstimate, userop.MethodData} {
		params := []any{op, userop.EntryPoint.String()}
		if method != userop.MethodEstimate {
			params = append(params, id, map[string]any{})
		}
		result, refused := s.Ask(method, params...)
		if refused != nil {
			return op, refused
		}
		op = s.Fill(op, result)
	}
	return op, nil
}

// Fill puts the members of an answer into an operation.
func (s *Saver) Fill(op userop.Op, answer json.RawMessage) userop.Op {
	s.w.t.Helper()
	text, err := op.MarshalJSON()
	members := map[string]any{}
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err == nil {
		err = json.Unmarshal(answer, &members)
	}
	if err == nil {
		delete(members, "isFinal")
		text, err = json.Marshal(members)
	}
	if err == nil {
		op, err = userop.Parse(text)
	}
	if err != nil {
		s.w.t.Fatalf("filling in %s: %v", answer, err)
	}
	return op
}

// Signed is an operation with its owner's signature.
func (s *Saver) Signed(op userop.Op) userop.Op {
	s.w.t.Helper()
	return s.Sign(s.Kind.Name(), asset.ChainID(s.stack.ID()), op)
}

// Send hands a signed operation in and returns its hash.
func (s *Saver) Send(op userop.Op) (string, *Refused) {
	s.w.t.Helper()
	result, refused := s.Ask(userop.MethodSend, op, userop.EntryPoint.String())
	if refused != nil {
		return "", refused
	}
	var hash string
	if err := json.Unmarshal(result, &hash); err != nil {
		s.w.t.Fatal(err)
	}
	return hash, nil
}

// Pay does all of it, with the gas manager, and returns the operation's hash.
func (s *Saver) Pay() string {
	s.w.t.Helper()
	_, op := s.Due()
	op, refused := s.Manager(op)
	if refused != nil {
		s.w.t.Fatalf("the sponsor: %+v", refused)
	}
	hash, refused := s.Send(s.Signed(op))
	if refused != nil {
		s.w.t.Fatalf("the bundler: %+v", refused)
	}
	return hash
}

func (s *Saver) address(text string) asset.Address {
	s.w.t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		s.w.t.Fatalf("address %q: %v", text, err)
	}
	return a
}

func (s *Saver) bytes(text string) []byte {
	s.w.t.Helper()
	b, err := hex.DecodeString(string(bytes.TrimPrefix([]byte(text), []byte("0x"))))
	if err != nil {
		s.w.t.Fatalf("bytes %q: %v", text, err)
	}
	return b
}

// number reads a decimal number, or one with 0x.
func (s *Saver) number(text string) *big.Int {
	s.w.t.Helper()
	n, ok := new(big.Int).SetString(text, 0)
	if !ok {
		s.w.t.Fatalf("number %q", text)
	}
	return n
}
