package archtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// layer says which of the module's packages a package may import. The first
// rule that covers it decides; a package without one fails the test, so that a
// new package comes with a reason.
type layer struct {
	pkg string
	may []string
	why string
}

var layers = []layer{
	{"examples/", nil, "what integrators copy must work without this module"},
	{"cmd/", []string{"internal/"}, "a command composes, and leaves pages and dialects to app"},
	{"internal/app", []string{"internal/", "web", "web/", "templates", "static"}, "the composition root"},

	{"internal/money", nil, "amounts are exact for everybody: nothing to know"},
	{"internal/fault", nil, "every package may fail: nothing to know"},
	{"internal/lifecycle", nil, "it starts parts and knows none"},
	{"internal/config", nil, "values only; app makes things of them"},
	{"internal/archtest", nil, "tests only"},
	{"internal/ratelimit", nil, "it counts keys, whatever they stand for"},
	{"internal/breaker", nil, "it counts failures, whatever fails"},
	{"internal/lease", nil, "it shares work among processes and knows none"},
	{"internal/asset", []string{"internal/money", "internal/fault"}, "facts about chains and tokens"},
	{"internal/rate/", nil, "it plays a service, and knows no more of it than its questions"},
	{"internal/rate", []string{"internal/chain", "internal/multicall", "internal/money", "internal/asset", "internal/fault", "internal/breaker"},
		"prices and what follows from them; payments are others'"},
	{"internal/hdkey", []string{"internal/asset"}, "keys in, addresses out"},
	{"internal/sweep/keyfile", []string{"internal/sweep", "internal/asset"}, "keys are where the server is not: only the command imports it"},
	{"internal/sweep", []string{"internal/asset"}, "plans and signed transactions, no keys and no nodes"},
	{"internal/qr", nil, "text in, pictures out"},
	{"internal/bank/sample", []string{"internal/bank", "internal/bank/camt"}, "it plays a bank, and writes what camt reads"},
	{"internal/bank/", []string{"internal/bank"}, "files of banks in, what they say of money out; whose money it is, others know"},
	{"internal/bank", nil, "numbers and texts of bank transfers, and nothing of payments"},
	{"internal/seal", []string{"internal/fault"}, "bytes in, bytes out"},
	{"internal/telemetry", []string{"internal/span"}, "it counts and times, and is told plain numbers and words"},
	{"internal/span", nil, "it marks work, whatever the work is"},
	{"internal/job", []string{"internal/fault", "internal/span"}, "it runs work and knows none"},

	{"internal/payment", []string{"internal/money", "internal/asset", "internal/fault"}, "the domain knows no HTTP, SQL or chain"},
	{"internal/merchant", []string{"internal/payment", "internal/asset", "internal/money", "internal/fault"}, "who may use the server, and what each has set: a share of links among it"},
	{"internal/rail", []string{"internal/payment", "internal/asset", "internal/fault"}, "a contract between checkout and rails, what a refused check is called among it"},
	{"internal/checkout", []string{"internal/payment", "internal/rail", "internal/money", "internal/asset", "internal/fault"},
		"use cases declare ports; stores, chains and jobs come in through them"},
	{"internal/screening", []string{"internal/checkout", "internal/asset", "internal/fault"}, "it answers the checkout's question about wallets, and knows no payment"},
	{"internal/holdings", []string{"internal/checkout", "internal/chain", "internal/multicall", "internal/official", "internal/asset"}, "it answers the checkout's question what wallets hold, and knows no payment"},
	{"internal/multisig", []string{"internal/checkout", "internal/chain", "internal/official", "internal/rail", "internal/safe", "internal/asset", "internal/fault"},
		"it answers the checkout's questions about Safes from chains and a service, and knows no payment"},
	{"internal/gasless", []string{"internal/checkout", "internal/chain", "internal/official", "internal/rail", "internal/userop", "internal/asset", "internal/fault"},
		"it answers the checkout's questions about user operations from chains and services, and knows no payment"},
	{"internal/addresses", []string{"internal/checkout", "internal/merchant", "internal/chain", "internal/hdkey", "internal/lifecycle", "internal/rail", "internal/rail/deposit", "internal/payment", "internal/asset", "internal/fault"},
		"it keeps the addresses of merchants' keys for one rail, and knows no price and no other rail"},
	{"internal/desk", []string{"internal/bank", "internal/bank/camt", "internal/checkout", "internal/merchant", "internal/rail/sepa", "internal/payment", "internal/money", "internal/fault"},
		"it takes in what banks say of one rail's payments, and knows no chain and no page"},
	{"internal/collect", []string{"internal/checkout", "internal/merchant", "internal/chain", "internal/hdkey", "internal/sweep", "internal/rail/deposit", "internal/payment", "internal/asset", "internal/fault"},
		"it finds what lies on one rail's addresses and sends what was signed; keys are where the server is not"},
	{"internal/webhook", []string{"internal/payment", "internal/merchant", "internal/job", "internal/fault", "internal/span"}, "bodies come from encoders, rows from a port"},
	{"internal/store/carry", []string{"internal/store", "internal/seal"}, "it copies what catalogues name, and knows no row"},
	{"internal/store", []string{"internal/checkout", "internal/webhook", "internal/job", "internal/lease", "internal/merchant", "internal/payment",
		"internal/asset", "internal/money", "internal/fault", "internal/seal", "internal/span"}, "it implements the ports of those who declare them"},

	{"internal/chain", []string{"internal/asset", "internal/fault"}, "logs and blocks, not payments"},
	{"internal/multicall", []string{"internal/asset"}, "calldata in, answers out"},
	{"internal/siwe", []string{"internal/asset", "internal/chain", "internal/fault"}, "what wallets sign, and asking contracts whether they did"},
	{"internal/official/", []string{"internal/official", "internal/asset"}, "the generator of the page's copy"},
	{"internal/official", []string{"internal/asset", "internal/fault", "internal/rail"},
		"what contracts are and calldata says, wherever it came from; checks and kinds of calls are rail's words"},
	{"internal/lifi/", []string{"internal/lifi", "internal/asset"}, "the generator of the page's copy"},
	{"internal/lifi", []string{"internal/official", "internal/rail", "internal/money", "internal/asset", "internal/fault", "internal/breaker"},
		"one service's protocol and what its calldata says; checks are rail's words, the payment in the end official's"},
	{"internal/safe/", []string{"internal/safe", "internal/asset"}, "the contracts' code, for chains of one's own"},
	{"internal/safe", []string{"internal/chain", "internal/official", "internal/rail", "internal/asset", "internal/fault", "internal/breaker"},
		"one kind of account, its contracts and its service; calls and checks are rail's words"},
	{"internal/userop/", []string{"internal/userop", "internal/userop/artifacts", "internal/official", "internal/siwe", "internal/asset"},
		"the contracts' code, and the services in front of it, for chains of one's own"},
	{"internal/userop", []string{"internal/chain", "internal/official", "internal/rail", "internal/safe", "internal/siwe", "internal/asset", "internal/fault", "internal/breaker"},
		"one way for accounts to act, its contracts and its services; a Safe is one such account, permits are typed data"},
	{"internal/rail/crosschain", []string{"internal/rail", "internal/payment", "internal/money", "internal/asset", "internal/fault", "internal/chain", "internal/official", "internal/lifi", "internal/safe", "internal/userop"},
		"as below; and it reads a route's call out of what a Safe or a user operation executed, which only packages safe and userop can tell"},
	{"internal/rail/sepa", []string{"internal/rail", "internal/payment", "internal/money", "internal/asset", "internal/fault", "internal/bank", "internal/bank/camt"},
		"as below; its evidence is in banks' files, and not on a chain"},
	{"internal/rail/", []string{"internal/rail", "internal/payment", "internal/money", "internal/asset", "internal/fault", "internal/chain", "internal/official", "internal/multicall"},
		"a rail knows no other rail, no store, no page and no use case"},
	{"internal/sandbox", sandboxMay, "chains to try things on, and the service between them; the server sees them as any others"},
	{"internal/sandbox/", sandboxMay, "the same"},

	{"static", nil, "files"},
	{"templates", []string{"static"}, "components draw their own view models: handlers translate"},
	{"web", webMay, "the server and what its handlers share"},
	{"web/pay", append(slices.Clone(webMay), "web", "internal/userop", "internal/qr"),
		"as below; it reads and writes JSON-RPC's questions about operations, whose form only package userop knows; and it draws codes to scan, which pages without script need"},
	{"web/secpaid", append(slices.Clone(webMay), "web", "internal/bank"),
		"as below; and it takes texts for bank statements, and says at once which are none"},
	{"web/", append(slices.Clone(webMay), "web"), "a dialect knows no other dialect"},
}

