package official_test

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

func wantPassed(t *testing.T, checks []rail.Check) {
	t.Helper()
	for i, name := range []string{official.CheckContract, official.CheckCalldata, official.CheckApproval} {
		if i >= len(checks) || checks[i].Name != name || checks[i].Outcome != rail.Passed || checks[i].Detail == "" {
			t.Fatalf("got %+v, want %s passed", checks, name)
		}
	}
}

func refused(checks []rail.Check, name, detail string) bool {
	return slices.ContainsFunc(checks, func(c rail.Check) bool {
		return c.Name == name && c.Outcome == rail.Refused && strings.Contains(c.Detail, detail)
	})
}

func TestVerifyAcceptsBatches(t *testing.T) {
	eth := asset.Address{}
	mixed := batchOf(owed(eth, 0, 0), owed(usdtBase, 1, 5), owed(usdcBase, 2, 0), owed(eth, 3, 7), owed(usdtBase, 4, 0))
	for name, b := range map[string]official.Batch{
		"tokens": batchOf(owed(usdcBase, 0, 0), owed(usdcBase, 1, 2)), "native": batchOf(owed(eth, 0, 0), owed(eth, 1, 2)),
		"mixed": mixed, "charged": charging(mixed, 200, 1), "native charged only": charging(mixed, 7, 0), "the most there can be": large(official.MaxBatch),
	} {
		t.Run(name, func(t *testing.T) {
			wantPassed(t, official.Default().Verify(b, callsFor(t, b)))
			// Any of the approvals may be left out: the allowance may be there.
			pay := callsFor(t, b)
			wantPassed(t, official.Default().Verify(b, pay[len(pay)-1:]))
		})
	}
	r := official.Default()
	reset, err := r.ResetCall(mixed, usdtBase)
	if err != nil {
		t.Fatal(err)
	}
	calls := slices.Insert(callsFor(t, mixed), 0, reset)
	wantPassed(t, r.Verify(mixed, calls))
	wantPassed(t, r.Verify(mixed, slices.Delete(slices.Clone(calls), 2, 3))) // the second token's allowance suffices
	if calls[1].To != usdtBase || calls[2].To != usdcBase {
		t.Errorf("approvals of %s and %s: not in the order of first use", calls[1].To, calls[2].To)
	}
	if got := calls[len(calls)-1].Value.Int64(); got != 1_000_000+1_000_003+7 {
		t.Errorf("value %d: amounts and fees of the native items", got)
	}
	if got := official.BatchPayments; r.Verify(mixed, calls)[0].Detail != "The payment goes to the official "+string(got)+" 0.1.0." {
		t.Errorf("detail: %s", r.Verify(mixed, calls)[0].Detail)
	}
}

// What a batch costs at every rate is what the contract would take.
func TestBatchNeeds(t *testing.T) {
	eth := asset.Address{}
	odd := func(token asset.Address, i int, amount, fee int64) official.Expectation {
		e := owed(token, i, fee)
		e.Amount = big.NewInt(amount)
		return e
	}
	b := batchOf(odd(usdtBase, 0, 99, 0), odd(eth, 1, 10_001, 3), odd(usdtBase, 2, 101, 7), odd(usdcBase, 3, 49, 0))
	tests := []struct {
		rate  uint16
		limit uint64
		want  string // token: take hold contract fee
	}{
		{0, 150e8, "usdt 207 207 0, eth 10004 10004 0, usdc 49 49 0"},
		{200, 150e8, "usdt 211 211 4, eth 10204 10204 200, usdc 49 49 0"},
		{200, 0, "usdt 207 211 4, eth 10204 10204 200, usdc 49 49 0"},
		{1, 1, "usdt 207 207 0, eth 10005 10005 1, usdc 49 49 0"},
	}
	names := map[asset.Address]string{usdtBase: "usdt", usdcBase: "usdc", eth: "eth"}
	for _, tt := range tests {
		var got []string
		for _, n := range charging(b, tt.rate, tt.limit).Needs() {
			got = append(got, fmt.Sprintf("%s %s %s %s", names[n.Token], n.Take, n.Hold, n.ContractFee))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("rate %d, limit %d: got %s, want %s", tt.rate, tt.limit, strings.Join(got, ", "), tt.want)
		}
	}
}

