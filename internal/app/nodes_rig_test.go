package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/pgtest"
	"quittance/web/webtest"
)

// pipe is a way to a PostgreSQL server that can stop carrying anything, as a network
// does that loses packets: nobody is told.
type pipe struct {
	l  net.Listener
	to string

	mu     sync.Mutex
	thawed chan struct{} // closed while it carries
	open   []net.Conn
	all    sync.WaitGroup
}

// piped returns a pipe to a database, and the database's address through it.
func piped(t *testing.T, dsn string) (*pipe, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{l: l, to: u.Host, thawed: make(chan struct{})}
	p.thaw()
	p.all.Go(p.accept)
	t.Cleanup(func() {
		_ = p.l.Close()
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.thaw()
		p.all.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *pipe) accept() {
	for {
		here, err := p.l.Accept()
		if err != nil {
			return
		}
		there, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = here.Close()
			continue
		}
		p.mu.Lock()
		p.open = append(p.open, here, there)
		p.mu.Unlock()
		p.all.Go(func() { p.carry(here, there) })
		p.all.Go(func() { p.carry(there, here) })
	}
}

// carry copies until either end is closed.
func (p *pipe) carry(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		thawed := p.thawed
		p.mu.Unlock()
		<-thawed
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *pipe) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thawed = make(chan struct{})
}

func (p *pipe) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.thawed:
	default:
		close(p.thawed)
	}
}

// cluster is several servers on one PostgreSQL and one chain.
type cluster struct {
	t     *testing.T
	dsn   string
	nodes []*webtest.World
	pipes []*pipe // each node's way to the database
}

func newCluster(t *testing.T, nodes int, o webtest.Options) *cluster {
	t.Helper()
	c := &cluster{t: t, dsn: pgtest.DSN(t)}
	for range nodes {
		c.join(o)
	}
	return c
}

// join starts one more node.
func (c *cluster) join(o webtest.Options) *webtest.World {
	c.t.Helper()
	way, dsn := piped(c.t, c.dsn)
	o.Database = dsn
	if len(c.nodes) > 0 {
		o.Chain = c.nodes[0].Chain
	}
	w := webtest.NewWith(c.t, o)
	if len(c.nodes) > 0 {
		w.APIKey, w.Merchant = c.nodes[0].APIKey, c.nodes[0].Merchant
	}
	c.nodes, c.pipes = append(c.nodes, w), append(c.pipes, way)
	return w
}

// reader is who reads the chain, by the lease.
func (c *cluster) reader(of *webtest.World) string {
	c.t.Helper()
	rows, err := of.App.Store.Leases(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Name == fmt.Sprintf("chain:%d", asset.SandboxBase) {
			return r.Holder
		}
	}
	return ""
}

// within polls for something that is promised to happen in time.
func within(t *testing.T, most time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !ok() {
		if time.Since(begun) > most {
			t.Fatalf("%s: not within %v", what, most)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begun)
}

// tab is a payment's page that is open somewhere.
type tab struct {
	mu  sync.Mutex
	at  map[string]time.Time // when each state was told first
	got []string
}

// openTab follows a payment on a node until the test's end.
func openTab(t *testing.T, w *webtest.World, token string) *tab {
	t.Helper()
	s := httptest.NewServer(w.App.Server)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/checkout/"+token+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	x, done := &tab{at: map[string]time.Time{}}, make(chan struct{})
	go func() {
		defer close(done)
		x.read(answer.Body)
	}()
	t.Cleanup(func() {
		cancel()
		_ = answer.Body.Close()
		<-done
		s.Close()
	})
	return x
}

func (x *tab) read(from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var v struct{ State string }
		if !ok || json.Unmarshal([]byte(data), &v) != nil {
			continue
		}
		x.mu.Lock()
		if x.at[v.State].IsZero() {
			x.at[v.State] = time.Now()
			x.got = append(x.got, v.State)
		}
		x.mu.Unlock()
	}
}

// told is when a state was told, zero if it was not.
func (x *tab) told(state string) time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.at[state]
}
