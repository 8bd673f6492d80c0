package devchain_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	gethlog "github.com/ethereum/go-ethereum/log"

	"quittance/internal/sandbox/devchain"
)

func TestOnlyErrorsAreRouted(t *testing.T) {
	previous := gethlog.Root()
	t.Cleanup(func() { gethlog.SetDefault(previous) })
	standard := slog.Default()

	var out bytes.Buffer
	devchain.RouteErrors(slog.New(slog.NewTextHandler(&out, nil)).With("part", "sandbox"))
	gethlog.Info("chatter")
	gethlog.Warn("grumble")
	gethlog.Error("trouble", "block", 7)
	gethlog.Root().With("peer", 1).Warn("grumble")
	gethlog.Root().With("peer", 1).Error("more trouble")

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "trouble") || !strings.Contains(lines[0], "part=sandbox block=7") ||
		!strings.Contains(lines[1], "peer=1") {
		t.Errorf("logged %q", lines)
	}
	if slog.Default() != standard {
		t.Error("the process's default logger was replaced")
	}
}
