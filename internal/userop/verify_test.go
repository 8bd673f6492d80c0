package userop_test

import (
	"bytes"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/siwe"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

var (
	noon     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	usdc     = asset.Address{0x83, 0x35, 19: 0x13}
	stranger = asset.Address{0xba, 0xd0, 19: 0x01}
)

// offer is a sponsored operation that pays, and what it is held against.
type offer struct {
	wallet *useroptest.Wallet
	terms  userop.PermitTerms
	plan   userop.Plan // with the signed permit
	op     userop.Op
	want   userop.Expectation
}

// newOffer makes one without asking a chain.
func newOffer(t testing.TB, kind userop.Kind, permit bool) *offer {
	t.Helper()
	o := &offer{wallet: useroptest.NewWallet(t, "verify")}
	account := kind.Account(sandbox, o.wallet.Address())
	pay := order(asset.Address(usdc), 1_000_000, 1)
	approve, err1 := official.Approval{Spender: stranger, Amount: pay.Total()}.Encode()
	call, err2 := official.ERC20Payment{
		Token: usdc, Payee: pay.Payee, Amount: pay.Amount, Reference: pay.Reference, Fee: pay.Fee, FeePayee: pay.FeePayee,
	}.Encode()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	proxy := asset.Address{0x5a, 0x4d, 19: 0x20}
	o.plan = userop.Plan{Account: account, Token: usdc, Amount: pay.Total(), Steps: []rail.Call{
		{Kind: rail.Approve, To: usdc, Data: approve, Value: new(big.Int)}, {Kind: rail.Pay, To: proxy, Data: call},
	}}
	o.terms = userop.PermitTerms{
		Domain: siwe.Domain{Name: "USD Coin", Version: "2", Chain: sandbox, Contract: usdc}, Owner: o.wallet.Address(), Nonce: big.NewInt(3),
	}
	o.want = userop.Expectation{
		Kind: kind, Plan: o.plan, State: &userop.State{Nonce: 7}, Limits: userop.DefaultLimits(big.NewInt(1e10), big.NewInt(1e16)), Now: noon,
	}
	if permit {
		o.want.Permit = &userop.PermitRule{Terms: o.terms, Until: noon.Add(time.Hour)}
		o.sign(account.Address, o.plan.Amount, noon.Add(time.Hour))
	}
	o.op = userop.Op{
		Sender: account.Address, Nonce: big.NewInt(7), Factory: account.Factory, FactoryData: account.FactoryData, Signature: []byte{1, 2, 3},
		CallGasLimit: big.NewInt(400_000), VerificationGasLimit: big.NewInt(600_000), PreVerificationGas: big.NewInt(60_000),
		MaxFeePerGas: big.NewInt(3e9), MaxPriorityFeePerGas: big.NewInt(1e9),
	}
	grant := userop.Grant{Paymaster: asset.Address{0x9a, 19: 1}, Data: bytes.Repeat([]byte{0xab}, 129), VerificationGas: big.NewInt(100_000), PostOpGas: big.NewInt(20_000)}
	o.op, o.want.Grant = grant.Apply(o.op), &grant
	o.encode(t, o.calls(t))
	return o
}

// sign puts a permit of the wallet into the plan.
func (o *offer) sign(spender asset.Address, value *big.Int, deadline time.Time) {
	p := o.wallet.Permit(o.terms, spender, value, big.NewInt(deadline.Unix()))
	o.plan.Permit = &p
}

func (o *offer) calls(t testing.TB) []rail.Call {
	t.Helper()
	calls, err := o.plan.Calls()
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

func (o *offer) encode(t testing.TB, calls []rail.Call) {
	t.Helper()
	data, err := o.want.Kind.Encode(calls)
	if err != nil {
		t.Fatal(err)
	}
	o.op.CallData = data
}

// permitCall replaces the first call by a permit that Plan would refuse to make.
func (o *offer) permitCall(t testing.TB, p userop.Permit) {
	t.Helper()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	calls := o.calls(t)
	calls[0].Data = data
	o.encode(t, calls)
}

func eachKind(t *testing.T, f func(t *testing.T, kind userop.Kind)) {
	for _, k := range userop.At(sandbox).Kinds(sandbox) {
		t.Run(k.Name(), func(t *testing.T) { f(t, k) })
	}
}

func TestVerifyAccepts(t *testing.T) {
	eachKind(t, func(t *testing.T, kind userop.Kind) {
		for what, change := range map[string]func(o *offer){
			"as it was made":    func(*offer) {},
			"another signature": func(o *offer) { o.op.Signature = bytes.Repeat([]byte{9}, 300) },
			"no signature":      func(o *offer) { o.op.Signature = nil },
			"a deployed account": func(o *offer) {
				o.op.Factory, o.op.FactoryData, o.want.State.Deployed = asset.Address{}, nil, true
				o.op.VerificationGasLimit = big.NewInt(200_000)
			},
			"before it is priced": func(o *offer) { o.op = bare(o.op); o.want.Grant = nil },
			"a cap that the payer chose": func(o *offer) {
				o.sign(o.want.Plan.Account.Address, big.NewInt(5_000_000), noon.Add(time.Minute))
				o.want.Permit.Cap = big.NewInt(5_000_000)
				o.encode(t, o.calls(t))
			},
		} {
			o := newOffer(t, kind, true)
			change(o)
			accepted(t, what, o.op, o.want)
		}
		o := newOffer(t, kind, false)
		accepted(t, "without a permit", o.op, o.want)
		o.want.State = nil
		for _, c := range userop.Verify(o.op, o.want) {
			if want := map[bool]rail.Outcome{true: rail.Waiting, false: rail.Passed}[c.Name == userop.CheckNonce]; c.Outcome != want {
				t.Errorf("not read: %+v", c)
			}
		}
	})
}

// bare is an operation before anybody said what it costs.
func bare(o userop.Op) userop.Op {
	return userop.Op{Sender: o.Sender, Nonce: o.Nonce, Factory: o.Factory, FactoryData: o.FactoryData, CallData: o.CallData, Signature: o.Signature}
}

// hostile are operations that a sponsor must not pay for.
var hostile = map[string]struct {
	change  func(t *testing.T, o *offer)
	refused []string
}{
	"another sender":           {func(_ *testing.T, o *offer) { o.op.Sender = stranger }, []string{userop.CheckSender}},
	"another wallet's account": {func(_ *testing.T, o *offer) { o.op.Sender = o.want.Kind.Account(sandbox, stranger).Address }, []string{userop.CheckSender}},
	"a plan for an address that does not follow": {func(_ *testing.T, o *offer) {
		o.want.Plan.Account.Address, o.op.Sender = stranger, stranger
	}, []string{userop.CheckSender}},
	"another factory":                {func(_ *testing.T, o *offer) { o.op.Factory = stranger }, []string{userop.CheckFactory}},
	"an account of somebody else's":  {func(_ *testing.T, o *offer) { o.op.FactoryData = o.want.Kind.Account(sandbox, stranger).FactoryData }, []string{userop.CheckFactory}},
	"a byte more for the factory":    {func(_ *testing.T, o *offer) { o.op.FactoryData = append(slices.Clone(o.op.FactoryData), 0) }, []string{userop.CheckFactory}},
	"made again":                     {func(_ *testing.T, o *offer) { o.want.State.Deployed = true }, []string{userop.CheckFactory}},
	"not made":                       {func(_ *testing.T, o *offer) { o.op.Factory, o.op.FactoryData = asset.Address{}, nil }, []string{userop.CheckFactory}},
	"data for no factory":            {func(_ *testing.T, o *offer) { o.op.Factory, o.want.State.Deployed = asset.Address{}, true }, []string{userop.CheckFactory}},
	"a nonce that was used (replay)": {func(_ *testing.T, o *offer) { o.op.Nonce = big.NewInt(6) }, []string{userop.CheckNonce}},
	"a nonce to come":                {func(_ *testing.T, o *offer) { o.op.Nonce = big.NewInt(8) }, []string{userop.CheckNonce}},
	"a nonce with a key": {func(_ *testing.T, o *offer) {
		o.op.Nonce = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), o.op.Nonce)
	}, []string{userop.CheckNonce}},
	"no calls":                                   {func(_ *testing.T, o *offer) { o.op.CallData = nil }, []string{userop.CheckCalls}},
	"calldata with bytes behind it":              {func(_ *testing.T, o *offer) { o.op.CallData = append(slices.Clone(o.op.CallData), 0) }, []string{userop.CheckCalls}},
	"calldata with a word behind it":             {func(_ *testing.T, o *offer) { o.op.CallData = append(slices.Clone(o.op.CallData), make([]byte, 32)...) }, []string{userop.CheckCalls}},
	"another function of the account":            {func(_ *testing.T, o *offer) { o.op.CallData[0] ^= 1 }, []string{userop.CheckCalls}},
	"a call more at the end":                     {edit(func(c []rail.Call) []rail.Call { return append(c, c[1]) }), []string{userop.CheckCalls}},
	"a call more at the beginning":               {edit(func(c []rail.Call) []rail.Call { return append([]rail.Call{c[2]}, c...) }), []string{userop.CheckCalls}},
	"the payment left out":                       {edit(func(c []rail.Call) []rail.Call { return c[:3] }), []string{userop.CheckCalls}},
	"only the transfer":                          {edit(func(c []rail.Call) []rail.Call { return c[1:2] }), []string{userop.CheckCalls}},
	"another order of calls":                     {edit(func(c []rail.Call) []rail.Call { c[2], c[3] = c[3], c[2]; return c }), []string{userop.CheckCalls}},
	"another target":                             {edit(func(c []rail.Call) []rail.Call { c[3].To = stranger; return c }), []string{userop.CheckCalls}},
	"another token":                              {edit(func(c []rail.Call) []rail.Call { c[1].To, c[2].To = stranger, stranger; return c }), []string{userop.CheckCalls}},
	"the account told about itself":              {func(t *testing.T, o *offer) { c := o.calls(t); c[3].To = o.op.Sender; o.encode(t, c) }, []string{userop.CheckCalls}},
	"the EntryPoint told to pay out":             {edit(func(c []rail.Call) []rail.Call { c[3].To = userop.EntryPoint; return c }), []string{userop.CheckCalls}},
	"native currency along":                      {edit(func(c []rail.Call) []rail.Call { c[3].Value = big.NewInt(1); return c }), []string{userop.CheckValue}},
	"native currency to somebody":                {edit(func(c []rail.Call) []rail.Call { return append(c, rail.Call{To: stranger, Value: big.NewInt(1)}) }), []string{userop.CheckCalls, userop.CheckValue}},
	"another payee":                              {swapPayment(func(p *official.ERC20Payment) { p.Payee = stranger }), []string{userop.CheckCalls}},
	"another amount":                             {swapPayment(func(p *official.ERC20Payment) { p.Amount = big.NewInt(1) }), []string{userop.CheckCalls}},
	"another reference":                          {swapPayment(func(p *official.ERC20Payment) { p.Reference[0]++ }), []string{userop.CheckCalls}},
	"another fee's payee":                        {swapPayment(func(p *official.ERC20Payment) { p.FeePayee = stranger }), []string{userop.CheckCalls}},
	"a permit left out":                          {edit(func(c []rail.Call) []rail.Call { return c[1:] }), []string{userop.CheckPermit}},
	"a permit that nobody asked for":             {func(_ *testing.T, o *offer) { o.want.Permit = nil }, []string{userop.CheckPermit, userop.CheckCalls}},
	"a permit for a stranger":                    {permit(func(o *offer) { o.sign(stranger, o.plan.Amount, noon.Add(time.Hour)) }), []string{userop.CheckPermit}},
	"an unlimited permit":                        {permit(func(o *offer) { o.sign(o.op.Sender, maxUint256, noon.Add(time.Hour)) }), []string{userop.CheckPermit}},
	"a permit for one more":                      {permit(func(o *offer) { o.sign(o.op.Sender, big.NewInt(1_000_002), noon.Add(time.Hour)) }), []string{userop.CheckPermit}},
	"a permit over the payer's cap":              {permit(func(o *offer) { o.want.Permit.Cap = big.NewInt(5e6); o.sign(o.op.Sender, big.NewInt(5e6+1), noon) }), []string{userop.CheckPermit}},
	"a permit for too little":                    {permit(func(o *offer) { o.sign(o.op.Sender, big.NewInt(1_000_000), noon.Add(time.Hour)) }), []string{userop.CheckPermit}},
	"a permit that is over":                      {permit(func(o *offer) { o.sign(o.op.Sender, o.plan.Amount, noon.Add(-time.Second)) }), []string{userop.CheckPermit}},
	"a permit for years":                         {permit(func(o *offer) { o.sign(o.op.Sender, o.plan.Amount, noon.Add(1e5*time.Hour)) }), []string{userop.CheckPermit}},
	"a permit that was used":                     {permit(func(o *offer) { o.want.Permit.Terms.Nonce = big.NewInt(4) }), []string{userop.CheckPermit}},
	"a permit of another wallet":                 {permit(func(o *offer) { o.plan.Permit.Owner = stranger }), []string{userop.CheckPermit}},
	"a permit that nobody signed":                {permit(func(o *offer) { o.plan.Permit.R[0]++ }), []string{userop.CheckPermit}},
	"a permit under another domain":              {permit(func(o *offer) { o.terms.Domain.Version = "1"; o.sign(o.op.Sender, o.plan.Amount, noon) }), []string{userop.CheckPermit}},
	"a permit about to be over":                  {permit(func(o *offer) { o.sign(o.op.Sender, o.plan.Amount, noon.Add(29*time.Second)) }), []string{userop.CheckPermit}},
	"a permit in a form that tokens do not take": {permit(func(o *offer) { o.plan.Permit.V -= 27 }), []string{userop.CheckPermit}},
	"a permit in its other form": {permit(func(o *offer) {
		n, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
		n.Sub(n, new(big.Int).SetBytes(o.plan.Permit.S[:])).FillBytes(o.plan.Permit.S[:])
		o.plan.Permit.V ^= 27 ^ 28
	}), []string{userop.CheckPermit}},
	"more taken than is paid": {amount(2_000_002), []string{userop.CheckCalls}},
	"less taken than is paid": {amount(1_000_000), []string{userop.CheckCalls}},
	"what is taken is approved to two": {func(t *testing.T, o *offer) {
		o.want.Plan.Steps = append([]rail.Call{o.want.Plan.Steps[0]}, o.want.Plan.Steps...)
		o.plan.Steps = o.want.Plan.Steps
	}, []string{userop.CheckCalls}},
	"nothing of what is taken is approved": {func(t *testing.T, o *offer) { o.want.Plan.Steps = o.want.Plan.Steps[1:] }, []string{userop.CheckCalls}},
	"terms of another token":               {func(_ *testing.T, o *offer) { o.want.Permit.Terms.Domain.Contract = stranger }, []string{userop.CheckPermit}},
	"terms of another chain":               {func(_ *testing.T, o *offer) { o.want.Permit.Terms.Domain.Chain = 1 }, []string{userop.CheckPermit}},
	"much gas for the calls":               {func(_ *testing.T, o *offer) { o.op.CallGasLimit = big.NewInt(1_000_001) }, []string{userop.CheckGas}},
	"much gas for the account":             {func(_ *testing.T, o *offer) { o.op.VerificationGasLimit = big.NewInt(1_500_001) }, []string{userop.CheckGas}},
	"the gas of making it, for one made": {func(_ *testing.T, o *offer) {
		o.op.Factory, o.op.FactoryData, o.want.State.Deployed = asset.Address{}, nil, true
		o.op.VerificationGasLimit = big.NewInt(500_001)
	}, []string{userop.CheckGas}},
	"much gas for the bundler":       {func(_ *testing.T, o *offer) { o.op.PreVerificationGas = big.NewInt(2_000_001) }, []string{userop.CheckGas}},
	"negative gas":                   {func(_ *testing.T, o *offer) { o.op.PreVerificationGas = big.NewInt(-1) }, []string{userop.CheckGas}},
	"much gas for the paymaster":     {func(_ *testing.T, o *offer) { o.op.PaymasterPostOpGasLimit = big.NewInt(400_001) }, []string{userop.CheckGas, userop.CheckPaymaster}},
	"a high price":                   {func(_ *testing.T, o *offer) { o.op.MaxFeePerGas = big.NewInt(1e10 + 1) }, []string{userop.CheckFees}},
	"a high tip":                     {func(_ *testing.T, o *offer) { o.op.MaxPriorityFeePerGas = big.NewInt(1e10 + 1) }, []string{userop.CheckFees}},
	"a high cost in all":             {func(_ *testing.T, o *offer) { o.want.Limits.MaxCost = new(big.Int).Sub(o.op.MaxCost(), big.NewInt(1)) }, []string{userop.CheckFees}},
	"no limits at all":               {func(_ *testing.T, o *offer) { o.want.Limits = userop.Limits{} }, []string{userop.CheckGas, userop.CheckFees}},
	"another paymaster":              {func(_ *testing.T, o *offer) { o.op.Paymaster = stranger }, []string{userop.CheckPaymaster}},
	"no paymaster":                   {func(_ *testing.T, o *offer) { o.op = bare(o.op) }, []string{userop.CheckPaymaster}},
	"a paymaster that was not asked": {func(_ *testing.T, o *offer) { o.want.Grant = nil }, []string{userop.CheckPaymaster}},
	"another word of the paymaster":  {func(_ *testing.T, o *offer) { o.op.PaymasterData = append(slices.Clone(o.op.PaymasterData), 0) }, []string{userop.CheckPaymaster}},
	"other gas for the paymaster":    {func(_ *testing.T, o *offer) { o.op.PaymasterVerificationGasLimit = big.NewInt(1) }, []string{userop.CheckPaymaster}},
	"nothing to pay":                 {func(_ *testing.T, o *offer) { o.want.Plan.Steps = nil }, []string{userop.CheckCalls}},
	"native currency to pay":         {func(_ *testing.T, o *offer) { o.want.Plan.Token = asset.Address{} }, []string{userop.CheckCalls}},
}

