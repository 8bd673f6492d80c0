package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quittance/internal/pgtest"
)

// TestUpgradeDrill replaces two nodes of an older program by nodes of this one, one by
// one, while payers ask all the time: e2e/scripts/upgrade-drill.sh builds both and
// names them. Nothing may fail.
func TestUpgradeDrill(t *testing.T) {
	old, current := os.Getenv("QUITTANCE_DRILL_OLD"), os.Getenv("QUITTANCE_DRILL_NEW")
	if old == "" || current == "" {
		t.Skip("only e2e/scripts/upgrade-drill.sh asks for it")
	}
	d := newDrill(t)
	first := d.start(old, "one")
	d.merchant(first)
	d.join(first)
	d.join(d.start(old, "two"))
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	d.await("the nodes to be asked", func() bool { return d.pick() != nil })
	before, paid := d.create(ctx, "before"), d.create(ctx, "paid-on-the-way")
	all.Go(func() { d.payers(ctx, before) })
	all.Go(func() { d.creators(ctx) })
	for _, n := range append([]*drillNode(nil), d.nodes...) {
		d.leave(n)
		d.join(d.start(current, n.name+" again"))
		if paid != "" {
			d.pay(paid)
			paid = ""
		}
	}
	d.rest(ctx, 2*time.Second)
	stop()
	all.Wait()
	t.Logf("%d requests, %d failed", d.asked.Load(), d.failed.Load())
	if got := d.create(t.Context(), "before"); got != before {
		t.Errorf("a key made %s before the upgrade and %s after", before, got)
	}
	for _, token := range d.toPay {
		d.await("what was paid on the way to be paid", func() bool {
			status, _, err := d.do(t.Context(), http.MethodGet, "/v2/secure-payments/"+token, "", "X-Api-Key: "+d.rig.key)
			return err == nil && status == http.StatusConflict
		})
	}
}

// drill is nodes of whatever versions on one database and one chain.
type drill struct {
	t             *testing.T
	rig           *rig
	dsn, dir      string
	asked, failed atomic.Int64
	toPay         []string

	mu    sync.Mutex
	nodes []*drillNode
	next  int
}

type drillNode struct {
	name, url, exe, config string
	cmd                    *exec.Cmd
	said                   *bytes.Buffer
	ready                  atomic.Bool
}

func newDrill(t *testing.T) *drill {
	d := &drill{t: t, dsn: pgtest.DSN(t), dir: t.TempDir(), rig: &rig{t: t, chain: asBase(t)}}
	d.rig.chain.Mine(2)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-over:
				return
			case <-tick.C:
				d.look()
			}
		}
	}()
	t.Cleanup(func() {
		close(over)
		<-done
	})
	return d
}

func (d *drill) all() []*drillNode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*drillNode(nil), d.nodes...)
}

func (d *drill) look() {
	for _, n := range d.all() {
		r, err := http.Get(n.url + "/readyz")
		n.ready.Store(err == nil && r.StatusCode == http.StatusOK)
		if err == nil {
			_ = r.Body.Close()
		}
	}
}

func (d *drill) await(what string, ok func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, n := range d.all() {
				d.t.Logf("%s: %s", n.name, n.said)
			}
			d.t.Fatalf("waited too long for %s", what)
		}
	}
}

