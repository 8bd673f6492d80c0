package request_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/web/apidoc/apidoctest"
	"quittance/web/webtest"
)

// examples is where answers are written to that the document then shows:
// go test ./web/request -run TestContract -examples ../apidoc/source/examples
var examples = flag.String("examples", "", "write the first answer of each kind into this folder")

// ownPaths are the paths of this dialect's operations, and signatureHeader is what
// only its webhooks have.
var ownPaths = []string{
	"/v2/", "/v1/auth/", "/v1/client-ids", "/v1/client-ids/", "/v1/payee-destination", "/v1/payee-destination/", "/v1/webhook", "/v1/webhook/",
}

const signatureHeader = "X-Request-Network-Signature"

// hurried marks a request whose time is up before it begins.
const hurried = "X-Test-Time-Is-Up"

// exchange is the server behind a socket, with every answer held against the
// document and what was seen counted.
type exchange struct {
	*webtest.World
	t        testing.TB
	contract *apidoctest.Contract
	url      string
	client   *http.Client

	mu    sync.Mutex
	seen  map[apidoctest.Pair]bool
	heard map[string]bool // webhooks
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	contract, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{t: t, contract: contract, client: &http.Client{Timeout: 30 * time.Second}, seen: map[apidoctest.Pair]bool{}, heard: map[string]bool{}}
	x.on(webtest.NewWith(t, webtest.Options{Routing: true, Safes: true, Gasless: &webtest.Gasless{}}))
	return x
}

// on goes on with another server.
func (x *exchange) on(w *webtest.World) {
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get(hurried) != "" {
			ctx, cancel := context.WithDeadline(r.Context(), time.Now().Add(-time.Second))
			defer cancel()
			r = r.WithContext(ctx)
		}
		w.App.Server.ServeHTTP(rw, r)
	}))
	x.t.Cleanup(s.Close)
	x.World, x.url = w, s.URL
}

// answer is an answer that the document has nothing against.
type answer struct{ webtest.Response }

// send makes a call and fails the test if its answer is not as documented, or has
// another status than wanted.
func (x *exchange) send(want int, method, path, body string, headers ...string) answer {
	x.t.Helper()
	got := x.sendAny(method, path, body, headers...)
	if got.Status != want {
		x.t.Errorf("%s %s with %v: got %d, want %d\n%.600s", method, path, headers, got.Status, want, got.Body)
	}
	return got
}

// sendAny is send for whatever status is documented.
func (x *exchange) sendAny(method, path, body string, headers ...string) answer {
	x.t.Helper()
	r, err := http.NewRequestWithContext(x.t.Context(), method, x.url+path, strings.NewReader(body))
	if err != nil {
		x.t.Error(err)
		return answer{}
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	reply, err := x.client.Do(r)
	if err != nil {
		x.t.Error(err)
		return answer{}
	}
	defer reply.Body.Close()
	got, err := io.ReadAll(reply.Body)
	if err != nil {
		x.t.Error(err)
		return answer{}
	}
	pair, err := x.contract.Response(method, r.URL.Path, reply.StatusCode, reply.Header, got)
	if err != nil {
		x.t.Errorf("%s %s: %v", method, path, err)
	}
	if reply.StatusCode < 300 {
		if err := errors.Join(x.contract.Query(method, r.URL), x.contract.Request(method, r.URL.Path, []byte(body))); err != nil {
			x.t.Errorf("%s %s was taken: %v\n%.600s", method, path, err, body)
		}
	}
	x.note(pair, got)
	return answer{webtest.Answer(x.t, reply.StatusCode, reply.Header, got)}
}

// What an example says of this machine, or what looks like a secret, it says of
// somebody else; calldata of a route it shortens.
var (
	loopback    = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	hookSecret  = regexp.MustCompile(`whsec_[A-Za-z0-9+/]+=*`)
	bearerToken = regexp.MustCompile(`qs_[a-z0-9]+`)
	longData    = regexp.MustCompile(`"(0x[0-9a-f]{136})[0-9a-f]{864,}"`)
)

// note counts an answer, and keeps the first of its kind as an example if asked to.
func (x *exchange) note(pair apidoctest.Pair, body []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.seen[pair]
	x.seen[pair] = true
	if name := x.contract.Example(pair); first && name != "" {
		x.record(name, body, false)
	}
}

// record keeps an answer or a delivery as an example, if examples are asked for.
func (x *exchange) record(name string, body []byte, anew bool) {
	if *examples == "" {
		return
	}
	file := filepath.Join(*examples, name+".json")
	if _, err := os.Stat(file); err == nil && !anew {
		return // another operation's answer of the same kind
	}
	var pretty bytes.Buffer
	body = loopback.ReplaceAll(body, []byte("https://shop.example.com"))
	body = hookSecret.ReplaceAll(body, []byte("whsec_ZXhhbXBsZSwgZXhhbXBsZSwgZXhhbXBsZSwgZXhhbXBsZQ=="))
	body = bearerToken.ReplaceAll(body, []byte("qs_example"))
	body = longData.ReplaceAll(body, []byte(`"$1"`))
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		x.t.Errorf("%s: %v", file, err)
		return
	}
	pretty.WriteByte('\n')
	if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
		x.t.Error(err)
	}
}

// key is the header of the merchant's API key.
func (x *exchange) key() string { return "X-Api-Key: " + x.APIKey }

// api is send with the merchant's API key.
func (x *exchange) api(want int, method, path, body string, headers ...string) answer {
	x.t.Helper()
	return x.send(want, method, path, body, append(headers, x.key())...)
}

func (a answer) text(name string) string {
	s, _ := a.JSON()[name].(string)
	return s
}

// TestContract holds the live answers of every operation against the document,
// and the document against them: what is documented and never answered fails as
// well.
func TestContract(t *testing.T) {
	x := newExchange(t)
	x.payments()
	x.routes()
	x.safes()
	x.accounts()
	x.creations()
	x.policies()
	x.currencies()
	as := x.sessions()
	x.destinations(as)
	x.webhooks()
	x.clients()
	x.transfers()
	x.refusals(as)
	x.credentials(as)
	x.limits()
	var missed []string
	for _, p := range x.contract.Pairs(ownPaths...) {
		if !x.seen[p] {
			missed = append(missed, fmt.Sprintf("%s %d", p.Operation, p.Status))
		}
	}
	for _, name := range x.contract.Webhooks(signatureHeader) {
		if !x.heard[name] {
			missed = append(missed, "webhook "+name)
		}
	}
	slices.Sort(missed)
	if len(missed) > 0 {
		t.Errorf("documented and never answered:\n%s", strings.Join(missed, "\n"))
	}
}

// TestRoutesAreDocumented compares what is routed with what is documented.
func TestRoutesAreDocumented(t *testing.T) {
	contract, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	parameter := regexp.MustCompile(`:(\w+)`)
	var routed []string
	for _, r := range webtest.New(t).App.Server.Echo.Routes() {
		links := strings.HasPrefix(r.Path, "/api/v2/") && r.Method == http.MethodPost // there, other methods are routed to be refused
		if (strings.HasPrefix(r.Path, "/v") || links) && r.Method != http.MethodOptions && r.Method != echo.RouteNotFound {
			routed = append(routed, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
		}
	}
	documented := contract.Routes()
	slices.Sort(routed)
	slices.Sort(documented)
	if !slices.Equal(routed, documented) {
		t.Errorf("routed:\n%s\ndocumented:\n%s", strings.Join(routed, "\n"), strings.Join(documented, "\n"))
	}
}
