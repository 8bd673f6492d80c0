package screening

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	jsonv2 "github.com/go-json-experiment/json"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

// The limits of asking a provider.
const (
	defaultTimeout = 3 * time.Second
	maxAnswer      = 64 << 10
	tries          = 2
	pause          = 150 * time.Millisecond // between tries
	breakAfter     = 5                      // failures in a row
	breakFor       = 20 * time.Second       // nobody is asked that long
	maxText        = 200
	maxURL         = 1000
)

// VendorConfig is how a provider is reached.
type VendorConfig struct {
	Name    string
	URL     string
	Key     string        // sent as a bearer token
	Timeout time.Duration // for one try, 0 for the default
	Log     *slog.Logger
	Now     func() time.Time
}

// Vendor is a provider that answers over HTTP, by the protocol that
// docs/operating.md describes. It is safe for concurrent use.
type Vendor struct {
	VendorConfig
	client *http.Client

	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // nobody is asked before
}

// NewVendor returns a provider.
func NewVendor(c VendorConfig) *Vendor {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, MaxConnsPerHost: 32, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: c.Timeout, ResponseHeaderTimeout: c.Timeout, MaxResponseHeaderBytes: 16 << 10, ForceAttemptHTTP2: true,
	}
	return &Vendor{VendorConfig: c, client: &http.Client{
		Transport: transport, Timeout: c.Timeout,
		// A redirect would send the key elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Name implements Provider.
func (v *Vendor) Name() string { return v.VendorConfig.Name }

// Close implements Provider.
func (v *Vendor) Close() { v.client.CloseIdleConnections() }

// Screen implements Provider.
func (v *Vendor) Screen(ctx context.Context, chain asset.ChainID, wallet asset.Address) checkout.Screening {
	unknown := checkout.Screening{Wallet: wallet, Verdict: checkout.Unknown, Reason: ReasonFailed, Provider: v.VendorConfig.Name}
	if !v.enter() {
		return unknown
	}
	var err error
	for i := range tries {
		if i > 0 && !wait(ctx, pause) {
			break
		}
		var x checkout.Screening
		if x, err = v.ask(ctx, chain, wallet); err == nil {
			v.leave(nil)
			return x
		}
		if !errors.As(err, new(temporary)) {
			break
		}
	}
	v.leave(err)
	v.Log.WarnContext(ctx, "a screening provider did not answer", "provider", v.VendorConfig.Name, "err", err)
	return unknown
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// enter reports whether the provider may be asked: not while it has failed too
// often in a row. When the break is over one caller may try.
func (v *Vendor) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failures < breakAfter {
		return true
	}
	now := v.Now()
	if now.Before(v.until) {
		return false
	}
	v.until = now.Add(breakFor)
	return true
}

func (v *Vendor) leave(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.failures = 0
		return
	}
	if v.failures++; v.failures == breakAfter {
		v.until = v.Now().Add(breakFor)
	}
}

// temporary is a failure after which the same question may be answered.
type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }

type question struct {
	Address string        `json:"address"`
	ChainID asset.ChainID `json:"chainId"`
}

type answer struct {
	Status    string  `json:"status"`
	Address   *string `json:"address"`
	Reference *string `json:"reference"`
	ReportURL *string `json:"reportUrl"`
	Reason    *string `json:"reason"`
	RawStatus *string `json:"rawStatus"`
}

func (v *Vendor) ask(ctx context.Context, chain asset.ChainID, wallet asset.Address) (checkout.Screening, error) {
	var none checkout.Screening
	body, err := json.Marshal(question{Address: wallet.String(), ChainID: chain})
	if err != nil {
		return none, fmt.Errorf("encode question: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.URL, bytes.NewReader(body))
	if err != nil {
		return none, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+v.Key)
	resp, err := v.client.Do(r)
	if err != nil {
		return none, temporary{bland(err)}
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it counts
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return none, temporary{bland(err)}
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return none, temporary{fmt.Errorf("status %d", resp.StatusCode)}
	case resp.StatusCode != http.StatusOK:
		return none, fmt.Errorf("status %d", resp.StatusCode)
	case len(b) > maxAnswer:
		return none, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return none, errors.New("the answer is not JSON")
	}
	return v.understand(b, wallet)
}

// bland takes the URL out of a client's error: it may hold a key.
func bland(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// understand reads an answer: exactly approved or rejected, about the wallet
// that was asked about. Everything else is no answer.
func (v *Vendor) understand(b []byte, wallet asset.Address) (checkout.Screening, error) {
	var a answer
	if err := jsonv2.Unmarshal(b, &a); err != nil {
		return checkout.Screening{}, errors.New("the answer cannot be understood")
	}
	x := checkout.Screening{
		Wallet: wallet, Provider: v.VendorConfig.Name, Reference: tidy(a.Reference, maxText), Raw: tidy(a.RawStatus, maxText), Report: report(a.ReportURL),
	}
	if x.Raw == "" {
		x.Raw = tidy(&a.Status, maxText)
	}
	if a.Address != nil && !strings.EqualFold(*a.Address, wallet.Lower()) {
		return checkout.Screening{}, errors.New("the answer is about another wallet")
	}
	switch a.Status {
	case "approved":
		x.Verdict = checkout.Approved
	case "rejected":
		x.Verdict, x.Reason = checkout.Rejected, code(a.Reason)
	default:
		return checkout.Screening{}, errors.New("the answer is neither approved nor rejected")
	}
	return x, nil
}

// tidy makes a provider's text fit to be kept and shown: printable and short.
func tidy(text *string, longest int) string {
	if text == nil {
		return ""
	}
	s := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, *text)
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	return s
}

// code makes a stable code of a reason.
func code(reason *string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ' || r == '-':
			return '_'
		}
		return -1
	}, tidy(reason, 64))
	if s == "" {
		return ReasonRejected
	}
	return s
}

// report is a provider's link to its report, "" if it is none that people may
// be sent to.
func report(text *string) string {
	if text == nil || len(*text) > maxURL {
		return ""
	}
	u, err := url.Parse(*text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(*text, "<>\"'`\\ \t\r\n") {
		return ""
	}
	return u.String()
}
