//go:build linux

package chaostest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver
)

// postgres is a server of the suite's own, which can be killed: it is started again, and
// what it had committed must be there.
type postgres struct {
	*process
	addr string
	dsn  string
}

// at is the database's URL where it seems to be at addr.
func (p *postgres) at(addr string) string {
	return fmt.Sprintf("postgres://quittance@%s/postgres?sslmode=disable", addr)
}

// findPostgres returns the directory of PostgreSQL's programs, "" if there are none.
func findPostgres() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is well formed
	if len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// unprivileged is who PostgreSQL runs as: it refuses to be root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("no user postgres or nobody, and the server refuses to be root")
}

func startPostgres(t testing.TB, addr string, d *disk, by *spawner, log *os.File, report func(string, ...any)) *postgres {
	t.Helper()
	bin := findPostgres()
	as, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(d.dir, "pg")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if as != nil {
		if err := os.Chown(data, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr = data, &syscall.SysProcAttr{Credential: as}
		return c
	}
	if out, err := command("initdb", "-D", data, "-U", "quittance", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &postgres{addr: addr}
	p.dsn = p.at(p.addr)
	// An immediate end takes its children along.
	p.process = &process{name: "PostgreSQL", by: by, log: log, report: report, last: syscall.SIGQUIT, command: func() *exec.Cmd {
		// fsync decides about power cuts alone; a commit is in the kernel before it is told.
		return command("postgres", "-D", data, "-p", port, "-c", "listen_addresses="+host, "-c", "unix_socket_directories=",
			"-c", "max_connections=150", "-c", "fsync=off", "-c", "max_wal_size=64MB", "-c", "shared_buffers=32MB")
	}}
	p.supervise(t)
	await(t, "PostgreSQL", func() bool { return p.answers() })
	return p
}

// answers reports whether the server takes queries.
func (p *postgres) answers() bool {
	db, err := sql.Open("pgx", p.dsn)
	if err != nil {
		return false
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return db.PingContext(ctx) == nil
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}
