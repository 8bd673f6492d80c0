package devchain

import (
	"context"
	"log/slog"

	gethlog "github.com/ethereum/go-ethereum/log"
)

// RouteErrors sends what go-ethereum logs at level error and above to l and drops the rest. The
// library has one logger for the whole process, so this holds for every chain in it and the last call
// wins; without a call the library says nothing. The process's own default logger stays as it is.
func RouteErrors(l *slog.Logger) {
	gethlog.SetDefault(routed{gethlog.NewLogger(errorsOnly{l.Handler()})})
}

// routed hides go-ethereum's own logger type, which SetDefault would also make slog's default.
type routed struct{ gethlog.Logger }

type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

func (h errorsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attrs)}
}

func (h errorsOnly) WithGroup(name string) slog.Handler {
	return errorsOnly{h.Handler.WithGroup(name)}
}