var sandboxMay = []string{"internal/sandbox/", "internal/asset", "internal/money", "internal/lifi", "internal/lifi/lifitest", "internal/official", "internal/safe", "internal/safe/artifacts",
	"internal/userop", "internal/userop/artifacts", "internal/userop/gateway", "internal/rate/market"}

// played are packages for tests that the demo runs too: each plays a service
// that nobody can run at home.
var played = []string{"internal/lifi/lifitest"}

var webMay = []string{"internal/checkout", "internal/payment", "internal/rail", "internal/money", "internal/asset",
	"internal/fault", "internal/merchant", "internal/rate", "internal/ratelimit", "internal/siwe", "internal/span", "internal/webhook", "templates", "static"}

// outside says which packages may import something that is not ours. It holds
// for tests as well. An entry covers the package and everything below it.
type outside struct {
	what string // an import path and everything below it
	may  []string
	why  string
}

var sqlMay = []string{"internal/store", "internal/job", "internal/pgtest", "internal/chaostest"}

var outsides = []outside{
	{"github.com/ethereum/go-ethereum", []string{"internal/chain", "internal/official", "internal/sandbox", "internal/rail", "internal/siwe", "internal/lifi", "internal/safe", "internal/userop", "internal/rate", "internal/sweep"},
		"the rest of the program sees chains through our own types"},
	{"database/sql", sqlMay, "one place knows SQL"},
	{"github.com/jackc/pgx", sqlMay, "one place knows SQL"},
	{"modernc.org/sqlite", sqlMay, "one place knows SQL"},
	{"github.com/labstack/echo", []string{"web", "internal/app"}, "one place routes requests"},
	{"github.com/gorilla", []string{"web", "internal/app"}, "one place knows sessions"},
	{"github.com/a-h/templ", []string{"templates", "web"}, "one place draws pages"},
	{"github.com/spf13/cobra", []string{"cmd"}, "one place parses command lines"},
	{"github.com/prometheus", []string{"internal/telemetry", "internal/app"}, "one place has numbers for others; whoever has something to count tells it"},
	{"go.opentelemetry.io/otel/sdk", []string{"internal/telemetry", "internal/app", "internal/span", "internal/job", "internal/webhook", "web"}, "one place decides where traces go; others begin spans, and tests look at them"},
	{"go.opentelemetry.io/otel/exporters", []string{"internal/telemetry"}, "one place decides where traces go"},
	{"net/http", []string{"cmd", "examples", "web", "static", "templates", "internal/app", "internal/chain", "internal/rate", "internal/rail", "internal/webhook", "internal/screening", "internal/sandbox", "internal/lifi", "internal/safe", "internal/userop", "internal/telemetry", "internal/chaostest", "internal/faultproxytest"},
		"the domain, the use cases and the store know no HTTP"},
}

