package secpaid

import (
	"slices"
	"strings"
	"testing"

	"quittance/internal/fault"
	"quittance/internal/webhook"
)

func anyURL(string) bool { return true }

// safe judges as the server's guard for outgoing calls does.
func safe(url string) bool { return (&webhook.Guard{}).Check(url) == nil }

const key32 = "0123456789abcdef0123456789ABCDEF"

var shop = account{
	Callbacks: []string{"https://a.example.com/done", "https://b.example.com/done"}, Endpoints: []string{"https://a.example.com/hook", "https://b.example.com/hook"},
	Default: "0", Transfers: true,
}

func fields(pairs ...string) input {
	in := input{"amount": {number, "25"}}
	for i := 0; i < len(pairs); i += 2 {
		in[pairs[i]] = textual(pairs[i+1])
	}
	return in
}

func TestOrderDefaults(t *testing.T) {
	o, err := parseOrder(fields(), shop, safe)
	if err != nil || o.Cents != 2500 || o.Redirect != "" || o.Callbacks != nil || !slices.Equal(o.Endpoints, shop.Endpoints[:1]) || !o.Cancellable || !o.Transfer || o.Key != "" || o.QR || o.Split != nil {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = parseOrder(fields("bank_transfer", "true"), account{}, safe); err != nil || o.Transfer || o.Endpoints != nil {
		t.Errorf("without an account: %+v, %v", o, err)
	}
	if o, err = parseOrder(fields("bank_transfer", "false"), shop, safe); err != nil || o.Transfer {
		t.Errorf("not wanted: %+v, %v", o, err)
	}
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		in    input
		right func(o order) bool
	}{
		"an index": {fields("callback_url", "1"), func(o order) bool { return o.Redirect == "https://b.example.com/done" }},
		"index and URL": {fields("callback_url", "https://c.example.com/x?y=1, 0"), func(o order) bool {
			return slices.Equal(o.Callbacks, []string{"https://c.example.com/x?y=1", shop.Callbacks[0]})
		}},
		"the same twice":     {fields("callback_url", "0,https://a.example.com/done"), func(o order) bool { return slices.Equal(o.Callbacks, shop.Callbacks[:1]) }},
		"redirect over http": {fields("callback_url", "http://192.168.0.7/back"), func(o order) bool { return o.Redirect == "http://192.168.0.7/back" }},
		"endpoints": {fields("payment_endpoint", "1,https://c.example.com/hook"), func(o order) bool {
			return slices.Equal(o.Endpoints, []string{shop.Endpoints[1], "https://c.example.com/hook"})
		}},
		"not to be cancelled":  {fields("cancellable", "false"), func(o order) bool { return !o.Cancellable }},
		"as earlier clients":   {fields("is_cancellation", "No"), func(o order) bool { return !o.Cancellable }},
		"both, the newer":      {fields("is_cancellation", "No", "cancellable", "true"), func(o order) bool { return o.Cancellable }},
		"a key":                {fields("encryption_key", key32, "is_encryption", "true"), func(o order) bool { return o.Key == key32 }},
		"a key alone":          {fields("encryption_key", key32), func(o order) bool { return o.Key == key32 }},
		"a key, and no":        {fields("encryption_key", key32, "is_encryption", "false"), func(o order) bool { return o.Key == "" }},
		"a short key, and no":  {fields("encryption_key", "short", "is_encryption", "false"), func(o order) bool { return o.Key == "" }},
		"words":                {fields("bank_statement_description", "Café Müller"), func(o order) bool { return o.Statement == "Café Müller" }},
		"a note of two lines":  {fields("recipient_note", "a\r\n\tb "), func(o order) bool { return o.Note == "a\r\n\tb" }},
		"a note that is a sum": {input{"amount": {number, "1"}, "recipient_note": {number, "1234"}}, func(o order) bool { return o.Note == "1234" }},
		"a QR link":            {fields("is_qr_link", "true"), func(o order) bool { return o.QR }},
	} {
		if o, err := parseOrder(c.in, shop, safe); err != nil || !c.right(o) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
	sealed := shop
	sealed.Encrypted, sealed.EncryptionKey = true, key32
	if o, err := parseOrder(fields(), sealed, safe); err != nil || o.Key != key32 {
		t.Errorf("the account's key: %+v, %v", o, err)
	}
	sealed.Encrypted = false
	if o, err := parseOrder(fields("is_encryption", "true"), sealed, safe); err != nil || o.Key != key32 {
		t.Errorf("the account's key, asked for: %+v, %v", o, err)
	}
}

func TestOrderRefused(t *testing.T) {
	for name, c := range map[string]struct {
		in   input
		want string
	}{
		"no amount": {input{"cancellable": {text, "maybe"}}, "Please enter amount"}, "an amount before all else": {input{"amount": {number, "-1"}, "callback_url": {text, "x"}}, "Amount should not be zero or negative number"},
		"out of the list": {fields("callback_url", "2"), "Invalid callback_url"}, "below it": {fields("callback_url", "-1"), "Invalid callback_url"}, "a large place": {fields("callback_url", "99999999999999999999"), "Invalid callback_url"},
		"a script": {fields("callback_url", "javascript:alert(1)"), "Invalid callback_url"}, "data": {fields("callback_url", "data:text/html,x"), "Invalid callback_url"}, "a path": {fields("callback_url", "/done"), "Invalid callback_url"},
		"half a URL": {fields("callback_url", "//evil.example.com"), "Invalid callback_url"}, "with a password": {fields("callback_url", "https://a:b@example.com/"), "Invalid callback_url"}, "a backslash": {fields("callback_url", `https:\\evil.example.com`), "Invalid callback_url"},
		"a blank in it": {fields("callback_url", "https://a.example.com/a b"), "Invalid callback_url"}, "nothing between commas": {fields("callback_url", "0,,1"), "Invalid callback_url"}, "a comma behind": {fields("callback_url", "0,"), "Invalid callback_url"},
		"a second one inside": {fields("callback_url", "0,https://127.0.0.1/x"), "Invalid callback_url"}, "a second one over http": {fields("callback_url", "0,http://c.example.com/"), "Invalid callback_url"}, "no host": {fields("callback_url", "https://:443/"), "Invalid callback_url"},
		"many": {fields("callback_url", strings.Repeat("0,", 10)+"0"), "Invalid callback_url"}, "long": {fields("callback_url", "https://a.example.com/"+strings.Repeat("x", maxURL)), "Invalid callback_url"}, "a list of JSON": {input{"amount": {number, "1"}, "callback_url": {other, `["0"]`}}, "Invalid callback_url"},
		"an endpoint inside": {fields("payment_endpoint", "https://169.254.169.254/latest"), "Invalid payment_endpoint"}, "a name that is inside": {fields("payment_endpoint", "https://localhost/x"), "Invalid payment_endpoint"},
		"an endpoint over http": {fields("payment_endpoint", "http://c.example.com/hook"), "Invalid payment_endpoint"}, "an endpoint out of the list": {fields("payment_endpoint", "2"), "Invalid payment_endpoint"},
		"neither yes nor no": {fields("cancellable", "maybe"), "Invalid cancellable"}, "nor this": {fields("bank_transfer", "2"), "Invalid bank_transfer"}, "nor that": {fields("is_encryption", "on"), "Invalid is_encryption"}, "nor those": {fields("is_qr_link", "ja"), "Invalid is_qr_link"},
		"nor of old": {fields("is_cancellation", "never"), "Invalid is_cancellation"},
		"no key":     {fields("is_encryption", "true"), "Invalid encryption_key"}, "a short key": {fields("encryption_key", key32[1:]), "Invalid encryption_key"}, "a long key": {fields("encryption_key", key32+"x"), "Invalid encryption_key"},
		"a key of more bytes": {fields("encryption_key", strings.Repeat("ä", 32)), "Invalid encryption_key"}, "a key of half as many": {fields("encryption_key", strings.Repeat("ä", 16)), "Invalid encryption_key"}, "a key with a blank": {fields("encryption_key", key32[:15]+" "+key32[16:]), "Invalid encryption_key"},
		"words too long": {fields("bank_statement_description", strings.Repeat("x", 124)), "Invalid bank_statement_description"}, "words of no bank": {fields("bank_statement_description", "日本"), "Invalid bank_statement_description"},
		"another's reference": {fields("bank_statement_description", "RF05ABCDEFGH1234"), "Invalid bank_statement_description"}, "words of lines": {fields("bank_statement_description", "a\nb"), "Invalid bank_statement_description"},
		"a long note": {fields("recipient_note", strings.Repeat("ä", maxNote+1)), "Invalid recipient_note"}, "a note of bytes": {fields("recipient_note", "\xff"), "Invalid recipient_note"}, "a turned note": {fields("recipient_note", "a\u202eb"), "Invalid recipient_note"},
		"a note with a null": {fields("recipient_note", "a\x00b"), "Invalid recipient_note"}, "a note that is a list": {input{"amount": {number, "1"}, "recipient_note": {other, `[]`}}, "Invalid recipient_note"}, "the order of fields": {fields("recipient_note", "\x00", "callback_url", "x"), "Invalid recipient_note"},
	} {
		o, err := parseOrder(c.in, shop, safe)
		if f := fault.From(err); f == nil || f.Kind != fault.Invalid || f.Public != c.want || f.Field == "" || o.Cents != 0 {
			t.Errorf("%s: %+v, %v, want %s", name, o, err, c.want)
		}
	}
}

func TestRedirect(t *testing.T) {
	for to, want := range map[string]string{
		"https://s.example.com/done":              "https://s.example.com/done?pay_id=99290&user_id=u-1&status=success",
		"https://s.example.com":                   "https://s.example.com?pay_id=99290&user_id=u-1&status=success",
		"https://s.example.com/done?":             "https://s.example.com/done?pay_id=99290&user_id=u-1&status=success",
		"https://s.example.com/d?a=1&b=%20x":      "https://s.example.com/d?a=1&b=%20x&pay_id=99290&user_id=u-1&status=success",
		"https://s.example.com/d?status=success#": "https://s.example.com/d?status=success&pay_id=99290&user_id=u-1&status=success",
		"https://s.example.com/d?a&#part":         "https://s.example.com/d?a&pay_id=99290&user_id=u-1&status=success#part",
		"http://localhost:8080/?q=%zz":            "http://localhost:8080/?q=%zz&pay_id=99290&user_id=u-1&status=success",
	} {
		if got, ok := redirectTo(to, 99290, "u-1", cameSuccess); !ok || got != want {
			t.Errorf("%s: %s, %t", to, got, ok)
		}
	}
	if got, ok := redirectTo("https://s.example.com/", 7, "u", cameCancel); !ok || got != "https://s.example.com/?pay_id=7&user_id=u&status=cancel" {
		t.Errorf("%s", got)
	}
	if _, ok := redirectTo("https://[", 7, "u", cameCancel); ok {
		t.Error("half a URL is taken")
	}
}

func FuzzOrder(f *testing.F) {
	f.Add(jsonType, []byte(`{"amount":49.99,"recipient_note":"Invoice #1234","callback_url":"https://yoursite.com/payment/done","cancellable":true}`))
	f.Add(formType, []byte("amount=49.99&callback_url=0,https%3A%2F%2Fx.example.com&payment_endpoint=1&bank_statement_description=Caf%C3%A9"))
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n5\r\n--b--\r\n"))
	f.Add(formType, []byte("amount=10&recipients[0][token]=x&recipients[0][share]=10&split_type=absolute"))
	f.Add(jsonType, []byte(`{"amount":"1e2","recipients":[{"token":"x","share":33.33},{"token":"y","share":"10"}],"encryption_key":"`+key32+`"}`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		in, err := parseInput(contentType, body)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, parse := range []func(input, account, func(string) bool) (order, error){parseOrder, parseSplitOrder} {
			o, err := parse(in, shop, safe)
			if err != nil {
				if !fault.Is(err, fault.Invalid) || fault.From(err).Public == "" {
					t.Fatalf("%v", err)
				}
				continue
			}
			if o.Cents < 1 || o.Cents > maxCents || o.Key != "" && len(o.Key) != keySize {
				t.Fatalf("%+v", o)
			}
			for _, u := range o.Endpoints {
				if !safe(u) {
					t.Fatalf("%q would be called", u)
				}
			}
			if o.Redirect != "" {
				if to, ok := redirectTo(o.Redirect, minLink, "u", cameSuccess); !ok || !canRedirect(to) && len(to) <= maxURL || !strings.HasPrefix(to, "http") {
					t.Fatalf("%q leads to %q", o.Redirect, to)
				}
			}
			if o.Split == nil {
				continue
			}
			shares, err := o.Split.divide(o.Cents, "OWNER", everybody)
			if err != nil {
				continue
			}
			sum := int64(0)
			for _, s := range shares {
				if sum += s.Cents; s.Cents < 1 {
					t.Fatalf("%+v", shares)
				}
			}
			if sum != o.Cents {
				t.Fatalf("%d cents are shared as %+v", o.Cents, shares)
			}
		}
	})
}
