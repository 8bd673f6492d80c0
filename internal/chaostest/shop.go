//go:build linux

package chaostest

import (
	"fmt"
	"net/http"
)

// dialect is one of the three APIs.
type dialect string

const (
	request  dialect = "request"
	spacepay dialect = "spacepay"
	secpaid  dialect = "secpaid"
)

// shop is a merchant of one dialect.
type shop struct {
	dialect dialect
	id, key string
	secret  string // of webhooks
}

// header has the shop's credentials.
func (sh *shop) header() http.Header {
	name := map[dialect]string{request: "X-Api-Key", spacepay: "X-SpacePay-Secret-Key", secpaid: "token"}[sh.dialect]
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set(name, sh.key)
	return h
}

// openShops makes two merchants of the first dialect, because each endpoint gets so many
// deliveries at a time, and one of each other.
func (s *Suite) openShops() {
	s.t.Helper()
	kinds := map[dialect]string{spacepay: "spacepay_secret", secpaid: "secpaid_token"}
	for i, d := range []dialect{request, request, spacepay, secpaid} {
		sh := &shop{dialect: d}
		sh.id, _ = s.run("", "merchant", "create", fmt.Sprintf("Shop %d", i))["id"].(string)
		args := []string{"apikey", "create", "--merchant", sh.id}
		if d != request {
			args = append(args, "--kind", kinds[d])
		}
		if d == spacepay {
			s.run(xpub+"\n", "deposits", "key", "--merchant", sh.id, "--asset", "USDC-base")
		}
		sh.key, _ = s.run("", args...)["secret"].(string)
		endpoint := s.hooks.add(i)
		if d == secpaid {
			s.run(xpub2+"\n", "deposits", "key", "--merchant", sh.id, "--asset", "USDC-base")
			s.run("", "bank", "account", "set", "--merchant", sh.id, "--holder", "Shop GmbH", "--iban", "DE89370400440532013000")
			s.run("", "links", "set", "--merchant", sh.id, "--endpoint", endpoint, "--default", "0", "--callback", "https://shop.example.com/done")
			sh.secret, _ = s.run("", "links", "show", "--merchant", sh.id, "--secret")["secret"].(string)
		} else {
			sh.secret, _ = s.run("", "webhook", "add", endpoint, "--merchant", sh.id)["secret"].(string)
		}
		if sh.id == "" || sh.key == "" || sh.secret == "" {
			s.t.Fatalf("shop %d is not complete: %+v", i, sh)
		}
		s.hooks.verify(i, sh.secret)
		s.shops = append(s.shops, sh)
	}
}