// clients may call other servers; the command's health check calls its own, and
// an example calls ours.
var clients = []string{"examples", "internal/chain", "internal/rate", "internal/webhook", "internal/rail", "internal/screening", "internal/lifi", "internal/safe", "internal/userop", "internal/telemetry", "cmd/quittance"}

func TestLayers(t *testing.T) {
	for _, f := range goFiles(t) {
		own, others := f.imports()
		for _, i := range own {
			if problem := judgeOwn(f.dir, f.test, i); problem != "" {
				t.Errorf("%s: %s", f.path, problem)
			}
		}
		for _, i := range others {
			if problem := judgeOutside(f.dir, i); problem != "" {
				t.Errorf("%s: %s", f.path, problem)
			}
		}
		if _, ok := layerOf(f.dir); !ok && !support(f.dir) {
			t.Errorf("%s: no rule says what %s may import: add one with its reason", f.path, f.dir)
		}
		if used := clientUse(f.ast); used != "" && !f.test && !support(f.dir) && !below(clients, f.dir) {
			t.Errorf("%s: uses http.%s: only %s call other servers", f.path, used, strings.Join(clients, ", "))
		}
	}
}

func layerOf(dir string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return covers(l.pkg, dir) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

// judgeOwn says why a file may not import one of our packages, "" if it may.
func judgeOwn(dir string, test bool, i string) string {
	fromTests := test || support(dir)
	l, _ := layerOf(dir)
	switch {
	case support(i) && !fromTests && !(slices.Contains(played, i) && below([]string{"internal/sandbox"}, dir)):
		return fmt.Sprintf("imports %s, which is for tests", i)
	case strings.HasPrefix(dir, "internal/") && dir != "internal/app" && coversAny([]string{"web", "web/", "templates", "static"}, i):
		return fmt.Sprintf("imports %s: nothing inside but app sees the web", i)
	case fromTests || coversAny(l.may, i):
		return ""
	}
	return fmt.Sprintf("imports %s: %s may not (%s)", i, dir, l.why)
}

func judgeOutside(dir, i string) string {
	for _, o := range outsides {
		if (i == o.what || strings.HasPrefix(i, o.what+"/")) && !below(o.may, dir) {
			return fmt.Sprintf("imports %s: only %s may (%s)", i, strings.Join(o.may, ", "), o.why)
		}
	}
	return ""
}

func below(dirs []string, dir string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return dir == d || strings.HasPrefix(dir, d+"/") })
}

