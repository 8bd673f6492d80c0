package request_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/merchant"
	"quittance/internal/siwe"
	"quittance/web/webtest"
)

const (
	sandboxChain = asset.ChainID(900008453)
	host         = "pay.example.com"
)

// addressOf is a test wallet's address.
func addressOf(t testing.TB, w *chaintest.Wallet) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(w.Address())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// letIn makes a wallet act for the world's merchant.
func letIn(t testing.TB, w *webtest.World, wallet *chaintest.Wallet) {
	t.Helper()
	err := w.App.Store.AddWallet(t.Context(), merchant.Wallet{Address: addressOf(t, wallet), Merchant: w.Merchant, CreatedAt: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
}

// message asks for a nonce and words a message for a wallet.
func message(t testing.TB, w *webtest.World, wallet *chaintest.Wallet) siwe.Message {
	t.Helper()
	n := w.Do(http.MethodPost, "/v1/auth/nonce", "").Want(http.StatusOK).JSON()
	nonce, _ := n["nonce"].(string)
	return siwe.Message{
		Domain: host, Address: addressOf(t, wallet), Statement: "Sign in to manage payments.", URI: webtest.BaseURL,
		Chain: sandboxChain, Nonce: nonce, IssuedAt: time.Now().UTC(),
	}
}

// signed is the body of a sign-in.
func signed(t testing.TB, wallet *chaintest.Wallet, m siwe.Message) string {
	t.Helper()
	digest := siwe.MessageDigest(m.String())
	return fmt.Sprintf(`{"message":%q,"signature":"0x%s"}`, m.String(), hex.EncodeToString(wallet.SignDigest(digest)))
}

// signIn signs a wallet in and returns its token and cookie.
func signIn(t testing.TB, w *webtest.World, wallet *chaintest.Wallet) (token, cookie string) {
	t.Helper()
	r := w.Do(http.MethodPost, "/v1/auth/verify", signed(t, wallet, message(t, w, wallet))).Want(http.StatusOK)
	token, _ = r.JSON()["token"].(string)
	cookie, _, _ = strings.Cut(r.Header.Get("Set-Cookie"), ";")
	if !strings.HasPrefix(token, merchant.SessionPrefix) || !strings.HasPrefix(cookie, "session_token=") {
		t.Fatalf("token %q, cookie %q", token, cookie)
	}
	return token, cookie
}

func TestSignIn(t *testing.T) {
	w := webtest.New(t)
	letIn(t, w, w.Chain.Wallet)
	n := w.Do(http.MethodPost, "/v1/auth/nonce", "").Want(http.StatusOK).JSON()
	if n["domain"] != host || n["uri"] != webtest.BaseURL || fmt.Sprint(n["chainIds"]) != "[9.00008453e+08]" {
		t.Errorf("nonce: %v", n)
	}
	r := w.Do(http.MethodPost, "/v1/auth/verify", signed(t, w.Chain.Wallet, message(t, w, w.Chain.Wallet))).Want(http.StatusOK)
	body := r.JSON()
	if body["walletAddress"] != w.Chain.Wallet.Address() || body["chainId"] != float64(sandboxChain) {
		t.Errorf("signed in as %v", body)
	}
	for _, part := range []string{"HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=43200"} {
		if !strings.Contains(r.Header.Get("Set-Cookie"), part) {
			t.Errorf("the cookie lacks %s: %s", part, r.Header.Get("Set-Cookie"))
		}
	}
	token, _ := body["token"].(string)
	cookie, _, _ := strings.Cut(r.Header.Get("Set-Cookie"), ";")
	if strings.Contains(cookie, token) {
		t.Error("the cookie shows the token")
	}
	value := strings.TrimPrefix(cookie, "session_token=")
	for name, header := range map[string]string{
		"bearer": "Authorization: Bearer " + token, "small bearer": "Authorization: bearer " + token, "cookie": "Cookie: " + cookie,
		"cookie of the examples": "Cookie: session=" + value, "bare cookie": "Cookie: session=" + token, "both": "Cookie: other=1; session_token=x; " + cookie,
	} {
		got := w.Get("/v1/auth/session", header).Want(http.StatusOK).JSON()
		if got["walletAddress"] != w.Chain.Wallet.Address() || got["token"] != nil {
			t.Errorf("%s: %v", name, got)
		}
		w.Do(http.MethodPost, route, usdc("1"), header).Want(http.StatusCreated)
	}
	// It acts for the merchant that owns the wallet.
	made := w.Do(http.MethodPost, route, usdc("1"), "Cookie: "+cookie).Want(http.StatusCreated).JSON()
	made2, _ := made["token"].(string)
	if p := w.Load(made2); p.Terms.Merchant != w.Merchant || p.Terms.ClientID != "" {
		t.Errorf("made for %s by %q", p.Terms.Merchant, p.Terms.ClientID)
	}
	id := w.Load(made2).Terms.Requests[0].ID
	w.Get(route+"?requestId="+id, "Cookie: "+cookie).Want(http.StatusOK)
}

func TestSignInRefuses(t *testing.T) {
	w := webtest.New(t)
	mine, other := w.Chain.Wallet, w.Chain.Other
	letIn(t, w, mine)
	for name, c := range map[string]struct {
		change func(m *siwe.Message)
		status int
		code   string
	}{
		"another domain":    {func(m *siwe.Message) { m.Domain = "evil.example" }, 401, "wrong_domain"},
		"another scheme":    {func(m *siwe.Message) { m.Scheme = "http" }, 401, "wrong_domain"},
		"another URI":       {func(m *siwe.Message) { m.URI = "https://evil.example" }, 401, "wrong_uri"},
		"another chain":     {func(m *siwe.Message) { m.Chain = asset.Mainnet }, 401, "wrong_chain"},
		"expired":           {func(m *siwe.Message) { m.ExpiresAt = time.Now().Add(-time.Second) }, 401, "message_expired"},
		"not yet valid":     {func(m *siwe.Message) { m.NotBefore = time.Now().Add(time.Hour) }, 401, "message_not_yet_valid"},
		"from the future":   {func(m *siwe.Message) { m.IssuedAt = time.Now().Add(time.Hour) }, 401, "message_not_yet_valid"},
		"a nonce of theirs": {func(m *siwe.Message) { m.Nonce = "abcdefgh12345678" }, 401, "nonce_unknown"},
		"another wallet":    {func(m *siwe.Message) { m.Address = addressOf(t, other) }, 401, "invalid_signature"},
	} {
		m := message(t, w, mine)
		c.change(&m)
		r := w.Do(http.MethodPost, "/v1/auth/verify", signed(t, mine, m)).Want(c.status)
		if body := r.JSON(); body["code"] != c.code || r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s, cookie %q", name, r.Body, r.Header.Get("Set-Cookie"))
		}
	}
	// A signature that fails costs its nonce.
	m := message(t, w, mine)
	wrong := strings.Replace(signed(t, mine, m), `"signature":"0x`, `"signature":"0x00`, 1)
	w.Do(http.MethodPost, "/v1/auth/verify", wrong).Want(http.StatusUnauthorized)
	if got := w.Do(http.MethodPost, "/v1/auth/verify", signed(t, mine, m)).Want(http.StatusUnauthorized).JSON(); got["code"] != "nonce_unknown" {
		t.Errorf("after a wrong signature: %v", got)
	}
	for name, body := range map[string]string{
		"no message":        `{"signature":"0x00"}`,
		"a word":            `{"message":"hello","signature":"0x00"}`,
		"carriage returns":  strings.ReplaceAll(signed(t, mine, message(t, w, mine)), `\n`, `\r\n`),
		"no signature":      fmt.Sprintf(`{"message":%q}`, message(t, w, mine)),
		"signature in text": fmt.Sprintf(`{"message":%q,"signature":"yes"}`, message(t, w, mine)),
		"numbers":           `{"message":1,"signature":2}`,
		"null":              `null`,
	} {
		r := w.Do(http.MethodPost, "/v1/auth/verify", body)
		if r.Status != http.StatusBadRequest || r.JSON()["code"] == "" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	// Another merchant's wallet, or nobody's.
	if got := w.Do(http.MethodPost, "/v1/auth/verify", signed(t, other, message(t, w, other))).Want(http.StatusForbidden).JSON(); got["code"] != "wallet_unknown" {
		t.Errorf("a stranger: %v", got)
	}
	// Another site's page cannot sign its visitors in.
	for _, path := range []string{"/v1/auth/nonce", "/v1/auth/verify", "/v1/auth/logout"} {
		w.Do(http.MethodPost, path, "", "Origin: https://evil.example").Want(http.StatusForbidden)
		w.Do(http.MethodPost, path, "", "Sec-Fetch-Site: cross-site").Want(http.StatusForbidden)
	}
}

// Of all who bring the same signed message, on any node, one gets a session.
func TestReplayOfASignIn(t *testing.T) {
	w := webtest.New(t)
	letIn(t, w, w.Chain.Wallet)
	body := signed(t, w.Chain.Wallet, message(t, w, w.Chain.Wallet))
	var in, refused atomic.Int32
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			switch r := w.Do(http.MethodPost, "/v1/auth/verify", body, "Idempotency-Key: the same"); r.Status {
			case http.StatusOK:
				in.Add(1)
			case http.StatusUnauthorized:
				refused.Add(1)
			default:
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		})
	}
	group.Wait()
	if in.Load() != 1 || refused.Load() != 19 {
		t.Errorf("%d got in, %d were refused", in.Load(), refused.Load())
	}
}