var maxUint256 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

// edit changes the calls of an operation: permit, transfer, approval, payment.
func edit(f func([]rail.Call) []rail.Call) func(*testing.T, *offer) {
	return func(t *testing.T, o *offer) { o.encode(t, f(o.calls(t))) }
}

func swapPayment(f func(p *official.ERC20Payment)) func(*testing.T, *offer) {
	return func(t *testing.T, o *offer) {
		calls := o.calls(t)
		p, err := official.DecodeERC20Payment(calls[3].Data)
		if err != nil {
			t.Fatal(err)
		}
		f(&p)
		if calls[3].Data, err = p.Encode(); err != nil {
			t.Fatal(err)
		}
		o.encode(t, calls)
	}
}

// amount has another one taken of the owner than the steps take of the account.
func amount(v int64) func(*testing.T, *offer) {
	return func(t *testing.T, o *offer) {
		o.want.Plan.Amount = big.NewInt(v)
		calls := o.calls(t)
		data, err := official.Pull{Owner: o.wallet.Address(), Account: o.op.Sender, Amount: big.NewInt(v)}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		calls[1].Data = data
		p := o.wallet.Permit(o.terms, o.op.Sender, big.NewInt(v), big.NewInt(noon.Add(time.Hour).Unix()))
		if calls[0].Data, err = p.Encode(); err != nil {
			t.Fatal(err)
		}
		o.encode(t, calls)
	}
}

