//go:build linux

package chaostest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// restartAfter is how long a supervisor waits before it starts a process again.
const restartAfter = 20 * time.Millisecond

// spawner starts processes from one thread that lives as long as the suite: the kernel
// kills a process when the thread that started it ends, so none outlives a killed test.
type spawner struct{ work chan func() }

func newSpawner(t testing.TB) *spawner {
	s := &spawner{make(chan func())}
	var wait sync.WaitGroup
	wait.Go(func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		for f := range s.work {
			f()
		}
	})
	t.Cleanup(func() { close(s.work); wait.Wait() })
	return s
}

func (s *spawner) start(c *exec.Cmd) error {
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	done := make(chan error, 1)
	s.work <- func() { done <- c.Start() }
	return <-done
}

// process is a program that is started again whenever it ends, as systemd or a container
// runtime does.
type process struct {
	name    string
	command func() *exec.Cmd
	by      *spawner
	log     *os.File
	report  func(format string, args ...any)
	last    syscall.Signal // ends it with the test; SIGKILL if zero

	cancel context.CancelFunc
	ended  chan struct{} // closed when the supervisor is done

	mu     sync.Mutex
	pid    int // 0 while none runs
	starts int
	struck bool // a fault killed it
	alone  int  // ends that no fault of ours made
}

// supervise runs the process until the test ends.
func (p *process) supervise(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan struct{})
	go func() {
		defer close(p.ended)
		for ctx.Err() == nil {
			p.once(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(restartAfter):
			}
		}
	}()
	t.Cleanup(p.end)
}

func (p *process) once(ctx context.Context) {
	c := p.command()
	c.Stdout, c.Stderr = p.log, p.log
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setpgid = true // what is typed at the terminal is for the test alone
	p.mu.Lock()
	err := p.by.start(c)
	if err == nil {
		p.pid, p.struck = c.Process.Pid, false
		p.starts++
	}
	p.mu.Unlock()
	if err != nil {
		p.report("%s does not start: %v", p.name, err)
		return
	}
	stop := context.AfterFunc(ctx, func() {
		p.signal(syscall.SIGCONT)
		p.signal(cmp.Or(p.last, syscall.SIGKILL))
	})
	defer stop()
	err = c.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = 0
	if !p.struck && ctx.Err() == nil {
		p.alone++
		_, _ = fmt.Fprintf(p.log, "chaostest: %s ended by itself: %v\n", p.name, err)
	}
}

// signal sends a signal to the process that runs now, and reports whether there was one.
func (p *process) signal(sig syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return false
	}
	if sig == syscall.SIGKILL || sig == syscall.SIGQUIT {
		p.struck = true
	}
	return syscall.Kill(p.pid, sig) == nil
}

func (p *process) running() (pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// endedAlone is how often the process ended without a fault of ours.
func (p *process) endedAlone() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alone
}

func (p *process) end() {
	p.cancel()
	<-p.ended
	_ = p.log.Close()
}

// kill is kill -9: nothing is flushed, nothing is closed.
func (p *process) kill() bool { return p.signal(syscall.SIGKILL) }

// limitFiles has every write to a file fail beyond a size, as a full disk does. most < 0
// takes the limit back.
func (p *process) limitFiles(most int64) error {
	pid := p.running()
	if pid == 0 {
		return nil
	}
	limit := syscall.Rlimit{Cur: ^uint64(0), Max: ^uint64(0)}
	if most >= 0 {
		limit.Cur = uint64(most)
	}
	return prlimit(pid, syscall.RLIMIT_FSIZE, &limit)
}
