//go:build linux

package chaostest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/chain/chaintest"
	"quittance/internal/faultproxytest"
	"quittance/internal/rate/market"
)

// Config is what a suite is made of.
type Config struct {
	Exe    string // the program
	Clocks bool   // it was made by Build
	Nodes  int    // 0 for one process on SQLite, else so many on a PostgreSQL of the suite's own
	Seed   uint64
	Chain  *chaintest.Chain // says that it is Base
	USDC   string           // of Base
	Plan   Plan
}

// sealKey is `keys` of the configuration.
const sealKey = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="

// xpub is the account of the test phrase that everybody has. Nobody's money is there.
const xpub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"

// xpub2 is of an example that BIP 32 has. Nobody's money is there either.
const xpub2 = "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV"

// node is one process of the program.
type node struct {
	*process
	url   string
	admin string // where it tells its numbers
	clock *clock
	wire  *faultproxytest.Wire // to PostgreSQL; nil with SQLite
	blows blows
}

// Suite is an installation under load.
type Suite struct {
	t      testing.TB
	c      Config
	random *rand.Rand // of the goroutine that makes faults
	by     *spawner
	disk   *disk
	pg     *postgres // nil with SQLite
	nodes  []*node
	config string
	dsn    string
	shops  []*shop
	hooks  *hooks
	book   *book
	tally  *tally
	http   *http.Client
	began  time.Time

	recovering sync.WaitGroup // who waits for processes that were hit
	beheaded   string         // who held the chain's lease when the last fault killed it; "" if that was none
	statements int            // that the bank has written

	mu       sync.Mutex
	problems []string
	slow     []string
	trace    []string
}

// New sets an installation up and starts its processes. All of it ends with the test.
func New(t testing.TB, c Config) *Suite {
	t.Helper()
	s := &Suite{
		t: t, c: c, random: rand.New(rand.NewPCG(c.Seed, 1)), book: newBook(), tally: newTally(),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	t.Cleanup(s.http.CloseIdleConnections)
	s.by = newSpawner(t)
	s.disk = newDisk(t, 768<<20)
	prices := httptest.NewServer(market.New(time.Now, map[string]string{"ethereum": "2000", "usd-coin": "1", "euro-coin": "1.08"}))
	t.Cleanup(prices.Close)
	s.dsn = "sqlite:" + filepath.Join(s.disk.dir, "q.db")
	ports := faultproxytest.KeptPorts(t, 2*max(c.Nodes, 1)+1)
	next := func() string {
		at := ports[0]
		ports = ports[1:]
		return at
	}
	if c.Nodes > 0 {
		s.pg = startPostgres(t, next(), s.disk, s.by, s.logFile("postgres"), s.fail)
		s.dsn = s.pg.dsn
	}
	s.configure(ports[0], prices.URL)
	s.run("", "doctor", "--pin")
	s.hooks = newHooks(t, c.Seed)
	s.openShops()
	for i := range max(c.Nodes, 1) {
		s.nodes = append(s.nodes, s.newNode(i, next(), next()))
	}
	t.Cleanup(s.tell)
	for _, n := range s.nodes {
		await(t, n.name, func() bool { _, ok := s.ready(n); return ok })
	}
	return s
}

// newNode starts a process of the program.
func (s *Suite) newNode(i int, listen, admin string) *node {
	s.t.Helper()
	n := &node{url: "http://" + listen, admin: "http://" + admin}
	env := append(os.Environ(), "QUITTANCE_ADMIN_LISTEN="+admin)
	if s.c.Clocks {
		n.clock = newClock(s.t, filepath.Join(s.disk.dir, fmt.Sprintf("clock%d", i)))
		env = append(env, clockVariable+"="+n.clock.file)
	}
	if s.pg != nil {
		n.wire = faultproxytest.NewWire(s.t, s.pg.addr)
		env = append(env, "QUITTANCE_DATABASE="+s.pg.at(n.wire.Addr()))
	}
	n.process = &process{name: fmt.Sprintf("node %d", i), by: s.by, log: s.logFile(fmt.Sprintf("node%d", i)), report: s.fail, command: func() *exec.Cmd {
		x := exec.Command(s.c.Exe, "serve", "--config", s.config, "--listen", listen)
		x.Args[0], x.Env = "quittance", env
		return x
	}}
	n.supervise(s.t)
	return n
}

func (s *Suite) configure(listen, prices string) {
	s.t.Helper()
	s.config = filepath.Join(s.t.TempDir(), "quittance.yaml")
	none := `"0"`
	text := fmt.Sprintf(`
base_url: http://%s
database: %q
keys: [%s]
log_level: warn
grace: 1s
webhooks: {allow_loopback: true}
routing: {enabled: false}
safe: {enabled: false}
limits: {client_ids: %[4]s, api_keys: %[4]s, sessions: %[4]s, page: %[4]s, refused: %[4]s, links: %[4]s, guesses: %[4]s}
prices: {api: {url: %[5]q, ids: {ETH-base: ethereum, USDC-base: usd-coin, EUR: euro-coin}, max_age: 1h, per_minute: 10000}}
deposits: {pool: 200}
chains:
  base: {rpc: [%[6]q, %[7]q], confirmations: 2, start_block: 1}
`, listen, s.dsn, sealKey, none, prices, s.c.Chain.URL(), strings.Replace(s.c.Chain.URL(), "127.0.0.1", "localhost", 1)) // two hosts: two opinions
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Suite) logFile(name string) *os.File {
	s.t.Helper()
	// Beside the disk: a full disk must not cost us the words about it.
	f, err := os.OpenFile(filepath.Join(s.t.TempDir(), name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// run runs a command of the program to its end and returns its first line of JSON.
func (s *Suite) run(stdin string, args ...string) map[string]any {
	s.t.Helper()
	c := exec.Command(s.c.Exe, append(args, "--json", "--config", s.config)...)
	c.Args[0], c.Stdin = "quittance", strings.NewReader(stdin)
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		s.t.Fatalf("quittance %v: %v\n%s%s", args, err, out, said.Bytes())
	}
	var v map[string]any
	_ = json.NewDecoder(bytes.NewReader(out)).Decode(&v) // not every command answers with an object
	return v
}

// fail notes a problem; the test fails with all of them.
func (s *Suite) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := fmt.Sprintf(format, args...); len(s.problems) < 200 && !slices.Contains(s.problems, text) {
		s.problems = append(s.problems, text)
	}
}

// late notes what took longer than is promised: the faults go on.
func (s *Suite) late(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = append(s.slow, fmt.Sprintf(format, args...))
}

func (s *Suite) lates() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.slow)
}