func TestSessionAndOtherCredentials(t *testing.T) {
	w := webtest.New(t)
	letIn(t, w, w.Chain.Wallet)
	token, cookie := signIn(t, w, w.Chain.Wallet)
	bearer := "Authorization: Bearer " + token
	// A session counts only where no other credential is sent.
	if got := w.Get("/v1/auth/session", bearer, "X-Api-Key: "+w.APIKey).Want(http.StatusForbidden).JSON(); got["message"] != "Forbidden - wallet session required" {
		t.Errorf("with a key: %v", got)
	}
	w.Get("/v1/auth/session", bearer, "X-Api-Key: wrong").Want(http.StatusUnauthorized)
	w.Get("/v1/auth/session", bearer, addClientID(t, w)).Want(http.StatusForbidden)
	w.Get("/v1/auth/session", "Authorization: Basic "+token).Want(http.StatusUnauthorized)
	w.Get("/v1/auth/session", bearer, bearer).Want(http.StatusUnauthorized)
	w.Get("/v1/auth/session", "Authorization: Bearer ").Want(http.StatusUnauthorized)
	w.Get("/v1/auth/session", "Authorization: Bearer "+w.APIKey).Want(http.StatusUnauthorized)
	w.Get("/v1/auth/session", "Cookie: session_token="+strings.Repeat("A", 5000)).Want(http.StatusUnauthorized)
	w.Get("/v1/auth/session").Want(http.StatusUnauthorized)

	// What the browser adds by itself acts for its own pages only; a token does not
	// come by itself.
	for header, want := range map[string]int{
		"Origin: " + webtest.BaseURL: http.StatusCreated, "Sec-Fetch-Site: same-origin": http.StatusCreated,
		"Origin: https://evil.example": http.StatusForbidden, "Origin: null": http.StatusForbidden,
		"Sec-Fetch-Site: same-site": http.StatusForbidden, "Sec-Fetch-Site: cross-site": http.StatusForbidden,
	} {
		if r := w.Do(http.MethodPost, route, usdc("1"), "Cookie: "+cookie, header); r.Status != want {
			t.Errorf("cookie with %s: %d", header, r.Status)
		}
		w.Do(http.MethodPost, route, usdc("1"), bearer, header).Want(http.StatusCreated)
	}
	if h := w.Get("/v1/auth/session", "Cookie: "+cookie, "Origin: https://evil.example").Header; h.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another site's page may read a session")
	}
}