// permit changes the permit of an operation.
func permit(f func(o *offer)) func(*testing.T, *offer) {
	return func(t *testing.T, o *offer) {
		honest := *o.plan.Permit
		f(o)
		changed := *o.plan.Permit
		o.plan.Permit = &honest
		o.permitCall(t, changed)
	}
}

func TestVerifyRefuses(t *testing.T) {
	eachKind(t, func(t *testing.T, kind userop.Kind) {
		for what, h := range hostile {
			o := newOffer(t, kind, true)
			h.change(t, o)
			checks := userop.Verify(o.op, o.want)
			refusedFor(t, what, checks, h.refused...)
			if first, _ := rail.Failed(checks); !slices.Contains(h.refused, first.Name) {
				t.Errorf("%s: what is told is %+v", what, first)
			}
			var names []string
			for _, c := range checks {
				names = append(names, c.Name)
			}
			if !slices.Equal(names, []string{"op_sender", "op_factory", "op_nonce", "op_calls", "op_permit", "op_value", "op_gas", "op_fees", "op_paymaster"}) {
				t.Errorf("%s: checks %v", what, names)
			}
		}
	})
}

// A Safe can be told to run other code as itself; only the pinned contract for
// batches may be.
func TestSafeDelegates(t *testing.T) {
	kind, _ := userop.At(sandbox).Kind(sandbox, userop.KindSafe)
	o := newOffer(t, kind, true)
	multiSend := safe.At(sandbox).Contracts(sandbox, safe.MultiSendCallOnly)[2].Address // 1.4.1
	at := bytes.Index(o.op.CallData, multiSend[:])
	if at < 0 {
		t.Fatal("no MultiSendCallOnly in the calldata")
	}
	for what, to := range map[string]asset.Address{
		"a stranger": stranger, "MultiSend, which delegates": mustParse(t, "0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"),
		"the account": o.op.Sender, "that of Safe 1.5.0": mustParse(t, "0xA83c336B20401Af773B6219BA5027174338D1836"),
	} {
		changed := o.op
		changed.CallData = slices.Clone(o.op.CallData)
		copy(changed.CallData[at:], to[:])
		refusedFor(t, what, userop.Verify(changed, o.want), userop.CheckCalls)
	}
	plainCall := o.op
	plainCall.CallData = slices.Clone(o.op.CallData)
	plainCall.CallData[4+3*32+31] = 0 // the operation: a plain call of MultiSendCallOnly
	refusedFor(t, "a batch that would not be made by the Safe", userop.Verify(plainCall, o.want), userop.CheckCalls)
	single, err := kind.Encode(o.calls(t)[:1])
	if err != nil {
		t.Fatal(err)
	}
	single[4+3*32+31] = 1
	if _, err := kind.Decode(single); err == nil {
		t.Error("a delegatecall to what is called was read")
	}
	// Both functions of the module carry calls.
	other := append([]byte{0x7b, 0xb3, 0x74, 0x28}, o.op.CallData[4:]...)
	if got, err := kind.Decode(other); err != nil || len(got) != 4 {
		t.Errorf("executeUserOp: %d calls, %v", len(got), err)
	}
}

