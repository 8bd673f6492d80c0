//go:build linux

package chaostest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// killHolder kills the process that reads the chain: the one that says so, while the
// database has a holder. n is killed instead if none says it.
func (s *Suite) killHolder(n *node) (hit []*node, begun time.Time) {
	for asked := time.Now(); time.Since(asked) < bound; pause(context.Background(), 20*time.Millisecond) {
		before := s.holder()
		for _, x := range s.nodes {
			if before == "" || !s.reads(x) {
				continue
			}
			begun = time.Now()
			if !x.kill() {
				continue
			}
			s.beheaded = before
			return []*node{x}, begun
		}
	}
	s.note("nobody says that it reads the chain")
	begun = time.Now()
	n.strike()
	return []*node{n}, begun
}

// holder is who reads the chain, as the database has it; "" if that is nobody, or the
// database does not say.
func (s *Suite) holder() (holder string) {
	db, err := s.open()
	if err != nil {
		return ""
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if db.QueryRowContext(ctx, `SELECT holder FROM leases WHERE name LIKE 'chain:%'`).Scan(&holder) != nil {
		return ""
	}
	return holder
}

// reads reports whether a process says that it reads the chain.
func (s *Suite) reads(n *node) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.admin+"/metrics", nil)
	if err != nil {
		return false
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), `quittance_lease_held{name="chain:`); ok {
			return strings.HasSuffix(name, " 1")
		}
	}
	return false
}

// killSender kills the process that is delivering a webhook, while its receiver has not
// answered: before that has taken it, or after. n is killed instead if none is delivered.
func (s *Suite) killSender(n *node) (hit []*node, begun time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	from, release := s.hooks.snare(ctx, s.random.IntN(2) == 0)
	defer release()
	begun = time.Now()
	if from != "" {
		for _, x := range s.nodes {
			if owns(x.running(), from) && x.kill() {
				return []*node{x}, begun
			}
		}
	}
	s.note("nobody delivers")
	n.strike()
	return []*node{n}, begun
}

// owns reports whether a process has the connection that its other end knows as from
// ("127.0.0.1:1234").
func owns(pid int, from string) bool {
	if pid == 0 {
		return false
	}
	inode := inodeOf(from)
	if inode == "" {
		return false
	}
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is well formed
	for _, f := range open {
		if to, err := os.Readlink(f); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// inodeOf is the kernel's name for the socket with a local IPv4 address, "" if there is none.
func inodeOf(local string) string {
	host, port, err := net.SplitHostPort(local)
	ip := net.ParseIP(host).To4()
	number, nerr := strconv.ParseUint(port, 10, 16)
	if err != nil || nerr != nil || ip == nil {
		return ""
	}
	// The kernel writes an address as a number of this machine: little-endian wherever we run.
	name := fmt.Sprintf("%s:%04X", strings.ToUpper(hex.EncodeToString([]byte{ip[3], ip[2], ip[1], ip[0]})), number)
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(table) {
		if f := strings.Fields(string(line)); len(f) > 9 && f[1] == name {
			return f[9]
		}
	}
	return ""
}