func TestSessionEnds(t *testing.T) {
	w := webtest.New(t)
	letIn(t, w, w.Chain.Wallet)
	token, cookie := signIn(t, w, w.Chain.Wallet)
	second, _ := signIn(t, w, w.Chain.Wallet)
	r := w.Do(http.MethodPost, "/v1/auth/logout", "", "Cookie: "+cookie).Want(http.StatusNoContent)
	if !strings.Contains(r.Header.Get("Set-Cookie"), "session_token=") || !strings.Contains(r.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("the cookie is kept: %q", r.Header.Get("Set-Cookie"))
	}
	for _, header := range []string{"Cookie: " + cookie, "Authorization: Bearer " + token} {
		if got := w.Get("/v1/auth/session", header).Want(http.StatusUnauthorized).JSON(); got["code"] != "session_over" {
			t.Errorf("after the end: %v", got)
		}
	}
	w.Do(http.MethodPost, "/v1/auth/logout", "", "Cookie: "+cookie).Want(http.StatusNoContent)
	w.Do(http.MethodPost, "/v1/auth/logout", "").Want(http.StatusNoContent)
	w.Get("/v1/auth/session", "Authorization: Bearer "+second).Want(http.StatusOK)
	// A wallet that is taken away from the merchant is signed out.
	if err := w.App.Store.RemoveWallet(t.Context(), w.Merchant, addressOf(t, w.Chain.Wallet)); err != nil {
		t.Fatal(err)
	}
	w.Get("/v1/auth/session", "Authorization: Bearer "+second).Want(http.StatusUnauthorized)
	w.Do(http.MethodPost, "/v1/auth/verify", signed(t, w.Chain.Wallet, message(t, w, w.Chain.Wallet))).Want(http.StatusForbidden)
}

func TestOpenSignup(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{OpenSignup: true})
	token, _ := signIn(t, w, w.Chain.Wallet)
	again, _ := signIn(t, w, w.Chain.Wallet)
	for _, secret := range []string{token, again} {
		w.Do(http.MethodPost, route, usdc("1"), "Authorization: Bearer "+secret).Want(http.StatusCreated)
	}
	all, err := w.App.Store.Merchants(t.Context())
	if err != nil || len(all) != 2 || all[1].Name != w.Chain.Wallet.Address() {
		t.Errorf("merchants: %+v, %v", all, err)
	}
	// Many first sign-ins of one wallet at once make one merchant.
	bodies := make(chan string, 8)
	for range cap(bodies) {
		bodies <- signed(t, w.Chain.Other, message(t, w, w.Chain.Other))
	}
	var group sync.WaitGroup
	for range cap(bodies) {
		group.Go(func() {
			if r := w.Do(http.MethodPost, "/v1/auth/verify", <-bodies); r.Status != http.StatusOK {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		})
	}
	group.Wait()
	if all, err := w.App.Store.Merchants(t.Context()); err != nil || len(all) != 3 {
		t.Errorf("%d merchants, %v", len(all), err)
	}
}