func (s *Suite) counted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.problems)
}

// note keeps what was done, for whoever reads a failure.
func (s *Suite) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *Suite) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.problems) > 0 || s.t.Failed()
}

// tell says the last things that were done and the last words of the processes, and fails
// the test with what is wrong.
func (s *Suite) tell() {
	for _, n := range s.nodes {
		s.readLog(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.judgement() // last, where whoever reads a failure begins
	if !s.t.Failed() && len(s.problems) == 0 && len(s.slow) == 0 {
		return
	}
	s.t.Logf("seed %d; the last of %d faults:\n%s", s.c.Seed, len(s.trace), strings.Join(s.trace[max(0, len(s.trace)-40):], "\n"))
	for _, n := range s.nodes {
		s.t.Logf("%s said:\n%s", n.name, lastOf(n.log.Name(), 2000))
	}
	if s.pg != nil {
		s.t.Logf("PostgreSQL said:\n%s", lastOf(s.pg.log.Name(), 1500))
	}
}

// judgement fails the test with all that is wrong.
func (s *Suite) judgement() {
	for _, p := range s.problems {
		s.t.Error(p)
	}
	if say := s.t.Errorf; len(s.slow) > 0 {
		if s.c.Plan.short() { // beside other tests and with the race detector no bound of time says anything about us
			say = s.t.Logf
		}
		say("%d times something took longer than %v: %s", len(s.slow), bound, strings.Join(s.slow[:min(len(s.slow), 20)], "; "))
	}
}

// readLog looks for what no fault of ours excuses.
func (s *Suite) readLog(n *node) {
	text, err := os.ReadFile(n.log.Name())
	if err != nil {
		s.fail("log of %s: %v", n.name, err)
		return
	}
	for _, bad := range []string{"DATA RACE", "panic:", "job panicked", "fatal error:"} {
		if i := bytes.Index(text, []byte(bad)); i >= 0 {
			s.fail("%s: %s", n.name, text[i:min(len(text), i+3000)])
		}
	}
}

func lastOf(name string, most int) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// NeedPostgres skips a test where no PostgreSQL is installed, and fails it where CI is "true".
func NeedPostgres(t testing.TB) {
	t.Helper()
	switch {
	case findPostgres() != "":
	case os.Getenv("CI") == "true":
		t.Fatal("PostgreSQL is not installed: run make setup")
	default:
		t.Skip("PostgreSQL is not installed: make setup does that")
	}
}
