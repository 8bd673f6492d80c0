package safe_test

import (
	"context"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

// desk is a service over HTTP, a client of it, and a clock that tests move.
type desk struct {
	*safetest.Service
	client *safe.Service
	mu     sync.Mutex
	now    time.Time
}

func (d *desk) Now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func newDesk(t *testing.T, change func(*safe.ServiceConfig)) *desk {
	t.Helper()
	d := &desk{Service: safetest.NewService(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(d.Service)
	t.Cleanup(server.Close)
	cfg := safe.ServiceConfig{
		BaseURLs: map[asset.ChainID]string{asset.Base: server.URL + "/tx-service/base/api/"}, APIKey: "a.key", Timeout: 5 * time.Second, Now: d.Now,
	}
	if change != nil {
		change(&cfg)
	}
	client, err := safe.NewService(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	d.client = client
	return d
}

// entry is a proposal with the agreement of one owner.
func entry(t *testing.T) (safetest.Entry, *chaintest.Wallet, official.Hash) {
	t.Helper()
	c := chaintest.New(t)
	p := propose(t, reader(safe.V141, asset.Base), payCalls(t))
	return safetest.Entry{
		Chain: asset.Base, Safe: p.Safe, Tx: p.Tx, Required: 2,
		Agreements: []safetest.Agreement{{Owner: address(t, c.Address()), Signature: c.SignDigest(p.Hash)}},
	}, c.Wallet, p.Hash
}

func put(t *testing.T, d *desk, e safetest.Entry) official.Hash {
	t.Helper()
	h, err := d.Put(e)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTheServiceTells(t *testing.T) {
	e, owner, _ := entry(t)
	for _, v1 := range []bool{false, true} {
		d := newDesk(t, func(c *safe.ServiceConfig) { c.V1 = v1 })
		e := e
		e.Agreements = append(e.Agreements, safetest.Agreement{Owner: stranger})
		h := put(t, d, e)
		r, err := d.client.Transaction(t.Context(), asset.Base, h)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := r.Tx.Hash(r.Chain, r.Safe); err != nil || again != h || r.Hash != h || r.Safe != self || r.Required != 2 || r.Executed || !r.ExecutedBy.IsZero() {
			t.Errorf("%+v, %v", r, err)
		}
		want := []safe.Confirmation{{Owner: address(t, owner.Address()), Proven: true}, {Owner: stranger}}
		if !slices.Equal(r.Confirmations, want) || !r.Submitted.Equal(time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)) || r.Submitted.Location() != time.UTC {
			t.Errorf("%+v", r)
		}
		if who, ok := safe.Signer(h, slices.Concat(r.Signatures...)); !ok || who.String() != owner.Address() {
			t.Errorf("signatures %x", r.Signatures)
		}
		if n := r.Signed([]asset.Address{address(t, owner.Address()), proxy}); n != 1 {
			t.Errorf("%d signed", n)
		}
		for _, success := range []bool{true, false} {
			e.ExecutedBy, e.Successful = numbered(7), success
			put(t, d, e)
			if r, err = d.client.Transaction(t.Context(), asset.Base, h); err != nil || !r.Executed || r.Successful != success || r.ExecutedBy != numbered(7) {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if keys := d.Keys(); len(keys) != 3 || keys[0] != "Bearer a.key" {
			t.Errorf("%q", keys)
		}
	}
}

func TestTheServiceDoesNotKnow(t *testing.T) {
	d := newDesk(t, nil)
	if _, err := d.client.Transaction(t.Context(), asset.Base, numbered(1)); !fault.Is(err, fault.NotFound) || fault.From(err).Code != "safe_tx_unknown" {
		t.Errorf("%v", err)
	}
	if _, err := d.client.Transaction(t.Context(), asset.Mainnet, numbered(1)); !fault.Is(err, fault.Unavailable) || d.client.Knows(asset.Mainnet) || !d.client.Knows(asset.Base) {
		t.Errorf("%v", err)
	}
	if d.Asked() != 1 {
		t.Errorf("%d questions", d.Asked())
	}
}

// What the service can change in an answer, and what then comes of it: a changed
// transaction has another hash.
func TestTheServiceIsNotBelieved(t *testing.T) {
	e, owner, _ := entry(t)
	d := newDesk(t, nil)
	h := put(t, d, e)
	set := func(key string, value any) func(map[string]any) { return func(a map[string]any) { a[key] = value } }
	lies := map[string]func(map[string]any){
		"another hash": set("safeTxHash", numbered(1).String()), "no hash": set("safeTxHash", nil), "another Safe": set("safe", stranger.String()), "no Safe": set("safe", nil),
		"another target": set("to", stranger.String()), "no target": set("to", nil), "another value": set("value", "1"), "no value": set("value", nil),
		"other calldata": set("data", "0x00"), "no calldata": set("data", nil), "half a byte": set("data", "0x0"), "another operation": set("operation", 0),
		"operation two": set("operation", 2), "operation as text": set("operation", "1"), "safeTxGas": set("safeTxGas", "1"), "baseGas": set("baseGas", "1"), "gasPrice": set("gasPrice", "1"),
		"gasToken": set("gasToken", token.String()), "refundReceiver": set("refundReceiver", stranger.String()), "another nonce": set("nonce", 8), "no nonce": set("nonce", nil),
		"a negative nonce": set("nonce", -7), "a nonce with a fraction": set("nonce", 7.5), "a value in hexadecimal": set("value", "0x0"),
		"a value of 300 bits": set("value", new(big.Int).Lsh(big.NewInt(1), 300).String()), "an address without digits": set("to", "0x"), "a wrong checksum": set("to", "0x9641d764fc13c8B624c04430C7356C1C7C8102E2"),
		"executed by nobody": set("isExecuted", true), "executed and not": set("transactionHash", numbered(2).String()), "a success of nothing": set("isSuccessful", true),
		"executed by what is no hash": func(a map[string]any) { a["isExecuted"], a["transactionHash"] = true, "0x12" },
		"executed maybe":              set("isExecuted", "yes"), "confirmations as text": set("confirmations", "two"), "nobody's confirmation": set("confirmations", []any{map[string]any{}}),
		"too many required": set("confirmationsRequired", "99999999999999999999"), "many required": set("confirmationsRequired", 5001), "no date": set("submissionDate", "soon"),
	}
	for name, lie := range lies {
		d.Behave(safetest.Behaviour{Lie: lie})
		if r, err := d.client.Transaction(t.Context(), asset.Base, h); !fault.Is(err, fault.Unavailable) || r != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if !d.client.Available() || d.Asked() != len(lies) {
		t.Errorf("available: %t after %d lies of %d", d.client.Available(), d.Asked(), len(lies))
	}
	// What is only news may say anything, but nobody signs for another.
	signature := "0x" + strings.Repeat("11", 64) + "1b"
	agreed := func(owner asset.Address, signature any) map[string]any {
		return map[string]any{"owner": owner.String(), "signature": signature}
	}
	own := "0x" + hexOf(owner.SignDigest(h))
	for name, c := range map[string]struct {
		lie  func(map[string]any)
		want []safe.Confirmation
	}{
		"a stranger with the owner's signature": {set("confirmations", []any{agreed(stranger, own)}), nil},
		"an owner with a stranger's signature":  {set("confirmations", []any{agreed(address(t, owner.Address()), signature)}), nil},
		"an owner twice":                        {set("confirmations", []any{agreed(address(t, owner.Address()), own), agreed(address(t, owner.Address()), own)}), []safe.Confirmation{{Owner: address(t, owner.Address()), Proven: true}}},
		"a contract's signature":                {set("confirmations", []any{agreed(stranger, "0x"+strings.Repeat("00", 129))}), []safe.Confirmation{{Owner: stranger}}},
		"none":                                  {set("confirmations", nil), nil},
		"more than is asked for":                {set("dataDecoded", map[string]any{"method": strings.Repeat("x", 1000)}), []safe.Confirmation{{Owner: address(t, owner.Address()), Proven: true}}},
	} {
		d.Behave(safetest.Behaviour{Lie: c.lie})
		if r, err := d.client.Transaction(t.Context(), asset.Base, h); err != nil || !slices.Equal(r.Confirmations, c.want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, c := range b {
		out.WriteByte(digits[c>>4])
		out.WriteByte(digits[c&15])
	}
	return out.String()
}

func TestTheServiceMisbehaves(t *testing.T) {
	e, _, _ := entry(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for name, b := range map[string]safetest.Behaviour{
		"an error":         {Status: 503, Body: "down"},
		"HTML":             {Status: 200, Body: "<html>"},
		"nothing":          {Status: 200},
		"too long":         {Status: 200, Body: `"` + strings.Repeat("x", 3<<20) + `"`},
		"cut short":        {Cut: true},
		"a redirect":       {Redirect: elsewhere.URL},
		"another server":   {Status: 404, Body: "<html>Not Found</html>"},
		"without the key":  {Status: 401, Body: `{"detail":"no"}`},
		"a list":           {Status: 200, Body: `[]`},
		"two answers":      {Status: 200, Body: `{}{}`},
		"a member twice":   {Status: 200, Body: `{"safe":null,"safe":null}`},
		"wrong UTF-8":      {Status: 200, Body: "\"\xff\""},
		"an empty 204":     {Status: 204},
		"an endless delay": {Delay: time.Hour},
	} {
		d := newDesk(t, func(c *safe.ServiceConfig) {
			if c.Timeout = time.Minute; b.Delay > 0 {
				c.Timeout = 2 * time.Second
			}
		})
		h := put(t, d, e)
		d.Behave(b)
		if r, err := d.client.Transaction(t.Context(), asset.Base, h); !fault.Is(err, fault.Unavailable) || r != nil || strings.Contains(err.Error(), "a.key") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		d.Behave(safetest.Behaviour{})
		if _, err := d.client.Transaction(t.Context(), asset.Base, h); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	d := newDesk(t, nil)
	d.Behave(safetest.Behaviour{Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := d.client.Transaction(ctx, asset.Base, numbered(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestTheServiceIsLeftAlone(t *testing.T) {
	e, _, _ := entry(t)
	d := newDesk(t, nil)
	h := put(t, d, e)
	ask := func() error {
		_, err := d.client.Transaction(t.Context(), asset.Base, h)
		return err
	}
	d.Behave(safetest.Behaviour{Status: 500})
	for i := range 5 {
		if !d.client.Available() {
			t.Fatalf("left alone after %d failures", i)
		}
		_ = ask()
	}
	if err := ask(); !fault.Is(err, fault.Unavailable) || d.Asked() != 5 || d.client.Available() {
		t.Fatalf("%v after %d questions", err, d.Asked())
	}
	// The rest doubles while the first question after it fails, up to five minutes.
	for _, rest := range []time.Duration{15, 30, 60, 120, 240, 300, 300} {
		d.pass(rest*time.Second - 1)
		if before := d.Asked(); ask() == nil || d.Asked() != before {
			t.Fatalf("asked within %ds", rest)
		}
		d.pass(1)
		if before := d.Asked(); !d.client.Available() || ask() == nil || d.Asked() != before+1 || ask() == nil || d.Asked() != before+1 {
			t.Fatalf("%d questions after %ds", d.Asked()-before, rest)
		}
	}
	d.pass(5 * time.Minute)
	d.Behave(safetest.Behaviour{})
	if err := ask(); err != nil || ask() != nil {
		t.Errorf("after it came back: %v", err)
	}
	d.Behave(safetest.Behaviour{Status: 500})
	if _ = ask(); !d.client.Available() {
		t.Error("old failures are counted after a success")
	}
}

// While the first question after a rest is under way, others are not put.
func TestOneQuestionTriesTheService(t *testing.T) {
	e, _, _ := entry(t)
	d := newDesk(t, nil)
	h := put(t, d, e)
	d.Behave(safetest.Behaviour{Status: 500})
	for range 5 {
		_, _ = d.client.Transaction(t.Context(), asset.Base, h)
	}
	d.pass(time.Minute)
	d.Behave(safetest.Behaviour{Delay: 3 * time.Second})
	before := d.Asked()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = d.client.Transaction(t.Context(), asset.Base, h) })
	for deadline := time.Now().Add(time.Minute); d.Asked() == before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	for range 7 {
		wg.Go(func() { _, _ = d.client.Transaction(t.Context(), asset.Base, h) })
	}
	wg.Wait()
	if n := d.Asked() - before; n != 1 {
		t.Errorf("%d questions at once", n)
	}
	if _, err := d.client.Transaction(t.Context(), asset.Base, h); err != nil {
		t.Error(err)
	}
}

func TestLimitsOfTheServiceAreKept(t *testing.T) {
	e, _, _ := entry(t)
	for after, wait := range map[string]time.Duration{"7": 7 * time.Second, "0": time.Second, "-5": time.Second, "": time.Minute, "soon": time.Minute, "99999": time.Hour} {
		d := newDesk(t, nil)
		h := put(t, d, e)
		d.Behave(safetest.Behaviour{Status: 429, RetryAfter: after})
		for range 2 {
			if _, err := d.client.Transaction(t.Context(), asset.Base, h); !fault.Is(err, fault.Limited) || d.Asked() != 1 {
				t.Errorf("%q: %v, %d questions", after, err, d.Asked())
			}
		}
		d.Behave(safetest.Behaviour{})
		d.pass(wait - 1)
		if d.client.Available() {
			t.Errorf("%q: available too soon", after)
		}
		d.pass(1)
		if _, err := d.client.Transaction(t.Context(), asset.Base, h); err != nil || !d.client.Available() {
			t.Errorf("%q: %v", after, err)
		}
	}
}

// An answer that was under way when the service said so does not end the rest.
func TestAnEarlierAnswerDoesNotEndTheRest(t *testing.T) {
	e, _, _ := entry(t)
	d := newDesk(t, nil)
	h := put(t, d, e)
	d.Behave(safetest.Behaviour{Delay: 200 * time.Millisecond})
	var wg sync.WaitGroup
	var early error
	wg.Go(func() { _, early = d.client.Transaction(t.Context(), asset.Base, h) })
	for deadline := time.Now().Add(time.Minute); d.Asked() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	d.Behave(safetest.Behaviour{Status: 429, RetryAfter: "30"})
	if _, err := d.client.Transaction(t.Context(), asset.Base, h); !fault.Is(err, fault.Limited) {
		t.Errorf("%v", err)
	}
	wg.Wait()
	if early != nil || d.client.Available() {
		t.Errorf("available: %t, %v", d.client.Available(), early)
	}
}

func TestServiceConfig(t *testing.T) {
	for _, bad := range []string{"", "api.safe.global", "http://api.safe.global/x", "https://u:p@host/", "https://host/?key=1", "https://host/#x", "ftp://host", "://"} {
		if _, err := safe.NewService(safe.ServiceConfig{BaseURLs: map[asset.ChainID]string{1: bad}}); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, cfg := range []safe.ServiceConfig{{APIKey: "a b"}, {APIKey: "a\nb"}, {Timeout: -1}} {
		if _, err := safe.NewService(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	s, err := safe.NewService(safe.ServiceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	chains, _ := asset.Real()
	for _, c := range chains {
		if !s.Knows(c.ID) {
			t.Errorf("no service for %s", c.Network)
		}
	}
}