func TestBatchFeeAddress(t *testing.T) {
	none, paid := batchOf(owed(usdcBase, 7, 0), owed(usdcBase, 8, 0)), batchOf(owed(usdcBase, 7, 0), owed(usdcBase, 8, 1))
	for name, tt := range map[string]struct {
		batch official.Batch
		want  asset.Address
	}{
		"nobody":                      {none, official.NoFeeAddress},
		"the fee's payee":             {paid, batchFeeTo},
		"the fee's payee, charged":    {charging(paid, 100, 1), batchFeeTo},
		"the first payee, charged":    {charging(none, 100, 1), none.Requests[0].Payee},
		"held only counts as charged": {charging(none, 100, 0), none.Requests[0].Payee},
		"a charge of nothing":         {charging(batchOf(small(owed(usdcBase, 7, 0)), small(owed(usdcBase, 8, 0))), 200, 1), official.NoFeeAddress},
	} {
		if got := tt.batch.FeeAddress(); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

// Whatever is changed in the calldata of the largest batch, it is refused.
func TestVerifyRefusesTamperedBatches(t *testing.T) {
	b, r := large(official.MaxBatch), official.Default()
	calls := callsFor(t, b)
	pay := calls[len(calls)-1]
	wantPassed(t, r.Verify(b, calls))
	check := func(name string, data []byte) {
		t.Helper()
		bad := slices.Clone(calls)
		bad[len(bad)-1].Data = data
		if got := r.Verify(b, bad); !refused(got, official.CheckCalldata, "") || refused(got, official.CheckContract, "") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	good, err := official.DecodeBatchPayment(pay.Data)
	if err != nil {
		t.Fatal(err)
	}
	tamper := func(name string, change func(p *official.BatchPayment)) {
		t.Helper()
		p := official.BatchPayment{Items: slices.Clone(good.Items), FeeAddress: good.FeeAddress}
		change(&p)
		data, err := p.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		check(name, data)
	}
	evil := asset.Address{0: 0xee}
	for i := range good.Items {
		item := func(name string, change func(*official.BatchItem)) {
			tamper(fmt.Sprintf("%s of item %d", name, i), func(p *official.BatchPayment) { change(&p.Items[i]) })
		}
		item("payee", func(x *official.BatchItem) { x.Payee = evil })
		item("amount", func(x *official.BatchItem) { x.Amount = new(big.Int).Add(x.Amount, big.NewInt(1)) })
		item("fee", func(x *official.BatchItem) { x.Fee = new(big.Int).Add(x.Fee, big.NewInt(1)) })
		item("reference", func(x *official.BatchItem) { x.Reference[1] = 0xff })
		item("token", func(x *official.BatchItem) {
			if x.Token.IsZero() {
				x.Token = usdcBase
			} else {
				x.Token = asset.Address{}
			}
		})
		if !good.Items[i].Token.IsZero() {
			item("another token", func(x *official.BatchItem) { x.Token = evil })
		}
		j := (i + 1) % len(good.Items)
		swap := func(name string, change func(a, b *official.BatchItem)) {
			tamper(fmt.Sprintf("%s of items %d and %d swapped", name, i, j), func(p *official.BatchPayment) { change(&p.Items[i], &p.Items[j]) })
		}
		swap("payees", func(a, b *official.BatchItem) { a.Payee, b.Payee = b.Payee, a.Payee })
		swap("amounts", func(a, b *official.BatchItem) { a.Amount, b.Amount = b.Amount, a.Amount })
		swap("references", func(a, b *official.BatchItem) { a.Reference, b.Reference = b.Reference, a.Reference })
		if good.Items[i].Token.IsZero() == good.Items[j].Token.IsZero() {
			swap("places", func(a, b *official.BatchItem) { *a, *b = *b, *a })
		}
		tamper(fmt.Sprintf("without item %d", i), func(p *official.BatchPayment) { p.Items = slices.Delete(p.Items, i, i+1) })
		tamper(fmt.Sprintf("item %d replaced by an extra one", i), func(p *official.BatchPayment) {
			extra := p.Items[i]
			extra.Payee, extra.Reference[2] = evil, 0xff
			p.Items = append(slices.Delete(p.Items, i, i+1), extra)
		})
	}
	tamper("fee address", func(p *official.BatchPayment) { p.FeeAddress = evil })
	for at := 0; at < len(pay.Data); at += 29 { // every word once at least
		data := bytes.Clone(pay.Data)
		data[at] ^= 0x10
		check(fmt.Sprintf("byte %d", at), data)
	}
	check("cut", pay.Data[:len(pay.Data)-32])
	check("longer", append(bytes.Clone(pay.Data), make([]byte, 32)...))
	check("none", nil)

	fewer := batchOf(b.Requests[:official.MaxBatch-1]...)
	if got := r.Verify(fewer, calls); !refused(got, official.CheckCalldata, "number of payments") {
		t.Errorf("an extra item: got %+v", got)
	}
}

// Anything around the calldata that is not as it must be.
func TestVerifyRefusesTamperedBatchCalls(t *testing.T) {
	eth, evil := asset.Address{}, asset.Address{0: 0xee}
	b := batchOf(owed(usdtBase, 0, 1), owed(eth, 1, 2), owed(usdcBase, 2, 3))
	r := official.Default()
	reset := must(t)(r.ResetCall(b, usdtBase))
	approval := func(spender asset.Address, amount int64) []byte {
		data, err := official.Approval{Spender: spender, Amount: big.NewInt(amount)}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	batch, _ := r.Contract(asset.Base, official.BatchPayments)
	proxy, _ := r.Contract(asset.Base, official.ERC20FeeProxy)
	one := func(i int, change func(c *rail.Call)) func([]rail.Call) []rail.Call {
		return func(c []rail.Call) []rail.Call { change(&c[i]); return c }
	}
	single := must(t)(r.PayCall(b.Requests[0]))
	tests := []struct {
		name   string
		change func(c []rail.Call) []rail.Call // approve usdt, approve usdc, pay
		check  string
		detail string
	}{
		{"another target", one(2, func(c *rail.Call) { c.To = evil }), official.CheckContract, "target"},
		{"the fee proxy as target", one(2, func(c *rail.Call) { c.To = proxy.Address }), official.CheckContract, "target"},
		{"less value", one(2, func(c *rail.Call) { c.Value = new(big.Int).Sub(c.Value, big.NewInt(1)) }), official.CheckCalldata, "value"},
		{"more value", one(2, func(c *rail.Call) { c.Value = new(big.Int).Add(c.Value, big.NewInt(1)) }), official.CheckCalldata, "value"},
		{"the SDK's value, without fees", one(2, func(c *rail.Call) { c.Value = b.Requests[1].Amount }), official.CheckCalldata, "value"},
		{"no value", one(2, func(c *rail.Call) { c.Value = nil }), official.CheckCalldata, "value"},
		{"value with an approval", one(0, func(c *rail.Call) { c.Value = big.NewInt(1) }), official.CheckApproval, "value"},
		{"the single call", one(2, func(c *rail.Call) { c.Data = single.Data }), official.CheckCalldata, "selector"},
		{"an approval for the fee proxy", one(0, func(c *rail.Call) { c.Data = approval(proxy.Address, 1_000_001) }), official.CheckApproval, "spender"},
		{"an approval for anyone", one(1, func(c *rail.Call) { c.Data = approval(evil, 1_000_005) }), official.CheckApproval, "spender"},
		{"too much approved", one(0, func(c *rail.Call) { c.Data = approval(batch.Address, 1_000_002) }), official.CheckApproval, "approved amount"},
		{"too little approved", one(1, func(c *rail.Call) { c.Data = approval(batch.Address, 1_000_004) }), official.CheckApproval, "approved amount"},
		{"amounts of the other token", one(0, func(c *rail.Call) { c.Data = approval(batch.Address, 1_000_005) }), official.CheckApproval, "approved amount"},
		{"a token that is not paid", one(0, func(c *rail.Call) { c.To = evil }), official.CheckApproval, "token that is approved"},
		{"the native currency", one(0, func(c *rail.Call) { c.To = eth }), official.CheckApproval, "token that is approved"},
		{"approvals in another order", func(c []rail.Call) []rail.Call { c[0], c[1] = c[1], c[0]; return c }, official.CheckApproval, "token that is approved"},
		{"an approval twice", func(c []rail.Call) []rail.Call { c[1] = c[0]; return c }, official.CheckApproval, "token that is approved"},
		{"an approval of the last twice", func(c []rail.Call) []rail.Call { c[0] = c[1]; return c }, official.CheckApproval, "token that is approved"},
		{"an approval too many", func(c []rail.Call) []rail.Call { return slices.Insert(c, 1, c[0]) }, official.CheckCalldata, "Transactions"},
		{"a reset that clears nothing", func(c []rail.Call) []rail.Call {
			c[0].Kind = rail.Reset
			return append([]rail.Call{c[0], reset}, c[1:]...)
		}, official.CheckCalldata, "Transactions"},
		{"a reset of something", func(c []rail.Call) []rail.Call { x := c[0]; x.Kind = rail.Reset; return slices.Insert(c, 0, x) }, official.CheckApproval, "approved amount"},
		{"a reset before another token", func(c []rail.Call) []rail.Call { return slices.Insert(c, 1, reset) }, official.CheckCalldata, "Transactions"},
		{"a reset last", func(c []rail.Call) []rail.Call { return append(c, reset) }, official.CheckCalldata, "Transactions"},
		{"an approval after the payment", func(c []rail.Call) []rail.Call { return []rail.Call{c[0], c[2], c[1]} }, official.CheckCalldata, "Transactions"},
		{"two payments", func(c []rail.Call) []rail.Call { return append(c, c[2]) }, official.CheckCalldata, "Transactions"},
		{"no payment", func(c []rail.Call) []rail.Call { return c[:2] }, official.CheckCalldata, "Transactions"},
		{"nothing", func([]rail.Call) []rail.Call { return nil }, official.CheckCalldata, "Transactions"},
		{"an unknown kind", one(0, func(c *rail.Call) { c.Kind = "permit" }), official.CheckCalldata, "Transactions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Verify(b, tt.change(callsFor(t, b))); !refused(got, tt.check, tt.detail) {
				t.Errorf("got %+v, want %s refused about %q", got, tt.check, tt.detail)
			}
		})
	}
}

// Terms that no official contract has are refused, whatever the calls say.
func TestVerifyRefusesBatchTerms(t *testing.T) {
	b := batchOf(owed(usdcBase, 0, 1), owed(usdcBase, 1, 0))
	for name, tt := range map[string]struct {
		change func(*official.BatchTerms)
		detail string
	}{
		"another ERC-20 proxy": {func(x *official.BatchTerms) { x.ERC20Proxy[0]++ }, "ERC20FeeProxy"},
		"another native proxy": {func(x *official.BatchTerms) { x.EthProxy = asset.Address{} }, "EthereumFeeProxy"},
		"the proxies swapped":  {func(x *official.BatchTerms) { x.ERC20Proxy, x.EthProxy = x.EthProxy, x.ERC20Proxy }, "ERC20FeeProxy"},
		"a fee above 2 %":      {func(x *official.BatchTerms) { x.Rate = 201 }, "201 hundredths"},
		"a huge fee":           {func(x *official.BatchTerms) { x.Rate = 65_535 }, "65535 hundredths"},
	} {
		c := b
		tt.change(&c.Terms)
		if got := official.Default().Verify(c, callsFor(t, c)); !refused(got, official.CheckContract, tt.detail) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// Orders that no payer may be shown.
func TestImpossibleBatches(t *testing.T) {
	eth := asset.Address{}
	with := func(change func(e *official.Expectation)) official.Batch {
		b := batchOf(owed(usdcBase, 0, 1), owed(eth, 1, 1))
		change(&b.Requests[1])
		return b
	}
	elsewhere := batchOf(owed(usdcBase, 0, 1), owed(eth, 1, 1))
	elsewhere.Chain = 84532
	for i := range elsewhere.Requests {
		elsewhere.Requests[i].Chain = 84532
	}
	r := official.Default()
	for name, b := range map[string]official.Batch{
		"nothing": batchOf(), "one": batchOf(owed(usdcBase, 0, 0)), "too many": large(201),
		"two chains":         with(func(e *official.Expectation) { e.Chain = asset.Mainnet }),
		"two payees of fees": with(func(e *official.Expectation) { e.FeePayee[5]++ }),
		"a fee to nobody":    with(func(e *official.Expectation) { e.FeePayee = asset.Address{} }),
		"a reference twice":  with(func(e *official.Expectation) { e.Reference = owed(eth, 0, 0).Reference }),
		"no payee":           with(func(e *official.Expectation) { e.Payee = asset.Address{} }),
		"no amount":          with(func(e *official.Expectation) { e.Amount = nil }),
		"nothing due":        with(func(e *official.Expectation) { e.Amount = new(big.Int) }),
		"a negative fee":     with(func(e *official.Expectation) { e.Fee = big.NewInt(-1) }),
		"a sum that does not fit": with(func(e *official.Expectation) {
			e.Token, e.Amount = usdcBase, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(2))
		}),
		"a chain without the contract": elsewhere,
	} {
		if call, err := r.PayCall(b); err == nil {
			t.Errorf("%s: got %+v", name, call)
		}
		for _, c := range r.Verify(b, nil) {
			if c.Outcome != rail.Refused || !strings.Contains(c.Detail, "Nothing can be compared") {
				t.Errorf("%s: got %+v", name, c)
			}
		}
		if c := r.SimulationMatches(b, asset.Address{19: 7}, nil); c.Outcome != rail.Refused {
			t.Errorf("%s: got %+v", name, c)
		}
	}
	if c, err := r.ApproveCall(batchOf(owed(eth, 0, 1), owed(eth, 1, 1)), asset.Address{}); err == nil {
		t.Errorf("approval of a native currency: %+v", c)
	}
}

func BenchmarkBuildBatch200(b *testing.B) {
	r, order := official.Default(), large(official.MaxBatch)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.PayCall(order); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBatch200(b *testing.B) {
	pay := must(b)(official.Default().PayCall(large(official.MaxBatch)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := official.DecodeBatchPayment(pay.Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyBatch200(b *testing.B) {
	r, order := official.Default(), large(official.MaxBatch)
	calls := callsFor(b, order)
	b.ReportAllocs()
	for b.Loop() {
		if bad, failed := rail.Failed(r.Verify(order, calls)); failed {
			b.Fatal(bad)
		}
	}
}