// start starts a node and waits until it is ready.
func (d *drill) start(exe, name string) *drillNode {
	d.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		d.t.Fatal(err)
	}
	n := &drillNode{name: name, url: "http://" + listen, exe: exe, config: filepath.Join(d.dir, strings.ReplaceAll(name, " ", "-")+".yaml"), said: &bytes.Buffer{}}
	text := fmt.Sprintf(`
base_url: https://pay.example.com
listen: %s
database: %s
keys: [BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=]
routing: {base_url: "http://127.0.0.1:1/v1"}
limits: {page: 0, api_keys: 0}
chains:
  base: {rpc: [%q, %q], confirmations: 2, start_block: 1}
`, listen, d.dsn, d.rig.chain.URL()+"/a", d.rig.chain.URL()+"/b")
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.run(n, "doctor", "--pin")
	n.cmd = exec.Command(exe, "serve", "--config", n.config)
	n.cmd.Env = append(os.Environ(), "QUITTANCE_DRAIN=1s")
	n.cmd.Stdout, n.cmd.Stderr = n.said, n.said
	if err := n.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait() // says that it was killed
	})
	d.await(name+" to be ready", func() bool {
		r, err := http.Get(n.url + "/readyz")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return n
}

// run runs a node's command and returns its answer.
func (d *drill) run(n *drillNode, args ...string) (answer map[string]any) {
	d.t.Helper()
	out, err := exec.Command(n.exe, append(args, "--json", "--config", n.config)...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("quittance %v: %v\n%s", args, err, out)
	}
	_ = json.NewDecoder(bytes.NewReader(out)).Decode(&answer) // not every command answers with an object
	return answer
}

func (d *drill) merchant(n *drillNode) {
	id, _ := d.run(n, "merchant", "create", "Shop")["id"].(string)
	d.rig.key, _ = d.run(n, "apikey", "create", "--merchant", id)["secret"].(string)
}

func (d *drill) join(n *drillNode) {
	d.mu.Lock()
	d.nodes = append(d.nodes, n)
	d.mu.Unlock()
	d.await(n.name+" to be asked", n.ready.Load)
}

// leave stops a node in order. One of a version that says no goodbye is no longer sent
// payers before that, as whoever runs it would do.
func (d *drill) leave(n *drillNode) {
	out := func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		for i, x := range d.nodes {
			if x == n {
				d.nodes = append(d.nodes[:i:i], d.nodes[i+1:]...)
				return
			}
		}
	}
	if os.Getenv("QUITTANCE_DRILL_TAKE_OUT") != "" {
		out()
		d.rest(d.t.Context(), time.Second)
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	if err := n.cmd.Wait(); err != nil {
		d.t.Errorf("%s stopped with %v\n%s", n.name, err, n.said)
	}
	out()
}

// rest lets payers go on for a while.
func (d *drill) rest(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

func (d *drill) pick() *drillNode {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range d.nodes {
		d.next++
		if n := d.nodes[d.next%len(d.nodes)]; n.ready.Load() {
			return n
		}
	}
	return nil
}

// do asks some node that is ready, and another only if nobody listens there.
func (d *drill) do(ctx context.Context, method, path, body string, headers ...string) (status int, text string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	for range 3 {
		n := d.pick()
		if n == nil {
			return 0, "", errors.New("no node is ready")
		}
		r, err := http.NewRequestWithContext(ctx, method, n.url+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		answer, err := client.Do(r)
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		if err != nil {
			return 0, "", err
		}
		got, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(got), errors.Join(err, answer.Body.Close())
	}
	return 0, "", errors.New("no node listens")
}

// asks is do that must succeed for as long as ctx lasts.
func (d *drill) asks(ctx context.Context, want int, method, path, body string, headers ...string) string {
	status, text, err := d.do(ctx, method, path, body, headers...)
	if ctx.Err() != nil {
		return ""
	}
	d.asked.Add(1)
	if err != nil || status != want {
		d.failed.Add(1)
		d.t.Errorf("%s %s: status %d, %.200s, %v", method, path, status, text, err)
		return ""
	}
	return text
}

func (d *drill) create(ctx context.Context, key string) (token string) {
	d.t.Helper()
	text := d.asks(ctx, http.StatusCreated, http.MethodPost, "/v2/secure-payments", ether, "X-Api-Key: "+d.rig.key, "Content-Type: application/json", "Idempotency-Key: "+key)
	var made struct{ Token string }
	if text != "" && json.Unmarshal([]byte(text), &made) != nil {
		d.t.Errorf("create: %s", text)
	}
	return made.Token
}

// payers look at a payment, on its page and behind it, until ctx ends.
func (d *drill) payers(ctx context.Context, token string) {
	for pace := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-pace.C {
		for _, path := range []string{"/?token=" + token, "/checkout/" + token + "/status", "/checkout/" + token + "/options?wallet=" + d.rig.chain.Wallet.Address()} {
			d.asks(ctx, http.StatusOK, http.MethodGet, path, "")
		}
	}
}

func (d *drill) creators(ctx context.Context) {
	pace := time.NewTicker(20 * time.Millisecond)
	for i := 0; ctx.Err() == nil; i++ {
		d.create(ctx, fmt.Sprint("on-the-way-", i))
		<-pace.C
	}
}

// pay pays what nodes of both versions may see.
func (d *drill) pay(token string) {
	d.t.Helper()
	d.rig.url = d.pick().url
	d.rig.said = &bytes.Buffer{}
	d.rig.pay(token)
	d.rig.chain.Mine(3)
	d.toPay = append(d.toPay, token)
}