func mustParse(t testing.TB, text string) asset.Address { t.Helper(); return address(t, text) }

// Whatever byte of an operation is changed, it is refused, unless it is a limit of
// gas or a price that stays within its bound.
func TestEveryByteCounts(t *testing.T) {
	eachKind(t, func(t *testing.T, kind userop.Kind) {
		o := newOffer(t, kind, true)
		fields := map[string]func(*userop.Op) *[]byte{
			"callData": func(p *userop.Op) *[]byte { return &p.CallData }, "factoryData": func(p *userop.Op) *[]byte { return &p.FactoryData },
			"paymasterData": func(p *userop.Op) *[]byte { return &p.PaymasterData },
		}
		for name, field := range fields {
			for i := range *field(&o.op) {
				changed := o.op
				data := slices.Clone(*field(&o.op))
				data[i] ^= byte(1 + i%255)
				*field(&changed) = data
				if _, refused := rail.Failed(userop.Verify(changed, o.want)); !refused {
					t.Errorf("byte %d of %s was changed, and nothing refused", i, name)
				}
			}
		}
	})
}

// The same by chance, over the form that the EntryPoint takes.
func TestPackedBytesCount(t *testing.T) {
	kinds := userop.At(sandbox).Kinds(sandbox)
	offers := []*offer{newOffer(t, kinds[0], true), newOffer(t, kinds[1], true), newOffer(t, kinds[0], false), newOffer(t, kinds[1], false)}
	rapid.Check(t, func(t *rapid.T) {
		o := offers[rapid.IntRange(0, len(offers)-1).Draw(t, "offer")]
		p, err := o.op.Pack()
		if err != nil {
			t.Fatal(err)
		}
		p.InitCode, p.CallData, p.PaymasterAndData = slices.Clone(p.InitCode), slices.Clone(p.CallData), slices.Clone(p.PaymasterAndData)
		sender, nonce := p.Sender, p.Nonce.FillBytes(make([]byte, 32))
		parts := [][]byte{sender[:], nonce, p.InitCode, p.CallData, p.AccountGasLimits[:], p.GasFees[:], p.PaymasterAndData}
		part := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
		at := rapid.IntRange(0, len(parts[part])-1).Draw(t, "byte")
		parts[part][at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		p.Sender, p.Nonce = sender, new(big.Int).SetBytes(nonce)
		changed, err := p.Unpack()
		if err != nil {
			return
		}
		_, refused := rail.Failed(userop.Verify(changed, o.want))
		gas := part == 4 || part == 5
		if !refused && !gas {
			t.Fatalf("part %d, byte %d: nothing refused", part, at)
		}
		if !refused && (changed.MaxCost().Cmp(o.want.Limits.MaxCost) > 0 || changed.MaxFeePerGas.Cmp(o.want.Limits.MaxFeePerGas) > 0) {
			t.Fatalf("it may cost %v", changed.MaxCost())
		}
	})
}

func TestPlanRefuses(t *testing.T) {
	kind := userop.At(sandbox).Kinds(sandbox)[0]
	for what, change := range map[string]func(p *userop.Plan){
		"native currency":          func(p *userop.Plan) { p.Token = asset.Address{} },
		"no amount":                func(p *userop.Plan) { p.Amount = nil },
		"nothing":                  func(p *userop.Plan) { p.Amount = new(big.Int) },
		"less than nothing":        func(p *userop.Plan) { p.Amount = big.NewInt(-1) },
		"more than there can be":   func(p *userop.Plan) { p.Amount = new(big.Int).Lsh(big.NewInt(1), 256) },
		"no steps":                 func(p *userop.Plan) { p.Steps = nil },
		"a step with value":        func(p *userop.Plan) { p.Steps[1].Value = big.NewInt(1) },
		"a step to nobody":         func(p *userop.Plan) { p.Steps[1].To = asset.Address{} },
		"a step to itself":         func(p *userop.Plan) { p.Steps[1].To = p.Account.Address },
		"a step to the EntryPoint": func(p *userop.Plan) { p.Steps[1].To = userop.EntryPoint },
		"another's permit":         func(p *userop.Plan) { p.Permit.Owner = stranger },
		"a permit for another":     func(p *userop.Plan) { p.Permit.Spender = stranger },
		"a permit for too little":  func(p *userop.Plan) { p.Permit.Value = big.NewInt(1) },
	} {
		o := newOffer(t, kind, true)
		change(&o.plan)
		if _, err := o.plan.Calls(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