// clientUse returns what of net/http's client side a file names, "" for nothing.
func clientUse(a *ast.File) string {
	name := ""
	for _, i := range a.Imports {
		if i.Path.Value == `"net/http"` {
			name = "http"
			if i.Name != nil {
				name = i.Name.Name
			}
		}
	}
	used := ""
	ast.Inspect(a, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || name == "" {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		side := []string{"Client", "DefaultClient", "Transport", "DefaultTransport", "Get", "Head", "Post", "PostForm"}
		if ok && x.Name == name && slices.Contains(side, sel.Sel.Name) {
			used = sel.Sel.Name
		}
		return true
	})
	return used
}

// The rules must be able to refuse.
func TestLayersRefuse(t *testing.T) {
	for _, c := range []struct {
		dir  string
		test bool
		i    string
		ok   bool
	}{
		{"internal/payment", false, "internal/asset", true},
		{"internal/payment", false, "internal/store", false},
		{"internal/payment", false, "internal/checkout", false},
		{"internal/rail/evmref", false, "internal/chain", true},
		{"internal/rail/evmref", false, "internal/rail/safe", false},
		{"internal/rail/evmref", false, "internal/checkout", false},
		{"internal/rail/evmref", false, "internal/lifi", false},
		{"internal/rail/evmref", false, "internal/safe", false},
		{"internal/rail/crosschain", false, "internal/lifi", true},
		{"internal/rail/crosschain", false, "internal/safe", true},
		{"internal/rail/crosschain", false, "internal/userop", true},
		{"internal/rail/evmref", false, "internal/userop", false},
		{"internal/rail/evmref", false, "internal/bank", false},
		{"internal/rail/sepa", false, "internal/bank/camt", true},
		{"internal/rail/sepa", false, "internal/chain", false},
		{"internal/bank", false, "internal/bank/camt", false},
		{"internal/bank/camt", false, "internal/payment", false},
		{"internal/bank/camt", false, "internal/bank/sample", false},
		{"internal/rail/crosschain", false, "internal/lifi/lifitest", false},
		{"internal/sandbox", false, "internal/lifi/lifitest", true},
		{"internal/sandbox", false, "internal/chain/chaintest", false},
		{"internal/lifi", false, "internal/chain", false},
		{"internal/safe", false, "internal/chain", true},
		{"internal/safe", false, "internal/payment", false},
		{"internal/multisig", false, "internal/safe", true},
		{"internal/multisig", false, "internal/payment", false},
		{"internal/multisig", false, "internal/store", false},
		{"internal/gasless", false, "internal/userop", true},
		{"internal/gasless", false, "internal/payment", false},
		{"internal/gasless", false, "internal/multisig", false},
		{"internal/addresses", false, "internal/rail/deposit", true},
		{"internal/addresses", false, "internal/rail/evmref", false},
		{"internal/addresses", false, "internal/rate", false},
		{"internal/desk", false, "internal/rail/sepa", true},
		{"internal/desk", false, "internal/store", false},
		{"internal/desk", false, "internal/chain", false},
		{"internal/collect", false, "internal/sweep", true},
		{"internal/collect", false, "internal/sweep/keyfile", false},
		{"internal/collect", false, "internal/store", false},
		{"internal/userop", false, "internal/safe", true},
		{"internal/userop", false, "internal/userop/useroptest", false},
		{"internal/userop", false, "internal/userop/gateway", false},
		{"internal/userop/artifacts", false, "internal/chain", false},
		{"internal/userop/gateway", false, "internal/userop/artifacts", true},
		{"internal/userop/gateway", false, "internal/payment", false},
		{"internal/sweep", false, "internal/sweep/keyfile", false},
		{"internal/sandbox", false, "internal/rate/market", true},
		{"internal/rate", false, "internal/rate/market", false},
		{"internal/rate", false, "internal/payment", false},
		{"internal/sandbox", false, "internal/userop/gateway", true},
		{"internal/sandbox", false, "internal/userop/useroptest", false},
		{"internal/userop", false, "internal/checkout", false},
		{"internal/safe", false, "internal/safe/artifacts", false},
		{"internal/safe/artifacts", false, "internal/chain", false},
		{"internal/sandbox", false, "internal/safe/artifacts", true},
		{"internal/sandbox", false, "internal/safe/safetest", false},
		{"internal/store", false, "web", false},
		{"internal/store", true, "templates", false},
		{"internal/app", false, "web/request", true},
		{"internal/checkout", false, "internal/store", false},
		{"internal/checkout", true, "internal/store", true},
		{"internal/webhook", false, "internal/webhook/webhooktest", false},
		{"internal/webhook", true, "internal/webhook/webhooktest", true},
		{"internal/chain/chaintest", false, "internal/sandbox/devchain", true},
		{"internal/store/storetest", false, "templates", false},
		{"web/request", false, "web", true},
		{"web/request", false, "web/pay", false},
		{"web/request", false, "internal/store", false},
		{"web/request", false, "internal/bank", false},
		{"web/secpaid", false, "internal/bank", true},
		{"web/secpaid", false, "internal/bank/camt", false},
		{"web/webtest", false, "internal/app", true},
		{"templates", false, "internal/payment", false},
		{"cmd/quittance", false, "internal/app", true},
		{"cmd/quittance", false, "web", false},
		{"internal/unheard", false, "internal/money", false},
	} {
		if got := judgeOwn(c.dir, c.test, c.i); (got == "") != c.ok {
			t.Errorf("%s (test: %t) imports %s: %q", c.dir, c.test, c.i, got)
		}
	}
	for _, c := range []struct {
		dir, i string
		ok     bool
	}{
		{"internal/chain", "github.com/ethereum/go-ethereum/rpc", true},
		{"internal/chain/chaintest", "github.com/ethereum/go-ethereum", true},
		{"internal/chainsaw", "github.com/ethereum/go-ethereum", false},
		{"internal/payment", "github.com/ethereum/go-ethereum/common", false},
		{"internal/checkout", "database/sql", false},
		{"internal/store/storetest", "database/sql", true},
		{"internal/payment", "net/http", false},
		{"internal/payment", "net/netip", true},
	} {
		if got := judgeOutside(c.dir, c.i); (got == "") != c.ok {
			t.Errorf("%s imports %s: %q", c.dir, c.i, got)
		}
	}
	for text, want := range map[string]string{
		"import \"net/http\"\nvar c = http.Client{}":          "Client",
		"import \"net/http\"\nvar c *http.Client":             "Client",
		"import h \"net/http\"\nvar _, _ = h.Get(\"x\")":      "Get",
		"import \"net/http\"\nvar h http.Handler":             "",
		"import \"net/http\"\nvar m = http.MethodPost":        "",
		"import http \"example.com/http\"\nvar c http.Client": "",
	} {
		if got := clientUse(parse(t, "x.go", []byte("package x\n"+text)).ast); got != want {
			t.Errorf("%s: uses %q, want %q", text, got, want)
		}
	}
}