// A contract wallet signs in by what the contract says (EIP-1271); a chain that
// does not answer refuses nobody for good.
func TestContractWalletSignsIn(t *testing.T) {
	// Returns the magic word for any question.
	accepts, err := hex.DecodeString("7f1626ba7e0000000000000000000000000000000000000000000000000000000060005260206000f3")
	if err != nil {
		t.Fatal(err)
	}
	at := asset.Address{0xc0, 0xde}
	w := webtest.NewWith(t, webtest.Options{Chain: chaintest.New(t, chaintest.WithID(uint64(sandboxChain)), chaintest.WithCode(at.Lower(), accepts, nil))})
	known := merchant.Wallet{Address: at, Merchant: w.Merchant, Contract: sandboxChain, CreatedAt: time.Now().UTC()}
	if err := w.App.Store.AddWallet(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	m := message(t, w, w.Chain.Wallet)
	m.Address = at
	body := fmt.Sprintf(`{"message":%q,"signature":"0xc0ffee"}`, m.String())
	w.Chain.FailMethod("eth_call", -32603, "internal error")
	w.Do(http.MethodPost, "/v1/auth/verify", body).Want(http.StatusServiceUnavailable)
	w.Chain.Behave()
	w.Await("the chain to be asked again", func() bool {
		r := w.Do(http.MethodPost, "/v1/auth/verify", body)
		if r.Status == http.StatusServiceUnavailable {
			return false
		}
		return r.Want(http.StatusOK).JSON()["walletAddress"] == at.String()
	})
}

// Whoever signs in names the chain, and the contract at an address on one chain
// may be somebody else's than on another. Nor does a node's word that there is
// a contract open the account of a key.
func TestOnlyTheKnownContractSignsIn(t *testing.T) {
	accepts, err := hex.DecodeString("7f1626ba7e0000000000000000000000000000000000000000000000000000000060005260206000f3")
	if err != nil {
		t.Fatal(err)
	}
	at := asset.Address{0xc0, 0xde}
	for name, contract := range map[string]asset.ChainID{"a contract on another chain": asset.Base, "an account with a key": 0} {
		t.Run(name, func(t *testing.T) {
			w := webtest.NewWith(t, webtest.Options{
				OpenSignup: true, Chain: chaintest.New(t, chaintest.WithID(uint64(sandboxChain)), chaintest.WithCode(at.Lower(), accepts, nil)),
			})
			known := merchant.Wallet{Address: at, Merchant: w.Merchant, Contract: contract, CreatedAt: time.Now().UTC()}
			if err := w.App.Store.AddWallet(t.Context(), known); err != nil {
				t.Fatal(err)
			}
			m := message(t, w, w.Chain.Wallet)
			m.Address = at
			r := w.Do(http.MethodPost, "/v1/auth/verify", fmt.Sprintf(`{"message":%q,"signature":"0xc0ffee"}`, m.String())).Want(http.StatusForbidden)
			if r.JSON()["code"] != "contract_unknown" || r.Header.Get("Set-Cookie") != "" {
				t.Errorf("got %s, cookie %q", r.Body, r.Header.Get("Set-Cookie"))
			}
		})
	}
}

// A contract that signs up signs in again on the chain it is on.
func TestContractSignsUp(t *testing.T) {
	accepts, err := hex.DecodeString("7f1626ba7e0000000000000000000000000000000000000000000000000000000060005260206000f3")
	if err != nil {
		t.Fatal(err)
	}
	at := asset.Address{0xc0, 0xde}
	w := webtest.NewWith(t, webtest.Options{
		OpenSignup: true, Chain: chaintest.New(t, chaintest.WithID(uint64(sandboxChain)), chaintest.WithCode(at.Lower(), accepts, nil)),
	})
	for range 2 {
		m := message(t, w, w.Chain.Wallet)
		m.Address = at
		w.Do(http.MethodPost, "/v1/auth/verify", fmt.Sprintf(`{"message":%q,"signature":"0xc0ffee"}`, m.String())).Want(http.StatusOK)
	}
	if got, err := w.App.Store.Wallet(t.Context(), at); err != nil || got.Contract != sandboxChain {
		t.Errorf("kept as %+v, %v", got, err)
	}
}
