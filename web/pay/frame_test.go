package pay_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"quittance/web/webtest"
)

const (
	wallet = "https://app.safe.example"
	framed = "Sec-Fetch-Dest: iframe"
)

func TestOnlyThePageMayBeFramed(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{FrameAncestors: []string{wallet, "https://other.example"}})
	token := w.CreatePayment("10")
	const allowed = "frame-ancestors " + wallet + " https://other.example;"
	for path, framable := range map[string]bool{
		"/?token=" + token: true, "/" + token: true, "/?token=nonsense": true, "/": true,
		"/checkout/" + token + "/status": false, "/checkout/" + token + "/pay": false, "/v2/secure-payments/" + token: false, "/v2/currencies": false,
		"/docs": false, "/healthz": false, "/robots.txt": false, "/manifest.json": false, "/no/such/path": false,
	} {
		h := w.Get(path).Header
		policy := h.Get("Content-Security-Policy")
		if got := strings.Contains(policy, allowed); got != framable {
			t.Errorf("%s: policy %q", path, policy)
		}
		if got := strings.Contains(policy, "frame-ancestors 'none'"); got == framable {
			t.Errorf("%s: policy %q", path, policy)
		}
		if got := h.Get("X-Frame-Options"); (got == "") != framable {
			t.Errorf("%s: X-Frame-Options %q", path, got)
		}
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: framing loosens more than framing: %q", path, policy)
		}
	}
}

func TestTheCookieOfAFrame(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{FrameAncestors: []string{wallet}})
	token := w.CreatePayment("10")
	hash := "0x" + strings.Repeat("cd", 32)
	body := `{"txHash":"` + hash + `","wallet":"` + w.Chain.Wallet.Address() + `"}`
	// The page asks its own server, wherever it is framed; whoever frames it cannot.
	w.Do(http.MethodPost, "/checkout/"+token+"/intent", body, "Origin: "+wallet, "Sec-Fetch-Site: cross-site").Want(http.StatusForbidden)
	w.Do(http.MethodPost, "/checkout/"+token+"/intent", body, "Origin: "+wallet).Want(http.StatusForbidden)
	answer := w.Do(http.MethodPost, "/checkout/"+token+"/intent", body, here, "Origin: "+webtest.BaseURL).Want(http.StatusOK)
	got := answer.Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-quittance-framed=", "Path=/", "HttpOnly", "Secure", "SameSite=None", "Partitioned"} {
		if !strings.Contains(got, part) {
			t.Errorf("cookie lacks %s: %s", part, got)
		}
	}
	if st := statusOf(w, token, cookie(answer)); st["announcedTx"] != hash {
		t.Errorf("announced: %v", st["announcedTx"])
	}
	veiled := restrict(w, `{"allowedPayerAddresses":["`+allowed+`"],"hideUntilApproved":true}`)
	in := ask(w, veiled, allowed).Want(http.StatusOK)
	if !strings.Contains(in.Header.Get("Set-Cookie"), "Partitioned") {
		t.Errorf("admitted with %s", in.Header.Get("Set-Cookie"))
	}
	if d := page(t, w.Get("/?token="+veiled, cookie(in), framed).Want(http.StatusOK)); d.Find("#details").Length() != 1 {
		t.Error("who was let in does not see the payment in a frame")
	}
}

func TestThePageAsASafeApp(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{FrameAncestors: []string{wallet}})
	token := w.CreatePayment("10")
	for _, path := range []string{"/manifest.json", "/" + token + "/manifest.json"} {
		r := w.Get(path, "Origin: "+wallet).Want(http.StatusOK)
		if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", path, r.Header)
		}
		got := r.JSON()
		icons := items(got["icons"])
		if got["name"] == "" || got["description"] == "" || len(icons) != 1 || object(icons[0])["src"] != got["iconPath"] {
			t.Fatalf("%s: %v", path, got)
		}
		at, err := url.Parse(got["iconPath"].(string))
		if err != nil || at.Scheme+"://"+at.Host != webtest.BaseURL {
			t.Fatalf("%s: icon at %v", path, got["iconPath"])
		}
		icon := w.Get(at.Path).Want(http.StatusOK)
		if icon.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || icon.Header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("the icon: %v", icon.Header)
		}
	}
	v := data(t, page(t, w.Get("/?token="+token)))
	if frames := items(v["frames"]); len(frames) != 1 || frames[0] != wallet {
		t.Errorf("the script is told of %v", v["frames"])
	}
	if r := w.Get(v["safe"].(string)).Want(http.StatusOK); r.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("a script may be had by others: %v", r.Header)
	}

	// Without a payment it asks for one; only in a frame.
	if d := page(t, w.Get("/", framed).Want(http.StatusOK)); d.Find(`form[action="/"] input[name="token"]`).Length() != 1 {
		t.Error("it does not ask for a link")
	}
	w.Get("/").Want(http.StatusNotFound)
	for link, ok := range map[string]bool{
		webtest.BaseURL + "/?token=" + token: true, " " + webtest.BaseURL + "/" + token + " ": true, "pay.example.com/" + strings.ToLower(token): true,
		webtest.BaseURL + "/?token=" + token + "&x=//evil.example": true,
		webtest.BaseURL + "/": false, "//evil.example/x": false, "http://[": false, "https://evil.example/?token=x": false,
	} {
		r := w.Get("/?token="+url.QueryEscape(link), framed)
		if got := r.Header.Get("Location"); ok != (r.Status == http.StatusSeeOther && got == "/?token="+token) || (!ok && (r.Status != http.StatusNotFound || got != "")) {
			t.Errorf("%q: %d to %q", link, r.Status, got)
		}
	}
}

func TestTheWayBackOutOfAFrame(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{FrameAncestors: []string{wallet}})
	token := w.Create(`{"requests":[{"payee":"` + webtest.Payee + `","paymentCurrency":"USDC-base","amount":"10"}],"redirectUrl":"https://shop.example/done"}`)
	for headers, want := range map[string]string{"": "", framed: "_blank", "Sec-Fetch-Dest: document": ""} {
		r := w.Get("/?token=" + token)
		if headers != "" {
			r = w.Get("/?token="+token, headers)
		}
		link := page(t, r).Find("#merchant-link")
		if link.AttrOr("href", "") != "https://shop.example/done" || link.AttrOr("target", "") != want {
			t.Errorf("%q: target %q", headers, link.AttrOr("target", ""))
		}
	}
}

func TestNobodyFramesUnlessAllowed(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	w.Get("/manifest.json").Want(http.StatusNotFound)
	w.Get("/" + token + "/manifest.json").Want(http.StatusNotFound)
	w.Get("/", framed).Want(http.StatusNotFound)
	if v := data(t, page(t, w.Get("/?token="+token))); len(items(v["frames"])) != 0 {
		t.Errorf("the script is told of %v", v["frames"])
	}
	h := w.Get("/?token="+token, framed).Header
	if h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("headers: %v", h)
	}
}
