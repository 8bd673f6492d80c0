package official_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math/big"
	"regexp"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/official"
)

var requestIDForm = regexp.MustCompile(`^01[0-9a-f]{64}$`)

func TestRequestIDs(t *testing.T) {
	content := official.RequestContent{
		Creator: "01M", Payment: "01P", Index: 0, Payee: addr(t, "0x1111111111111111111111111111111111111111"),
		Asset: "USDC-base", Amount: big.NewInt(100), CreatedAt: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC),
	}
	id := func(c official.RequestContent, random io.Reader) string {
		t.Helper()
		got, err := official.NewRequestID(c, random)
		if err != nil || !requestIDForm.MatchString(got) {
			t.Fatalf("got %q %v", got, err)
		}
		return got
	}
	seen := map[string]string{}
	put := func(what, got string) {
		t.Helper()
		if before, dup := seen[got]; dup {
			t.Errorf("%s has the id of %s", what, before)
		}
		seen[got] = what
	}
	put("random 1", id(content, rand.Reader))
	put("random 2", id(content, rand.Reader))

	// The same nonce: every field counts, and no field's text can pass for the next one's.
	fixed := func() io.Reader { return bytes.NewReader(make([]byte, 32)) }
	first := id(content, fixed())
	put("fixed", first)
	if again := id(content, fixed()); again != first {
		t.Errorf("the same content and nonce: got %s, then %s", first, again)
	}
	for what, change := range map[string]func(*official.RequestContent){
		"creator": func(c *official.RequestContent) { c.Creator = "01N" },
		"payment": func(c *official.RequestContent) { c.Payment = "01Q" },
		"border":  func(c *official.RequestContent) { c.Creator, c.Payment = "01M0", "1P" },
		"index":   func(c *official.RequestContent) { c.Index = 1 },
		"payee":   func(c *official.RequestContent) { c.Payee[19]++ },
		"asset":   func(c *official.RequestContent) { c.Asset = "USDT-base" },
		"amount":  func(c *official.RequestContent) { c.Amount = big.NewInt(101) },
		"time":    func(c *official.RequestContent) { c.CreatedAt = c.CreatedAt.Add(time.Microsecond) },
	} {
		other := content
		change(&other)
		put(what, id(other, fixed()))
	}
	if got, err := official.NewRequestID(content, bytes.NewReader(make([]byte, 31))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("too little randomness: got %q %v", got, err)
	}
}

func TestSalts(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{16}$`)
	a, err := official.NewSalt(rand.Reader)
	if err != nil || !form.MatchString(a) {
		t.Errorf("got %q %v", a, err)
	}
	if b, err := official.NewSalt(rand.Reader); err != nil || a == b {
		t.Errorf("got %q again (%v)", b, err)
	}
	if got, err := official.NewSalt(bytes.NewReader(nil)); err == nil {
		t.Errorf("no randomness: got %q", got)
	}
}

func TestReferenceAndHashTexts(t *testing.T) {
	for _, bad := range []string{"", "0x", "5e954907253f2931", "0x5e954907253f293", "0x5e954907253f29310", "0x5e954907253f293g", "0X5e954907253f2931"} {
		if r, err := official.ParseReference(bad); !errors.Is(err, official.ErrReference) {
			t.Errorf("%q: got %s %v", bad, r, err)
		}
	}
	if r := ref(t, "0x5E954907253F2931"); r.String() != "0x5e954907253f2931" {
		t.Errorf("upper case: got %s", r)
	}
	code := official.CodeHash([]byte("code"))
	if h, err := official.ParseHash(code.String()); err != nil || h != code || h.IsZero() {
		t.Errorf("got %s %v, want %s", h, err, code)
	}
	for _, bad := range []string{"", "0x12", code.String()[2:], code.String()[:65] + "g", code.String() + "0"} {
		if h, err := official.ParseHash(bad); !errors.Is(err, official.ErrHash) || !h.IsZero() {
			t.Errorf("%q: got %s %v", bad, h, err)
		}
	}
	// keccak256 of nothing: what an account without code has (EIP-1052).
	if got, want := official.CodeHash(nil).String(), "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, ok := official.Default().Proxy(asset.Base, asset.Address{}); !ok {
		t.Error("no proxy for the native currency of Base")
	}
}
