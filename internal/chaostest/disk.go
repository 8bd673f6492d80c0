//go:build linux

package chaostest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// disk is a directory on a file system of its own, which can be filled; where mounting is
// not allowed it is an ordinary one, which cannot.
type disk struct {
	dir string
	own bool
}

func newDisk(t testing.TB, bytes int64) *disk {
	t.Helper()
	dir, err := os.MkdirTemp("", "quittance-faults-")
	if err != nil {
		t.Fatal(err)
	}
	d := &disk{dir: dir}
	d.own = syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0755", bytes)) == nil
	t.Cleanup(func() {
		if d.own {
			// Detached: it goes as soon as the last process that has it open has gone.
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmounting %s: %v", dir, err)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's user must get in
		t.Fatal(err)
	}
	return d
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves no room on the disk.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		n, werr := f.Write(block)
		if werr != nil && !errors.Is(werr, syscall.ENOSPC) {
			return errors.Join(werr, f.Close())
		}
		if werr != nil && n == 0 {
			block = block[:len(block)/2]
		}
	}
	return f.Close()
}

// free takes the ballast away.
func (d *disk) free() error {
	if err := os.Remove(d.ballast()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func prlimit(pid, resource int, limit *syscall.Rlimit) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), uintptr(unsafe.Pointer(limit)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
